"""What the best of k configurations scores: the search's expected result at a budget, and its uncertainty."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, stdtrit

from genbench.statistics.distribution import losses, quantile
from genbench.statistics.verdict import Contrast

__all__ = ["Best", "Pair", "best_contrast", "bounded", "degrees", "log_best", "search_curve"]


@dataclass(frozen=True)
class Best:
    """The best of k configurations, chosen on validation and scored on test.

    `mean`: unbiased estimate of its expected score, with its interval `low` to `high`; `plug_in`: the estimate that draws
    with replacement from the observed configurations, biased upwards: `plug_in` - `mean` estimates its bias. `median`: the
    median over searches, with `median_low` to `median_high`. `none`: the chance that a search ends with a failed configuration.
    """

    k: int
    mean: float
    low: float
    high: float
    plug_in: float
    median: float
    median_low: float
    median_high: float
    none: float


def search_curve(
    validation: ArrayLike,
    test: ArrayLike | None = None,
    ks: Iterable[int] | None = None,
    cap: float = math.inf,
    level: float = 0.95,
) -> list[Best]:
    """The score of the best of k configurations for each k of `ks`.

    `validation` (n,) chooses and `test` (n,) is what is reported, both of the same configurations, lower is better, in any
    unit; without `test` the score that chooses is reported, which flatters. Configurations must be independent draws (for a
    scrambled Sobol stream the intervals are a little wide). `ks`: 1 to n // 2 if not given; up to n allowed.

    The mean is the U-statistic over all subsets of k configurations: sum_i C(n - i, k - 1) / C(n, k) test_(i), i the rank by
    validation; ties share their weights. Its interval is the jackknife's with Student's t at 2 n / k - 1 degrees of freedom
    (n / 2 at most), since little more than the n / k best configurations bear on it: with n - 1 the coverage falls to 0.85
    at k = n / 2; see `degrees`. No interval past k = n / 2. The plug-in takes the weights ((n - i + 1)^k - (n - i)^k) / n^k.

    A configuration that failed on validation (a score not finite) ranks last; a search whose choice has failed, on either
    score, or scores worse than `cap`, is charged `cap` (`genbench.statistics.distribution.cap`): else failures that no search
    happened to meet would set the mean. With the default +inf it is infinite for every k that may consist of failures only. The
    median needs no such value: it is infinite where a search fails more often than not. Its interval is that of the quantile
    1 - 2^(-1 / k) of a single configuration, which holds for any distribution; there is none (nan) where test scores are
    reported, since the choice by another score has no such distribution.

    Raises ValueError for unequal lengths, no configuration or a k outside 1 to n.

    References: Lucic et al. 2018, arXiv 1711.10337 (budgets, with replacement); Dodge et al. 2019, arXiv 1909.03004 (plug-in in
    closed form); Tang et al. 2020, arXiv 2004.13705 (its bias, and the U-statistic); Lourie et al. 2024, arXiv 2311.09480
    (median); Arvesen 1969 (jackknife of U-statistics).
    """
    values, failed, _ = _ordered(validation, test)
    n = values.size
    out = []
    for k in range(1, max(n // 2, 1) + 1) if ks is None else ks:
        weights = _weights(n, k)
        charged = np.minimum(values, cap)
        replaced = -np.diff(((n - np.arange(n + 1)) / n) ** k)
        # the median of the best of k is the score that a configuration stays under with chance 1 - 2^(-1 / k)
        exact = quantile(values, 1 - 0.5 ** (1 / k), level) if test is None else None
        low, high = _interval(charged, k, level)
        out.append(
            Best(
                k=k,
                mean=_total(weights, charged),
                low=low,
                high=high,
                plug_in=_total(replaced, charged),
                median=_median(weights, values),
                median_low=exact.low if exact else math.nan,
                median_high=exact.high if exact else math.nan,
                none=float(weights[failed].sum()),
            )
        )
    return out


@dataclass(frozen=True)
class Pair:
    """Two searches by one stream of configurations, on one dataset: validation and test scores (n,) of each.

    `cap`: the most that a configuration is charged.
    """

    own: tuple[ArrayLike, ArrayLike]
    other: tuple[ArrayLike, ArrayLike]
    cap: float = math.inf


def best_contrast(a: str, b: str, pairs: Sequence[Pair], k: int, few: int | None = None) -> Contrast:
    """Log ratio of what the best of k configurations of a and of b is expected to score, for `verdict.decide`.

    `pairs`: one, or one per dataset or other case, over which the mean of log ratios is taken. Scores are positive, lower is
    better. `few`: instead the log of the factor by which the ratio changes from the best of `few` configurations to the best of
    k. k is bounded by half of a search's configurations (`bounded`). This compares models *with their search*: seeds of two
    winners alone can't tell a better model from a luckier search.

    Standard error by the jackknife, which leaves out configuration i of both models and of all pairs at once, since they
    share it: a learning rate that is too large is so everywhere, and errors that took datasets for independent were seen to be
    too small by half. Degrees of freedom are those of a single pair, which keeps the level where pairs share all and is cautious
    where they share nothing (tests/benchmarks/verdicts.py). nan, which decides nothing, without a pair, where a mean is
    infinite, or where a model has no score at all.

    Raises ValueError for scores that are not positive, or searches of unequal length.
    """
    if not pairs:
        return Contrast(a, b, math.nan, math.nan, math.nan)
    found = [_gap((a, b), pair, k, few) for pair in pairs]
    if not all(math.isfinite(estimate) for estimate, _ in found):
        return Contrast(a, b, math.nan, math.nan, math.nan)
    influences = np.zeros((len(pairs), max(left_out.size for _, left_out in found)))
    for row, (_, left_out) in zip(influences, found, strict=True):
        n = left_out.size
        row[:n] = math.sqrt((n - 1) / n) * (left_out - left_out.mean()) / len(pairs)
    parts, total = (influences**2).sum(1), float((influences.sum(0) ** 2).sum())
    freedoms = np.array([degrees(left_out.size, bounded(k, left_out.size)) for _, left_out in found])
    freedom = float(parts.sum() / (parts / freedoms).sum()) if parts.any() else float(freedoms.min())
    # the error falls as that of a mean of so many configurations with this variance
    estimate = float(np.mean([estimate for estimate, _ in found]))
    return Contrast(a, b, estimate, math.sqrt(total), freedom, (total * influences.shape[1],))


def _gap(names: tuple[str, str], pair: Pair, k: int, few: int | None) -> tuple[float, np.ndarray]:
    """A pair's log ratio, and the same without each of the n configurations; nan where one of them has no score at all."""
    if np.size(pair.own[0]) != np.size(pair.other[0]):
        raise ValueError(
            f"{' and '.join(names)} need equal numbers of configurations, got {np.size(pair.own[0])} and {np.size(pair.other[0])}"
        )
    n, out = np.size(pair.own[0]), []
    for name, (validation, test) in zip(names, (pair.own, pair.other), strict=True):
        try:
            found = [log_best(validation, test, bounded(at, n), pair.cap) for at in ((k,) if few is None else (k, few))]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        # what is charged alone has no error to compare with
        scored = np.isfinite(losses(validation)) & np.isfinite(losses(test))
        out.append(found if scored.any() else [(math.nan, np.full(n, math.nan))] * len(found))
    gaps = [(own - other, left - right) for (own, left), (other, right) in zip(*out, strict=True)]
    return gaps[0] if few is None else (gaps[0][0] - gaps[1][0], gaps[0][1] - gaps[1][1])


def log_best(validation: ArrayLike, test: ArrayLike, k: int, cap: float = math.inf) -> tuple[float, np.ndarray]:
    """Log of what the best of k configurations is expected to score, and the same without each of the n, (n,).

    Infinite where the mean is. Raises ValueError for a k over n / 2 or scores not positive.
    """
    values, _, places = _ordered(validation, test)
    n, charged = values.size, np.minimum(values, cap)
    if 2 * k > n:
        raise ValueError(f"the best of {k} needs at least {2 * k} configurations for an interval, got {n}")
    if not (charged > 0).all():
        raise ValueError("a log ratio needs positive scores")
    mean = _total(_weights(n, k), charged)
    if not math.isfinite(mean):
        return mean, np.full(n, math.inf)
    left_out = np.empty(n)
    left_out[places] = np.log(_left_out(charged, k))
    return math.log(mean), left_out


def _ordered(validation: ArrayLike, test: ArrayLike | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values in the order of validation, which of them failed, and where each stood before, all (n,)."""
    chooser = losses(validation)
    values = chooser if test is None else losses(test)
    if values.size != chooser.size or not values.size:
        raise ValueError(f"validation and test need the same configurations, at least one; got {chooser.size} and {values.size}")
    values = np.where(np.isfinite(chooser), values, math.inf)
    places = np.argsort(chooser, kind="stable")
    values = values[places]
    # configurations that validation can't tell apart are equally likely to be chosen
    _, group, counts = np.unique(chooser[places], return_inverse=True, return_counts=True)
    if (counts > 1).any():
        values = (np.bincount(group, values) / counts)[group]
    return values, ~np.isfinite(values), places


def _log_choose(n: ArrayLike, k: int) -> np.ndarray:
    """log C(n, k), -inf where n < k."""
    n = np.asarray(n, dtype=float)
    return np.where(n >= k, gammaln(n + 1) - gammaln(k + 1) - gammaln(np.maximum(n - k, 0) + 1), -math.inf)


def _weights(n: int, k: int) -> np.ndarray:
    """The chance of each of n ranks to be the best of a random subset of k, (n,)."""
    if not 1 <= k <= n:
        raise ValueError(f"the best of {k} needs 1 to {n} configurations")
    return np.exp(_log_choose(n - 1 - np.arange(n), k - 1) - _log_choose(n, k))


def _total(weights: np.ndarray, values: np.ndarray) -> float:
    """Weighted sum in which an infinite value without weight counts nothing."""
    used = weights > 0
    return float(weights[used] @ values[used])


def _left_out(values: np.ndarray, k: int) -> np.ndarray:
    """The U-statistic without each of the n ordered values, (n,)."""
    n = values.size
    values = np.where(_weights(n, k) > 0, values, 0.0)
    weights = _weights(n - 1, k)
    before = np.concatenate([[0.0], np.cumsum(weights * values[:-1])])
    after = np.concatenate([np.cumsum((weights * values[1:])[::-1])[::-1], [0.0]])
    return before + after


def _jackknife(left_out: np.ndarray) -> float:
    """Variance of a statistic from its values without each of the n observations."""
    n = left_out.size
    return float((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())


def bounded(k: int, n: int) -> int:
    """k, or where n configurations are too few for an interval of the best of k, the largest for which they are enough."""
    return max(min(k, n // 2), 1)


def degrees(n: int, k: int) -> float:
    """Degrees of freedom of the jackknife of the best of k of n configurations.

    Little more than the n / k best bear on it: 2 n / k - 1. And scores of a search are far from normal where some of it does
    not train at all: n / 2 keeps the error rates of few configurations (tests/benchmarks/verdicts.py).
    """
    return min(n / 2, 2 * n / k - 1)


def _interval(values: np.ndarray, k: int, level: float) -> tuple[float, float]:
    """The interval of the U-statistic of ordered values; nan past k = n / 2 or where it is infinite."""
    n = values.size
    mean = _total(_weights(n, k), values)
    if 2 * k > n or not math.isfinite(mean):
        return math.nan, math.nan
    half = float(stdtrit(degrees(n, k), 0.5 + level / 2)) * math.sqrt(_jackknife(_left_out(values, k)))
    return mean - half, mean + half


def _median(weights: np.ndarray, values: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(np.cumsum(weights[order]), 0.5 - 1e-12)
    return float(values[order][min(place, values.size - 1)])
