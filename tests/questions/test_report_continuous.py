"""Sentences of the chapter on continuous flows, from planted numbers."""

import types

import numpy as np
import pandas as pd
import pytest

from genbench.report import style
from genbench.report.chapters import continuous
from genbench.results.study import Answer

SIZE = {"updates": 100, "batch": 64, "steps": 4, "points": 32, "seeds": 2}


def made(**experiments):
    with style.theme():
        return continuous.chapter(types.SimpleNamespace(experiment=experiments.get))


def sentences(chapter):
    return [item for block in chapter.blocks if block.kind == "points" for item in block.items]


def table(chapter, name):
    return next(block for block in chapter.blocks if block.kind == "table" and block.name == name)


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


def test_a_study_without_them_has_no_chapter():
    assert made() is None


def test_adjoint_beside_backpropagation():
    found = made(adjoint=planted_adjoint())
    first, equal, timed, errors = sentences(found)
    assert first.startswith("ring8: backpropagation holds 10 (RK4) times the memory") and "takes 2.0 (RK4) times" in first
    assert "3.005 ± 0.064" in equal and equal.count("3.005") == 2
    # in the 1 s of backpropagation the adjoint has done half of its updates
    assert "the others reach 3.505 ± 0.064" in timed
    assert errors.endswith("1e-03 (backprop, RK4) and 1e-02 (adjoint, RK4).")
    shown = table(found, "adjoint").frame
    assert list(shown["ms per update"]) == pytest.approx([10, 20])
    assert list(shown["memory, MB"]) == pytest.approx([1, 0.1])


def test_slopes_and_noise_are_told():
    dims = np.array([2, 8, 32, 128])
    powers = {"log-determinant": 3, "exact divergence": 2, "Hutchinson": 1}
    costs = pd.concat([pd.DataFrame({"method": m, "dim": dims, "seconds": 1e-6 * dims**p}) for m, p in powers.items()])
    noise = [(d, probe, seed, d**0.5, d**0.5) for d in dims for probe in ("rademacher", "gaussian") for seed in range(2)]
    noise = pd.DataFrame(noise, columns=["dim", "probe", "seed", "std", "expected"])
    found = made(divergence_cost=Answer(SIZE, {"costs": costs, "noise": noise}))
    slopes, largest, spread = sentences(found)
    assert "3.00 (log-determinant), 2.00 (exact divergence) and 1.00 (Hutchinson)" in slopes
    assert largest.startswith("At 128 dimensions, 32 points take 2,097 ms (log-determinant), 16 ms (exact divergence)")
    assert "0.50 (gaussian)" in spread and "11 nats (rademacher)" in spread


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


def test_densities_are_told_apart_if_they_are():
    (apart,) = sentences(made(flow_densities=planted_densities(0.3)))
    assert apart.startswith("ring8: glow lies 0.510 ± 0.025 nats and ffjord lies 0.210 ± 0.025 nats above the entropy of 2.800")
    assert apart.endswith("; ffjord is nearer.")
    (equal,) = sentences(made(flow_densities=planted_densities(0.01)))
    assert equal.endswith("do not tell them apart.")
    # Welch's half-width is 2.78 standard errors of the difference, 0.023; the root of the summed squares of both is 0.035
    (close,) = sentences(made(flow_densities=planted_densities(0.03)))
    assert close.endswith("; ffjord is nearer.")


def test_snapshots_need_a_continuous_flow():
    def figures(chapter):
        return [block.name for block in chapter.blocks if block.kind == "figure"]

    assert figures(made(flow_densities=planted_densities(0.3))) == ["densities", "snapshots"]
    assert figures(made(flow_densities=planted_densities(0.3, snapshots=False))) == ["densities"]
