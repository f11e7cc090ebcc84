"""C2: what the budget changes follows from the searches."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genbench.report import style
from genbench.report.claims import budget
from genbench.results.study import Results
from genbench.results.tables import SEARCHED


def made(laws: dict, configurations=32, narrow=None, checkpoints=None) -> Results:
    """A study of searches: `laws` gives each model's scores from the stream's normal numbers (n,)."""
    rng = np.random.default_rng(0)
    stream, rows = rng.normal(size=configurations), []
    for variant, models in (("", laws), ("narrow", narrow or {})):
        for model, law in models.items():
            for c, value in enumerate(law(stream)):
                row = dict.fromkeys(SEARCHED) | {"trial": f"{model}{variant}{c}", "dataset": "digits", "model": model, "seed": 0}
                row |= {"variant": variant, "configuration": c, "metric": "fid", "validation": value, "test": value}
                rows.append(row | {"checkpoints": json.dumps(checkpoints or [])})
    tune = [{"variant": v, "datasets": ["digits"], "models": [*laws], "tune": {"space": v or "wide"}} for v in ("", "narrow")]
    study = {"datasets": {"digits": {"kind": "images"}}, "config": {"margin": 1.1, "cells": tune}}
    trials = pd.DataFrame(columns=["trial", "dataset", "model", "variant", "phase", "configuration", "seed", "label"])
    frame = pd.DataFrame(rows, columns=SEARCHED).astype({"validation": float, "test": float, "coverage": float})
    scores, floors = pd.DataFrame(columns=["trial", "metric", "value"]), pd.DataFrame(columns=["dataset", "metric", "value"])
    return Results(study, trials, scores, floors, Path("nowhere"), searched=frame)


def told(results):
    with style.theme():
        found = budget.claim(results)
        tables = {block.name: block.frame for block in found.blocks if block.kind == "table"}
        for block in found.blocks:
            if block.kind == "figure":
                block.svg("c2")
    return found, " ".join(item for block in found.blocks if block.kind == "points" for item in block.items), tables


def wide(u):
    return np.exp(u)


def flat(u):
    return 2 * np.exp(0.001 * u)


def test_a_model_that_gains_by_searching_changes_its_ratio_to_one_that_does_not():
    found, words, tables = told(made({"ns_gan": wide, "vae": flat}))
    assert found.verdict == "holds" and "for 1 of 2 models; the ratio of 1 of 1 pair" in found.because
    gains = tables["c2_digits_gains"].set_index("model")
    assert gains.loc["ns_gan", "verdict"] == "better" and gains.loc["vae", "verdict"] == "equivalent"
    scores = np.sort(wide(np.random.default_rng(0).normal(size=32)))
    best = sum(x * math.comb(31 - i, 7) / math.comb(32, 8) for i, x in enumerate(scores))
    assert gains.loc["ns_gan", "factor"] == pytest.approx(best / scores.mean())
    assert tables["c2_digits_changes"].loc[0, "factor"] == pytest.approx(best / scores.mean(), rel=0.01)
    assert "vae leads at one, ns_gan at 16" in words or "ns_gan leads at both" in words


def test_scores_that_no_search_changes_refute_the_claim():
    found, _, _ = told(made({"ns_gan": flat, "vae": lambda u: 1.5 * flat(u)}))
    assert found.verdict == "does not hold" and "for 1 a change is ruled out" in found.because


def test_a_common_gain_is_only_a_part_of_the_claim():
    found, _, _ = told(made({"ns_gan": wide, "vae": lambda u: 2 * wide(u)}))
    assert found.verdict == "holds in part"


def test_spaces_are_compared_at_one_and_at_many():
    found, words, tables = told(made({"ns_gan": wide}, narrow={"ns_gan": lambda u: np.exp(0.2 * u)}))
    few, many = (tables[f"c2_digits_spaces_{k}"].loc[0] for k in (1, 8))
    assert few["factor"] < 1 < many["factor"] and many["verdict"] == "worse"
    assert "Narrow over wide space" in words and found.verdict == "undecided"


def test_checkpoints_tell_what_the_end_and_peeking_cost():
    path = [
        {"update": 5, "validation": 1.0, "test": 2.0},
        {"update": 9, "validation": 3.0, "test": 1.0},
        {"update": None, "validation": 4.0, "test": 6.0},
    ]
    _, words, tables = told(made({"ns_gan": wide, "vae": flat}, checkpoints=path))
    row = tables["c2_checkpoints"].iloc[0]
    assert row["not the last"] == 1 and row["last, median"] == pytest.approx(3) and row["best on test"] == pytest.approx(0.5)
    assert (
        "In 100% of 64 trials an earlier checkpoint than the last is chosen." in words
        and "flatter scores by 100 % on average" in words
    )


def test_a_study_without_searches_says_nothing():
    assert budget.claim(made({})) is None


def test_of_equal_checkpoints_the_last_is_the_chosen_one():
    same = [{"update": u, "validation": 1.0, "test": t} for u, t in ((5, 3.0), (None, 2.0))]
    _, words, tables = told(made({"ns_gan": wide, "vae": flat}, checkpoints=same))
    assert tables["c2_checkpoints"].iloc[0]["not the last"] == 0 and tables["c2_checkpoints"].iloc[0]["last, median"] == 1
