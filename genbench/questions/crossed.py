"""Means over classifiers and redraws that are crossed, and verdicts on them against a bar."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from genbench.report.means import Mean
from genbench.report.text import number
from genbench.report.verdicts import HOLDS, OPEN, REFUTED

__all__ = ["crossed", "exceeds", "ratio"]


def crossed(values: pd.DataFrame, level: float = 0.95) -> Mean:
    """Return the mean of a table of networks (rows) by redraws (columns), with the half-width of its interval for others of both.

    Redraws without a finite value of every network are left out. Model of a value: mean + network + redraw + rest, both drawn at
    random. The variance of the mean is that of the networks' means plus that of the redraws' means, less the rest that both hold,
    and no less than either. Student's t with Satterthwaite's degrees of freedom, at least those of the rarer of the two: an
    approximation, 92 to 97 % for 95 % with four networks and ten redraws. One network alone, or one redraw, has no interval.

    References: Satterthwaite 1946; Cornfield & Tukey 1956 (crossed random effects).
    """
    table = values.to_numpy(dtype=float)
    table = table[:, np.isfinite(table).all(0)]
    networks, redraws = table.shape
    if min(table.shape) == 0:
        return Mean()
    mean = float(table.mean())
    if min(table.shape) == 1:
        return Mean(mean, math.nan)
    own, drawn = table.mean(1).var(ddof=1) / networks, table.mean(0).var(ddof=1) / redraws
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + mean
    common = (rest**2).sum() / ((networks - 1) * (redraws - 1)) / table.size
    total = max(own + drawn - common, own, drawn)
    if total == 0:
        return Mean(mean, 0.0)
    freedom = total**2 / (own**2 / (networks - 1) + drawn**2 / (redraws - 1))
    freedom = max(freedom, min(networks, redraws) - 1)
    return Mean(mean, float(stats.t.ppf(0.5 + level / 2, freedom) * math.sqrt(total)))


def exceeds(log_ratio: Mean, bar: float) -> str:
    """Return whether a ratio is above a bar: HOLDS or REFUTED, and OPEN where the interval contains the bar."""
    low, high = log_ratio.mean - log_ratio.half, log_ratio.mean + log_ratio.half
    return HOLDS if low > math.log(bar) else REFUTED if high < math.log(bar) else OPEN


def ratio(log_ratio: Mean) -> str:
    """Return a ratio and, in brackets, the ends of its interval."""
    mean, low, high = (number(math.exp(log_ratio.mean + sign * log_ratio.half)) for sign in (0, -1, 1))
    return mean if math.isnan(log_ratio.half) else f"{mean} ({low} to {high})"
