"""What scores vary with: shares of model, architecture, dataset, configuration and seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["Components", "Share", "components", "shares"]


@dataclass(frozen=True)
class Share:
    """A term's share of the variance of log scores.

    `term`: a factor, an interaction "a:b", "other interactions" of all factors, or "within cells": trials that agree in all
    factors. `r2`: its part of the R^2 of the data at hand, `share`: the same without what noise adds to it, with its interval
    `low` to `high`; each sums to 1. `gain`: of a factor, how many times lower the geometric mean score is at its best level
    than over its other levels, each counting the same; nan for other terms.
    """

    term: str
    r2: float
    share: float
    low: float
    high: float
    gain: float


@dataclass(frozen=True)
class Components:
    """Standard deviations of log scores over configurations and over the seeds of one, both inside of cells.

    `share` of the configurations in the sum of both variances, with its interval.
    """

    configuration: float
    seed: float
    share: float
    low: float
    high: float
    configurations: int
    trials: int


def shares(frame: pd.DataFrame, terms: Sequence[str], unit: str | None = None, level: float = 0.95) -> list[Share]:
    """How the variance of log scores divides among factors.

    `frame`: column "score" (positive, lower is better; not finite where a trial failed) and a column per factor. `terms`:
    factors, crossed with each other, and interactions "a:b" of them. Each term gets its Shapley value of R^2 in least squares
    on effect-coded levels: its mean gain in R^2 over all orders of entering; in a balanced design that is its sum of squares
    over the total one, whichever the order. What the cell means explain beyond the terms is "other interactions", what they
    don't is "within cells". Noise alone gives a term the mean square within cells times its degrees of freedom, which `share`
    moves back to "within cells": so a share may be a little below 0. With one trial per cell noise can't be told from
    interactions, and nothing is moved. Shares depend on the levels chosen and on the number of trials each has.

    Failed trials have no log score and are left out: report how many, since what makes a model fail is not seen here.

    The intervals are the jackknife's over the levels of column `unit` ("configuration" where a stream of them is shared by
    cells or each has several seeds; None for single trials), left out with all their rows, stratified by the cells they occur
    in: a bootstrap of three to ten seeds per cell is far too narrow. On simulated studies they cover 92 % or more with five
    units in each of many cells, 85 % or more with two or three units or few cells. Cells with one unit are taken to vary as
    the others do; nan where all are such. The intervals hold the levels of all factors fixed and say nothing about other
    datasets.

    Raises ValueError for scores that are not positive, fewer than two of them, or no variance.

    References: Shapley 1953; Lindeman, Merenda & Gold 1980 (averaging over orders); Fisher 1925; Kelley 1935 (epsilon
    squared, the correction); Efron & Stein 1981 (jackknife).
    """
    frame = frame[np.isfinite(frame["score"])]
    score = frame["score"].to_numpy(dtype=float)
    if score.size < 2 or (score <= 0).any() or np.ptp(score) == 0:
        raise ValueError("shares need positive scores that differ")
    factors = [term for term in terms if ":" not in term]
    design = _Design(frame, factors, terms, np.log(score))
    r2 = design.shares(np.ones(score.size))
    corrected = design.corrected(np.ones(score.size))
    half = _stratified_jackknife(design, _strata(frame, [f for f in factors if f != unit], unit), level)
    means = pd.Series(np.log(score), index=[frame[f] for f in factors]).groupby(level=list(range(len(factors)))).mean()
    names = [*terms, "other interactions", "within cells"]
    gains = [_gain(means, factors.index(name)) if name in factors else math.nan for name in names]
    rows = zip(names, r2, corrected, corrected - half, corrected + half, gains, strict=True)
    return [Share(name, *(float(value) for value in row)) for name, *row in rows]


def components(frame: pd.DataFrame, cells: Sequence[str] = ("model", "dataset"), level: float = 0.95) -> Components:
    """Variance over configurations and over seeds of one configuration, by the method of moments.

    `frame`: columns of `cells`, "configuration" (labels may repeat in other cells) and "score" (positive; failed trials, not
    finite, are left out), a row per seed. Model of a log score: cell + configuration in cell + seed in configuration, pooled
    over cells; with unequal numbers of seeds the expected sum of squares between configurations has the coefficient
    sum over cells of (N - sum n_i^2 / N). The interval of the share is exact for normal effects and equal numbers of seeds,
    else an approximation. Variances are cut at 0.

    Raises ValueError if no configuration has two seeds or no cell two configurations.

    References: Searle, Casella & McCulloch 1992, §3.6 (moments with unequal numbers, interval by the F ratio).
    """
    frame = frame[np.isfinite(frame["score"])]
    values = np.log(frame["score"].to_numpy(dtype=float))
    cell = frame.groupby(list(cells)).ngroup().to_numpy()
    group = frame.groupby([*cells, "configuration"]).ngroup().to_numpy()
    counts, totals = np.bincount(group), np.bincount(cell)
    home = np.zeros(counts.size, dtype=int)
    home[group] = cell
    means, centres = np.bincount(group, values) / counts, np.bincount(cell, values) / totals
    between_freedom, within_freedom = counts.size - totals.size, values.size - counts.size
    if between_freedom < 1 or within_freedom < 1:
        raise ValueError("components need a configuration with two seeds and a cell with two configurations")
    within = ((values - means[group]) ** 2).sum() / within_freedom
    between = (counts * (means - centres[home]) ** 2).sum() / between_freedom
    size = (totals - np.bincount(home, counts**2) / totals).sum() / between_freedom
    variance = max(0.0, (between - within) / size)
    total = variance + within
    tails = stats.f.ppf([(1 + level) / 2, (1 - level) / 2], between_freedom, within_freedom)
    ratio = np.maximum((between / within / tails - 1) / size, 0) if within > 0 else np.full(2, math.inf)
    low, high = (float(r / (1 + r)) if math.isfinite(r) else 1.0 for r in ratio)
    share = float(variance / total) if total > 0 else math.nan
    return Components(math.sqrt(variance), math.sqrt(within), share, low, high, counts.size, values.size)


class _Design:
    """Effect-coded blocks of columns, one per term, and the shares of a weighted response in them."""

    def __init__(self, frame: pd.DataFrame, factors: Sequence[str], terms: Sequence[str], response: np.ndarray) -> None:
        coded = {factor: _effects(frame[factor]) for factor in factors}
        self.blocks = [_product([coded[f] for f in term.split(":")]) for term in terms]
        self.levels = {factor: pd.factorize(frame[factor])[0] for factor in factors}
        self.terms = [term.split(":") for term in terms]
        edges = np.cumsum([0, *(block.shape[1] for block in self.blocks)])
        self.slices = [np.arange(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        self.columns = np.concatenate(self.blocks, axis=1)
        self.response = response
        self.cell = frame.groupby(list(factors)).ngroup().to_numpy()
        self.cells = int(self.cell.max()) + 1

    def shares(self, weights: np.ndarray) -> np.ndarray:
        """Shares (terms + 2,) of the terms, of other interactions and within cells; `weights` (n,) count the rows."""
        total = weights.sum()
        y = self.response - weights @ self.response / total
        x = self.columns - weights @ self.columns / total
        weighted = weights[:, None] * x
        gram, moment, variance = x.T @ weighted, weighted.T @ y, weights @ y**2
        m = len(self.blocks)
        explained = {(): 0.0}
        for size in range(1, m + 1):
            for subset in combinations(range(m), size):
                at = np.concatenate([self.slices[i] for i in subset])
                inverse = np.linalg.pinv(gram[np.ix_(at, at)], rcond=1e-10, hermitian=True)
                explained[subset] = float(moment[at] @ inverse @ moment[at] / variance)
        values = np.zeros(m + 2)
        for subset, r2 in explained.items():
            for i in set(range(m)) - set(subset):
                share = math.factorial(len(subset)) * math.factorial(m - len(subset) - 1) / math.factorial(m)
                values[i] += share * (explained[tuple(sorted((*subset, i)))] - r2)
        counts = np.bincount(self.cell, weights, self.cells)
        cells = np.bincount(self.cell, weights * y, self.cells) ** 2 / np.where(counts > 0, counts, 1)
        values[m] = max(0.0, cells.sum() / variance - explained[tuple(range(m))])
        values[m + 1] = max(0.0, 1 - cells.sum() / variance)
        return values

    def corrected(self, weights: np.ndarray) -> np.ndarray:
        """Shares (terms + 2,) without what noise adds to them; `weights` (n,) are 0 or 1."""
        values = self.shares(weights)
        cells = int((np.bincount(self.cell, weights, self.cells) > 0).sum())
        rows = int(weights.sum())
        if rows == cells:
            return values
        present = {factor: np.unique(codes[weights > 0]).size for factor, codes in self.levels.items()}
        terms = [math.prod(present[factor] - 1 for factor in term) for term in self.terms]
        freedoms = np.array([*terms, max(cells - 1 - sum(terms), 0)])
        return values - np.append(freedoms, -freedoms.sum()) * values[-1] / (rows - cells)


def _effects(column: pd.Series) -> np.ndarray:
    """Columns (n, levels - 1) that are 1 at a level, -1 at the last, else 0: they sum to zero over levels."""
    codes, levels = pd.factorize(column, sort=True)
    eye = np.concatenate([np.eye(len(levels) - 1), -np.ones((1, len(levels) - 1))])
    return eye[codes]


def _product(blocks: Sequence[np.ndarray]) -> np.ndarray:
    out = blocks[0]
    for block in blocks[1:]:
        out = (out[:, :, None] * block[:, None, :]).reshape(len(out), -1)
    return out


def _strata(frame: pd.DataFrame, factors: Sequence[str], unit: str | None) -> list[list[np.ndarray]]:
    """Rows of each unit, in groups of units that occur in the same cells."""
    cell = frame.groupby(list(factors)).ngroup().to_numpy()
    rows = [np.array([i]) for i in range(len(frame))] if unit is None else list(frame.groupby(unit).indices.values())
    groups: dict[tuple[int, ...], list[np.ndarray]] = {}
    for each in rows:
        groups.setdefault(tuple(sorted(set(cell[each]))), []).append(each)
    return list(groups.values())


def _stratified_jackknife(design: _Design, strata: Sequence[Sequence[np.ndarray]], level: float) -> np.ndarray:
    """Half-widths (terms + 2,) of the intervals of corrected shares; nan without two units in any stratum."""
    telling = [members for members in strata if len(members) > 1]
    if not telling:
        return np.full(len(design.blocks) + 2, math.nan)
    whole = design.corrected(np.ones(design.response.size))
    variance = np.zeros(whole.size)
    for members in telling:
        for rows in members:
            weights = np.ones(design.response.size)
            weights[rows] = 0
            # about the whole estimate: few units around their own mean miss that cells differ in spread
            variance += (1 - 1 / len(members)) * (design.corrected(weights) - whole) ** 2
    freedom = sum(len(members) - 1 for members in telling)
    return stats.t.ppf(0.5 + level / 2, freedom) * np.sqrt(variance * len(strata) / len(telling))


def _gain(means: pd.Series, place: int) -> float:
    """Ratio of the other levels' geometric mean to the best level's, over cells with equal weight; nan for a single level."""
    levels = means.groupby(level=place).mean()
    return float(np.exp(levels.drop(levels.idxmin()).mean() - levels.min()))
