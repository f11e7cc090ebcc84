"""C3 and C5 follow from grids of loss, restraint and architecture."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genbench.report import style
from genbench.report.claims import factors, grids, restraints
from genbench.results.study import Results
from genbench.results.tables import SEARCHED

LEVELS = {"loss": ("ns", "wasserstein"), "restraint": ("none", "gp", "clip"), "architecture": ("mlp", "resnet")}


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


def told(claim):
    """A claim with its figures made, its words and its tables."""
    names = [(block.kind, block.name) for block in claim.blocks if block.kind in ("figure", "table")]
    assert len(set(names)) == len(names) and all(name.startswith(f"{claim.key.lower()}_") for _, name in names)
    for block in claim.blocks:
        if block.kind == "figure":
            assert block.svg("tale").startswith("<svg")
        if block.kind == "table":
            block.rows()
    words = [item for block in claim.blocks if block.kind == "points" for item in block.items]
    return claim, " ".join([claim.because, *words]), {b.name: b.frame for b in claim.blocks if b.kind == "table"}


def architecture(results):
    with style.theme():
        return told(factors.architecture(results))


def restraint(results):
    with style.theme():
        return told(restraints.restraints(results))


def note(claim):
    (found,) = (block.text for block in claim.blocks if block.kind == "paragraph")
    return found


def cell(levels=None, **tune):
    """A cell of a study's configuration, of the grid that `made` makes."""
    grid = {factor: dict.fromkeys(names, {}) for factor, names in (levels or LEVELS).items()}
    return {"datasets": ["digits"], "models": ["gan"], "grid": grid, "tune": {"configurations": 16, **tune}}


def without_levels(results):
    results.searched["levels"] = ""
    return results


# ---- C3


@pytest.mark.parametrize(
    ("effects", "verdict", "words"),
    [
        ({"resnet": -1.0, "gp": -0.1}, "holds", "so the architecture leads"),
        ({"resnet": -0.1, "gp": -1.0}, "does not hold", "so loss and restraint lead"),
        ({"wasserstein": 1.0}, "does not hold", "so loss and restraint lead"),
    ],
)
def test_the_factor_that_varies_scores_most_decides_c3(effects, verdict, words):
    claim, said, tables = architecture(made(effects))
    assert claim.verdict == verdict and words in said and "12 tuned cells" in said
    top = tables["c3_digits_shares"].set_index("term")["tuned"].idxmax()
    assert (
        top == {"resnet": "architecture", "gp": "restraint", "wasserstein": "loss"}[max(effects, key=lambda e: abs(effects[e]))]
    )
    cells = tables["c3_digits_cells"].set_index("cell")
    factor = math.exp(effects.get("resnet", 0.0))
    assert cells.loc["ns, gp, resnet", "tuned"] / cells.loc["ns, gp, mlp", "tuned"] == pytest.approx(factor, rel=0.1)
    assert (cells["failed"] == 0).all() and (cells["coverage of the chosen"] == 0.7).all() and "0 of 192 trials failed" in said


def test_equal_factors_and_bare_noise_leave_c3_open():
    equal = made({"resnet": -0.3, "gp": -0.15, "clip": 0.15, "wasserstein": 0.17}, noise=0.3)
    claim, said, _ = architecture(equal)
    assert claim.verdict == "undecided" and "so which leads is not shown" in said
    claim, said, _ = architecture(made(noise=0.0))
    assert claim.verdict == "undecided"
    open_, said, _ = architecture(made(noise=0.5, n=8))
    assert open_.verdict == "undecided"


def test_datasets_that_differ_make_c3_hold_in_part_at_a_corrected_level():
    effects = {"digits": {"resnet": -1.0}, "triangles": {"gp": -1.0}}
    claim, said, tables = architecture(made(effects, ("digits", "triangles")))
    assert claim.verdict == "holds in part" and said.count("97.5 % interval") == 2
    assert {"c3_digits_shares", "c3_triangles_shares", "c3_digits_cells", "c3_triangles_cells"} <= set(tables)
    assert len([block for block in claim.blocks if block.kind == "figure"]) == 2


def test_a_grid_without_restraints_asks_about_the_loss_alone():
    levels = {name: LEVELS[name] for name in ("loss", "architecture")}
    claim, said, _ = architecture(made({"wasserstein": 1.0}, levels=levels))
    assert claim.verdict == "does not hold" and "so loss leads" in said and "restraint" not in claim.because


def test_what_a_grid_lacks_is_told():
    results = made({"resnet": -1.0})
    gone = (results.searched["variant"] == "ns-gp-mlp") & (results.searched["configuration"] == 3)
    results.searched.drop(results.searched.index[gone], inplace=True)
    claim, said, _ = architecture(results)
    assert claim.verdict == "holds" and "11 tuned cells" in said
    assert "digits: left out, since they lack configurations that others tried: ns · gp · mlp." in said
    for ask in (architecture, restraint):
        claim, said, _ = ask(made(n=3))
        assert claim.verdict == "undecided"
        assert said == "digits: no verdict, a grid needs two complete cells and 4 configurations, got 12 and 3."


def test_studies_without_such_grids_have_neither_claim():
    for results in (without_levels(made()), made(levels={"scale": ("1", "4"), "loss": LEVELS["loss"]})):
        assert factors.architecture(results) is None and restraints.restraints(results) is None
    bare = made()
    bare.searched.drop(columns="levels", inplace=True)
    assert factors.architecture(bare) is None and restraints.restraints(bare) is None
    one = made(levels=LEVELS | {"architecture": ("mlp",)})
    assert factors.architecture(one) is None and restraints.restraints(one) is not None
    assert restraints.restraints(made(levels=LEVELS | {"restraint": ("gp", "clip")})) is None


def test_models_with_the_same_grid_are_apart():
    results = made({"resnet": -1.0})
    same = 1.0 + results.searched["configuration"]
    twin = results.searched.assign(model="other", validation=same, test=same)
    results = Results(
        results.study, results.trials, results.scores, results.floors, results.store, searched=pd.concat([results.searched, twin])
    )
    _, said, tables = architecture(results)
    assert {"c3_digits_gan_cells"} <= set(tables) and "digits, gan: of the variance" in said
    assert "digits, other: no verdict, shares need cells that differ." in said


def test_levels_are_counted_and_factors_compared_one_by_one():
    claim, said, tables = architecture(made({"resnet": -0.5, "gp": -0.4, "wasserstein": 0.2}))
    assert "the architecture (2 levels) has" in claim.because
    assert "and loss (2 levels), restraint (3 levels) and their pair" in claim.because
    (figure,) = (block for block in claim.blocks if block.kind == "figure")
    assert "loss has 2 levels, restraint has 3 levels and architecture has 2 levels" in figure.caption
    assert "a factor with more levels has a larger share by counting alone" in note(claim)
    table = tables["c3_digits_shares"].set_index("term")
    assert list(table.loc[["loss", "restraint", "architecture"], "levels"]) == ["2", "3", "2"]
    line = next(item for block in claim.blocks if block.kind == "points" for item in block.items if "factor against" in item)
    for rival, before in (
        ("restraint", "that of restraint (3 levels), the larger of the other two, is "),
        ("loss", "(2 levels) "),
    ):
        gap = 100 * (table.loc["architecture", "tuned"] - table.loc[rival, "tuned"])
        assert f"{before}{round(gap)} points (" in line
    alone = architecture(made({"wasserstein": 1.0}, levels={name: LEVELS[name] for name in ("loss", "architecture")}))
    assert "factor against factor" not in alone[1] and "loss (2 levels) 100 %" in alone[0].because


def test_other_levels_stand_over_the_best():
    _, said, tables = architecture(made({"resnet": -math.log(2), "none": -math.log(3)}, noise=1e-6))
    table = tables["c3_digits_shares"].set_index("term")
    assert table.loc[["architecture", "restraint"], "others over best"].to_list() == pytest.approx([2, 3], rel=1e-3)
    assert list(table.loc[["architecture", "restraint"], "best level"]) == ["resnet", "none"]
    assert "other levels, geometric mean, over those at its best:" in said and "3.00 (3.00 to 3.00) for restraint (none)" in said


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
    results = made({"resnet": -1.0})
    results.study["config"]["cells"] = cells
    assert [s.defaults for s in grids.searched(results, ["loss"])[0]] == [known]


@pytest.mark.parametrize("shown", [True, False])
def test_the_authors_defaults_are_shown_only_where_they_were_tried(shown):
    results = made({"resnet": -1.0})
    results.study["config"]["cells"] = [cell(defaults=shown)]
    claim, _, tables = architecture(results)
    table = tables["c3_digits_cells"].set_index("cell")
    (caption,) = (block.caption for block in claim.blocks if block.kind == "table" and block.name == "c3_digits_cells")
    assert ("authors' defaults" in table) is ("the authors' defaults' and" in caption) is shown
    assert (", the authors' defaults first." in note(claim)) is shown
    if shown:
        own = results.searched[(results.searched["variant"] == "ns-gp-mlp") & (results.searched["configuration"] == 0)]
        assert table.loc["ns, gp, mlp", "authors' defaults"] == own["test"].item()


def test_where_defaults_were_tried_is_told_by_dataset():
    results = made({"resnet": -1.0}, ("digits", "triangles"))
    results.study["config"]["cells"] = [cell(), cell(defaults=False) | {"datasets": ["triangles"]}]
    claim, _, tables = architecture(results)
    assert ", the authors' defaults first on digits." in note(claim)
    assert ["authors' defaults" in tables[f"c3_{name}_cells"] for name in ("digits", "triangles")] == [True, False]


def test_equal_critic_steps_are_told_where_they_are_equal():
    results = made({"gp": -1.0}, ("digits", "triangles"))
    steps = "All crossings{} take equally many critic steps, those of the recipe, whatever the loss."
    one, other = results.searched["dataset"] == "digits", results.searched["configuration"] % 2 == 1
    for net, where in ((None, None), ('{"critic_steps": 5}', " on triangles"), ('{"width": 9}', "")):
        results.searched["net"] = '{"width": 8}' if net else None
        results.searched.loc[one & other, "net"] = net
        found = grids.searched(results, ["loss"])[0]
        assert grids.steps_said(found) == ("" if where is None else " " + steps.format(where))
    for ask in (architecture, restraint):
        assert steps.format("") in note(ask(results)[0])


# ---- C5


def test_worse_by_less_than_the_margin_does_not_refute_never_hurts():
    _, said, tables = restraint(made({"clip": math.log(1.07), "gp": -0.5}, n=48, noise=0.03))
    ratios = tables["c5_ratios"].set_index("restraint")
    assert (ratios.loc["clip", "verdict"] == "worse").any() and (ratios.loc["clip", "p, at most the margin worse"] > 0.05).all()
    assert "by more than a factor of 1.1: neither shown nor refuted" in said


def test_the_note_of_c5_says_what_errs_how_often():
    text = note(restraint(made({"gp": -1.0}))[0])
    assert "each family by itself errs anywhere with a chance of 5 % at most" in text and "{" not in text
    assert "where it has one to search" in text


def test_a_restraint_that_always_helps_makes_c5_hold():
    claim, said, tables = restraint(made({"gp": -1.0, "clip": -0.5}))
    assert claim.verdict == "holds" and "Of 8 comparisons of a restraint with none, after tuning, 8 better." in said
    assert "Each is better on its own test, the least 0.6" in said and "1.1: shown; 8 of 8 comparisons show it" in said
    assert "it is better in 8 and worse in 0 of 8 comparisons" in said
    assert tables["c5_ratios"].groupby("restraint")["ratio"].mean()["gp"] == pytest.approx(math.exp(-1), rel=0.1)


def test_a_restraint_that_hurts_somewhere_refutes_c5():
    claim, said, _ = restraint(made({"gp": -1.0, "clip": 1.0}))
    assert claim.verdict == "does not hold" and "4 better and 4 worse" in said
    assert (
        "by more than a factor of 1.1: refuted by clip" in said
        and "on digits (2." in said
        and "is worse (2." in said
        and ", and 1 more." in said
    )
    assert "it is better in 4 and worse in 4 of 8 comparisons" in said


def test_a_restraint_that_changes_nothing_refutes_always_but_not_never_hurts():
    claim, said, _ = restraint(made({"gp": -1.0}, noise=0.01))
    assert claim.verdict == "does not hold" and "4 better and 4 equivalent" in said and "1.1: shown; 8 of 8" in said


def test_noise_leaves_c5_open():
    claim, said, _ = restraint(made(noise=0.6, n=8))
    assert claim.verdict == "undecided" and "None is shown worse or equivalent" in said and "neither shown nor refuted" in said


def test_failures_are_told_and_charged():
    results = made(noise=0.02, fails=lambda at, c: at["restraint"] == "none" and c > 2)
    claim, said, tables = restraint(results)
    assert claim.verdict == "holds"
    rates = tables["c5_failures"].set_index("restraint")
    assert rates.loc["none", "failed"] == 52 and rates.loc["gp", "failed"] == 0 and rates.loc["gp", "trials"] == 64
    assert "none 52 of 64 (81 %, 70 to 89)" in said and "gp 0 of 64 (0 %, 0 to 6; p = 0.00049" in said
    none = restraint(made())[1]
    assert "digits: none of 192 trials failed" in none
    _, said, tables = architecture(results)
    assert "52 of 192 trials failed" in said and tables["c3_digits_cells"]["failed"].sum() == 52


def test_comparisons_of_all_datasets_are_one_family():
    effects = {"digits": {"gp": -1.0, "clip": -1.0}, "triangles": {"gp": -1.0, "clip": 1.0}}
    claim, said, tables = restraint(made(effects, ("digits", "triangles")))
    assert claim.verdict == "does not hold" and len(tables["c5_ratios"]) == 16 and "on triangles is worse" in said
    assert "on digits is worse" not in said and len([b for b in claim.blocks if b.kind == "figure"]) == 2


def test_published_values_stand_beside():
    for ask in (architecture, restraint):
        claim, _, tables = ask(made({"gp": -1.0}))
        table = tables[f"{claim.key.lower()}_published"]
        assert list(table.columns) == ["what", "dataset", "published", "source"] and len(table)
