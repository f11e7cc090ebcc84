"""What tells the cells of a study apart: a label for each trial."""

from pathlib import Path
from typing import Any

import pandas as pd

from genbench.results.files import read_json
from genbench.results.paths import TRIAL

__all__ = ["GIVEN", "flat", "labels", "recipe"]

GIVEN = "given class labels"


def labels(trials: pd.DataFrame, recipes: list[dict[str, Any]]) -> list[str]:
    """A label per trial: its model and variant, plus the settings that differ where a dataset has several cells of these.

    `trials` has dataset, model, variant and conditional; `recipes` are theirs, in the same order.
    """
    found = {index: flat(each) for index, each in zip(trials.index, recipes, strict=True)}
    named = trials["variant"].where((trials["variant"] != "") | ~trials["conditional"], GIVEN)
    made = trials["model"].where(named == "", trials["model"] + " · " + named).astype(object)
    for _, group in trials.groupby(["dataset", made], sort=False):
        keys = sorted({key for index in group.index for key in found[index]})
        differ = [key for key in keys if len({repr(found[index].get(key)) for index in group.index}) > 1]
        for index in group.index:
            parts = ", ".join(_part(key, found[index]) for key in differ if key != "budget.unit")
            made[index] += f" · {parts}" if differ else ""
    return made.tolist()


def recipe(folder: Path) -> dict[str, Any]:
    """Budget, batch, network and hyperparameters of a trial, from its folder; None for what it does not say."""
    path = folder / TRIAL
    trial = read_json(path) if path.is_file() else {}
    return {key: trial.get(key) for key in ("budget", "batch", "net", "hp")}


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings with dotted keys: {"a": {"b": 1}} is {"a.b": 1}."""
    out: dict[str, Any] = {}
    for key, item in value.items():
        out |= flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {f"{prefix}{key}": item}
    return out


def _part(key: str, settings: dict[str, Any]) -> str:
    """A setting that tells cells apart, as short words."""
    if key == "budget.value":
        return f"{_short(settings.get(key))} {settings.get('budget.unit') or ''}".strip()
    return f"{key.split('.')[-1]} {_short(settings.get(key))}"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)
