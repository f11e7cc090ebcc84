"""Reports of the questions on continuous flows, from planted numbers."""

import numpy as np
import pandas as pd
import pytest

from genbench.questions.adjoint import report as adjoint
from genbench.questions.divergence_cost import report as divergence_cost
from genbench.questions.flow_densities import report as flow_densities
from genbench.results.study import Answer
from tests.questions.planted import figures, numbers, reported, sentences, table

SIZE = {"updates": 100, "batch": 64, "steps": 4, "points": 32, "seeds": 2}


@pytest.mark.parametrize("module", [adjoint, divergence_cost, flow_densities])
def test_a_study_that_does_not_ask_has_no_report(module):
    assert reported(module) is None


def planted_adjoint():
    """The adjoint takes twice the time and a tenth of the memory; every way falls by 1 nat in 100 updates, from 4."""
    curves, gradients = [], []
    for way, pace, held, error in (("backprop, RK4", 0.01, 1e6, 1e-3), ("adjoint, RK4", 0.02, 1e5, 1e-2)):
        for seed in range(2):
            for update in (0, 50, 100):
                nll = 4 - update / 100 + 0.01 * seed
                curves.append((way, seed, update, pace * update, nll))
            gradients.append((way, seed, 16, 0 if "back" in way else 16, held, error))
    frames = (
        pd.DataFrame(curves, columns=["way", "seed", "update", "seconds", "nll"]),
        pd.DataFrame(gradients, columns=["way", "seed", "forward", "backward", "bytes", "error"]),
    )
    return Answer(SIZE, dict(zip(("curves", "gradients"), (frame.assign(dataset="ring8") for frame in frames), strict=True)))


def test_adjoint_beside_backpropagation():
    found = reported(adjoint, adjoint=planted_adjoint())
    memory, time, equal, timed, errors = sentences(found)
    assert numbers(memory) == [10] and numbers(time) == [2]
    assert numbers(equal) == [3.005, 0.064] * 2
    # in the 1 s of backpropagation the adjoint has done half of its updates
    assert numbers(timed) == [3.005, 0.064, 3.505, 0.064]
    assert numbers(errors) == pytest.approx([1e-3, 1e-2])
    shown = table(found, "adjoint").frame
    assert list(shown["ms per update"]) == pytest.approx([10, 20])
    assert list(shown["memory, MB"]) == pytest.approx([1, 0.1])


def test_exponents_and_noise_of_a_divergence():
    dims = np.array([2, 8, 32, 128])
    powers = {"log-determinant": 3, "exact divergence": 2, "Hutchinson": 1}
    costs = pd.concat([pd.DataFrame({"method": m, "dim": dims, "seconds": 1e-6 * dims**p}) for m, p in powers.items()])
    assert divergence_cost.exponents(costs) == pytest.approx(powers)
    noise = [(d, probe, seed, d**0.5, d**0.5) for d in dims for probe in ("rademacher", "gaussian") for seed in range(2)]
    noise = pd.DataFrame(noise, columns=["dim", "probe", "seed", "std", "expected"])
    found = reported(divergence_cost, divergence_cost=Answer(SIZE, {"costs": costs, "noise": noise}))
    largest, growth, spread = sentences(found)
    assert numbers(largest) == [128, 32, 2097, 16, 0.13]
    assert numbers(growth)[1:4] == pytest.approx([3, 2, 1])
    assert numbers(spread) == [1.4, 1.4, 2, 11, 11, 128, 0.5, 0.5]


def planted_densities(gap, snapshots=True):
    rows = [
        ("ring8", model, seed, 3 + (model == "glow") * gap + 0.01 * seed, 2.8, 5.0)
        for model in ("glow", "ffjord")
        for seed in range(3)
    ]
    nll = pd.DataFrame(rows, columns=["dataset", "model", "seed", "nll", "entropy", "seconds"])
    x, y = (each.ravel() for each in np.meshgrid(np.arange(4.0), np.arange(4.0)))
    cells = pd.DataFrame({"dataset": "ring8", "x": x, "y": y, "density": 1 / 16})
    maps = pd.concat([cells.assign(model=model) for model in ("data", "glow", "ffjord")])
    moving = pd.concat([cells.assign(model="ffjord", time=t) for t in (0.0, 0.5, 1.0)])
    return Answer(SIZE, {"nll": nll, "maps": maps, "snapshots": moving if snapshots else pd.DataFrame()})


def test_densities_are_ranked_where_seeds_allow():
    (apart,) = sentences(reported(flow_densities, flow_densities=planted_densities(0.3)))
    assert numbers(apart) == [2.8, 0.51, 0.025, 0.21, 0.025] and "ffjord is nearer" in apart
    (equal,) = sentences(reported(flow_densities, flow_densities=planted_densities(0.01)))
    assert "too few seeds" in equal
    # Welch's half-width is 2.78 standard errors of the difference, 0.023; the root of the summed squares of both is 0.035
    (close,) = sentences(reported(flow_densities, flow_densities=planted_densities(0.03)))
    assert "ffjord is nearer" in close


def test_snapshots_need_a_continuous_flow():
    for snapshots, names in ((True, ["densities", "snapshots"]), (False, ["densities"])):
        found = reported(flow_densities, flow_densities=planted_densities(0.3, snapshots))
        assert list(figures(found)) == names
