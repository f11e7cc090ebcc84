"""Experiments on flows in continuous time, in miniature."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from genbench.config.errors import UserError
from genbench.questions import training
from genbench.questions.adjoint import run as adjoint
from genbench.questions.adjoint.run import SavedTensors, ways
from genbench.questions.adjoint.settings import Settings as Adjoint
from genbench.questions.divergence_cost import run as divergence_cost
from genbench.questions.divergence_cost.run import field, hutchinson_variance
from genbench.questions.divergence_cost.settings import Settings as DivergenceCost
from genbench.questions.flow_densities import run as flow_densities
from genbench.questions.flow_densities.settings import Settings as FlowDensities


def ticks():
    """A clock that goes on by 1 at each look."""
    count = itertools.count()
    return lambda device: next(count)


def test_the_clock_waits_for_a_gpu(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    monkeypatch.setattr(training.time, "perf_counter", lambda: 7.0 if waited else 0.0)
    assert training.clock(torch.device("cuda")) == 7 and waited == [torch.device("cuda")]
    training.clock(torch.device("cpu"))
    assert len(waited) == 1


def test_saved_tensors_are_counted_while_they_are_held():
    x, w = torch.randn(100, 10), torch.randn(10, 10, requires_grad=True)
    with SavedTensors([w]) as saved:
        y = (x @ w).exp()  # saves x for the product and the result for exp
        assert saved.now == x.nbytes + y.nbytes
        z = y * y  # the same storage twice more
        assert saved.now == x.nbytes + y.nbytes
        z.sum().backward()
        assert saved.now == 0 and saved.most == x.nbytes + y.nbytes


def test_adjoint_needs_less_memory_and_errs_more(bench, monkeypatch):
    monkeypatch.setattr(adjoint, "clock", ticks())
    settings = Adjoint(seeds=1, updates=12, batch=32, width=16, tolerances=[1e-2, 1e-4])
    tables = adjoint.run(settings, bench)
    curves, found = tables["curves"], tables["gradients"].set_index("way")
    assert list(found.index) == list(curves["way"].unique()) == list(ways(settings)) and len(found) == 6
    assert sorted(curves["update"].unique()) == [0, 12]
    assert (curves["seconds"] == curves["update"] / 12).all()  # a tick from one look to the next, none for looking
    start, end = (curves[curves["update"] == update].set_index("way")["nll"] for update in (0, 12))
    assert start.nunique() == 1  # the same weights
    assert (end < start - 0.02).all()
    for solver in ("RK4", "dopri5 0.01", "dopri5 0.0001"):
        through, by_adjoint = found.loc[f"backprop, {solver}"], found.loc[f"adjoint, {solver}"]
        assert by_adjoint["bytes"] < 0.5 * through["bytes"]
        assert through["backward"] == 0 < by_adjoint["backward"] and through["forward"] == by_adjoint["forward"]
    assert found.loc["backprop, RK4", "forward"] == 16
    assert found.loc["adjoint, dopri5 0.0001", "error"] < 0.1 * found.loc["adjoint, dopri5 0.01", "error"] < 0.1
    assert (found["error"] > 0).all()


def test_divergences_cost_what_they_should():
    tables = divergence_cost.run(DivergenceCost(dims=[2, 3, 64], points=4, width=8, probes=2000, seeds=2), _bench())
    costs, noise = tables["costs"], tables["noise"]
    assert list(costs.columns) == ["method", "dim", "seconds"] and len(costs) == 9 and (costs["seconds"] > 0).all()
    assert len(noise) == 3 * 2 * 2
    np.testing.assert_allclose(noise["std"], noise["expected"], rtol=0.12)
    # signs leave the diagonal out
    mean = noise.groupby(["dim", "probe"])["expected"].mean().unstack()
    assert (mean["rademacher"] < mean["gaussian"]).all()


def _bench():
    from genbench.questions.training import Bench

    return Bench({}, lambda m, d: None, torch.device("cpu"), lambda line: None)


def test_divergences_are_timed_on_the_cpu_whatever_the_device():
    bench = dataclasses.replace(_bench(), device=torch.device("meta"))  # which makes no numbers
    tables = divergence_cost.run(DivergenceCost(dims=[2, 3, 4], points=4, width=8, probes=100, seeds=1), bench)
    assert (tables["costs"]["seconds"] > 0).all()


@pytest.mark.parametrize("probe", ["rademacher", "gaussian"])
def test_variance_of_hutchinsons_estimate(probe):
    """A diagonal matrix: signs have no noise, normals 2 sum of squares; a rotation by 90 degrees has none at all."""
    diagonal, turn = torch.diag(torch.tensor([1.0, 2.0, 3.0])), torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert hutchinson_variance(diagonal, probe) == {"rademacher": 0, "gaussian": 28}[probe]
    assert hutchinson_variance(turn, probe) == 0


def test_field_is_that_of_its_seed():
    assert torch.equal(field(3, 8, 1).layers[-1].weight, field(3, 8, 1).layers[-1].weight)
    assert not torch.equal(field(3, 8, 1).layers[-1].weight, field(3, 8, 2).layers[-1].weight)


def test_densities_of_two_flows(bench, monkeypatch):
    monkeypatch.setattr(flow_densities, "clock", ticks())
    small = {"realnvp": {"layers": 4, "width": 16, "depth": 1}, "ffjord": {"width": 16, "depth": 2}}

    def recipe(model, dataset):
        found = bench.recipe(model, dataset)
        return found.model_copy(update={"net": small[model]})

    settings = FlowDensities(datasets=["ring8"], models=["realnvp", "ffjord"], seeds=2, updates=60, batch=64, cells=41, times=3)
    tables = flow_densities.run(settings, dataclasses.replace(bench, recipe=recipe))
    nll, maps, snapshots = tables["nll"], tables["maps"], tables["snapshots"]
    assert len(nll) == 4 and (nll["nll"] > nll["entropy"] - 0.1).all() and (nll["nll"] < 4.5).all()
    assert (nll["seconds"] == 0.5).all()  # a tick for two seeds
    assert list(maps["model"].unique()) == ["data", "realnvp", "ffjord"]
    for (model, _), part in maps.groupby(["model", "dataset"]):
        assert len(part) == 41**2
        area = (part["x"].max() - part["x"].min()) ** 2 / 40**2
        assert part["density"].sum() * area == pytest.approx(1, abs=0.02 if model == "data" else 0.3), model
    assert list(snapshots["time"].unique()) == [0, 0.5, 1]
    last = snapshots[snapshots["time"] == 1]
    normal = np.exp(-(last["x"] ** 2 + last["y"] ** 2) / 2) / (2 * np.pi)
    np.testing.assert_allclose(last["density"], normal, atol=1e-6)  # nothing is left to flow
    for _, part in snapshots.groupby("time"):
        assert part["density"].sum() * (6 / 41) ** 2 == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("cls", "given", "word"),
    [
        (Adjoint, {"tolerances": [0.0]}, "> 0"),
        (DivergenceCost, {"dims": [0, 1, 2]}, ">= 1"),
        (FlowDensities, {"models": ["vae"]}, "ffjord"),
    ],
)
def test_bad_settings_say_what_is_allowed(cls, given, word):
    with pytest.raises((ValueError, UserError), match=word):
        cls(**given)
