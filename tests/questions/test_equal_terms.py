"""C1: verdicts, counts and tables follow from the searches."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genbench.questions.equal_terms import report
from genbench.questions.equal_terms.tiers import tiers
from genbench.questions.searches import searches
from genbench.questions.tale import tale
from genbench.report.verdicts import BETTER, EQUIVALENT, HOLDS, IN_PART, OPEN, REFUTED, UNDECIDED, WORSE
from genbench.results.study import Results
from genbench.results.tables import SEARCHED
from genbench.statistics.verdict import Verdict

MODELS = ("ns_gan", "wgan_gp", "lsgan")
SAME = {"ns_gan": [10.0, 10.1, 9.9, 10.0], "wgan_gp": [10.1, 10.0, 9.9, 10.05], "lsgan": [9.95, 10.0, 10.1, 10.0]}
APART = {"ns_gan": [5.0, 5.1, 5.2], "wgan_gp": [10.0, 10.1, 10.2], "lsgan": [20.0, 20.1, 20.2]}


def made(confirmed=SAME, failed=0, datasets=("digits",), configurations=12, apart=None, noise=0.0) -> Results:
    """A study whose models searched equal scores times `apart` and noise, and whose chosen configurations scored `confirmed`."""
    rng = np.random.default_rng(0)
    stream = rng.normal(2, 0.5, configurations)
    searched, trials, scores = [], [], []
    for dataset in datasets:
        for model in MODELS:
            values = np.exp(stream + noise * rng.normal(size=configurations)) * (apart or {}).get(model, 1.0)
            for c, value in enumerate(values):
                bad = c >= configurations - failed
                row = dict.fromkeys(SEARCHED) | {"dataset": dataset, "model": model, "variant": "", "configuration": c, "seed": 0}
                row["family"] = "gan"
                row |= {"trial": f"{dataset}{model}{c}", "metric": "fid", "seconds": 3.0, "status": "failed" if bad else "ok"}
                searched.append(row | ({} if bad else {"validation": value, "test": 1.1 * value, "coverage": 0.8}))
            best = int(np.argmin(values[: configurations - failed])) if failed < configurations else 0
            for seed, value in enumerate(confirmed[model]):
                trial = f"{dataset}{model}-{seed}"
                base = {"trial": trial, "dataset": dataset, "model": model, "seed": seed, "label": model, "variant": ""}
                trials.append({**base, "phase": "confirm", "configuration": best})
                if math.isfinite(value):
                    scores.append({**base, "metric": "fid", "value": value})
    study = {"datasets": {name: {"kind": "images"} for name in datasets}, "config": {"margin": 1.2, "k": 3}}
    study["config"]["cells"] = [cell(datasets, MODELS, configurations=configurations)]
    floors = pd.DataFrame({"dataset": datasets, "metric": "fid", "value": 0.5})
    frame = pd.DataFrame(searched).astype({"validation": float, "test": float, "coverage": float})
    return Results(study, pd.DataFrame(trials), pd.DataFrame(scores), floors, Path("nowhere"), searched=frame)


def cell(datasets, models, **tune):
    return {"datasets": list(datasets), "models": list(models), "tune": tune}


def joined(parts: list[Results]) -> Results:
    """Studies of one dataset each as one."""
    datasets = {name: about for part in parts for name, about in part.study["datasets"].items()}
    config = {**parts[0].config, "cells": [each for part in parts for each in part.config["cells"]]}
    frames = {k: pd.concat([getattr(r, k) for r in parts]) for k in ("trials", "scores", "floors", "searched")}
    return Results({**parts[0].study, "datasets": datasets, "config": config}, store=Path("nowhere"), **frames)


def pairs(found, which="verdicts", dataset="digits"):
    return found.tables[f"c1_{dataset}_{which}"].set_index("pair")


def test_a_study_without_searches_has_no_claim(told):
    results = made()
    results.searched.drop(results.searched.index, inplace=True)
    assert told(report, results) is None


def test_models_that_search_alike_are_equivalent_and_the_claim_holds(told):
    found = told(report, made(noise=0.01), draw=True)
    assert found.verdict == HOLDS and found.cases == {"digits": HOLDS} and found.figures == ["c1_digits_search"]
    for which in ("verdicts", "coverage"):
        assert list(pairs(found, which)["verdict"]) == [EQUIVALENT] * 3
    assert set(pairs(found, "seeds")["verdict"]) == {UNDECIDED}  # four seeds don't show a rare collapse
    assert len(found.claim.because) == 1  # nothing is left to decide
    chapter = tale([found.claim])
    assert chapter.lead and list(chapter.tables()["tale_claims"]["verdict here"]) == [HOLDS]
    assert {"tale_c1_digits_search", "tale_c1_published"} <= set(chapter.tables())


def test_a_model_that_is_better_refutes_the_claim(told):
    found = told(report, made(apart={"wgan_gp": 0.5}, noise=0.05))
    pair = pairs(found).loc["ns_gan against wgan_gp"]
    assert pair["verdict"] == WORSE and pair["ratio of scores"] == pytest.approx(2, rel=0.1)
    asked = found.tables["c1_all"].set_index("against")  # over one dataset: the same comparison
    assert asked.loc["wgan_gp", ["verdict", "ratio of scores"]].tolist() == pair[["verdict", "ratio of scores"]].tolist()
    assert found.verdict == REFUTED and "wgan_gp" in found.claim.because[0]


def test_lucky_winners_do_not_decide_the_claim(told):
    found = told(report, made(SAME | {"wgan_gp": [5.0, 5.1, 4.9, 5.0]}, noise=1.0))
    assert pairs(found, "seeds").loc["ns_gan against wgan_gp", "verdict"] == WORSE
    assert set(pairs(found)["verdict"]) == {UNDECIDED} and found.verdict == OPEN
    needed = sorted(found.tables["c1_all"]["to decide"])
    assert f"12 configurations per model are too few: about {needed[0]:,.0f}" in found.claim.because[-1]


def test_the_table_gives_the_search_and_its_confirmation(told):
    results = made(failed=3)
    found = told(report, results)
    row = found.tables["c1_digits_search"].set_index("model").loc["ns_gan"]
    own = results.searched[results.searched["model"] == "ns_gan"]
    assert row["failed"] == 3 and row["tried"] == 12 and row["k"] == 3 and row["seeds ok"] == "4 of 4"
    assert row["chosen, validation"] == own["validation"].min() and row["confirmed"] == pytest.approx(10.0)
    best = _best(own["test"].dropna(), 12, 3)  # a search of failures alone is charged the worst score
    ok = np.log(np.sort(results.searched["test"].dropna()))
    cap = 3 * np.exp(np.mean(ok[len(ok) // 4 : len(ok) - len(ok) // 4]))
    assert row["best of k"] == pytest.approx(np.minimum(best, cap).mean(), rel=0.02)
    assert "3 of 12 of ns_gan" in found.text
    lowest = {m: results.searched.loc[results.searched["model"] == m, "validation"].min() for m in MODELS}
    ratio = np.median([np.mean(SAME[m]) / (1.1 * lowest[m]) for m in MODELS])  # test scores are 1.1 times the validation scores
    assert f" {ratio:.2f} times" in found.text


def _best(ok, n, k, draws=20_000):
    """The best of random subsets of k of n of which some failed, by simulation."""
    rng = np.random.default_rng(1)
    values = np.concatenate([ok, np.full(n - len(ok), np.inf)])
    subsets = rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)[:, :k]
    return values[subsets].min(1)


def test_a_search_of_failures_alone_is_told_and_breaks_nothing(told):
    results = made({**SAME, "lsgan": [math.nan] * 4})
    results.searched.loc[results.searched["model"] == "lsgan", ["validation", "test"]] = math.nan
    found = told(report, results)
    row = found.tables["c1_digits_search"].set_index("model").loc["lsgan"]
    assert row["seeds ok"] == "0 of 4" and math.isnan(row["chosen, test"]) and "12 of 12 of lsgan" in found.text


def test_several_datasets_are_compared_by_their_rankings(told):
    found = told(report, made(APART, datasets=("digits", "mnist5k"), apart={"wgan_gp": 2.0, "lsgan": 4.0}, noise=0.05))
    assert "Kendall's W is 1.00" in found.text and "of 6 pairs of models, 6 are different" in found.text


def test_without_rivals_nothing_is_compared(told):
    results = made()
    for frame in (results.searched, results.trials):
        frame.drop(frame.index[frame["model"] != "ns_gan"], inplace=True)
    found = told(report, results)
    assert set(found.tables) == {"c1_digits_search", "c1_published"}
    assert found.verdict == OPEN and len(found.claim.because) == 1


def test_class_conditional_models_are_compared_apart(told):
    results = made(noise=0.01)
    results.searched["net"] = np.where(results.searched["model"] == "lsgan", '{"conditional": true}', "{}")
    found = told(report, results)
    assert list(pairs(found).index) == list(pairs(found, "seeds").index) == ["ns_gan against wgan_gp"]
    assert list(found.tables["c1_digits_given_class_labels_search"]["model"]) == ["lsgan"] and "Kendall" not in found.text


def test_the_claim_is_of_adversarial_models_and_needs_all_their_verdicts(told):
    results = made(apart={"wgan_gp": 0.5}, noise=0.05)
    results.searched.loc[results.searched["model"] == "wgan_gp", "family"] = "vae"
    assert told(report, results).verdict == HOLDS  # worse than a VAE is no matter
    short = made(noise=0.01)
    gone = (short.searched["model"] == "lsgan") & (short.searched["configuration"] == 11)
    short.searched.drop(short.searched.index[gone], inplace=True)
    found = told(report, short)  # a rival that lacks a configuration can't be compared
    assert found.verdict == OPEN and found.tables["c1_all"].set_index("against").loc["lsgan", "verdict"] == UNDECIDED


def test_a_model_that_mostly_fails_is_charged_and_found_worse(told):
    results = made(apart={"lsgan": 0.9}, noise=0.05, configurations=24)
    bad = (results.searched["model"] == "lsgan") & (results.searched["configuration"] > 1)
    results.searched.loc[bad, ["validation", "test"]] = math.nan
    assert pairs(told(report, results)).loc["ns_gan against lsgan", "verdict"] == BETTER


def test_not_worse_is_enough_for_the_claim():
    def pair(p):
        return Verdict("ns_gan", "wgan_gp", UNDECIDED, 0.95, 0.85, 1.05, 0.3, 0.2, p, None)

    (own,) = tiers(made())
    assert [own.on([pair(p)]) for p in (0.01, 0.2)] == [HOLDS, OPEN]


def test_datasets_that_disagree_make_it_a_part(told):
    parts = [made(apart={"wgan_gp": x}, noise=0.02, datasets=(name,)) for x, name in ((1.0, "a"), (0.5, "b"))]
    found = told(report, joined(parts))
    assert found.verdict == IN_PART and found.cases == {"a": HOLDS, "b": REFUTED}


def test_searches_that_do_not_confirm_and_grids_are_not_compared():
    results = made(noise=0.01)
    results.searched.loc[results.searched["model"] == "lsgan", "levels"] = '{"loss": "ls"}'
    alone = {"datasets": ["digits"], "models": ["wgan_gp"], "tune": {"configurations": 12, "confirm": False}}
    grid = {"datasets": ["digits"], "models": ["ns_gan"], "grid": {"loss": {"ls": {}}}, "tune": {"confirm": False}}
    results.study["config"]["cells"] = [alone, grid]  # the grid's cell has the variant "" as the search of ns_gan has
    (found,) = searches(results)
    assert [s.model for s in found.found] == ["ns_gan"]


@pytest.mark.parametrize(("order", "tau"), [(1, "1.00"), (-1, "-1.00")])
def test_encoders_may_rank_the_choices_alike_or_not(told, order, tau):
    results = made(APART)
    scores = results.scores.assign(encoder="first")
    further = scores.assign(encoder="second", value=scores["value"] ** order)
    found = told(report, dataclasses.replace(results, scores=scores, further_scores=further))
    assert f"Kendall's tau of {tau} (" in found.text


def test_models_that_failed_altogether_are_no_evidence(told):
    results = made(noise=0.05)
    gone = results.searched["model"] != "ns_gan"
    results.searched.loc[gone, ["validation", "test", "coverage"]] = math.nan
    found = told(report, results)
    assert set(pairs(found)["verdict"]) == {UNDECIDED} and found.verdict == OPEN


def test_what_covers_nothing_is_worse_than_what_covers_little(told):
    results = made(noise=0.05)
    results.searched["coverage"] = results.searched["model"].map({"ns_gan": 0.5, "wgan_gp": 0.0, "lsgan": 0.5})
    pair = pairs(told(report, results), "coverage").loc["ns_gan against wgan_gp"]
    values = np.log([2.0] * 24 + [2000.0] * 12)  # of the inverse coverage; half an example of 1,000
    assert pair["verdict"] == BETTER and pair["ratio of scores"] == pytest.approx(2 / (3 * np.exp(np.mean(values[9:27]))))


@pytest.mark.parametrize("defaults", [True, False])
def test_the_first_configuration_is_called_the_defaults_only_where_it_is(told, defaults):
    results = made()
    results.study["config"]["cells"] = [cell(["digits"], MODELS, configurations=12, defaults=defaults)]
    assert ("authors' defaults" in told(report, results).tables["c1_digits_search"]) is defaults


@pytest.mark.parametrize(("turned", "shares"), [(False, ["100", "0.0"]), (True, ["0.0", "100"])])
def test_scores_vary_with_models_or_with_how_they_suit_a_dataset(told, turned, shares):
    one = {"ns_gan": [1.0, 1.001, 0.999], "wgan_gp": [2.0, 2.001, 1.999], "lsgan": [4.0, 4.001, 3.999]}
    other = dict(zip(one, reversed(one.values()), strict=True)) if turned else one
    found = told(report, joined([made(each, datasets=(name,)) for name, each in (("a", one), ("b", other))]))
    assert re.findall(r"(-?[\d.]+) % \([^)]*\) with", found.text)[:2] == shares  # the model, how it suits


# ---- studies that grow


def grown(apart, noise=0.3, stopped=("lsgan",)) -> Results:
    """A study that looked at 8, 16 and 32 configurations on two datasets; `stopped`: models that were searched with 8 only."""
    results = made(datasets=("digits", "mnist5k"), configurations=32, apart=apart, noise=noise)
    results.study["config"]["cells"] = [cell(("digits", "mnist5k"), MODELS, configurations=[8, 16, 32])]
    gone = results.searched["model"].isin(stopped) & (results.searched["configuration"] >= 8)
    results.searched.drop(results.searched.index[gone], inplace=True)
    results.trials["configuration"] = 0
    return results


def test_a_study_that_grows_shows_its_looks_and_what_each_cost(told):
    found = told(report, grown({"lsgan": 8.0, "wgan_gp": 1.25}, noise=0.4))
    looks, over_all = found.tables["c1_looks"], found.tables["c1_all"].set_index("against")
    assert over_all.loc["lsgan", ["verdict", "look", "configurations"]].tolist() == [BETTER, 1, "8"]
    assert "lsgan (better)" in looks.loc[0, "decided here"] and looks.loc[0, "still open"] == "wgan_gp"
    assert looks["trials"].tolist()[:2] == [2 * 3 * 8, 2 * 2 * 8]  # two datasets; three models, then two
    assert looks["minutes of training"].tolist()[0] == pytest.approx(48 * 3 / 60)
    assert over_all.loc["wgan_gp", "look"] == len(looks) and found.figures == ["c1_digits_search", "c1_mnist5k_search"]
    # beside each other, both count by as many configurations
    assert {"c1_digits_baseline", "c1_digits_verdicts"} <= set(found.tables)


def test_later_configurations_change_nothing_of_earlier_looks(told):
    results = grown({"lsgan": 8.0, "wgan_gp": 1.25}, noise=0.4)
    whole = told(report, results).tables["c1_looks"]
    results.searched.drop(results.searched.index[results.searched["configuration"] >= 16], inplace=True)
    pd.testing.assert_frame_equal(told(report, results).tables["c1_looks"], whole.iloc[:2])


def test_a_dataset_that_shows_the_contrary_makes_it_a_part(told):
    parts = [made(apart={"wgan_gp": x}, noise=0.05, datasets=(name,)) for x, name in ((3.0, "a"), (3.0, "b"), (0.6, "c"))]
    found = told(report, joined(parts))
    assert found.tables["c1_all"].set_index("against").loc["wgan_gp", "ratio of scores"] < 1
    assert found.verdict == IN_PART and found.cases["c"] == REFUTED
