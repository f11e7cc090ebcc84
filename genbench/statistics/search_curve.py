"""What the best of k configurations scores: the search's expected result at a budget, and its uncertainty."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, stdtrit

from genbench.statistics.distribution import losses, quantile
from genbench.statistics.verdict import Contrast

__all__ = ["Best", "best_contrast", "bounded", "budget_contrast", "degrees", "log_best", "search_curve"]


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


def best_contrast(
    a: tuple[str, ArrayLike, ArrayLike],
    b: tuple[str, ArrayLike, ArrayLike],
    k: int,
    cap: float = math.inf,
    shared: bool = True,
) -> Contrast:
    """Log ratio of what the best of k configurations of two models is expected to score, for `verdict.decide`.

    `a` and `b`: a name with validation and test scores (n,), positive, lower is better. This compares the models *with their
    search*: seeds of two winners alone can't tell a better model from a luckier search. `shared`: configuration i of both is
    the same draw (one stream of configurations), so that both leave it out together. Standard error by the jackknife, degrees
    of freedom as in `search_curve`. The estimate is nan, which decides nothing, where either mean is infinite.

    Raises ValueError for a k over n / 2, for scores that are not positive, or for shared streams of unequal length.
    """
    return _contrast(a, b, (k,), cap, shared)


def budget_contrast(
    a: tuple[str, ArrayLike, ArrayLike],
    b: tuple[str, ArrayLike, ArrayLike],
    k: int,
    few: int = 1,
    cap: float = math.inf,
    shared: bool = True,
) -> Contrast:
    """Log of the factor by which the ratio of a to b changes from the best of `few` configurations to the best of k.

    Below 0 where a larger search favours a. Arguments and errors as in `best_contrast`.
    """
    return _contrast(a, b, (k, few), cap, shared)


def _contrast(a, b, ks: tuple[int, ...], cap: float, shared: bool) -> Contrast:
    """log best of ks[0], less that of ks[1] where there is one, of a less that of b."""
    means, curves, freedoms = [], [], []
    for name, validation, test in (a, b):
        try:
            found = [log_best(validation, test, k, cap) for k in ks]
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        # what is charged alone has no error to compare with
        if not (np.isfinite(losses(validation)).any() and all(math.isfinite(mean) for mean, _ in found)):
            return Contrast(a[0], b[0], math.nan, math.nan, math.nan)
        mean, left_out = found[0] if len(ks) == 1 else (found[0][0] - found[1][0], found[0][1] - found[1][1])
        means.append(mean)
        curves.append(left_out)
        freedoms.append(degrees(left_out.size, ks[0]))
    if shared and curves[0].size != curves[1].size:
        raise ValueError(f"a shared stream needs equal numbers of configurations, got {curves[0].size} and {curves[1].size}")
    if shared:
        curves, freedoms = [curves[0] - curves[1]], freedoms[:1]
    parts = [_jackknife(each) for each in curves]
    total = sum(parts)
    freedom = total**2 / sum(v**2 / f for v, f in zip(parts, freedoms, strict=True)) if total else min(freedoms)
    # at one k the error falls as that of a mean of so many configurations with this variance
    variances = (total * curves[0].size,) if shared else ()
    return Contrast(a[0], b[0], means[0] - means[1], math.sqrt(total), freedom, variances)


def log_best(validation: ArrayLike, test: ArrayLike, k: int, cap: float = math.inf) -> tuple[float, np.ndarray]:
    """Log of what the best of k configurations is expected to score, and the same without each of the n, (n,).

    Scores as in `best_contrast`. Infinite where the mean is. Raises ValueError for a k over n / 2 or scores not positive.
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
