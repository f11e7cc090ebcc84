"""Generated points (n, d) against equally distributed ones: what several metrics of points do first.

A finite reference is subsampled with a fixed seed: all samples meet the same points, and the standard errors are over the
generated sample alone.
"""

import math
from typing import Any

import torch
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.order import drawn
from genbench.metrics.score import Score
from genbench.metrics.sets import Points

__all__ = ["checked", "equally_many", "mean_se", "rms_radius", "score", "subset"]


def score(key: str, value: float, n: int, se: float | None, settings: dict[str, Any]) -> Score:
    """A score with its card's unit."""
    return Score(key, value, n, METRICS[key].unit, se, settings=settings)


def equally_many(name: str, points: Points, n: int) -> tuple[Tensor, Tensor]:
    """Equally many samples and reference points, at most n; ValueError for fewer than 4."""
    samples, reference = points.samples, points.reference
    count = min(n, len(samples), len(reference))
    if count < 4:
        raise ValueError(f"{name}: {len(samples)} samples and {len(reference)} reference points; at least 4 are needed")
    return subset(name, samples, count, points.seed), subset(f"{name} reference", reference, count)


def subset(name: str, points: Tensor, n: int, seed: int = 0) -> Tensor:
    """At most n of the points, drawn without replacement, as float64 on the CPU."""
    return drawn(checked(name, points), n, seed)


def checked(name: str, points: Tensor) -> Tensor:
    """Points as float64 on the CPU; ValueError for non-finite ones or another shape than (n, d)."""
    if points.ndim != 2 or len(points) == 0:
        raise ValueError(f"{name}: points of shape {tuple(points.shape)}; (n, d) is needed")
    bad = int((~torch.isfinite(points).all(dim=1)).sum())
    if bad:
        raise ValueError(f"{name}: {bad} of {len(points)} points are not finite")
    return points.detach().double().cpu()


def mean_se(values: Tensor) -> float | None:
    """Standard error of the mean of (n,) independent values; None for one alone."""
    return float(values.double().std() / math.sqrt(len(values))) if len(values) > 1 else None


def rms_radius(points: Tensor) -> float:
    """Root mean square distance of points (n, d) from their mean."""
    return float((points - points.mean(dim=0)).square().sum(dim=1).mean().sqrt())
