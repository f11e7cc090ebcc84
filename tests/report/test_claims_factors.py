"""C3 and C5 follow from grids of loss, restraint and architecture."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genbench.report import style
from genbench.report.claims import factors, restraints
from genbench.report.read import SEARCHED, Results

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


# ---- C5


def test_a_restraint_that_always_helps_makes_c5_hold():
    claim, said, tables = restraint(made({"gp": -1.0, "clip": -0.5}))
    assert claim.verdict == "holds" and "Of 8 comparisons of a restraint with none, after tuning, 8 better." in said
    assert "Each is better on its own test, the least 0.6" in said and "1.1: shown; 8 of 8 comparisons show it" in said
    assert "it is better in 8 and worse in 0 of 8 comparisons" in said
    assert tables["c5_ratios"].groupby("restraint")["ratio"].mean()["gp"] == pytest.approx(math.exp(-1), rel=0.1)


def test_a_restraint_that_hurts_somewhere_refutes_c5():
    claim, said, _ = restraint(made({"gp": -1.0, "clip": 1.0}))
    assert claim.verdict == "does not hold" and "4 better and 4 worse" in said
    assert "by more than a factor of 1.1: refuted by clip" in said and "is worse (2." in said and ", and 1 more." in said
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
