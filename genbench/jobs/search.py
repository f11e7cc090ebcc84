"""The steps of a search: score its trials on the validation and the test split, and choose a configuration."""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from genbench.config.expand import Group, Trial
from genbench.jobs.context import Context
from genbench.results.files import read_json, write_json
from genbench.results.paths import TRAINED, Paths

__all__ = ["choose", "score_searched"]


def score_searched(group: Group, context: Context) -> list[dict[str, Any]]:
    """A row for each trial of a search's group: scores on both splits, old ones where it was scored this way before.

    Of a trial that was scored only the weights of chosen checkpoints stay; to be scored in a new way, it trains again.
    """
    select, rows = context.select, []
    for trial in group.trials:
        row = {"trial": trial.id, "configuration": trial.configuration, "seed": trial.seed, **select(trial)}
        row |= {"metric": select.metric, "net": trial.net, "hp": trial.hp}
        print(f"{group.name} {trial.configuration}: {row['status']} {json.dumps(row['scores'])}", file=sys.stderr)
        rows.append(row)
        _prune(trial, context.paths)
    return rows


def _prune(trial: Trial, paths: Paths) -> None:
    """Delete the weights of a trial's checkpoints that were never chosen, however it was scored."""
    rows = [read_json(file) for file in paths.selections(trial.id)]
    chosen = {row["update"] for row in rows if "update" in row}
    if chosen:  # none where scoring failed, which may be looked into
        for update in {*read_json(paths.trial(trial.id) / TRAINED).get("earlier", ()), None} - chosen:
            paths.weights(trial.id, update).unlink(missing_ok=True)


def choose(rows: Iterable[Mapping[str, Any]], out: Path) -> None:
    """Write the configuration with the lowest mean over its trials of the validation score, of the rows of a search.

    A configuration of which any trial failed comes after all others; if all are such, the authors' defaults stand in.
    """
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(row["configuration"], []).append(row["scores"].get("validation", math.inf))
    means = {configuration: sum(values) / len(values) for configuration, values in sorted(found.items())}
    best = min(means, key=means.get)
    about = {"configuration": best, "configurations": len(means), "failed": sum(map(math.isinf, means.values()))}
    if math.isfinite(means[best]):
        about["validation"] = means[best]
    write_json(out, about)
    print(f"configuration {best} of {len(means)}, validation {means[best]:.4g}", file=sys.stderr)
