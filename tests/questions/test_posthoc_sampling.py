"""The report on other sampling methods says what planted differences show, and nothing more."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from genbench.questions.posthoc_sampling.report import VERDICTS, report
from genbench.report import style
from genbench.results.files import write_npz
from genbench.results.study import read
from genbench.results.tables import POSTHOC
from tests.questions.planted import figures, numbers, sentences, table

SEEDS = (0, 1, 2)
RAW = {"modes": 8.0, "high_quality": 0.7, "sliced_w1": 0.2, "precision": 0.8, "recall": 0.9}
COSTS = {"raw": (1, 0, 0), "metropolis": (200, 200, 0), "ddls": (202, 201, 201), "truncation": (1, 0, 0)}


def frame_of(results, effects, label="ns_gan", seeds=SEEDS, jitter=0.01, dataset="ring8"):
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
            common = {**base, "method": method, "threshold": threshold, "pictures": f"posthoc/{dataset}/{label}.npz"}
            rows += [{**common, "metric": key, "value": value} for key, value in values.items()]
    return pd.DataFrame(rows).reindex(columns=[*POSTHOC, "label"])


@pytest.fixture
def with_posthoc(results):
    """The synthetic study with other numbers."""

    def change(*frames):
        return dataclasses.replace(results, posthoc=pd.concat(frames))

    return change


def made(results):
    with style.theme():
        return report(results)


def test_a_study_without_other_methods_has_no_report(results):
    assert report(results) is None


def parts(sentence):
    """Metrics by verdict."""
    verdicts = sentence.partition(": ")[2].partition(". A sample costs")[0]
    found = {}
    for part in verdicts.split("; "):
        verdict = next(word for word in VERDICTS if part.startswith(word))
        found[verdict] = re.split(r", | and ", re.sub(r" \(.*?\)", "", part.removeprefix(verdict).strip()))
    return found


def test_only_clear_differences_are_claimed(results, with_posthoc):
    effects = {
        ("metropolis", np.nan): {"high_quality": 0.2, "sliced_w1": 0.3, "precision": 0.15, "recall": -0.2},
        ("ddls", np.nan): {"sliced_w1": -0.1},
    }
    found = made(with_posthoc(frame_of(results, effects, "wgan_gp")))
    first, second = map(parts, sentences(found))
    assert first["improves"] == ["High-quality samples"] and first["raises"] == ["Precision"] and first["lowers"] == ["Recall"]
    assert first["worsens"][0].startswith("Sliced") and first["does not clearly change"] == ["Modes covered"]
    assert (
        second["improves"][0].startswith("Sliced")
        and "worsens" not in second
        and "Modes covered" in second["does not clearly change"]
    )
    assert [numbers(each)[-n:] for each, n in zip(sentences(found), (2, 3), strict=True)] == [[200, 200], [202, 201, 201]]
    frame = table(found, "ring8_differences").frame.set_index(["method", "metric"])
    row = frame.loc[("Metropolis-Hastings", "High-quality samples")]
    assert row["difference"] == pytest.approx(0.2, abs=0.03) and row["difference"] - row["half-width"] > 0
    assert row["with the method"] - row["raw"] == pytest.approx(row["difference"]) and row["seeds"] == 3


def test_noise_alone_is_no_improvement(results, with_posthoc):
    part = frame_of(results, {("metropolis", np.nan): {}}, "wgan_gp", jitter=0.05)
    (sentence,) = sentences(made(with_posthoc(part)))
    assert list(parts(sentence)) == ["does not clearly change"]


def test_one_seed_is_not_selected(results, with_posthoc):
    part = frame_of(results, {("metropolis", np.nan): {"high_quality": 0.2}}, "wgan_gp", seeds=(0,))
    (sentence,) = sentences(made(with_posthoc(part)))
    assert "too few seeds" in sentence and not any(word in sentence for word in VERDICTS[:4])


def test_costs_and_intervals_stand_in_the_table(results, with_posthoc):
    found = made(with_posthoc(frame_of(results, {("metropolis", np.nan): {}, ("ddls", np.nan): {}}, "wgan_gp")))
    scores = table(found, "ring8_scores")
    frame = scores.frame
    assert list(frame["samples"]) == ["raw", "Metropolis-Hastings", "latent Langevin"] and set(frame["seeds"]) == {3}
    assert list(frame["generator passes"]) == [1, 200, 202] and list(frame["critic passes"]) == [0, 200, 201]
    assert all("±" in text for name, texts in scores.shown.items() if name != "Modes covered" for text in texts)
    assert list(table(found, "ring8_critics").frame["calibration error"]) == [0.02, 0.02]


def test_a_truncation_curve_and_its_table(results, with_posthoc):
    effects = {("truncation", t): {"recall": t / 4 - 0.6, "precision": 0.1} for t in (2.0, 1.0, 0.5)}
    found = made(with_posthoc(frame_of(results, effects, "wgan_gp")))
    assert list(figures(found)) == ["ring8_truncation"]
    frame = table(found, "ring8_thresholds").frame
    assert list(frame["samples"]) == ["raw", "truncation at 2", "truncation at 1", "truncation at 0.5"]
    assert frame["Recall"].is_monotonic_decreasing
    (said,) = sentences(found)
    assert "raises Precision at 2, 1 and 0.5" in said and "lowers Recall" in said and "Modes" not in said
    (nothing,) = sentences(made(with_posthoc(frame_of(results, {("truncation", 1.0): {}}, "wgan_gp", jitter=0.05))))
    assert "does not clearly change" in nothing


def test_faults_are_named(results, with_posthoc):
    part = frame_of(results, {}, "wgan_gp")
    fault = part.iloc[[0]].assign(method="ddls", metric=None, value=np.nan, cause="ValueError: not finite")
    found = made(with_posthoc(part, fault))
    (said,) = sentences(found)
    assert "latent Langevin" in said and "wgan_gp" in said and said.endswith("ValueError: not finite.")


@pytest.mark.parametrize("kind", ["points", "images"])
def test_pictures_of_both_kinds(make_run, tmp_path, kind):
    dataset, shape = ("ring8", (2,)) if kind == "points" else ("digits", (1, 8, 8))
    study = make_run(tmp_path / "results")
    results = read(study, tmp_path / "results" / "store")
    effects = {("metropolis", np.nan): {}, ("ddls", np.nan): {}}
    results = dataclasses.replace(results, posthoc=frame_of(results, effects, "vae", dataset=dataset))
    generator = np.random.default_rng(0)
    arrays = {key: generator.integers(0, 17, (24, *shape)).astype(float) for key in ("raw", "metropolis", "ddls")}
    arrays["interpolation"] = generator.integers(0, 17, (9, 6, *shape)).astype(float)
    write_npz(tmp_path / "results" / "posthoc" / dataset / "vae.npz", **arrays)
    drawn = figures(made(results))
    assert set(drawn) == {f"{dataset}_samples", f"{dataset}_paths"}
    with style.theme():
        assert "vae, Metropolis-Hastings" in drawn[f"{dataset}_samples"].svg("sampling")
