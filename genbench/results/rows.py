"""Rows of a study's tables, from trials and the manifests of their scores."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from genbench.config.expand import Trial

__all__ = ["checkpoints", "levels", "named", "searched_rows"]


def named(trial: Trial) -> dict:
    """What tells a trial apart."""
    return {"trial": trial.id, **{key: getattr(trial, key) for key in ("dataset", "model", "family", "seed")}}


def levels(trial: Trial) -> dict[str, str]:
    """Its levels of a grid's factors, as JSON."""
    return {"levels": json.dumps(dict(trial.levels))}


def checkpoints(row: dict) -> dict:
    """Which checkpoint was chosen (None: the end), and what all scored by the metric that chooses, as JSON."""
    return {"checkpoint": row.get("update"), "checkpoints": json.dumps(row.get("checkpoints") or [])}


def searched_rows(manifests: Iterable[Mapping[str, Any]], members: Mapping[str, Mapping[str, Trial]]) -> list[dict]:
    """A row per trial of a search, with the metric that chooses on both splits; no number where it failed.

    `manifests`: of the scores of its groups. `members`: trials by id, by group: variants may share a trial, such as the authors'
    defaults, and only its group tells what it stands for.
    """
    rows = []
    for manifest in manifests:
        for row in manifest["rows"]:
            trial = members[row["group"]][row["trial"]]
            place = {
                "variant": trial.variant,
                **levels(trial),
                "configuration": trial.configuration,
                "metric": row["metric"],
            }
            rest = {"net": json.dumps(trial.net), "hp": json.dumps(trial.hp), "seconds": row["costs"].get("seconds")}
            scores = {key: row["scores"].get(key) for key in ("validation", "test", "coverage")} | checkpoints(row)
            rows.append({**named(trial), **place, "status": row["status"], "cause": row["cause"], **scores, **rest})
    return rows
