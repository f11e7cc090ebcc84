"""How scores are distributed over a search: quantiles with distribution-free intervals, and the share of failed trials."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from genbench.statistics.uncertainty import wilson

__all__ = ["CAP", "Failures", "Quantile", "cap", "failures", "losses", "quantile"]

CAP = 3.0  # times a typical score: what a configuration is charged at most


@dataclass(frozen=True)
class Quantile:
    """The q-quantile of the scores of n trials; `low`, `high` are infinite where n is too small for a bound."""

    q: float
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Failures:
    """How many of n trials failed, and the interval of the chance of failing."""

    n: int
    failed: int
    share: float
    low: float
    high: float


def losses(scores: ArrayLike) -> np.ndarray:
    """Scores as float64 (n,), failed trials (anything not finite, -inf included) as +inf: they are the worst."""
    array = np.asarray(scores, dtype=float).ravel()
    return np.where(np.isfinite(array), array, math.inf)


def cap(scores: Iterable[ArrayLike], times: float = CAP) -> float:
    """The most that a configuration is charged, failed ones included: `times` a typical score.

    `scores`: of all models that are compared, in any shapes, positive, lower is better. What a search is expected to reach would
    otherwise be set by how badly the failures score that it happened to meet. Typical is the interquartile mean of the logs of
    all finite scores, which a quarter of failures does not move and which, unlike the median, does not jump where scores lie in
    two heaps. +inf where nothing is finite.

    References: Agarwal et al. 2021, arXiv 2108.13264 (interquartile mean).
    """
    every = np.concatenate([losses(each) for each in scores] or [np.empty(0)])
    every = every[np.isfinite(every) & (every > 0)]
    return times * math.exp(stats.trim_mean(np.log(every), 0.25)) if every.size else math.inf


def quantile(scores: ArrayLike, q: float, level: float = 0.95) -> Quantile:
    """The q-quantile of a score over the trials of a search, with its interval from order statistics.

    `scores` (n,): lower is better, in any unit; failed trials (not finite) count as +inf, so that they are in the denominator
    and a quantile may be infinite. 0 < q < 1. The value is the smallest score that at least a share q of the trials don't
    exceed. The interval holds with at least the chance `level` whatever the distribution of the scores: the number of trials
    below the quantile is binomial. Raises ValueError without trials.

    References: Thompson 1936; David & Nagaraja 2003, §7.1.
    """
    ordered = np.sort(losses(scores))
    n = ordered.size
    if n == 0:
        raise ValueError("a quantile needs at least one trial")
    first, last = stats.binom.ppf([(1 - level) / 2, (1 + level) / 2], n, q).astype(int)
    return Quantile(
        q=q,
        # n q of whole numbers may come out a rounding error too high
        value=float(ordered[max(math.ceil(n * q - 1e-9), 1) - 1]),
        low=float(ordered[first - 1]) if first > 0 else -math.inf,
        high=float(ordered[last]) if last < n else math.inf,
        n=n,
    )


def failures(scores: ArrayLike, level: float = 0.95) -> Failures:
    """The share of failed trials (scores that are not finite) with Wilson's interval.

    Raises ValueError without trials. References: Wilson 1927.
    """
    bad = ~np.isfinite(losses(scores))
    if bad.size == 0:
        raise ValueError("a share needs at least one trial")
    centre, half = wilson(bad.mean(), bad.size, stats.norm.ppf(0.5 + level / 2))
    return Failures(bad.size, int(bad.sum()), float(bad.mean()), max(float(centre - half), 0.0), min(float(centre + half), 1.0))
