"""Reports of the questions on critics and gradients, from planted numbers."""

import numpy as np
import pandas as pd
import pytest

from genbench.questions.critic_gradients import report as critic_gradients
from genbench.questions.critic_quality import report as critic_quality
from genbench.questions.critic_quality.run import correlations
from genbench.questions.critic_surfaces import report as critic_surfaces
from genbench.questions.generator_gradients import report as generator_gradients
from genbench.questions.generator_gradients.run import curves
from genbench.results.study import Answer
from tests.questions.planted import figures, numbers, reported, sentences, table

SIZE = {"updates": 400, "batch": 64, "samples": 500, "depth": 3, "width": 8, "limit": 0.01, "gp": 10.0}


@pytest.mark.parametrize("module", [critic_quality, critic_surfaces, critic_gradients, generator_gradients])
def test_a_study_that_does_not_ask_has_no_report(module):
    assert reported(module) is None


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


def test_losses_that_follow_are_set_apart_from_those_that_do_not():
    found = reported(critic_quality, critic_quality=quality(planted_looks()))
    first, second = sentences(found)
    words = {part.split("loss of ")[1].split()[0]: part for part in first.split("; ")}
    assert "follows" in words["wgan_gp"] and "against" in words["ns_gan"] and "no clear" in words["lsgan"]
    higher = second.split(";")[0]
    assert "higher" in higher and "ns_gan (" in higher and "lsgan (" in higher
    shown = table(found, "tracking")
    assert list(shown.frame["model"]) == ["wgan_gp", "ns_gan", "lsgan"] and list(shown.frame["seeds"]) == [4, 4, 4]
    assert shown.frame["loss"][0] > 0.9 > -0.9 > shown.frame["loss"][1]
    assert all("±" in cell for cell in shown.shown["loss"])
    assert list(figures(found)) == ["tracking-ring8"]


def test_distances_are_named_by_the_kind_of_data():
    found = reported(critic_quality, "images", critic_quality=quality(planted_looks(seeds=2).assign(dataset="mnist5k")))
    (figure,) = figures(found).values()
    assert "Fréchet" in figure.caption


def test_one_seed_has_no_verdict():
    (only,) = sentences(reported(critic_quality, critic_quality=quality(planted_looks(seeds=1))))
    assert "too few seeds" in only and all(name in only for name in ("wgan_gp", "ns_gan", "lsgan"))


def surfaces(clipped=0.02):
    """Critics of three seeds: the penalised one finds 0.9 of the distance at gradient norm 1.2, the clipped one little."""
    kinds = {"clipping": (clipped, 0.05), "gradient penalty": (0.45, 1.2)}
    rows = [
        {"dataset": d, "regularisation": name, "seed": s, "status": "ok", "exact": 0.5, "estimate": e + 1e-3 * s, "half": e}
        | {"gradient_mean": 0.8 * norm, "gradient_low": 0.5 * norm, "gradient_high": norm, "gradient_max": norm}
        for d in ("ring8", "grid25")
        for name, (e, norm) in kinds.items()
        for s in range(3)
    ]
    rows.append({**rows[0], "seed": 3, "status": "diverged", "estimate": np.nan})
    axis = np.linspace(-2, 2, 9)
    x, y = (each.ravel() for each in np.meshgrid(axis, axis))
    pairs = [(d, name) for d in ("ring8", "grid25") for name in kinds]
    maps = [pd.DataFrame({"x": x, "y": y, "value": x * y, "dataset": d, "regularisation": name}) for d, name in pairs]
    points = pd.DataFrame({"x": axis, "y": axis, "dataset": "ring8"})
    return Answer(SIZE, {"critics": pd.DataFrame(rows), "maps": pd.concat(maps), "points": points})


def test_surfaces_are_read_by_gradient_norms_and_estimates():
    found = reported(critic_surfaces, critic_surfaces=surfaces())
    clipping, penalty, lost = sentences(found)
    assert clipping.startswith("Clipping") and numbers(clipping)[0] == 0.042 and numbers(clipping)[2] == 0.04
    assert penalty.startswith("Gradient penalty") and numbers(penalty) == [0.9, 0.75, 0.96, 2]
    assert lost.startswith("ring8, clipping") and numbers(lost) == [1, 4]
    frame = table(found, "surfaces").frame
    assert len(frame) == 4 and list(frame["seeds"]) == [3, 3, 3, 3]  # the diverged one does not count
    assert frame["estimate / largest norm / W1"].max() <= 1


def deep(first):
    """Gradients that fall from 1 at the last of three layers to `first` under clipping, and stay with a penalty."""
    rows = [
        {"dataset": "swiss_roll", "regularisation": name, "seed": s, "layer": i + 1, "norm": norm * (1 + 0.05 * s)}
        for name, norms in {"clipping at 0.01": (first, first**0.5, 1.0), "gradient penalty": (0.5, 0.7, 1.0)}.items()
        for s in range(3)
        for i, norm in enumerate(norms)
    ]
    weights = [
        {
            "dataset": "swiss_roll",
            "regularisation": name,
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
        {"dataset": "swiss_roll", "regularisation": r, "left": i / 4, "right": (i + 1) / 4, "share": 0.25}
        for r in ("clipping at 0.01", "gradient penalty")
        for i in range(4)
    ]
    names = {"gradients": rows, "weights": weights, "histograms": bars}
    return Answer(SIZE, {name: pd.DataFrame(each) for name, each in names.items()})


def test_vanishing_gradients_are_factors():
    found = reported(critic_gradients, critic_gradients=deep(1e-6))
    clipping, penalty = sentences(found)
    assert "clipping at 0.01" in clipping and numbers(clipping)[1] == pytest.approx(1e-6)
    assert "gradient penalty" in penalty and numbers(penalty) == [0.5, 95, 0.5, 0.5]
    frame = table(found, "deep").frame
    assert frame["at the limit"][0] == 0.5 and np.isnan(frame["at the limit"][1])
    assert numbers(sentences(reported(critic_gradients, critic_gradients=deep(0.0)))[0])[:2] == [0.01, 0]


@pytest.mark.parametrize(("end", "verb"), [(1e-3, "falls"), (100.0, "grows"), (1.0, "does not clearly change")])
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
    answer = Answer(SIZE, {"gradients": pd.DataFrame(rows), "curves": curves()})
    found = reported(generator_gradients, generator_gradients=answer)
    (only,) = sentences(found)
    assert only.startswith("digits, non saturating") and f"gradient {verb}" in only
    assert numbers(only)[0] == pytest.approx(end, rel=0.3)
    assert table(found, "ahead").frame["critic's accuracy at the end"][0] == 1
