"""C1 and the tale: sentences, tables and verdicts follow from the searches."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from genbench.report.searches import Searched, Searches

from genbench.report import style
from genbench.report.chapters import tale
from genbench.report.claims import equal_terms
from genbench.results.study import Results
from genbench.results.tables import SEARCHED
from genbench.statistics.verdict import Verdict

MODELS = ("ns_gan", "wgan_gp", "lsgan")


def made(confirmed: dict, failed: int = 0, datasets=("digits",), configurations=12, apart=None, noise=0.0) -> Results:
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
                row |= {"trial": f"{dataset}{model}{c}", "metric": "fid", "status": "diverged" if bad else "ok"}
                searched.append(row | ({} if bad else {"validation": value, "test": 1.1 * value, "coverage": 0.8}))
            best = int(np.argmin(values[: configurations - failed])) if failed < configurations else 0
            for seed, value in enumerate(confirmed[model]):
                trial = f"{dataset}{model}-{seed}"
                base = {"trial": trial, "dataset": dataset, "model": model, "seed": seed, "label": model, "variant": ""}
                trials.append({**base, "phase": "confirm", "configuration": best})
                if math.isfinite(value):
                    scores.append({**base, "metric": "fid", "value": value})
    study = {"datasets": {name: {"kind": "images"} for name in datasets}, "config": {"margin": 1.2}}
    floors = pd.DataFrame({"dataset": datasets, "metric": "fid", "value": 0.5})
    frame = pd.DataFrame(searched).astype({"validation": float, "test": float, "coverage": float})
    return Results(study, pd.DataFrame(trials), pd.DataFrame(scores), floors, Path("nowhere"), searched=frame)


def told(results):
    with style.theme():
        chapter = tale.chapter(results)
        chapter.figures()
    said = [item for block in chapter.blocks if block.kind == "points" for item in block.items]
    said += [block.text for block in chapter.blocks if block.kind == "paragraph" and not block.fine]
    return chapter, " ".join(said), chapter.tables()


def verdict(chapter, key="C1"):
    claims = next(block for block in chapter.blocks if block.kind == "table" and block.name == "claims").frame
    return dict(zip(claims["claim"].str[:2], claims["verdict here"], strict=True))[key]


SAME = {"ns_gan": [10.0, 10.1, 9.9, 10.0], "wgan_gp": [10.1, 10.0, 9.9, 10.05], "lsgan": [9.95, 10.0, 10.1, 10.0]}


def test_a_study_without_searches_has_no_tale(results):
    assert tale.chapter(results) is None


def test_models_that_search_alike_are_equivalent_and_the_claim_holds():
    chapter, words, tables = told(made(SAME, noise=0.01))
    assert chapter.lead and set(tables["tale_c1_digits_verdicts"]["verdict"]) == {"equivalent"}
    assert (
        "of 3 pairs of models, each with its search (best of 3 out of 12), 0 told apart, 3 equivalent within a factor of 1.2"
        in words
    )
    assert verdict(chapter) == "holds" and "digits: ns_gan is equivalent to wgan_gp and lsgan." in words
    assert "Coverage of the test split by the same choices: 0 told apart, 3 equivalent" in words
    assert set(tables["tale_c1_digits_seeds"]["verdict"]) == {"equivalent"}


def test_a_model_that_is_better_refutes_the_claim():
    chapter, words, tables = told(made(SAME, apart={"wgan_gp": 0.5}, noise=0.05))
    table = tables["tale_c1_digits_verdicts"].set_index("pair")
    assert table.loc["ns_gan against wgan_gp", "verdict"] == "worse"
    assert table.loc["ns_gan against wgan_gp", "ratio of scores"] == pytest.approx(2, rel=0.1)
    assert verdict(chapter) == "does not hold" and "worse than wgan_gp" in words


def test_lucky_winners_do_not_decide_the_claim():
    chapter, words, tables = told(made(SAME | {"wgan_gp": [5.0, 5.1, 4.9, 5.0]}, noise=1.0))
    assert tables["tale_c1_digits_seeds"].set_index("pair").loc["ns_gan against wgan_gp", "verdict"] == "worse"
    assert set(tables["tale_c1_digits_verdicts"]["verdict"]) == {"undecided"}
    assert verdict(chapter) == "undecided" and "ns_gan is undecided against wgan_gp and lsgan." in words


def test_the_table_gives_the_search_and_its_confirmation():
    results = made(SAME, failed=3)
    _, words, tables = told(results)
    row = tables["tale_c1_digits_search"].set_index("model").loc["ns_gan"]
    own = results.searched[results.searched["model"] == "ns_gan"]
    assert row["failed"] == 3 and row["tried"] == 12 and row["k"] == 3 and row["seeds ok"] == "4 of 4"
    assert row["chosen, validation"] == own["validation"].min() and row["confirmed"] == pytest.approx(10.0)
    best = _best(own["test"].dropna(), 12, 3)  # a search of failures alone is charged the worst score
    best[np.isinf(best)] = results.searched["test"].max()
    assert row["best of k"] == pytest.approx(np.mean(best), rel=0.02)
    assert "Configurations that failed, and count as the worst: ns_gan 3 of 12, wgan_gp 3 of 12 and lsgan 3 of 12." in words
    lowest = {m: results.searched.loc[results.searched["model"] == m, "validation"].min() for m in MODELS}
    ratio = np.median([np.mean(SAME[m]) / (1.1 * lowest[m]) for m in MODELS])  # test scores are 1.1 times the validation scores
    assert f"the choice score {ratio:.2f} times what the chosen trial itself scored" in words


def _best(ok, n, k, draws=20_000):
    """The best of random subsets of k of n of which some failed, by simulation."""
    rng = np.random.default_rng(1)
    values = np.concatenate([ok, np.full(n - len(ok), np.inf)])
    return np.take_along_axis(
        values[None].repeat(draws, 0), rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)[:, :k], 1
    ).min(1)


def test_a_search_whose_every_configuration_failed_is_told_and_breaks_nothing():
    results = made({**SAME, "lsgan": [math.nan] * 4})
    results.searched.loc[results.searched["model"] == "lsgan", ["validation", "test"]] = math.nan
    _, words, tables = told(results)
    row = tables["tale_c1_digits_search"].set_index("model").loc["lsgan"]
    assert row["seeds ok"] == "0 of 4" and math.isnan(row["chosen, test"]) and "lsgan 12 of 12" in words


def test_several_datasets_are_compared_by_their_rankings():
    confirmed = {"ns_gan": [5.0, 5.1, 5.2], "wgan_gp": [10.0, 10.1, 10.2], "lsgan": [20.0, 20.1, 20.2]}
    apart = {"wgan_gp": 2.0, "lsgan": 4.0}
    _, words, _ = told(made(confirmed, datasets=("digits", "mnist5k"), apart=apart, noise=0.05))
    assert (
        "by the mean rank of their fresh seeds among those of all? Kendall's W is 1.00" in words
        and "Over all datasets 6 pairs: 6 told apart" in words
    )


def test_a_single_model_has_neither_verdicts_nor_claims():
    results = made(SAME)
    results.searched.drop(results.searched.index[results.searched["model"] != "ns_gan"], inplace=True)
    results.trials.drop(results.trials.index[results.trials["model"] != "ns_gan"], inplace=True)
    chapter, words, tables = told(results)
    assert {name for name in tables if "published" not in name} == {
        "tale_claims",
        "tale_c1_digits_search",
        "tale_c2_digits_gains",
    }
    assert verdict(chapter) == "undecided" and "does not search ns_gan beside other GANs" in words and "pair" not in words


def test_models_that_are_told_classes_are_compared_apart():
    results = made(SAME, noise=0.01)
    results.searched["net"] = np.where(results.searched["model"] == "lsgan", '{"conditional": true}', "{}")
    _, words, tables = told(results)
    assert list(tables["tale_c1_digits_verdicts"]["pair"]) == ["ns_gan against wgan_gp"]
    assert list(tables["tale_c1_digits_seeds"]["pair"]) == ["ns_gan against wgan_gp"]
    assert list(tables["tale_c1_digits_given_class_labels_search"]["model"]) == ["lsgan"]
    assert "ns_gan is equivalent to wgan_gp." in words and "rank the choices" not in words


def test_the_claim_is_of_adversarial_models_and_needs_all_their_verdicts():
    results = made(SAME, apart={"wgan_gp": 0.5}, noise=0.05)
    results.study["models"] = {"ns_gan": {"family": "gan"}, "lsgan": {"family": "gan"}, "wgan_gp": {"family": "vae"}}
    chapter, words, _ = told(results)
    assert verdict(chapter) == "holds" and "digits: ns_gan is equivalent to lsgan." in words
    assert "Against other families ns_gan is worse than wgan_gp." in words
    short = made(SAME, noise=0.01)
    gone = (short.searched["model"] == "lsgan") & (short.searched["configuration"] == 11)
    short.searched.drop(short.searched.index[gone], inplace=True)
    chapter, words, _ = told(short)
    assert "No verdict on 2 pairs" in words and verdict(chapter) == "undecided"


def test_a_model_that_mostly_fails_is_charged_and_found_worse():
    results = made(SAME, apart={"lsgan": 0.9}, noise=0.05, configurations=24)
    bad = (results.searched["model"] == "lsgan") & (results.searched["configuration"] > 1)
    results.searched.loc[bad, ["validation", "test"]] = math.nan
    table = told(results)[2]["tale_c1_digits_verdicts"].set_index("pair")
    assert table.loc["ns_gan against lsgan", "verdict"] == "better"


def test_not_worse_is_enough_for_the_claim():
    def pair(p):
        return Verdict("ns_gan", "wgan_gp", "undecided", 0.95, 0.85, 1.05, 0.3, 0.2, p, None)

    one = np.ones(8)
    found = [Searched(name, name, "gan", "", one, one, one, 0, one[:3], one[:3]) for name in ("ns_gan", "wgan_gp")]
    own = Searches("digits", "digits", "fid", 0.5, tuple(found))
    assert equal_terms._own_claim(own, [pair(0.01)]) == ("holds", "ns_gan is not worse than wgan_gp by the margin.")
    assert equal_terms._own_claim(own, [pair(0.2)])[0] == "undecided"


def test_datasets_that_disagree_make_it_a_part():
    better, worse = (
        made(SAME, apart={"wgan_gp": factor}, noise=0.02, datasets=(name,)) for factor, name in ((1.0, "a"), (0.5, "b"))
    )
    study = {**better.study, "datasets": {**better.study["datasets"], **worse.study["datasets"]}}
    frames = {k: pd.concat([getattr(r, k) for r in (better, worse)]) for k in ("trials", "scores", "floors", "searched")}
    chapter, words, _ = told(Results(study, store=Path("nowhere"), **frames))
    assert verdict(chapter) == "holds in part" and "a: ns_gan is equivalent" in words and "b: ns_gan is" in words


def test_searches_that_do_not_confirm_and_grids_are_not_compared():
    results = made(SAME, noise=0.01)
    results.searched.loc[results.searched["model"] == "lsgan", "levels"] = '{"loss": "ls"}'
    cell = {"datasets": ["digits"], "models": ["wgan_gp"], "tune": {"confirm": False}}
    grid = {"datasets": ["digits"], "models": ["ns_gan"], "grid": {"loss": {"ls": {}}}, "tune": {"confirm": False}}
    results.study["config"]["cells"] = [cell, grid]  # the grid's cell has the variant "" as the search of ns_gan has
    _, _, tables = told(results)
    assert list(tables["tale_c1_digits_search"]["model"]) == ["ns_gan"]


@pytest.mark.parametrize(("order", "tau"), [(1, "1.00"), (-1, "-1.00")])
def test_encoders_may_rank_the_choices_alike_or_not(order, tau):
    results = made({"ns_gan": [5.0, 5.1, 5.2], "wgan_gp": [10.0, 10.1, 10.2], "lsgan": [20.0, 20.1, 20.2]})
    scores = results.scores.assign(encoder="first")
    further = scores.assign(encoder="second", value=scores["value"] ** order)
    _, words, _ = told(dataclasses.replace(results, scores=scores, further_scores=further))
    assert f"digits: 2 encoders rank the choices of 3 models with a Kendall tau of {tau} (" in words


def test_models_that_failed_altogether_are_no_evidence():
    results = made(SAME, noise=0.05)
    gone = results.searched["model"] != "ns_gan"
    results.searched.loc[gone, ["validation", "test", "coverage"]] = math.nan
    chapter, _, tables = told(results)
    assert set(tables["tale_c1_digits_verdicts"]["verdict"]) == {"undecided"} and verdict(chapter) == "undecided"
    assert "equivalent" not in set(tables["tale_c2_digits_gains"].set_index("model").loc[["wgan_gp", "lsgan"], "verdict"])


def test_what_covers_nothing_is_worse_than_what_covers_little():
    results = made(SAME, noise=0.05)
    results.searched["coverage"] = results.searched["model"].map({"ns_gan": 0.5, "wgan_gp": 0.0, "lsgan": 0.5})
    _, _, tables = told(results)
    pairs = tables["tale_c1_digits_coverage"].set_index("pair")
    assert pairs.loc["ns_gan against wgan_gp", "verdict"] == "better"
    assert pairs.loc["ns_gan against wgan_gp", "ratio of scores"] == pytest.approx(2 * 0.5 / 1000)


def test_the_first_configuration_is_called_the_defaults_only_where_it_is():
    results = made(SAME)
    assert "authors' defaults" in told(results)[2]["tale_c1_digits_search"]
    cell = {"datasets": ["digits"], "models": list(MODELS), "tune": {"defaults": False}}
    results.study["config"]["cells"] = [cell]
    assert "authors' defaults" not in told(results)[2]["tale_c1_digits_search"]


@pytest.mark.parametrize(("turned", "model", "suits"), [(False, "100 %", "0 %"), (True, "0 %", "100 %")])
def test_scores_vary_with_models_or_with_how_they_suit_a_dataset(turned, model, suits):
    one = {"ns_gan": [1.0, 1.001, 0.999], "wgan_gp": [2.0, 2.001, 1.999], "lsgan": [4.0, 4.001, 3.999]}
    other = dict(zip(one, reversed(one.values()), strict=True)) if turned else one
    parts = [made(each, datasets=(name,)) for name, each in (("a", one), ("b", other))]
    study = {**parts[0].study, "datasets": {"a": {"kind": "images"}, "b": {"kind": "images"}}}
    frames = {k: pd.concat([getattr(r, k) for r in parts]) for k in ("trials", "scores", "floors", "searched")}
    _, words, _ = told(Results(study, store=Path("nowhere"), **frames))
    assert f"vary with the model by {model} (" in words and f"suits the dataset by {suits} (" in words
    assert "over fresh seeds of one (medians over 6 searches)" in words
