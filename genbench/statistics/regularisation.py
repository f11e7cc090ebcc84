"""Whether regularisation pays: every kind against none in grids whose cells share one stream of configurations."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from genbench.statistics.distribution import failures, quantile
from genbench.statistics.factors import Grid
from genbench.statistics.search_curve import Pair, best_contrast
from genbench.statistics.verdict import EQUIVALENT, NOT_WORSE, UNDECIDED, WORSE, Verdict, decide, holm, p_at_least

__all__ = ["always_helps", "contrasts", "failure_rates", "kinds", "never_hurts"]


def contrasts(
    grids: Mapping[str, Grid], margin: float, factor: str = "regularisation", none: str = "none", level: float = 0.05
) -> pd.DataFrame:
    """Each kind of regularisation against none, in every dataset and at every crossing of the other factors.

    `grids`: by dataset. `margin`: ratio of scores that still counts as equal, above 1, fixed beforehand. A row per comparison:
    "dataset", the other factors, `factor`, and

    - of the tuned score, the expected best of k configurations: "ratio" with its uncorrected interval "low" to
      "high" (below 1: regularisation is better), the p-values "difference", "equivalence", "not_worse" and "within" (of a
      ratio of at most the margin, one-sided), each after Holm's correction over all rows, and the "verdict": better, worse,
      equivalent, else "not worse" (by the margin) or undecided; "hurts": whether "within" is rejected; "needed": as many
      configurations as would decide an undecided row, nan where there is no such number;
    - "better_alone", "not_worse_alone": whether a row would say so without correction, which is all that a claim on *every* row
      needs (an intersection-union test);
    - of typical configurations: the median "typical" of the ratios of configuration i with and without, with its
      distribution-free interval "typical_low" to "typical_high", "helped" and "hurt" of the n configurations, and
      "typical_p", of a sign test, Holm. A trial that failed on one side only counts for the other, on both as a tie.

    Trials are charged no more than the dataset's cap in tuned scores. Empty where no cell has a partner without.

    References: Berger 1982 (intersection-union); Holm 1979; Schuirmann 1987.
    """
    rows, pairs = [], []
    for row, found, i, j in _cases(grids, factor, none):
        pairs.append(best_contrast(str(row[factor]), none, [_pair(found, i, j)], found.k))
        rows.append(row | _typical(found, i, j))
    if not rows:
        return pd.DataFrame()
    said, within = [], holm([p_at_least(contrast, math.log(margin)) for contrast in pairs])
    for verdict, contrast, p_within in zip(decide(pairs, margin, level), pairs, within, strict=True):
        (alone,) = decide([contrast], margin, level)
        shown = verdict.word == UNDECIDED and verdict.p_not_worse <= level
        said.append(
            {
                "ratio": verdict.ratio,
                "low": verdict.low,
                "high": verdict.high,
                "difference": verdict.p_difference,
                "equivalence": verdict.p_equivalence,
                "not_worse": verdict.p_not_worse,
                "within": p_within,
                "verdict": NOT_WORSE if shown else verdict.word,
                "better_alone": alone.ratio < 1 and alone.p_difference <= level,
                "not_worse_alone": alone.p_not_worse <= level,
                "hurts": bool(p_within <= level),
                "needed": verdict.seeds or math.nan,
            }
        )
    table = pd.concat([pd.DataFrame(rows), pd.DataFrame(said)], axis=1)
    table["typical_p"] = holm(table["typical_p"])
    return table


def kinds(
    grids: Mapping[str, Grid], margin: float, factor: str = "regularisation", none: str = "none", level: float = 0.05
) -> list[Verdict]:
    """Each kind of regularisation against none over all datasets and crossings together: the claim's own comparisons.

    The mean of the log ratios of tuned scores over all cases of `contrasts`, whose configurations are left out of all at once;
    corrected over kinds (Holm).
    """
    cases: dict[str, list[tuple[Pair, int]]] = {}
    for row, found, i, j in _cases(grids, factor, none):
        cases.setdefault(str(row[factor]), []).append((_pair(found, i, j), found.k))
    made = [best_contrast(kind, none, [p for p, _ in own], max(k for _, k in own)) for kind, own in cases.items()]
    return decide(made, margin, level) if made else []


def _cases(grids: Mapping[str, Grid], factor: str, none: str) -> Iterator[tuple[dict, Grid, int, int]]:
    """What every comparison is of, its grid, and the cells with and without."""
    for dataset, found in grids.items():
        if factor not in found.factors:
            continue
        others = [name for name in found.factors if name != factor]
        places = {tuple(row): i for i, row in enumerate(found.cells[[*others, factor]].itertuples(index=False, name=None))}
        for (*rest, kind), i in places.items():
            if kind != none and (*rest, none) in places:
                yield {"dataset": dataset, **dict(zip(others, rest, strict=True)), factor: kind}, found, i, places[(*rest, none)]


def _pair(found: Grid, i: int, j: int) -> Pair:
    return Pair((found.validation[i], found.test[i]), (found.validation[j], found.test[j]), found.cap)


def _typical(found: Grid, i: int, j: int) -> dict[str, float]:
    """Cell i against cell j, configuration by configuration."""
    own, other = (np.where(found.failed[c], math.inf, found.test[c]) for c in (i, j))
    both = np.isinf(own) & np.isinf(other)
    ratio = np.where(both, 1.0, own / np.where(both, 1.0, other))
    middle = quantile(ratio, 0.5)
    helped, hurt = int((ratio < 1).sum()), int((ratio > 1).sum())
    p = float(stats.binomtest(helped, helped + hurt).pvalue) if helped + hurt else 1.0
    return {
        "typical": float(np.median(ratio)),
        "typical_low": max(middle.low, 0.0),
        "typical_high": middle.high,
        "helped": helped,
        "hurt": hurt,
        "n": ratio.size,
        "typical_p": p,
    }


def always_helps(table: pd.DataFrame) -> bool | None:
    """Whether regularisation is better in every row of `contrasts`.

    True where each is better on its own test; False where any is worse, or equivalent to none; None where neither is shown.
    """
    if table["verdict"].isin([WORSE, EQUIVALENT]).any():
        return False
    return True if table["better_alone"].all() else None


def never_hurts(table: pd.DataFrame) -> bool | None:
    """Whether no row of `contrasts` is worse by more than the margin.

    True where each is shown not to be on its own test; False where any is shown to be, after correction; None where neither.
    A row that is worse by less, however certainly, is no answer.
    """
    if table["hurts"].any():
        return False
    return True if table["not_worse_alone"].all() else None


def failure_rates(found: Grid, factor: str = "regularisation", none: str = "none") -> pd.DataFrame:
    """How often trials fail at each level of a factor, over all cells of that level.

    Columns `factor`, "trials", "failed", "share" with Wilson's interval "low" to "high", and "p" of the same rate as at level
    `none`, of the sign test on the configurations' differences in failures, Holm over levels: cells share configurations, so
    that trials are not independent, as Fisher's test would have them. The interval takes them as such and is too narrow where a
    configuration fails in many cells. "p" is nan at `none` and without it.

    References: Wilson 1927; Dixon & Mood 1946.
    """
    rows = []
    others = [name for name in found.factors if name != factor]
    keys = list(found.cells[others].itertuples(index=False, name=None))
    at = {
        level: {keys[c]: c for c in np.flatnonzero(found.cells[factor] == level)} for level in dict.fromkeys(found.cells[factor])
    }
    for level, places in at.items():
        bad = found.failed[list(places.values())]
        of = failures(np.where(bad, math.inf, 1.0))
        row = {factor: level, "trials": of.n, "failed": of.failed, "share": of.share, "low": of.low, "high": of.high}
        shared = [key for key in places if key in at.get(none, {})]
        p = math.nan
        if level != none and shared:
            gap = sum(found.failed[places[key]].astype(int) - found.failed[at[none][key]] for key in shared)
            fewer, more = int((gap < 0).sum()), int((gap > 0).sum())
            p = float(stats.binomtest(fewer, fewer + more).pvalue) if fewer + more else 1.0
        rows.append(row | {"p": p})
    table = pd.DataFrame(rows)
    tested = table["p"].notna()
    table.loc[tested, "p"] = holm(table.loc[tested, "p"])
    return table
