"""C2: what the size of a search changes follows from the searches."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genbench.questions.search_budget import report
from genbench.report.verdicts import BETTER, EQUIVALENT, HOLDS, IN_PART, OPEN, REFUTED, WORSE
from genbench.results.study import Results
from genbench.results.tables import SEARCHED
from genbench.statistics.distribution import cap


def made(scores: dict, configurations=32, narrow=None, checkpoints=None, k=8) -> Results:
    """A study of searches: `scores` makes each model's scores from the stream's normal numbers (n,)."""
    rng = np.random.default_rng(0)
    stream, rows = rng.normal(size=configurations), []
    for variant, models in (("", scores), ("narrow", narrow or {})):
        for model, of in models.items():
            for c, value in enumerate(of(stream)):
                row = dict.fromkeys(SEARCHED) | {"trial": f"{model}{variant}{c}", "dataset": "digits", "model": model, "seed": 0}
                row |= {"variant": variant, "configuration": c, "metric": "fid", "validation": value, "test": value}
                rows.append(row | {"checkpoints": json.dumps(checkpoints or [])})
    tune = [
        {
            "variant": v,
            "datasets": ["digits"],
            "models": [*scores],
            "tune": {"space": v or "wide", "configurations": configurations},
        }
        for v in ("", "narrow")
    ]
    study = {"datasets": {"digits": {"kind": "images"}}, "config": {"margin": 1.1, "k": k, "cells": tune}}
    trials = pd.DataFrame(columns=["trial", "dataset", "model", "variant", "phase", "configuration", "seed", "label"])
    frame = pd.DataFrame(rows, columns=SEARCHED).astype({"validation": float, "test": float, "coverage": float})
    found, floors = pd.DataFrame(columns=["trial", "metric", "value"]), pd.DataFrame(columns=["dataset", "metric", "value"])
    return Results(study, trials, found, floors, Path("nowhere"), searched=frame)


def wide(u):
    return np.exp(u)


def flat(u):
    return 2 * np.exp(0.001 * u)


def test_a_model_that_gains_by_searching_changes_its_ratio_to_one_that_does_not(told):
    found = told(report, made({"ns_gan": wide, "vae": flat}), draw=True)
    gains = found.tables["c2_digits_gains"].set_index("model")
    assert found.verdict == HOLDS and list(gains["verdict"]) == [BETTER, EQUIVALENT]
    assert "for 1 of 2 models" in found.claim.because[1] and "for 1 of 1 pair" in found.claim.because[1]
    scores = np.sort(wide(np.random.default_rng(0).normal(size=32)))
    best = sum(x * math.comb(31 - i, 7) / math.comb(32, 8) for i, x in enumerate(scores))
    mean = np.minimum(scores, cap([scores, flat(scores)], 10)).mean()
    assert gains.loc["ns_gan", "factor"] == pytest.approx(best / mean, rel=0.02)
    assert found.tables["c2_digits_changes"].loc[0, "factor"] == pytest.approx(best / mean, rel=0.02)


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ({"ns_gan": flat, "vae": lambda u: 1.5 * flat(u)}, REFUTED),
        ({"ns_gan": wide, "vae": lambda u: 2 * wide(u)}, IN_PART),
    ],
)
def test_no_gain_refutes_and_a_common_gain_is_a_part(told, scores, verdict):
    assert told(report, made(scores)).verdict == verdict


def test_spaces_are_compared_at_one_and_at_many(told):
    found = told(report, made({"ns_gan": wide}, narrow={"ns_gan": lambda u: np.exp(0.2 * u)}), draw=True)
    few, many = (found.tables[f"c2_digits_spaces_{k}"].loc[0] for k in (1, 8))
    assert few["factor"] < 1 < many["factor"] and many["verdict"] == WORSE and found.verdict == OPEN


@pytest.mark.parametrize(
    ("path", "shares"),
    [
        # an earlier checkpoint by validation, another by test, and the last
        ([(5, 1.0, 2.0), (9, 3.0, 1.0), (None, 4.0, 6.0)], (1, 3, 0.5)),
        # of equal ones the last is chosen
        ([(5, 1.0, 3.0), (None, 1.0, 2.0)], (0, 1, 1)),
    ],
)
def test_checkpoints_tell_what_the_end_and_peeking_cost(told, path, shares):
    kept = [{"update": u, "validation": v, "test": t} for u, v, t in path]
    row = told(report, made({"ns_gan": wide, "vae": flat}, checkpoints=kept)).tables["c2_checkpoints"].iloc[0]
    assert tuple(row[["not the last", "last, median", "best on test"]]) == pytest.approx(shares)


def test_few_configurations_allow_no_verdict(told):
    found = told(report, made({"ns_gan": wide, "vae": flat}, configurations=6, k=1))
    assert found.verdict == OPEN and len(found.claim.because) == 1
    assert told(report, made({})) is None


def test_all_datasets_together_come_first(told):
    results = made({"ns_gan": wide, "vae": flat})
    twin = results.searched.assign(dataset="polygons", trial="p" + results.searched["trial"])
    study = {"datasets": dict.fromkeys(("digits", "polygons"), {"kind": "images"}), "config": dict(results.config)}
    study["config"]["cells"] = [{**each, "datasets": ["digits", "polygons"]} for each in results.config["cells"]]
    both = Results(
        study, results.trials, results.scores, results.floors, Path("nowhere"), searched=pd.concat([results.searched, twin])
    )
    found = told(report, both)
    whole, own = (found.tables[f"c2_{name}_gains"].set_index("model") for name in ("all", "digits"))
    assert found.verdict == HOLDS and whole["factor"].tolist() == pytest.approx(own["factor"].tolist())
    assert found.tables["c2_all_changes"]["pair"].tolist() == ["ns_gan against vae"]
