"""Columns of a study's tables: what `jobs` writes and everything else reads."""

from pathlib import Path

import pandas as pd

from genbench.results.paths import table

__all__ = ["COSTS", "EXAMPLES", "FLOORS", "REFINED", "SCORES", "SEARCHED", "TABLES", "TRIALS", "read_table"]

COSTS = (
    "updates", "samples", "evaluations", "flops", "seconds", "replicas", "group_seconds", "peak_memory_mb", "parameters",
    "sample_seconds", "sample_count",
)  # fmt: skip
TRIALS = (
    "trial", "dataset", "model", "family", "seed", "variant", "phase", "configuration", "levels", "checkpoint", "checkpoints",
    "status", "cause", "step", "selected_update", "device", "started", "finished", *(f"cost_{name}" for name in COSTS),
)  # fmt: skip
SCORES = (
    "trial", "dataset", "model", "family", "seed", "name", "metric", "value", "unit", "n", "se", "kind", "settings",
)  # fmt: skip
FLOORS = ("dataset", "metric", "repeat", "value", "unit", "n", "settings", "role")
EXAMPLES = ("trial", "dataset", "model", "seed", "metric", "kind", "index", "value")  # likelihoods of single test examples
REFINED = (
    "trial", "dataset", "model", "family", "seed", "method", "threshold", "metric", "value", "n", "cause", "pictures",
)  # fmt: skip
SEARCHED = (
    "trial", "dataset", "model", "family", "variant", "configuration", "seed", "status", "cause", "metric", "validation", "test",
    "coverage", "checkpoint", "checkpoints", "levels", "seconds", "net", "hp",
)  # fmt: skip
TABLES = {
    "trials": TRIALS,
    "scores": SCORES,
    "floors": FLOORS,
    "examples": EXAMPLES,
    "refined": REFINED,
    "searched": SEARCHED,
}
OLDER = {"variant": "", "phase": "", "configuration": 0, "levels": "{}", "checkpoints": "[]"}  # what older studies lack


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A study's table, its known columns first; without rows where there is no such file."""
    path, columns = table(folder, name), TABLES[name]
    frame = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
    missing = {key: usual for key, usual in OLDER.items() if key in columns and key not in frame}
    frame = frame.assign(**missing)
    return frame.reindex(columns=[*columns, *(key for key in frame.columns if key not in columns)])
