"""Replicas: whatever the group and the mode, a trial is what it is alone."""

import functools

import pytest
import tiny
import torch

from genbench.training import replicas as module
from genbench.training.replicas import Replicas, build

cases = functools.partial(pytest.mark.parametrize, "case", ids=str)
LIFTABLE = [c for c in tiny.CASES if c.cls.players and c.make().liftable]
SEEDS = [11, 5, 3]
UPDATES = 4
DOUBLE = {"dtype": torch.float64}
SWITCHES = {"ema": 0.9, "warmup": 0.2}


def hyperparameters(case):
    """Three different ones of everything that a trial may set, the method's own included."""
    common = [
        {"lr": 3e-3},
        {"lr": 1e-2, "beta1": 0.5, "beta2": 0.9, "clip": 0.5},
        {"lr": 1e-3, "weight_decay": 0.1, "beta1": 0.0, **{f"lr_{p}": 2e-3 for p in case.cls.players}},
    ]
    own = [{name: value * k + 0.1 * (k - 1) for name, value in case.hp.items()} for k in (1, 2, 3)]
    rates = {f"lr_{p}": 3e-3 for p in case.cls.players}
    return [rates | a | b for a, b in zip(common, own, strict=True)]


def curve(result):
    return {(update, series): value for update, series, value, _ in result.history}


def assert_same(one, other, tolerance=1e-9):
    """Equal curves and equal weights, relative to the largest number of each tensor."""
    assert (one.status, one.selected_update, one.step) == (other.status, other.selected_update, other.step)
    a, b = curve(one), curve(other)
    assert a.keys() == b.keys() and a
    for key, value in a.items():
        assert value == pytest.approx(b[key], rel=tolerance, abs=tolerance), key
    left, right = one.model.state_dict(), other.model.state_dict()
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        size = float(tensor.abs().max()) if tensor.is_floating_point() and tensor.numel() else 0.0
        assert float((tensor.double() - right[name].double()).abs().max()) <= tolerance * max(size, 1e-3), name


@pytest.fixture(scope="module", params=LIFTABLE, ids=str)
def group(request):
    """A case, what its three trials are trained with, their trainer, and their results when trained together."""
    case, hps = request.param, hyperparameters(request.param)
    trainer = tiny.trainer(case, SEEDS, hps, UPDATES, batch=8, switches=SWITCHES, lifted=True, **DOUBLE)
    assert trainer.replicas.lifted
    return case, hps, trainer, trainer.run()


def test_lifted_equals_a_loop_in_another_order(group):
    case, hps, _, lifted = group
    loop = tiny.trainer(case, SEEDS[::-1], hps[::-1], UPDATES, batch=8, switches=SWITCHES, lifted=False, **DOUBLE)
    assert not loop.replicas.lifted
    finals = []
    for a, b in zip(lifted, loop.run()[::-1], strict=True):
        assert a.status == "ok"
        assert_same(a, b)
        finals.append(torch.cat([t.flatten() for t in a.model.parameters()]))
    # they are three different trials
    assert not torch.allclose(finals[0], finals[1]) and not torch.allclose(finals[1], finals[2])


def test_a_trial_alone_equals_the_trial_in_a_group(group):
    case, hps, trainer, results = group
    single = tiny.trainer(case, SEEDS[1:2], hps[1:2], UPDATES, batch=8, switches=SWITCHES, **DOUBLE)
    assert single.cost == trainer.cost and trainer.cost.flops > 0
    assert trainer.cost.evaluations >= 8 and trainer.cost.samples % 8 == 0
    assert_same(results[1], *single.run())


@cases(argvalues=[c for c in tiny.CASES if not (c.cls.players and c.make().liftable)])
def test_an_unlifted_trial_alone_equals_the_trial_in_a_group(case):
    hps = [dict(case.hp)] * 3
    trainer, single = (tiny.trainer(case, seeds, hps[: len(seeds)], 4, batch=8, **DOUBLE) for seeds in (SEEDS, SEEDS[2:]))
    assert trainer.cost == single.cost and trainer.cost.flops > 0
    (alone,) = single.run()
    for name, tensor in trainer.run()[2].model.state_dict().items():
        torch.testing.assert_close(tensor, alone.model.state_dict()[name], rtol=1e-9, atol=1e-12, msg=name)


def test_weights_and_stream_depend_on_the_seed_alone():
    case = tiny.case_of("vae-points")
    torch.manual_seed(1)
    first = build(case.make, 7)
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    second = build(case.make, 7)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(build(case.make, 8).parameters()), next(first.parameters()))


def test_extract_gives_the_replicas_own_weights():
    case = tiny.case_of("ebm-points")
    for lifted in (True, False):
        replicas = Replicas(case.make, SEEDS, [{"lr": 1.0}] * 3, "cpu", torch.float32, lifted)
        for k, seed in enumerate(SEEDS):
            model, fresh = replicas.extract(k), build(case.make, seed)
            for (name, a), b in zip(model.state_dict().items(), fresh.state_dict().values(), strict=True):
                assert torch.equal(a, b), name
            assert not model.training and not any(p.requires_grad for p in model.parameters())
        with torch.no_grad():
            for row in replicas.rows[1].values():
                row.zero_()
        assert not any(bool(p.any()) for p in replicas.extract(1).parameters())
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), replicas.extract(2).parameters(), strict=True))


def test_draws_are_cut_into_blocks_without_a_seam(monkeypatch):
    """What a trial sees must not depend on how many companions share a block, only on model and batch."""
    case = tiny.case_of("vae-points")

    def draws(seeds, count):
        replicas = Replicas(case.make, seeds, [{"lr": 1.0}] * len(seeds), "cpu", torch.float32, len(seeds) > 1)
        return [replicas.draw(200, 4, (2,), True) for _ in range(count)]

    alone, group = draws([5], 70), draws(SEEDS, 70)
    for one, several in zip(alone, group, strict=True):
        assert one.keys() == several.keys() == {"index", "dequantise", "z"}
        assert all(torch.equal(one[name][0], several[name][1]) for name in one)
    assert len({float(noise["z"].sum()) for noise in alone}) == 70
    assert int(torch.stack([noise["index"] for noise in alone]).max()) < 200


def test_a_block_of_large_noise_is_shorter(monkeypatch):
    case = tiny.case_of("ebm-images")
    replicas = Replicas(case.make, [0], [{"lr": 1.0}], "cpu", torch.float32, False)
    assert replicas.block(16) == module.BLOCK
    monkeypatch.setattr(module, "BLOCK_BYTES", 16 * 4 * 64 * 4 * 10)  # batch x steps x dim x float32, ten times
    assert 1 < replicas.block(16) < 12
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    assert replicas.block(16) == 1


def test_parameter_count():
    case = tiny.case_of("ns_gan-points")
    for lifted in (True, False):
        replicas = Replicas(case.make, SEEDS, [{"lr": 1.0}] * 3, "cpu", torch.float32, lifted)
        assert replicas.parameter_count() == sum(p.numel() for p in case.make().parameters())
