"""C3 and C5 follow from grids of loss, regularisation and architecture."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genbench.questions.architecture import report as architecture
from genbench.questions.grids import grids, steps_said
from genbench.questions.regularisation import report as regularisation
from genbench.report.verdicts import BETTER, HOLDS, IN_PART, OPEN, REFUTED, WORSE
from genbench.results.study import Results
from genbench.results.tables import SEARCHED

LEVELS = {"loss": ("ns", "wasserstein"), "regularisation": ("none", "gp", "clip"), "architecture": ("mlp", "resnet")}
NO_REGULARISATION = {name: LEVELS[name] for name in ("loss", "architecture")}
BOTH = ("digits", "triangles")


def made(effects=None, datasets=("digits",), levels=None, n=16, noise=0.05, spread=0.5, fails=lambda at, c: False):
    """A study whose cells' log scores are their configuration's, shared by all, plus effects of their levels and noise.

    `effects`: by dataset, or for all, by level.
    """
    rng, rows, levels = np.random.default_rng(0), [], levels or LEVELS
    for dataset in datasets:
        stream = rng.normal(2, spread, n)
        for place in product(*levels.values()):
            at = dict(zip(levels, place, strict=True))
            own = (effects or {}).get(dataset, effects or {})
            value = np.exp(stream + sum(own.get(level, 0.0) for level in place) + noise * rng.normal(size=n))
            for c in range(n):
                row = {"dataset": dataset, "model": "gan", "configuration": c, "seed": 0, "metric": "fid", "coverage": 0.7}
                row |= {"variant": "-".join(place), "levels": json.dumps(at), "status": "ok", "trial": f"{dataset}{place}{c}"}
                row |= {} if fails(at, c) else {"validation": value[c], "test": 1.1 * value[c]}
                rows.append(dict.fromkeys(SEARCHED) | row)
    study = {"datasets": {name: {"kind": "images"} for name in datasets}, "config": {"margin": 1.1}}
    frame = pd.DataFrame(rows).astype({"validation": float, "test": float})
    empty = pd.DataFrame(columns=["trial", "dataset"])
    return Results(study, empty, empty, empty, Path("nowhere"), searched=frame)


def cell(levels=None, **tune):
    """A cell of a study's configuration, of the grid that `made` makes."""
    grid = {factor: dict.fromkeys(names, {}) for factor, names in (levels or LEVELS).items()}
    return {"datasets": ["digits"], "models": ["gan"], "grid": grid, "tune": {"configurations": 16, **tune}}


# ---- C3


@pytest.mark.parametrize(
    ("effects", "verdict", "top"),
    [
        ({"resnet": -1.0, "gp": -0.1}, HOLDS, "architecture"),
        ({"resnet": -0.1, "gp": -1.0}, REFUTED, "regularisation"),
        ({"wasserstein": 1.0}, REFUTED, "loss"),
    ],
)
def test_the_factor_that_varies_scores_most_decides_c3(told, effects, verdict, top):
    found = told(architecture, made(effects))
    shares, cells = found.tables["c3_digits_shares"].set_index("term"), found.tables["c3_digits_cells"].set_index("cell")
    assert found.verdict == verdict and shares["tuned"].idxmax() == top and len(cells) == 12
    assert list(shares.loc[list(LEVELS), "levels"]) == ["2", "3", "2"]
    factor = math.exp(effects.get("resnet", 0.0))
    assert cells.loc["ns, gp, resnet", "tuned"] / cells.loc["ns, gp, mlp", "tuned"] == pytest.approx(factor, rel=0.1)
    assert (cells["failed"] == 0).all() and (cells["coverage of the chosen"] == 0.7).all()


def test_equal_factors_and_bare_noise_leave_c3_open(told):
    equal = made({"resnet": -0.3, "gp": -0.15, "clip": 0.15, "wasserstein": 0.17}, noise=0.3)
    found = told(architecture, equal)
    assert found.verdict == OPEN and "16 configurations per cell are too few" in found.claim.because[-1]
    assert {told(architecture, results).verdict for results in (made(noise=0.0), made(noise=0.5, n=8))} == {OPEN}


def test_datasets_that_differ_make_c3_hold_in_part_at_a_corrected_level(told):
    found = told(architecture, made({"digits": {"resnet": -1.0}, "triangles": {"gp": -1.0}}, BOTH))
    assert found.verdict == IN_PART and found.cases == {"digits": HOLDS, "triangles": REFUTED}
    assert found.claim.because[1].count("97.5 % interval") == 2
    assert found.figures == ["c3_digits_shares", "c3_triangles_shares"]


def test_a_grid_without_regularisation_asks_about_the_loss_alone(told):
    found = told(architecture, made({"wasserstein": 1.0}, levels=NO_REGULARISATION))
    assert found.verdict == REFUTED and "regularisation" not in " ".join(found.claim.because)


def test_what_a_grid_lacks_is_told(told):
    results = made({"resnet": -1.0})
    gone = (results.searched["variant"] == "ns-gp-mlp") & (results.searched["configuration"] == 3)
    results.searched.drop(results.searched.index[gone], inplace=True)
    found = told(architecture, results)
    assert found.verdict == HOLDS and len(found.tables["c3_digits_cells"]) == 11 and "ns · gp · mlp" in found.text
    for report in (architecture, regularisation):
        small = told(report, made(n=3))
        assert small.verdict == OPEN and not small.figures and "12 and 3" in small.text


def test_studies_without_such_grids_have_neither_claim(told):
    plain, bare = made(), made()
    plain.searched["levels"] = ""
    bare.searched.drop(columns="levels", inplace=True)
    for results in (plain, bare, made(levels={"scale": ("1", "4"), "loss": LEVELS["loss"]})):
        assert told(architecture, results) is None and told(regularisation, results) is None
    one = made(levels=LEVELS | {"architecture": ("mlp",)})
    assert told(architecture, one) is None and told(regularisation, one) is not None
    assert told(regularisation, made(levels=LEVELS | {"regularisation": ("gp", "clip")})) is None


def test_models_with_the_same_grid_are_apart(told):
    results = made({"resnet": -1.0})
    same = 1.0 + results.searched["configuration"]
    both = pd.concat([results.searched, results.searched.assign(model="other", validation=same, test=same)])
    both = Results(results.study, results.trials, results.scores, results.floors, results.store, searched=both)
    found = told(architecture, both)
    assert found.verdict == HOLDS and "c3_digits_gan_cells" in found.tables
    assert "digits, other: no verdict" in found.text


def test_older_studies_call_regularisation_a_restraint():
    old = made({"gp": -1.0}, n=4)
    old.searched["levels"] = old.searched["levels"].str.replace("regularisation", "restraint")
    old.study["config"]["cells"] = [cell({name.replace("regularisation", "restraint"): each for name, each in LEVELS.items()})]
    ((found,), said) = grids(old, ["regularisation"])
    assert found.grid.factors == list(LEVELS) and found.defaults and not said


def test_other_levels_stand_over_the_best(told):
    found = told(architecture, made({"resnet": -math.log(2), "none": -math.log(3)}, noise=1e-6), draw=True)
    table = found.tables["c3_digits_shares"].set_index("term").loc[["architecture", "regularisation"]]
    assert table["others over best"].to_list() == pytest.approx([2, 3], rel=1e-3)
    assert list(table["best level"]) == ["resnet", "none"]


@pytest.mark.parametrize(
    ("cells", "known"),
    [
        ([cell()], True),
        ([cell(defaults=True)], True),
        ([cell(defaults=False)], False),
        # a search without a grid, and a grid of other factors, are other cells
        ([cell() | {"grid": {}}, cell(levels={"loss": LEVELS["loss"]}), cell(defaults=False)], False),
        ([cell(defaults=False) | {"datasets": ["ring8"]}, cell()], True),
        ([], False),
    ],
)
def test_the_study_tells_whether_defaults_were_tried(cells, known):
    results = made({"resnet": -1.0}, n=4)
    results.study["config"]["cells"] = cells
    assert [s.defaults for s in grids(results, ["loss"])[0]] == [known]


def test_the_authors_defaults_are_shown_only_where_they_were_tried(told):
    results = made({"resnet": -1.0}, BOTH)
    results.study["config"]["cells"] = [cell(), cell(defaults=False) | {"datasets": ["triangles"]}]
    found = told(architecture, results)
    table, other = (found.tables[f"c3_{name}_cells"].set_index("cell") for name in BOTH)
    own = results.searched[(results.searched["variant"] == "ns-gp-mlp") & (results.searched["configuration"] == 0)]
    assert table.loc["ns, gp, mlp", "authors' defaults"] == own["test"].iloc[0] and "authors' defaults" not in other


@pytest.mark.parametrize(("net", "where"), [(None, None), ('{"critic_steps": 5}', " on triangles"), ('{"width": 9}', "")])
def test_equal_critic_steps_are_told_where_they_are_equal(net, where):
    results = made({"gp": -1.0}, BOTH, n=4)
    results.searched["net"] = '{"width": 8}' if net else None
    one, other = results.searched["dataset"] == "digits", results.searched["configuration"] % 2 == 1
    results.searched.loc[one & other, "net"] = net
    said = steps_said(grids(results, ["loss"])[0])
    assert said.startswith(f"All crossings{where} take") if where is not None else said == ""


# ---- C5


@pytest.mark.parametrize(
    ("effects", "noise", "n", "verdict", "weaker"),
    [
        ({"gp": -1.0, "clip": -0.5}, 0.05, 16, HOLDS, "is shown; 8 of 8"),
        ({"gp": -1.0, "clip": 1.0}, 0.05, 16, REFUTED, "is refuted: clip"),
        ({"gp": -1.0}, 0.01, 16, REFUTED, "is shown; 8 of 8"),  # what changes nothing does not always help
        ({}, 0.6, 8, OPEN, "is neither shown nor refuted"),
    ],
)
def test_every_comparison_has_to_be_better(told, effects, noise, n, verdict, weaker):
    found = told(regularisation, made(effects, noise=noise, n=n), draw=verdict == HOLDS)
    assert found.verdict == verdict and weaker in found.text
    ratios = found.tables["c5_ratios"].groupby("regularisation")["ratio"].mean()
    assert len(found.tables["c5_ratios"]) == 8 and ratios["gp"] == pytest.approx(math.exp(effects.get("gp", 0)), rel=0.3)
    assert ("too few" in found.claim.because[-1]) is (verdict == OPEN)
    assert list(found.tables["c5_published"].columns) == ["what", "dataset", "published", "source"]


def test_worse_by_less_than_the_margin_does_not_refute_never_hurts(told):
    found = told(regularisation, made({"clip": math.log(1.08), "gp": -0.5}, n=64, noise=0.045))
    ratios = found.tables["c5_ratios"].set_index("regularisation")
    assert (ratios.loc["clip", "verdict"] == WORSE).any() and (ratios.loc["clip", "p, at most the margin worse"] > 0.05).all()
    assert "is neither shown nor refuted" in found.text


def test_failures_are_told_and_charged(told):
    results = made(noise=0.02, fails=lambda at, c: at["regularisation"] == "none" and c > 2)
    found = told(regularisation, results)
    rates = found.tables["c5_failures"].set_index("regularisation")
    assert found.verdict == HOLDS and list(rates["failed"]) == [52, 0, 0] and set(rates["trials"]) == {64}
    assert "52 of 64 with none (81 %, 95 %: 70 to 89 %)" in found.text
    assert told(architecture, results).tables["c3_digits_cells"]["failed"].sum() == 52


def test_comparisons_of_all_datasets_are_one_family(told):
    effects = {"digits": {"gp": -1.0, "clip": -1.0}, "triangles": {"gp": -1.0, "clip": 1.0}}
    found = told(regularisation, made(effects, BOTH))
    table = found.tables["c5_ratios"].set_index(["dataset", "regularisation"])["verdict"]
    assert found.verdict == REFUTED and len(table) == 16 and len(found.figures) == 2
    assert set(table["digits"]) == {BETTER} and set(table["triangles", "clip"]) == {WORSE}


def test_all_cases_together_come_first(told):
    """A kind that is worse everywhere, by too little for any case alone, refutes that regularisation always helps."""
    results = made({"clip": 0.25, "gp": -1.0}, BOTH, n=16, noise=0.25)
    found = told(regularisation, results)
    kinds = found.tables["c5_kinds"].set_index(found.tables["c5_kinds"].columns[0])
    assert kinds.loc["clip", "verdict"] == WORSE and kinds.loc["gp", "verdict"] == BETTER
    assert found.verdict == REFUTED and found.claim.blocks[0].title == "Each kind over all cases"
