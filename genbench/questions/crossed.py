"""Means over judges and redraws that are crossed, such as classifiers and images, and verdicts on them against a bar."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from genbench.report.claim import HOLDS, OPEN, REFUTED
from genbench.report.tables import Cell
from genbench.report.text import number

__all__ = ["crossed", "exceeds", "ratio"]


def crossed(values: pd.DataFrame, level: float = 0.95) -> Cell:
    """Mean of a table of judges (rows) by redraws (columns) and the half-width of its interval, for other judges and redraws.

    Redraws without a finite value of every judge are left out. Model of a value: mean + judge + redraw + rest, both drawn at
    random. The variance of the mean is that of the judges' means plus that of the redraws' means, less the rest that both hold,
    and no less than either. Student's t with Satterthwaite's degrees of freedom, at least those of the rarer of the two: an
    approximation, 92 to 97 % for 95 % with four judges and ten redraws. One judge alone, or one redraw, has no interval.

    References: Satterthwaite 1946; Cornfield & Tukey 1956 (crossed random effects).
    """
    table = values.to_numpy(dtype=float)
    table = table[:, np.isfinite(table).all(0)]
    judges, redraws = table.shape
    if min(table.shape) == 0:
        return Cell()
    mean = float(table.mean())
    if min(table.shape) == 1:
        return Cell(mean, math.nan)
    own, drawn = table.mean(1).var(ddof=1) / judges, table.mean(0).var(ddof=1) / redraws
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + mean
    common = (rest**2).sum() / ((judges - 1) * (redraws - 1)) / table.size
    total = max(own + drawn - common, own, drawn)
    if total == 0:
        return Cell(mean, 0.0)
    freedom = total**2 / (own**2 / (judges - 1) + drawn**2 / (redraws - 1))
    freedom = max(freedom, min(judges, redraws) - 1)
    return Cell(mean, float(stats.t.ppf(0.5 + level / 2, freedom) * math.sqrt(total)))


def exceeds(log_ratio: Cell, bar: float) -> str:
    """Whether a ratio is above a bar: a verdict of genbench.report.claim, undecided where the interval holds the bar."""
    low, high = log_ratio.mean - log_ratio.half, log_ratio.mean + log_ratio.half
    return HOLDS if low > math.log(bar) else REFUTED if high < math.log(bar) else OPEN


def ratio(log_ratio: Cell) -> str:
    """A ratio with the ends of its interval as words."""
    if math.isnan(log_ratio.half):
        return number(math.exp(log_ratio.mean))
    mean, low, high = (number(math.exp(log_ratio.mean + sign * log_ratio.half)) for sign in (0, -1, 1))
    return f"{mean}, {low} to {high}"
