"""The leapfrog integrator's properties and the distributions that the transitions keep."""

import math

import pytest
import torch
from kit import gen

from genbench.models.hmc import hmc_step, leapfrog

STD = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)


def energy(x):
    return 0.5 * (x / STD).square().sum(-1)


def gradient(x):
    return x / STD**2


def quartic(x):
    return (x.square() - 1).square().sum(-1)


def steep(x):
    return 4 * x * (x.square() - 1)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=gen(seed), dtype=torch.float64)


@pytest.mark.parametrize("half", [None, 0.7])
def test_a_trajectory_runs_back_to_its_start(half):
    x, velocity = draw(200, 3).clamp(-0.69, 0.69), draw(200, 3, seed=1)
    moved, speed = leapfrog(x, velocity, steep, 0.1, 12, half)
    back, turned = leapfrog(moved, -speed, steep, 0.1, 12, half)
    assert float((moved - x).abs().mean()) > 0.1
    assert torch.allclose(back, x, atol=1e-10) and torch.allclose(turned, -velocity, atol=1e-10)
    if half:
        assert float(moved.abs().max()) <= half


@pytest.mark.parametrize("half", [None, 0.7])
def test_a_trajectory_keeps_volumes(half):
    state = torch.cat([draw(5).clamp(-0.6, 0.6), draw(5, seed=1)])

    def flow(s):
        x, velocity = leapfrog(s[None, :5], s[None, 5:], steep, 0.1, 7, half)
        return torch.cat([x[0], velocity[0]])

    jacobian = torch.autograd.functional.jacobian(flow, state)
    assert float(torch.linalg.slogdet(jacobian).logabsdet) == pytest.approx(0, abs=1e-10)


def test_the_error_of_the_total_energy_is_of_second_order():
    x, velocity = draw(100, 3), draw(100, 3, seed=1)

    def error(step, count):
        end, speed = leapfrog(x, velocity, gradient, step, count)
        total = energy(end) + 0.5 * speed.square().sum(-1) - energy(x) - 0.5 * velocity.square().sum(-1)
        return float(total.abs().mean())

    assert 3.5 < error(0.1, 10) / error(0.05, 20) < 4.5


def test_a_step_by_chain_is_that_chain_alone():
    x, velocity = draw(2, 3), draw(2, 3, seed=1)
    both, _ = leapfrog(x, velocity, gradient, torch.tensor([[0.1], [0.3]]).double(), 4)
    for i, step in enumerate((0.1, 0.3)):
        alone, _ = leapfrog(x[i : i + 1], velocity[i : i + 1], gradient, step, 4)
        assert torch.allclose(both[i], alone[0])


def test_long_trajectories_of_a_gaussian_are_rotations():
    """A quarter of the period turns position into velocity: x(t) = x cos t + v sin t."""
    x, velocity = draw(50, 3), draw(50, 3, seed=1)
    end, speed = leapfrog(x, velocity, lambda v: v, math.pi / 2 / 1000, 1000)
    assert torch.allclose(end, velocity, atol=1e-4) and torch.allclose(speed, -x, atol=1e-4)


@pytest.mark.parametrize(("step", "count"), [(0.3, 1), (0.4, 4), (0.9, 3)])
def test_transitions_keep_a_gaussian(step, count):
    """Started from the distribution itself, moments stay; without the test of acceptance they would not, with these steps."""
    n, generator = 20_000, gen(2)
    x = STD * draw(n, 3)
    value, share = energy(x), []
    for _ in range(8):
        x, value, accepted = hmc_step(x, value, energy, gradient, step, count, generator)
        share.append(float(accepted.double().mean()))
    assert torch.allclose(value, energy(x))
    assert 0.3 < sum(share) / 8 < 0.995
    variance, fourth = (x / STD).square(), (x / STD).pow(4)
    assert float((variance.mean(0) - 1).abs().max()) < 4 * (2 / n) ** 0.5
    assert float((fourth.mean(0) - 3).abs().max()) < 4 * (96 / n) ** 0.5


def test_transitions_in_a_box_reach_the_truncated_distribution():
    """From a corner to the double well exp(-(x^2 - 1)^2) cut at 1.3; moments by quadrature."""
    n, generator = 4000, gen(3)
    x = torch.full((n, 2), 1.2, dtype=torch.float64)
    value = quartic(x)
    for _ in range(60):
        x, value, _ = hmc_step(x, value, quartic, steep, 0.35, 4, generator, half=1.3)
    grid = torch.linspace(-1.3, 1.3, 20_001, dtype=torch.float64)
    weight = (-(grid.square() - 1).square()).exp()
    for power in (1, 2, 4):
        exact = float((grid.pow(power) * weight).sum() / weight.sum())
        second = float((grid.pow(2 * power) * weight).sum() / weight.sum())
        assert float(x.pow(power).mean()) == pytest.approx(exact, abs=4 * ((second - exact**2) / (2 * n)) ** 0.5)


def test_an_infinite_or_undefined_energy_is_refused():
    def wall(x):
        return torch.where(x[:, 0] > 0, torch.nan, torch.where(x[:, 0] < -1, torch.inf, 0.0))

    x = torch.full((500, 1), -0.5)
    for seed in range(5):
        x, value, accepted = hmc_step(x, wall(x), wall, torch.zeros_like, 0.5, 2, gen(seed))
        assert bool(((x > -1) & (x <= 0)).all()) and bool(value.isfinite().all())
        assert 0 < float(accepted.float().mean()) < 1


def test_a_step_repeats_with_its_generator():
    x = draw(10, 3)
    first, second = (hmc_step(x, energy(x), energy, gradient, 0.5, 3, gen(7))[0] for _ in range(2))
    assert torch.equal(first, second)
