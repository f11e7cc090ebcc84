"""What the reports of questions share: captions, factors and differences as words, and who failed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from genbench.report.means import Mean, averaged
from genbench.report.text import number, plural
from genbench.statistics import multiplicity
from genbench.statistics.uncertainty import welch

__all__ = [
    "GEOMETRIC", "INTERVALS", "LINES", "METHOD", "clear", "clear_pairs", "factor", "failed", "gap", "log_ratio", "magnitude",
    "sign", "spread", "trained",
]  # fmt: skip

METHOD = "How it was measured, and all numbers"  # title of the fold of a question
INTERVALS = "Means over seeds with 95 % intervals."
LINES = "Thin lines are seeds, thick lines their mean."
GEOMETRIC = "Thin lines are seeds, thick lines their geometric mean."


def trained(settings: Mapping[str, Any], examples: str = "examples") -> str:
    """Return how long models trained, as a phrase: "400 updates of 64 examples"."""
    return f"{settings['updates']:,} updates of {settings['batch']:,} {examples}"


def clear(cell: Mean) -> bool:
    """Return whether the interval of a mean is known and excludes 0."""
    return math.isfinite(cell.half) and abs(cell.mean) > cell.half


def sign(cell: Mean, above: str, below: str, neither: str) -> str:
    """Return the word for what the interval of a mean says of its sign."""
    return (above if cell.mean > 0 else below) if clear(cell) else neither


def gap(a: Iterable[float], b: Iterable[float]) -> Mean:
    """Return the mean of a minus that of b with the half-width of Welch's 95 % interval, nan with fewer than two of either."""
    a, b = (np.array([each for each in values if math.isfinite(each)]) for values in (a, b))
    half = welch(a, b) if min(len(a), len(b)) > 1 else math.nan
    return Mean(float(a.mean() - b.mean()) if len(a) and len(b) else math.nan, half)


def clear_pairs(table: pd.DataFrame) -> dict[tuple, bool]:
    """Return by pair of columns (in the table's order) whether they differ, by t-tests paired by row at 5 % after Holm."""
    pairs = list(combinations(table, 2))
    return dict(zip(pairs, multiplicity.clear([[(table[a] - table[b]).dropna()] for a, b in pairs]), strict=True))


def log_ratio(ratios: pd.Series) -> Mean:
    """Return mean and half-width of the decimal logarithms of positive ratios; nan where one is 0."""
    logs = np.log10(ratios[ratios > 0])
    return averaged(logs) if len(logs) == len(ratios.dropna()) else Mean()


def factor(log10: Mean) -> str:
    """Return 10^mean with the ends of its interval: "0.10 (95 %: 0.05 to 0.2)"."""
    ends = f" (95 %: {magnitude(log10.mean - log10.half)} to {magnitude(log10.mean + log10.half)})"
    return magnitude(log10.mean) + (ends if math.isfinite(log10.half) else "")


def magnitude(log10: float) -> str:
    """Return 10^x with two digits, however small or large it is."""
    return number(10**log10, 2) if abs(log10) < 4 else f"{10 ** min(log10, 300):.1e}"


def spread(values: pd.Series) -> str:
    """Return the range of values over datasets: "0.9 to 1.2", or the one number that both ends are."""
    low, high = number(values.min(), 2), number(values.max(), 2)
    return low if low == high else f"{low} to {high}"


def failed(frame: pd.DataFrame, by: Sequence[str] = (), what: str = "training") -> list[str]:
    """Return sentences on rows whose `status` is not "ok", by columns: they count in no number."""
    parts = frame.groupby(list(by), sort=False)["status"] if by else [((), frame["status"])]
    return [
        f"{', '.join(map(str, key))}{': ' if by else ''}{bad} of {plural(len(each), what)} failed and count in no number."
        for key, each in parts
        if (bad := int((each != "ok").sum()))
    ]
