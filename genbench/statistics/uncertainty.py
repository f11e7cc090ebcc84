"""How sure a number is: intervals over seeds, paired differences, and which part of a variance is sampling."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import chdtrc, stdtrit

__all__ = ["Difference", "Spread", "critical", "interval", "paired", "pooled_share", "spread", "welch", "wilson"]


def interval(values: Iterable[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of its t-interval.

    Non-finite values are left out; one value has no interval (half-width nan), none has no mean either.

    References: Student 1908.
    """
    array = np.asarray([value for value in values if math.isfinite(value)], dtype=float)
    if array.size == 0:
        return math.nan, math.nan
    if array.size == 1:
        return float(array[0]), math.nan
    return float(array.mean()), _half([array.var(ddof=1) / array.size], [array.size - 1], level)


def welch(a: np.ndarray, b: np.ndarray, level: float = 0.95, least: tuple[float, float] = (0.0, 0.0), of: int = 2) -> float:
    """Half-width of Welch's t-interval of the difference of two means; 0 without any spread.

    `of`: how many means are compared, of which these two may be any, such as the best and the worst: then by Games and Howell, so
    that all intervals cover with the chance `level`.

    `a` (n,) and `b` (m,) are independent samples of at least two values each. `least`: variances of a single value that are
    known to be there, such as that of a finite generated sample, in squared units: where the values of a model vary by less,
    they agree by chance, and the known variance takes the place of theirs. The degrees of freedom stay those of the values,
    which makes the interval wide rather than narrow.

    References: Welch 1947; Satterthwaite 1946; Games & Howell 1976, doi:10.3102/10769986001002113.
    """
    variances = [max(x.var(ddof=1), known) / x.size for x, known in zip((a, b), least, strict=True)]
    return _half(variances, [a.size - 1, b.size - 1], level, of=of)


def wilson(share: float, n: int, z: float) -> tuple[float, float]:
    """Centre and half-width of Wilson's interval of a share of n at z standard errors: it has a width even at 0 and 1.

    References: Wilson 1927.
    """
    return (
        (share + z**2 / (2 * n)) / (1 + z**2 / n),
        z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n),
    )


def critical(level: float, freedom: float, of: int = 2) -> float:
    """Standard errors in the half-width of an interval of a difference of two means, any two of `of` that are compared.

    Student's t for two; Tukey's studentised range over the root of two for more, which for two is the same. The latter takes a
    tenth of a second: degrees of freedom are rounded down to one of twenty a decade, which makes it 2 % larger at most.
    """
    if of <= 2:
        return float(stdtrit(freedom, 0.5 + level / 2))
    return _studentised(level, 10 ** (math.floor(20 * math.log10(min(freedom, 1e6)) + 1e-9) / 20), of)


@cache
def _studentised(level: float, freedom: float, of: int) -> float:
    from scipy.stats import studentized_range  # its import takes a second

    return float(studentized_range.ppf(level, of, freedom)) / math.sqrt(2)


def _half(variances: list[float], freedoms: list[int], level: float, total: float | None = None, of: int = 2) -> float:
    """Half-width of an interval for a sum of independent variances of means, with Satterthwaite's degrees of freedom."""
    total = sum(variances) if total is None else total
    if total == 0:
        return 0.0
    freedom = total**2 / sum(v**2 / f for v, f in zip(variances, freedoms, strict=True))
    return critical(level, freedom, of) * math.sqrt(total)


@dataclass(frozen=True)
class Difference:
    """Mean difference of two models on the same examples.

    `se_test`: standard error over the `n` examples; `se_training`: over training seeds; `half`: half-width of the interval
    that covers both. The last two are nan where a model has a single seed: what training adds is not known then.
    """

    mean: float
    se_test: float
    se_training: float
    half: float
    n: int


def paired(a: np.ndarray, b: np.ndarray, level: float = 0.95, of: int = 2) -> Difference:
    """Difference a - b of the mean values of two models, for other test examples and other training seeds.

    `a` (S, n) and `b` (R, n) hold a value per seed and example, in any unit; column i is the same example in both, rows are
    independent trainings. What is hard for both models cancels. Model of a value: model + seed + example + rest, seeds and
    examples drawn at random. The variance of the difference is then unbiasedly
    var_i(mean over seeds of a - b) / n + max(0, sum over models of [var_s(mean over examples) / S - MS_rest / (S n)]),
    where the last term keeps the rest from counting twice. The interval takes Student's t with Satterthwaite's degrees of
    freedom: an approximation, a little wide where seeds hardly differ. `of`: as for `welch`.

    Raises ValueError for fewer than two examples, unequal numbers of them, or values that are not finite.

    References: Welch 1947; Satterthwaite 1946; Cornfield & Tukey 1956 (crossed random effects).
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or a.shape[1] < 2 or not len(a) or not len(b):
        raise ValueError(f"paired values need shapes (seeds, n) with one n of at least 2, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("paired values must be finite")
    n = a.shape[1]
    gaps = a.mean(0) - b.mean(0)
    test = gaps.var(ddof=1) / n
    if min(len(a), len(b)) < 2:
        return Difference(float(gaps.mean()), math.sqrt(test), math.nan, math.nan, n)
    seeds = [x.mean(1).var(ddof=1) / len(x) for x in (a, b)]
    rest = sum(_rest(x) / x.size for x in (a, b))
    total = test + max(0.0, sum(seeds) - rest)
    half = _half([*seeds, test], [len(a) - 1, len(b) - 1, n - 1], level, total, of)
    return Difference(float(gaps.mean()), math.sqrt(test), math.sqrt(sum(seeds)), half, n)


def _rest(x: np.ndarray) -> float:
    """Mean square of what neither the row nor the column explains."""
    rest = x - x.mean(0) - x.mean(1, keepdims=True) + x.mean()
    return float((rest**2).sum() / ((x.shape[0] - 1) * (x.shape[1] - 1)))


@dataclass(frozen=True)
class Spread:
    """Where the variance over seeds comes from, as standard deviations of a single trial's value.

    `total` over the `n` seeds; `sampling`: what a finite generated sample adds by itself; `training`: what is left;
    `share` of the variance over seeds that is left to training (nan without any variance); `p`: chance of a variance
    over seeds at least this large if sampling were all there is.
    """

    n: int
    total: float
    sampling: float
    training: float
    share: float
    p: float


def spread(values: Iterable[float], errors: Iterable[float]) -> Spread | None:
    """Split the variance over seeds into sampling and training.

    `values` (n,): a metric of n trainings; `errors` (n,): the standard error of each over its generated sample, in the same
    unit. Training variance is var(values) - mean(errors^2), at least 0: unbiased before the cut, and coarse with few seeds
    (with 3 a standard deviation is only known to a factor of about 0.5 to 6). `p` is of the chi-squared test with n - 1
    degrees of freedom. None for fewer than two values.

    References: method of moments of a one-way random-effects model; Searle, Casella & McCulloch 1992.
    """
    x, se = np.asarray(list(values), dtype=float), np.asarray(list(errors), dtype=float)
    if x.size < 2:
        return None
    total, sampling = float(x.var(ddof=1)), float((se**2).mean())
    training = max(0.0, total - sampling)
    share = training / total if total > 0 else math.nan
    p = float(chdtrc(x.size - 1, (x.size - 1) * total / sampling)) if sampling > 0 else float(total == 0)
    return Spread(x.size, math.sqrt(total), math.sqrt(sampling), math.sqrt(training), share, p)


def pooled_share(every: Iterable[Spread]) -> float:
    """Training's share of the variance over seeds, of many models together: 1 - sum(sampling^2) / sum(total^2), at least 0.

    The cut comes after the sums: single estimates are cut at 0 where sampling happened to look larger, so that their mean or
    median is biased upwards. nan where no model varies.
    """
    every = list(every)
    total = sum(each.total**2 for each in every)
    return max(0.0, 1 - sum(each.sampling**2 for each in every) / total) if total > 0 else math.nan
