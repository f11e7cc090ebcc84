"""The chapter on refined samples says what planted differences show, and nothing more."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from genbench.report.chapters.refined import chapter

from genbench.report import style
from genbench.results.tables import REFINED

SEEDS = (0, 1, 2)
RAW = {"modes": 8.0, "high_quality": 0.7, "sliced_w1": 0.2, "precision": 0.8, "recall": 0.9}
COSTS = {"raw": (1, 0, 0), "metropolis": (200, 200, 0), "ddls": (202, 201, 201), "truncation": (1, 0, 0)}


def frame(results, effects, label="ns_gan", seeds=SEEDS, jitter=0.01, dataset="ring8"):
    """Numbers of one model: every method's metrics are the raw ones plus its effects, with some noise by seed."""
    generator, rows = np.random.default_rng(0), []
    ids = results.trials[(results.trials["dataset"] == dataset) & (results.trials["label"] == label)].set_index("seed")["trial"]
    for seed in seeds:
        base = {"trial": ids[seed], "dataset": dataset, "model": label, "family": "gan", "seed": seed, "label": label, "n": 100}
        for (method, threshold), effect in {("raw", np.nan): {}, **effects}.items():
            values = {
                key: value + effect.get(key, 0) + (0 if key == "modes" else jitter * generator.standard_normal())
                for key, value in RAW.items()
            }
            values |= dict(zip(("generator_passes", "critic_passes", "backward_passes"), COSTS[method], strict=True))
            values |= {"seconds_per_1000": 1.0}
            if method in ("metropolis", "ddls"):
                values |= {"acceptance": 0.4, "z": 0.1, "ece": 0.02, "ece_floor": 0.015}
            common = {**base, "method": method, "threshold": threshold, "pictures": f"refined/{dataset}/{label}.npz"}
            rows += [{**common, "metric": key, "value": value} for key, value in values.items()]
    return pd.DataFrame(rows).reindex(columns=[*REFINED, "label"])


@pytest.fixture
def with_refined(results):
    """The synthetic study with other refined numbers."""

    def change(*frames):
        return dataclasses.replace(results, refined=pd.concat(frames))

    return change


def made(results):
    with style.theme():
        return chapter(results)


def sentences(found):
    return [item for block in found.blocks if block.kind == "points" for item in block.items]


def test_a_study_that_refines_nothing_has_no_chapter(results):
    assert chapter(results) is None


def test_only_clear_differences_are_claimed(results, with_refined):
    effects = {
        ("metropolis", np.nan): {"high_quality": 0.2, "sliced_w1": 0.3, "precision": 0.15, "recall": -0.2},
        ("ddls", np.nan): {"sliced_w1": -0.1},
    }
    found = made(with_refined(frame(results, effects, "wgan_gp")))
    first, second = sentences(found)
    assert first.startswith("Metropolis-Hastings of wgan_gp (3 seeds): improves High-quality samples (from 0.")
    assert "worsens Sliced" in first and "raises Precision" in first and "lowers Recall" in first
    assert "shows no clear change of Modes covered. A sample costs 200 generator passes and 200 critic passes" in first
    assert second.startswith("Latent Langevin of wgan_gp (3 seeds): improves Sliced")
    assert "201 backward passes" in second and "worsens" not in second and "shows no clear change of Modes" in second
    table = found.tables()["refined_ring8_differences"].set_index(["method", "metric"])
    row = table.loc[("Metropolis-Hastings", "High-quality samples")]
    assert row["difference"] == pytest.approx(0.2, abs=0.03) and row["difference"] - row["half-width"] > 0
    assert row["refined"] - row["raw"] == pytest.approx(row["difference"]) and row["seeds"] == 3


def test_noise_alone_is_no_improvement(results, with_refined):
    part = frame(results, {("metropolis", np.nan): {}}, "wgan_gp", jitter=0.05)
    (sentence,) = sentences(made(with_refined(part)))
    assert "improves" not in sentence and "worsens" not in sentence and "no clear change" in sentence


def test_one_seed_is_not_judged(results, with_refined):
    part = frame(results, {("metropolis", np.nan): {"high_quality": 0.2}}, "wgan_gp", seeds=(0,))
    (sentence,) = sentences(made(with_refined(part)))
    assert sentence.startswith("Metropolis-Hastings of wgan_gp (1 seed): gives no verdict on") and "improves" not in sentence


def test_costs_and_intervals_stand_in_the_table(results, with_refined):
    found = made(with_refined(frame(results, {("metropolis", np.nan): {}, ("ddls", np.nan): {}}, "wgan_gp")))
    table = found.tables()["refined_ring8_scores"]
    assert list(table["samples"]) == ["raw", "Metropolis-Hastings", "latent Langevin"] and set(table["seeds"]) == {3}
    assert list(table["generator passes"]) == [1, 200, 202] and list(table["critic passes"]) == [0, 200, 201]
    block = next(block for block in found.blocks if block.kind == "table" and block.name == "ring8_scores")
    assert all("±" in text for texts in block.shown.values() for text in texts)
    critics = found.tables()["refined_ring8_critics"]
    assert list(critics["calibration error"]) == [0.02, 0.02]


def test_a_truncation_curve_and_its_table(results, with_refined):
    effects = {("truncation", t): {"recall": t / 4 - 0.6, "precision": 0.1} for t in (2.0, 1.0, 0.5)}
    found = made(with_refined(frame(results, effects, "wgan_gp")))
    assert set(found.figures()) == {"ring8_truncation"}
    table = found.tables()["refined_ring8_thresholds"]
    assert list(table["samples"]) == ["raw", "truncation at 2", "truncation at 1", "truncation at 0.5"]
    assert table["Recall"].is_monotonic_decreasing
    (said,) = sentences(found)
    assert said.startswith("Truncation of wgan_gp (3 seeds): raises Precision at 2, 1 and 0.5; lowers Recall at ")
    assert "1 and 0.5." in said and "Modes" not in said
    nothing = made(with_refined(frame(results, {("truncation", 1.0): {}}, "wgan_gp", jitter=0.05)))
    assert sentences(nothing) == ["Truncation of wgan_gp (3 seeds): shows no clear change of any metric at any threshold."]


def test_faults_are_told(results, with_refined):
    part = frame(results, {}, "wgan_gp")
    fault = part.iloc[[0]].assign(method="ddls", metric=None, value=np.nan, cause="ValueError: not finite")
    found = made(with_refined(part, fault))
    assert sentences(found) == ["No latent Langevin for wgan_gp (1 trial): ValueError: not finite."]


@pytest.mark.parametrize("kind", ["points", "images"])
def test_pictures_of_both_kinds(make_run, tmp_path, kind):
    from genbench.results.files import write_npz
    from genbench.results.study import read

    dataset, shape = ("ring8", (2,)) if kind == "points" else ("digits", (1, 8, 8))
    study = make_run(tmp_path / "results")
    results = read(study, tmp_path / "results" / "store")
    effects = {("metropolis", np.nan): {}, ("ddls", np.nan): {}}
    results = dataclasses.replace(results, refined=frame(results, effects, "vae", dataset=dataset))
    generator = np.random.default_rng(0)
    arrays = {key: generator.integers(0, 17, (24, *shape)).astype(float) for key in ("raw", "metropolis", "ddls")}
    arrays["interpolation"] = generator.integers(0, 17, (9, 6, *shape)).astype(float)
    write_npz(tmp_path / "results" / "refined" / dataset / "vae.npz", **arrays)
    found = made(results)
    figures = found.figures()
    assert set(figures) == {f"{dataset}_samples", f"{dataset}_paths"}
    assert all(svg.startswith("<svg") for svg in figures.values())
    assert "vae, Metropolis-Hastings" in figures[f"{dataset}_samples"]
