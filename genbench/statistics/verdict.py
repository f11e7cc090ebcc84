"""Verdicts on pairs of models: better, worse, equivalent or undecided, with a margin and a correction for many pairs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import nctdtr, stdtr, stdtrit

from genbench.statistics.distribution import losses

__all__ = [
    "BETTER",
    "EQUIVALENT",
    "NOT_WORSE",
    "UNDECIDED",
    "WORSE",
    "Contrast",
    "Verdict",
    "compare",
    "decide",
    "holm",
    "p_at_least",
    "seeds_needed",
    "verdicts",
]

BETTER, WORSE, EQUIVALENT, NOT_WORSE, UNDECIDED = "better", "worse", "equivalent", "not worse", "undecided"
MANY = 10_000  # more seeds than this are no advice
RARE = 29  # seeds that show what befalls one in ten, with a chance of 95 %


@dataclass(frozen=True)
class Contrast:
    """Estimated log of the ratio of a's score to b's: below 0 where a is better.

    `error`: its standard error with `freedom` degrees of freedom. `variances`: of the log score of a single seed, one per
    model, or one of the differences where seeds are paired or configurations shared; empty where it is not known. `p_rank`:
    where seeds failed, the two-sided p of the ranks, signed by the direction (below 0 where a is better), in place of an
    estimate. `least`: as many values of each would be needed before "equivalent" or "not worse" can be said; 0 where they are
    there.
    """

    a: str
    b: str
    estimate: float
    error: float
    freedom: float
    variances: tuple[float, ...] = ()
    p_rank: float = math.nan
    least: int = 0


@dataclass(frozen=True)
class Verdict:
    """What can be said of a against b; ratios are of a's score to b's, below 1 where a is better.

    `word`: BETTER, WORSE, EQUIVALENT or UNDECIDED. `ratio` with its own interval `low` to `high`, not corrected for
    other pairs; nan where seeds failed. Corrected for all pairs: `p_difference` of equal scores, `p_equivalence` of a
    difference as large as the margin, `p_not_worse` of a worse than b by the margin. `seeds`: per model, as many (configurations,
    where searches are compared) as would
    decide an undecided pair; None where there is no such number.
    """

    a: str
    b: str
    word: str
    ratio: float
    low: float
    high: float
    p_difference: float
    p_equivalence: float
    p_not_worse: float
    seeds: int | None


def verdicts(
    scores: Mapping[str, ArrayLike],
    margin: float,
    level: float = 0.05,
    paired: bool = False,
    pairs: Iterable[tuple[str, str]] | None = None,
) -> list[Verdict]:
    """Verdicts on pairs of models from the scores of their seeds.

    `scores`: per model (seeds,) positive values, lower is better (1 / score where higher is better); failed seeds are not
    finite. `margin`: ratio of two scores that still counts as equal, above 1, fixed before the study. `paired`: value i of
    all models shares what seed i shares. `pairs`: (a, b) to compare, all by default: the family that `level` is held for.
    See `compare` for the tests and `decide` for the words.

    What a verdict is of: of whatever varies between the values. Seeds of one configuration per model compare these
    configurations; that their search was lucky they can't show, and equal models then differ "certainly" more often than not.
    `genbench.statistics.search_curve.best_contrast`, or values from independent searches, compare the models. The error rates
    are of numbers of seeds fixed beforehand: whoever adds seeds to undecided pairs until they are decided errs more often.
    They also need log scores near enough to normal. A collapse of one seed in ten is unseen in ten seeds in a third of
    studies, so that no pair is "equivalent" or "not worse" with fewer than 29 seeds each.

    Raises ValueError for scores that are not positive, a margin of at most 1, or paired models with unequal seeds.
    """
    chosen = list(combinations(scores, 2)) if pairs is None else list(pairs)
    return decide([compare(a, b, scores[a], scores[b], paired) for a, b in chosen], margin, level)


def compare(a: str, b: str, scores_a: ArrayLike, scores_b: ArrayLike, paired: bool = False) -> Contrast:
    """Difference of two models' mean log scores over seeds (Welch), or the mean of the differences where seeds are paired.

    Scores (seeds,), positive, lower is better. With failed seeds (not finite) no mean exists: then the seeds are ranked,
    failed ones last and equal among themselves, and a rank-sum test by permutation (paired: a sign test) says which model is
    better. Fewer than two seeds of a model decide nothing, and fewer than 29 don't show what befalls one in ten.

    References: Welch 1947; Satterthwaite 1946; Mann & Whitney 1947.
    """
    x, y = losses(scores_a), losses(scores_b)
    if (x <= 0).any() or (y <= 0).any():
        raise ValueError(f"{a}, {b}: a log ratio needs positive scores")
    if paired and x.size != y.size:
        raise ValueError(f"{a}, {b}: paired seeds need equal numbers, got {x.size} and {y.size}")
    if min(x.size, y.size) < 2:
        return Contrast(a, b, math.nan, math.nan, math.nan)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return Contrast(a, b, math.nan, math.nan, math.nan, p_rank=_signs(x, y) if paired else _rank_sum(x, y))
    x, y = np.log(x), np.log(y)
    if paired:
        variances, sizes = (float((x - y).var(ddof=1)),), [x.size]
    else:
        variances, sizes = (float(x.var(ddof=1)), float(y.var(ddof=1))), [x.size, y.size]
    parts = [v / n for v, n in zip(variances, sizes, strict=True)]
    total = sum(parts)
    freedom = total**2 / sum(p**2 / (n - 1) for p, n in zip(parts, sizes, strict=True)) if total else min(sizes) - 1.0
    least = RARE if min(sizes) < RARE else 0
    return Contrast(a, b, float(x.mean() - y.mean()), math.sqrt(total), freedom, variances, least=least)


def decide(contrasts: Sequence[Contrast], margin: float, level: float = 0.05) -> list[Verdict]:
    """Words for a family of contrasts.

    Two tests per pair: of no difference (two-sided t), and of a difference of at least the margin (two one-sided t-tests, the
    larger p). Holm's correction over all pairs, for each of the two separately. A pair is "equivalent" where the second
    rejects, else "better" or "worse" where the first does, else "undecided": a difference shown to be smaller than the margin
    is no reason to prefer a model, even if it is certain.

    What this guarantees: the chance of *any* false "better" or "worse" among the pairs is at most `level`, whichever pairs
    truly differ, and so is the chance of any false "equivalent" (a true difference of at least the margin); of either kind at
    most twice that. The order of words only takes away a "better". For a single pair both can't be false at once, so there
    `level` holds for either kind. Contrasts may depend on each other, as pairs of the same models do. Pairs that decide
    nothing (nan) stay in the family.

    References: Schuirmann 1987 (two one-sided tests); Holm 1979; Shaffer 1980 (directions).
    """
    if margin <= 1:
        raise ValueError(f"a margin is a ratio above 1, got {margin}")
    limit = math.log(margin)
    different = holm([_p_difference(c) for c in contrasts])
    above = [p_at_least(c, -limit) for c in contrasts]
    below = [p_at_least(Contrast(c.b, c.a, -c.estimate, c.error, c.freedom), -limit) for c in contrasts]
    few = np.array([c.least > 0 for c in contrasts])
    equal, not_worse = (holm(np.where(few, 1.0, p)) for p in (np.maximum(above, below), below))
    out = []
    for c, p_difference, p_equivalence, p_not_worse in zip(contrasts, different, equal, not_worse, strict=True):
        lead = c.p_rank if math.isnan(c.estimate) else c.estimate
        word = EQUIVALENT if p_equivalence <= level else UNDECIDED
        if word == UNDECIDED and p_difference <= level:
            word = BETTER if lead < 0 else WORSE
        half = c.error * float(stdtrit(c.freedom, 1 - level / 2)) if c.error > 0 else c.error
        ratio, low, high = (math.exp(min(v, 700.0)) for v in (c.estimate, c.estimate - half, c.estimate + half))
        seeds = seeds_needed(c, margin, level / len(contrasts)) if word == UNDECIDED else None
        p_values = float(p_difference), float(p_equivalence), float(p_not_worse)
        out.append(Verdict(c.a, c.b, word, ratio, low, high, *p_values, seeds))
    return out


def holm(p: ArrayLike) -> np.ndarray:
    """p-values (m,) corrected for m tests: rejecting those of at most the level errs anywhere with at most its chance.

    References: Holm 1979.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    out = np.empty(p.size)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1)
    return out


def seeds_needed(contrast: Contrast, margin: float, level: float = 0.05, power: float = 0.8) -> int | None:
    """The least number of seeds per model that decides with this power, if ratio and variances are as estimated.

    Deciding is to reject either no difference (two-sided at `level`) or a difference of the margin (both one-sided tests at
    `level`), whichever needs fewer. With m pairs `level` is to be divided by m, what Holm's correction asks of the smallest p.
    Powers by the non-central t; that of two one-sided tests by the difference of two, exact but for a sliver. The estimates
    are of the seeds at hand, so the number is a guide. None where it would exceed 10,000 or the variances are not known.

    References: Phillips 1990 (power of two one-sided tests).
    """
    if not contrast.variances or not math.isfinite(contrast.estimate):
        return None
    total, limit, size = sum(contrast.variances), math.log(margin), abs(contrast.estimate)
    if total == 0:
        return 2
    arms = total**2 / sum(v**2 for v in contrast.variances)

    def enough(n: int) -> bool:
        error, freedom = math.sqrt(total / n), arms * (n - 1)
        two_sided, one_sided = stdtrit(freedom, 1 - level / 2), stdtrit(freedom, 1 - level)
        difference = 1 - nctdtr(freedom, size / error, two_sided) + nctdtr(freedom, size / error, -two_sided)
        equal = nctdtr(freedom, (size - limit) / error, -one_sided) - nctdtr(freedom, (size + limit) / error, one_sided)
        return max(difference, equal * (n >= contrast.least)) >= power

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
        if low > MANY:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high if high <= MANY else None


def _p_difference(c: Contrast) -> float:
    if math.isnan(c.estimate):
        return 1.0 if math.isnan(c.p_rank) else abs(c.p_rank)
    return min(1.0, 2 * p_at_least(Contrast(c.a, c.b, abs(c.estimate), c.error, c.freedom), 0.0))


def p_at_least(c: Contrast, bound: float) -> float:
    """One-sided p of a log ratio of at most `bound`: small where the estimate is above it."""
    if math.isnan(c.estimate):
        return 1.0
    gap = c.estimate - bound
    # equal seeds leave rounding errors, which are no evidence
    if c.error < 1e-12:
        return float(gap < 1e-12)
    return float(stdtr(c.freedom, -gap / c.error))


def _rank_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Signed two-sided p of the rank-sum test, by 20,000 permutations."""
    ranks = stats.rankdata(np.concatenate([x, y])) - (x.size + y.size + 1) / 2
    shuffled = np.random.default_rng(0).permuted(np.tile(ranks, (20_000, 1)), axis=1)[:, : x.size].sum(1)
    seen = ranks[: x.size].sum()
    return math.copysign((1 + (abs(shuffled) >= abs(seen) - 1e-9).sum()) / (1 + shuffled.size), seen)


def _signs(x: np.ndarray, y: np.ndarray) -> float:
    """Signed two-sided p of the sign test; pairs that are equal or failed both say nothing."""
    less, more = int((x < y).sum()), int((x > y).sum())
    return math.copysign(float(stats.binomtest(less, less + more).pvalue) if less + more else 1.0, more - less)
