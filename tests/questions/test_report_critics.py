"""Sentences of the chapters on critics and gradients, from planted numbers."""

import types

import numpy as np
import pandas as pd
import pytest

from genbench.questions.critic_quality.run import correlations
from genbench.questions.generator_gradients.run import curves
from genbench.report import style
from genbench.report.chapters import critics, gradients
from genbench.results.study import Answer

SIZE = {"updates": 400, "batch": 64, "samples": 500, "depth": 3, "width": 8, "limit": 0.01, "gp": 10.0}


def made(module, **experiments):
    with style.theme():
        return module.chapter(
            types.SimpleNamespace(experiment=experiments.get, kind=lambda name: "images" if name == "mnist5k" else "points")
        )


def sentences(chapter):
    return [item for block in chapter.blocks if block.kind == "points" for item in block.items]


def table(chapter, name):
    return next(block for block in chapter.blocks if block.kind == "table" and block.name == name)


def planted_looks(seeds=4):
    """wgan_gp's loss goes with the distance, ns_gan's against it, lsgan's is noise."""
    rng, rows = np.random.default_rng(0), []
    for model in ("wgan_gp", "ns_gan", "lsgan"):
        for seed in range(seeds):
            update = np.arange(10, 160, 10)
            distance = np.exp(-update / 60) + 0.05 * rng.standard_normal(15)
            loss = {"wgan_gp": -distance, "ns_gan": distance, "lsgan": rng.standard_normal(15)}[
                model
            ] + 0.02 * rng.standard_normal(15)
            part = {"dataset": "ring8", "model": model, "seed": seed, "update": update, "distance": distance, "loss": loss}
            rows.append(pd.DataFrame(part))
    return pd.concat(rows, ignore_index=True)


def quality(looks):
    return Answer(SIZE, {"looks": looks, "correlations": correlations(looks)})


def test_studies_without_experiments_have_no_chapter():
    assert made(critics) is None and made(gradients) is None


def test_losses_that_track_are_told_from_those_that_do_not():
    found = made(critics, critic_quality=quality(planted_looks()))
    first, second = sentences(found)
    assert first.startswith("ring8: wgan_gp: the loss follows the distance; ns_gan: the loss goes against the distance")
    assert first.endswith("lsgan: the loss has no clear relation to the distance.")
    assert (
        "the correlation of wgan_gp's loss with the distance is higher than that of ns_gan (" in second
        and "that of lsgan (" in second
    )
    shown = table(found, "tracking")
    assert list(shown.frame["model"]) == ["wgan_gp", "ns_gan", "lsgan"] and list(shown.frame["seeds"]) == [4, 4, 4]
    assert shown.frame["loss"][0] > 0.9 > -0.9 > shown.frame["loss"][1]
    assert all("±" in cell for cell in shown.shown["loss"])
    assert [block.name for block in found.blocks if block.kind == "figure"] == ["tracking-ring8"]


def test_distances_are_named_by_the_kind_of_data():
    found = made(critics, critic_quality=quality(planted_looks(seeds=2).assign(dataset="mnist5k")))
    (figure,) = [block for block in found.blocks if block.kind == "figure"]
    assert "Fréchet distance to test images" in figure.caption


def test_one_seed_has_no_verdict():
    found = made(critics, critic_quality=quality(planted_looks(seeds=1)))
    (only,) = sentences(found)
    assert only == "ring8: wgan_gp, ns_gan and lsgan: the loss of fewer than two seeds allows no verdict."


def surfaces(clipped=0.02):
    """Critics of three seeds: the penalised one finds 0.9 of the distance at slope 1.2, the clipped one little."""
    restraints = {"clipping": (clipped, 0.05), "gradient penalty": (0.45, 1.2)}
    rows = [
        {"dataset": d, "restraint": name, "seed": s, "status": "ok", "exact": 0.5, "estimate": e + 1e-3 * s, "half": e}
        | {"slope_mean": 0.8 * slope, "slope_low": 0.5 * slope, "slope_high": slope, "slope_max": slope}
        for d in ("ring8", "grid25")
        for name, (e, slope) in restraints.items()
        for s in range(3)
    ]
    rows.append({**rows[0], "seed": 3, "status": "diverged", "estimate": np.nan})
    axis = np.linspace(-2, 2, 9)
    x, y = (each.ravel() for each in np.meshgrid(axis, axis))
    pairs = [(d, name) for d in ("ring8", "grid25") for name in restraints]
    maps = [pd.DataFrame({"x": x, "y": y, "value": x * y, "dataset": d, "restraint": name}) for d, name in pairs]
    points = pd.DataFrame({"x": axis, "y": axis, "dataset": "ring8"})
    return Answer(SIZE, {"critics": pd.DataFrame(rows), "maps": pd.concat(maps), "points": points})


def test_surfaces_are_told_by_slopes_and_estimates():
    found = made(critics, critic_surfaces=surfaces())
    clipping, penalty = sentences(found)[:2]
    assert clipping.startswith("Clipping: slopes between data and fakes average 0.040; the estimate is 0.042 of the exact W1")
    assert penalty.startswith(
        "Gradient penalty: slopes between data and fakes average 0.96; the estimate is 0.90 of the exact W1"
    )
    assert "and 0.75 of it once divided by the steepest slope" in penalty and "2 datasets" in penalty
    frame = table(found, "surfaces").frame
    assert sentences(found)[2:] == ["ring8, clipping: 1 of 4 critics failed and count in no number."]
    assert len(frame) == 4 and list(frame["seeds"]) == [3, 3, 3, 3]  # the diverged one does not count
    assert frame["estimate / slope / W1"].max() <= 1


def deep(first):
    """Gradients that fall from 1 at the last of three layers to `first` under clipping, and stay with a penalty."""
    rows = [
        {"dataset": "swiss_roll", "restraint": name, "seed": s, "layer": i + 1, "norm": norm * (1 + 0.05 * s)}
        for name, norms in {"clipping at 0.01": (first, first**0.5, 1.0), "gradient penalty": (0.5, 0.7, 1.0)}.items()
        for s in range(3)
        for i, norm in enumerate(norms)
    ]
    weights = [
        {
            "dataset": "swiss_roll",
            "restraint": name,
            "seed": s,
            "limit": limit,
            "at_start": 0.9,
            "at_limit": share,
            "status": "ok",
        }
        | {"std": 0.1, "largest": 0.2, "estimate": 0.1 + 0.01 * s}
        for name, limit, share in (("clipping at 0.01", 0.01, 0.5), ("gradient penalty", np.inf, 0.0))
        for s in range(3)
    ]
    bars = [
        {"dataset": "swiss_roll", "restraint": r, "left": i / 4, "right": (i + 1) / 4, "share": 0.25}
        for r in ("clipping at 0.01", "gradient penalty")
        for i in range(4)
    ]
    names = {"gradients": rows, "weights": weights, "histograms": bars}
    return Answer(SIZE, {name: pd.DataFrame(each) for name, each in names.items()})


def test_vanishing_gradients_are_told_as_factors():
    found = made(gradients, critic_gradients=deep(1e-6))
    clipping, penalty = sentences(found)
    assert clipping == (
        "swiss_roll, clipping at 0.01: from the last hidden layer down to the first, gradients change by a factor of 1.0e-06 "
        "(1.0e-06 to 1.0e-06)."
    )
    assert "gradient penalty" in penalty and "0.50 (0.50 to 0.50)" in penalty
    frame = table(found, "deep").frame
    assert frame["at the limit"][0] == 0.5 and np.isnan(frame["at the limit"][1])
    assert "to nothing that single precision can hold" in sentences(made(gradients, critic_gradients=deep(0.0)))[0]


@pytest.mark.parametrize(("end", "verb"), [(1e-3, "falls"), (100.0, "grows"), (1.0, "does not clearly fall or grow")])
def test_gradients_of_generators_fall_or_grow(end, verb):
    rng = np.random.default_rng(1)
    rows = [
        {
            "dataset": "digits",
            "loss": "non_saturating",
            "seed": s,
            "update": u,
            "norm": norm * np.exp(0.1 * rng.standard_normal()),
        }
        | {"accuracy": 0.5 + 0.5 * (u > 0)}
        for s in range(4)
        for u, norm in ((0, 1.0), (32, end**0.5), (64, end))
    ]
    found = made(gradients, generator_gradients=Answer(SIZE, {"gradients": pd.DataFrame(rows), "curves": curves()}))
    (only,) = sentences(found)
    assert only.startswith(f"digits, non saturating: the gradient {verb}")
    assert table(found, "ahead").frame["critic's accuracy in the end"][0] == 1
