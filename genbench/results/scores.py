"""What a score says of itself: its settings, and the encoder that made it."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["OWN", "average", "parse", "primary"]

# what an estimate finds out about itself: differs from trial to trial
OWN = ("estimator", "ess", "gap", "iwae", "sigma", "elbo", "log_z", "log_z_se", "log_z_error", "usable", "reason")


def parse(settings: str | None) -> dict[str, Any]:
    """A score's settings from their JSON, empty if there are none."""
    return json.loads(settings) if isinstance(settings, str) and settings else {}


def average(trials: Iterable[Mapping[str, Any]], key: str) -> float:
    """Mean of a number among the settings of the trials that have it; nan for none."""
    known = [value for each in trials if isinstance(value := each.get(key), int | float) and not isinstance(value, bool)]
    return sum(known) / len(known) if known else math.nan


def primary(meta: Mapping[str, Any], used: Iterable[str]) -> str:
    """Name of a dataset's primary encoder: the first that the study lists, by its hash, else the one of most scores."""
    used = Counter(name for name in used if name)
    first = str((meta.get("encoders") or [{}])[0].get("hash") or "no encoder listed")
    return next((name for name in used if first in name), max(used, key=used.get, default=""))
