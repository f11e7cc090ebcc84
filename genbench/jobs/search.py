"""The jobs of a search: score its trials on the validation and the test split, and choose a configuration."""

import json
import math
import sys
from pathlib import Path

import torch

from genbench.data import load
from genbench.jobs.common import group_of
from genbench.jobs.selection import Selection
from genbench.results.files import read_json, write_json
from genbench.results.paths import Paths

__all__ = ["choose", "score_searched"]


def score_searched(study: str, group: str, paths: Paths, out: Path, device: torch.device) -> None:
    """Score every trial of a search's group on both splits; what an earlier job scored the same way is not scored again."""
    settings, members = group_of(study, group, paths)
    select, rows = Selection(load(paths.data(members.dataset)), settings, paths, device), []
    for trial in members.trials:
        row = {"trial": trial.id, "configuration": trial.configuration, "seed": trial.seed, **select(trial)}
        row |= {"net": trial.net, "hp": trial.hp}
        print(f"{group} configuration {trial.configuration}: {row['status']} {json.dumps(row['scores'])}", file=sys.stderr)
        rows.append(row)
    write_json(out, {"group": group, "study": study, "metric": select.metric, "rows": rows})


def choose(manifests: list[Path], out: Path) -> None:
    """Write the configuration with the lowest mean over its trials of the validation score.

    A configuration of which any trial failed comes after all others; if all are such, the authors' defaults stand in.
    """
    rows = [row for manifest in manifests for row in read_json(manifest)["rows"]]
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
