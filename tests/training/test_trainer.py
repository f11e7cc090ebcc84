"""The training loop: resuming, divergence, averaging, curves."""

import functools
import math
import re

import pytest
import tiny
import torch

from genbench.config.schema import Budget
from genbench.data.space import Standard
from genbench.models.base import Model
from genbench.training import replicas
from genbench.training.trainer import HP, Switches, Trainer

cases = functools.partial(pytest.mark.parametrize, "case", ids=str)


class Point(Model):
    """The smallest model: learns the mean of the data."""

    selects = True
    likelihood = "none"

    def __init__(self, shape, levels=None):
        super().__init__(shape, levels)
        self.net = torch.nn.Linear(1, self.dim)

    def loss_net(self, x, noise, hp):
        return (x - self.net.bias).square().mean() + 0 * self.net.weight.sum()

    def sample(self, n, generator):
        return self.net.bias.expand(n, -1)


class Duel(Model):
    """Two players on a schedule: the loss of each is finite until its own counter reaches `fuse`."""

    players = {"first": 1, "second": 1}
    hp = {"fuse_first": 1e9, "fuse_second": 1e9}

    def __init__(self, shape, levels=None):
        super().__init__(shape, levels)
        self.first, self.second = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
        self.register_buffer("count_first", torch.zeros(()))
        self.register_buffer("count_second", torch.zeros(()))

    def _loss(self, player, hp):
        done = getattr(self, f"count_{player}") + 1
        value = sum(p.square().sum() for p in getattr(self, player).parameters())
        return torch.where(done >= hp[f"fuse_{player}"], torch.nan, value)

    def loss_first(self, x, noise, hp):
        return self._loss("first", hp)

    def loss_second(self, x, noise, hp):
        return self._loss("second", hp)

    def state_first(self, noise, hp):
        return {"count_first": self.count_first + 1}

    def state_second(self, noise, hp):
        return {"count_second": self.count_second + 1}


def small(cls, hps, updates, *, switches=None, seeds=None, **more):
    g = torch.Generator().manual_seed(0)
    data = 3 + torch.randn(300, 2, generator=g)
    budget = Budget(unit="updates", value=updates)
    return Trainer(
        functools.partial(cls, (2,)), seeds or list(range(len(hps))), hps, data[:200], data[200:],
        Standard((2,), None, (0.0, 0.0), 1.0), 8, budget, switches or Switches(), **more,
    )  # fmt: skip


def curve(result, series):
    return [(update, value) for update, name, value, _ in result.history if name == series]


# ---- resuming


class Interrupt(Exception):
    """The job is killed."""


def stop_at(limit):
    """A log callback that kills the run once `limit` updates are done; the updates at which it was called."""
    seen = []

    def log(done, total, values):
        seen.append(done)
        if done >= limit:
            raise Interrupt

    return log, seen


@pytest.mark.parametrize(
    ("name", "lifted"),
    [
        ("vae-images", True),
        ("ebm-points", True),
        ("ebm-points", False),
        ("wgan_gp-points", True),
        ("made-images-dropout", True),
        ("ffjord-points", False),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(name, lifted, tmp_path, monkeypatch):
    monkeypatch.setattr(replicas, "BLOCK", 8)
    case, updates, file = tiny.case_of(name), 30, tmp_path / "checkpoint.safetensors"

    def make(log=None, checkpoint=None):
        hps = [{"lr": 3e-3, "clip": 1.0}, {"lr": 1e-2, "weight_decay": 0.1}]
        return tiny.trainer(
            case, [4, 9], hps, updates, batch=8, lifted=lifted, checkpoint=checkpoint, interval=0.0, key="k", log=log,
        )  # fmt: skip

    whole = make().run()
    for limit in (16, 24):  # killed twice, the second time after resuming
        log, _ = stop_at(limit)
        with pytest.raises(Interrupt):
            make(log, file).run()
        assert file.exists()
    log, seen = stop_at(math.inf)
    resumed = make(log, file).run()
    assert seen[0] == 24, "it started from the beginning"
    for a, b in zip(whole, resumed, strict=True):
        assert (a.status, a.selected_update) == (b.status, b.selected_update) and a.status == "ok"
        for (key, left), right in zip(a.model.state_dict().items(), b.model.state_dict().values(), strict=True):
            assert torch.equal(left, right), key
        assert [p[:3] for p in a.history] == [p[:3] for p in b.history]
        assert {**a.costs, "seconds": 0, "group_seconds": 0, "peak_memory_mb": 0} == {
            **b.costs, "seconds": 0, "group_seconds": 0, "peak_memory_mb": 0
        }  # fmt: skip
    assert resumed[0].costs["seconds"] > 0


@pytest.mark.parametrize("lifted", [True, False])
def test_the_best_weights_survive_an_interruption(lifted, tmp_path):
    """Weights that only jump about: the best were seen before the checkpoint."""
    file = tmp_path / "checkpoint.safetensors"

    def make(log=None, checkpoint=None):
        switches = Switches(ema=0.0, schedule="constant")
        hps = [{"lr": 0.3}] * 4
        return small(Point, hps, 200, switches=switches, lifted=lifted, checkpoint=checkpoint, interval=0.0, log=log)

    whole = make().run()
    assert any(0 < r.selected_update < 160 for r in whole)
    log, _ = stop_at(192)
    with pytest.raises(Interrupt):
        make(log, file).run()
    for a, b in zip(whole, make(None, file).run(), strict=True):
        assert a.selected_update == b.selected_update
        assert all(torch.equal(p, q) for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True))


def test_a_checkpoint_made_for_something_else_is_ignored(tmp_path):
    file = tmp_path / "checkpoint.safetensors"
    case = tiny.case_of("vae-points")

    def make(key, log=None, **more):
        return tiny.trainer(case, [1], [{}], 80, batch=8, interval=0.0, key=key, log=log, **more)

    log, _ = stop_at(60)
    with pytest.raises(Interrupt):
        make("one", log, checkpoint=file).run()
    log, seen = stop_at(math.inf)
    (other,) = make("other", log, checkpoint=file).run()
    assert seen[0] <= 32
    (fresh,) = make("other").run()
    assert all(torch.equal(a, b) for a, b in zip(other.model.parameters(), fresh.model.parameters(), strict=True))


@pytest.mark.parametrize("content", [b"", b"half a file", b"\xff" * 500])
def test_a_broken_checkpoint_is_ignored(tmp_path, content):
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(content)
    (result,) = small(Point, [{}], 3, checkpoint=file).run()
    assert result.status == "ok" and result.costs["updates"] == 3


def test_no_checkpoint_is_written_before_the_interval(tmp_path):
    file = tmp_path / "checkpoint.safetensors"
    small(Point, [{}], 100, checkpoint=file, interval=1000.0).run()
    assert not file.exists()


# ---- divergence


@pytest.mark.parametrize("lifted", [True, False])
@pytest.mark.parametrize("name", ["vae-points", "ns_gan-points", "ebm-points"])
def test_a_diverged_replica_does_not_disturb_the_others(name, lifted):
    case, updates = tiny.case_of(name), 40
    good = [{"lr": 1e-3}, {"lr": 3e-3}]
    with_bad = [good[0], {"lr": 1e8}, good[1], {"lr": math.nan}]
    common = {"batch": 8, "dtype": torch.float64, "lifted": lifted}
    first, wild, second, broken = tiny.trainer(case, [0, 1, 2, 3], with_bad, updates, **common).run()
    for bad in (wild, broken):
        assert bad.status == "diverged" and bad.model is None and bad.cause
        assert 1 <= bad.step <= updates
        assert all(math.isfinite(value) for _, _, value, _ in bad.history)
    assert broken.step == (1 if "gan" in name else 2)  # the first update after the weights became nan
    for got, want in zip((first, second), tiny.trainer(case, [0, 2], good, updates, **common).run(), strict=True):
        assert got.status == "ok" and got.step is None and got.cause is None
        for (key, a), b in zip(got.model.state_dict().items(), want.model.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=key)


@pytest.mark.parametrize(("first", "second", "step"), [(5, 1e9, 5), (1e9, 7, 7), (9, 8, 8), (8, 9, 8), (40, 39, 39)])
@pytest.mark.parametrize("lifted", [True, False])
def test_the_step_of_the_earliest_divergence_is_recorded(first, second, step, lifted):
    hps = [{"fuse_first": 1e9, "fuse_second": 1e9}, {"fuse_first": first, "fuse_second": second}]
    fine, bad = small(Duel, hps, 60, lifted=lifted).run()
    assert fine.status == "ok" and bad.status == "diverged"
    assert bad.step == step


@pytest.mark.parametrize("lifted", [True, False])
def test_a_diverged_replica_is_frozen(lifted):
    trainer = small(Duel, [{}, {"fuse_first": 3}], 200, lifted=lifted)
    trainer.run()
    assert int(trainer.adam["first"].steps[0]) == 200
    assert int(trainer.adam["first"].steps[1]) <= 64  # seen at the end of a block of draws


def test_a_loss_that_grows_without_bound_is_divergence():
    (result,) = small(Point, [{"lr": 1e7}], 50, switches=Switches(schedule="constant")).run()
    assert result.status == "diverged" and re.search("1e.10", result.cause)


def test_the_curve_of_a_diverged_trial_ends_where_it_failed():
    fine, bad = small(Point, [{"lr": 1e-3}, {"lr": 1e7}], 80, switches=Switches(schedule="constant")).run()
    assert bad.status == "diverged" and bad.history
    assert max(update for update, *_ in bad.history) <= bad.step
    assert max(update for update, *_ in fine.history) == 80


def test_what_a_diverged_trial_cost_does_not_depend_on_its_companions():
    hps = [{}, {"fuse_first": 3}]
    costs = [
        small(Duel, hps[-n:], 100, seeds=[7, 8][-n:]).run()[-1].costs for n in (1, 2)
    ]  # fmt: skip
    for key in ("updates", "player_updates", "samples", "flops"):
        assert costs[0][key] == costs[1][key], key


def test_a_run_ends_when_nobody_is_left():
    results = small(Duel, [{"fuse_first": 3, "fuse_second": 1e9}] * 2, 1000).run()
    assert all(r.status == "diverged" and r.step == 3 for r in results)
    assert results[0].costs["updates"] < 200


def test_weights_that_ended_non_finite_are_no_result():
    """The last gradient step may break what no later loss sees."""
    (result,) = small(Duel, [{"lr": math.nan}], 1).run()
    assert result.status == "diverged" or all(bool(p.isfinite().all()) for p in result.model.parameters())


# ---- averages, rates, selection


def test_the_average_is_ramped():
    """After n updates the decay is n / (n + 9), at most `ema`: the mean of a trajectory that shorter runs spell out."""
    ema, rate = 0.45, {"lr": 0.05}
    runs = [small(Duel, [rate], n, switches=Switches(ema=ema, schedule="constant"), dtype=torch.float64) for n in range(1, 13)]
    average = [t.clone() for t in runs[0].leaves]
    for n, trainer in enumerate(runs, 1):
        trainer.run()
        decay = min(ema, n / (n + 9))
        average = [decay * a + (1 - decay) * w for a, w in zip(average, trainer.leaves, strict=True)]
        for got, expected in zip(trainer.average, average, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
    model = small(Duel, [rate], 12, switches=Switches(ema=ema, schedule="constant"), dtype=torch.float64).run()[0].model
    for p, expected in zip(model.parameters(), average, strict=True):  # what samples is the average
        torch.testing.assert_close(p, expected, rtol=1e-9, atol=1e-12)


def rates(switches, updates=20):
    trainer = small(Point, [{"lr": 1.0}], updates, switches=switches)
    out = []
    for trainer.done in range(updates):
        out.append(trainer.rate())
    return out


def test_learning_rate_schedules():
    assert rates(Switches(schedule="constant")) == [1.0] * 20
    cosine = rates(Switches(schedule="cosine"))
    assert cosine[0] == 1 and cosine[10] == pytest.approx(0.5) and 0 < cosine[-1] < 0.01
    assert cosine == sorted(cosine, reverse=True)
    warm = rates(Switches(schedule="constant", warmup=0.25))
    assert warm[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_each_player_can_have_its_own_rate():
    trainer = small(Duel, [{"lr": 0.0, "lr_second": 0.1}], 5)
    start = [t.clone() for t in trainer.leaves]
    trainer.run()
    moved = {name: not torch.equal(a, b) for name, a, b in zip(trainer.replicas.rows[0], start, trainer.leaves, strict=True)}
    assert moved == {name: ".second." in name for name in moved}


def test_missing_hyperparameters_take_the_defaults():
    trainer = tiny.trainer(tiny.case_of("wgan_gp-points"), [0], [{"lr": 0.5}], 1, batch=4)
    assert trainer.replicas.hps == [{**HP, "gp": 10.0, "lr": 0.5}]


def test_validation_chooses_the_weights():
    """The rate rises until the weights only jump about: some earlier average was better than the last."""
    trainer = small(Point, [{"lr": 0.3}], 200, switches=Switches(ema=0.0, schedule="constant"))
    (result,) = trainer.run()
    looks = dict(curve(result, "validation"))
    assert result.selected_update == min(looks, key=looks.get) < 200
    x = trainer.validation
    assert float((x - result.model.net.bias).square().mean()) == pytest.approx(min(looks.values()), rel=1e-5)


def test_a_model_that_does_not_select_keeps_its_last_weights():
    (result,) = tiny.trainer(tiny.case_of("ns_gan-points"), [0], [{}], 30, batch=4).run()
    assert result.selected_update == 30 and not curve(result, "validation")


def test_validation_does_not_change_training():
    """A look draws from a stream of its own."""
    trainers = [small(Point, [{"lr": 0.1}], 40, dtype=torch.float64) for _ in range(2)]
    trainers[1].model.selects = False
    for trainer in trainers:
        trainer.run()
    assert all(torch.equal(a, b) for a, b in zip(trainers[0].leaves, trainers[1].leaves, strict=True))


# ---- curves


@pytest.mark.parametrize("updates", [1, 7, 20, 39, 59, 300, 599])
def test_curves_have_few_points_and_the_last(updates):
    trainer = small(Point, [{"lr": 0.01}], updates)
    (result,) = trainer.run()
    loss, validation = curve(result, "loss/net"), curve(result, "validation")
    assert len(loss) <= 300, "more than HISTORY points"
    assert len(loss) >= min(updates, 100)
    assert len(validation) <= 21, "more than VALIDATIONS looks"
    assert len(validation) >= min(updates, 10)
    for series in (loss, validation):
        steps = [update for update, _ in series]
        assert steps == sorted(set(steps)) and steps[-1] == updates and steps[0] >= 1


def test_progress_is_reported():
    calls = []
    small(Duel, [{}, {}], 70, log=lambda done, total, values: calls.append((done, total, sorted(values)))).run()
    assert calls[-1] == (70, 70, ["first", "second"])
    assert [c[0] for c in calls] == sorted({c[0] for c in calls})


def test_a_fit_without_gradient_steps_is_a_result_too():
    case = tiny.case_of("gmm-points")
    results = tiny.trainer(case, [0, 1], [{}, {}], 30).run()
    assert [r.status for r in results] == ["ok", "ok"]
    first = results[0]
    assert 1 <= first.costs["updates"] == first.selected_update <= 30
    assert first.costs["parameters"] == 8 * (1 + 2 + 3) - 1 and first.costs["replicas"] == 1
    assert not torch.equal(results[0].model.means, results[1].model.means)


@pytest.mark.parametrize("lifted", [True, False])
def test_a_checkpoint_on_the_way_is_what_a_shorter_run_ends_with(lifted):
    def run(updates, parts):
        switches = Switches(schedule="constant", checkpoints=parts)
        return small(Duel, [{"lr": 0.01}, {"lr": 0.1}], updates, switches=switches, lifted=lifted).run()

    for k, result in enumerate(run(40, 4)):
        assert list(result.earlier) == [10, 20, 30]
        for update, model in result.earlier.items():
            expected = run(update, 1)[k].model.state_dict()
            assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_no_model_brings_its_own_best_among_several_checkpoints():
    hps = [{"lr": 0.3}] * 4
    for parts, jumps in ((1, True), (4, False)):
        switches = Switches(ema=0.0, schedule="constant", checkpoints=parts)
        results = small(Point, hps, 200, switches=switches).run()
        assert any(r.selected_update < 200 for r in results) == jumps


def test_checkpoints_survive_an_interruption(tmp_path):
    def make(log=None, checkpoint=None):
        switches = Switches(checkpoints=4)
        return small(Point, [{"lr": 0.05}] * 2, 400, switches=switches, log=log, checkpoint=checkpoint, interval=0.0, key="k")

    whole, file = make().run(), tmp_path / "checkpoint.safetensors"
    with pytest.raises(Interrupt):
        make(stop_at(250)[0], file).run()
    for one, other in zip(whole, make(checkpoint=file).run(), strict=True):
        assert list(one.earlier) == [100, 200, 300] == list(other.earlier)
        for update in one.earlier:
            assert torch.equal(one.earlier[update].net.bias, other.earlier[update].net.bias)
