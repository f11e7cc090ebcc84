"""Costs of a step counted by hand, and what a budget buys."""

import pytest
import tiny
import torch

from genbench.config.schema import Budget
from genbench.training.costs import StepCost, updates_of
from genbench.training.replicas import stream

B, D, Z, W = 8, 2, 2, 16  # batch, dimension, latent, width


def cost_of(name, updates=5, **more):
    return tiny.trainer(tiny.case_of(name), [0], [{}], updates, batch=B, **more)


def products(*sizes):
    """Arithmetic of the matrix products of a perceptron's forward pass."""
    return 2 * B * sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))


def test_a_vaes_step_by_hand():
    encoder, decoder = products(D, W, 2 * Z), products(Z, W, 2 * D)
    # backward: as much for the weights, as much for the inputs, but the data need no gradient
    flops = 3 * (encoder + decoder) - products(D, W)
    assert cost_of("vae-points").cost == StepCost(samples=B, evaluations=B, flops=flops)


def test_a_gans_step_by_hand():
    critic, generator = products(D, W, W, 1), products(Z, W, W, D)
    # fakes, real and fake forward; backward to the weights and, but for the data, to the inputs of each layer
    update_critic = generator + 2 * critic + 2 * (2 * critic - products(D, W))
    # forward through both; backward through the critic without its weights, to the generator's weights but not to z
    update_generator = generator + critic + critic + 2 * generator - products(Z, W)
    cost = cost_of("ns_gan-points").cost
    assert cost.samples == B  # the generator's update shows no data
    assert cost.evaluations == 5 * B  # fakes; real and fake through the critic; fakes again through both
    assert cost.flops == update_critic + update_generator


def test_critic_steps_are_counted():
    cost = cost_of("wgan_gp-points").cost
    assert cost.samples == 5 * B
    # five times: fakes, and real, fake and mixed through the critic; once: fakes through both
    assert cost.evaluations == 5 * (B + 3 * B) + 2 * B


def test_langevin_steps_are_counted():
    assert cost_of("ebm-points").cost.evaluations == (4 + 2) * B  # NETS: 4 steps, then data and chains


def test_counting_leaves_no_trace():
    """Neither a hook on the layers, nor a number drawn from a trial's stream, nor a changed weight."""
    first, second = (cost_of("ns_gan-points") for _ in range(2))
    assert not any(m._forward_hooks for m in first.model.modules())
    start = [t.clone() for t in second.leaves]
    assert all(torch.equal(a, b) for a, b in zip(first.leaves, start, strict=True))
    fresh = torch.Generator().manual_seed(stream(0, "training"))
    assert torch.equal(first.replicas.generators[0].get_state(), fresh.get_state())


@pytest.mark.parametrize(
    ("unit", "value", "updates"),
    [
        ("updates", 7, 7),
        ("samples", 1000, 10),
        ("samples", 1099, 10),
        ("samples", 1, 1),
        ("evaluations", 5000, 10),
        ("flops", 1e6, 20),
    ],
)
def test_what_a_budget_buys(unit, value, updates):
    assert updates_of(Budget(unit=unit, value=value), StepCost(100, 500, 50_000)) == updates


@pytest.mark.parametrize("unit", ["updates", "samples", "evaluations", "flops"])
def test_no_budget_buys_less_than_one_update(unit):
    assert updates_of(Budget(unit=unit, value=0.5), StepCost(100, 500, 50_000)) == 1


@pytest.mark.parametrize("unit", ["samples", "evaluations", "flops"])
def test_a_budget_ends_training_and_all_costs_are_recorded(unit):
    for name in ("vae-points", "wgan_gp-points"):
        step = cost_of(name).cost
        budget = Budget(unit=unit, value=6.5 * getattr(step, unit))
        (result,) = cost_of(name, budget=budget).run()
        players = tiny.case_of(name).cls.players
        assert result.costs["updates"] == 6
        assert result.costs["player_updates"] == {p: 6 * n for p, n in players.items()}
        assert [result.costs[u] for u in ("samples", "evaluations", "flops")] == [
            6 * step.samples, 6 * step.evaluations, 6 * step.flops
        ]  # fmt: skip
        assert result.costs["seconds"] > 0 and result.costs["peak_memory_mb"] > 0


def test_a_closed_form_fit_keeps_to_the_budget_too():
    """An update of a mixture is a pass over all 200 examples, whatever unit the study counts in."""
    case = tiny.case_of("gmm-points")
    plenty = tiny.trainer(case, [0], [{}], 50).run()[0].costs
    assert plenty["samples"] == 200 * plenty["updates"] and plenty["updates"] > 1
    for unit in ("samples", "evaluations", "flops"):
        value = 1.5 * plenty[unit] / plenty["updates"]
        costs = tiny.trainer(case, [0], [{}], 0, budget=Budget(unit=unit, value=value)).run()[0].costs
        assert costs["updates"] == 1 and costs[unit] <= value
