"""Crossed factors whose cells share one stream of configurations: what their tuned scores vary with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from genbench.statistics.distribution import cap
from genbench.statistics.search_curve import bounded, degrees, log_best
from genbench.statistics.variance import Share, shares

__all__ = ["FEWEST", "Gain", "Grid", "Tuned", "grid", "pooled_lead", "single_shares", "tuned_shares"]

FEWEST = 4  # configurations of a cell


@dataclass(frozen=True)
class Grid:
    """A crossed search: cell c tried configuration i, the same draw in all cells.

    `cells`: a column per factor, a row per cell. `validation`, `test` (cells, n): positive scores, lower is better, nan where
    the trial failed; `coverage` (cells, n) in [0, 1], nan where not measured. `left_out`: names of cells that lack a
    configuration that others tried. `k`: of how many configurations the best is meant.
    """

    cells: pd.DataFrame
    validation: np.ndarray
    test: np.ndarray
    coverage: np.ndarray
    left_out: tuple[str, ...]
    k: int

    @property
    def factors(self) -> list[str]:
        return list(self.cells.columns)

    @property
    def failed(self) -> np.ndarray:
        """Which trials failed, (cells, n)."""
        return ~(np.isfinite(self.validation) & np.isfinite(self.test))

    @property
    def cap(self) -> float:
        """The most that a trial is charged, failed ones included: more than elsewhere, for cells are meant to differ."""
        return cap([self.test], 10.0)

    def chosen(self) -> np.ndarray:
        """The configuration that validation chooses in each cell (cells,), 0 where all failed."""
        return np.where(self.failed, math.inf, self.validation).argmin(1)


@dataclass(frozen=True)
class Gain:
    """How many times lower scores are at a factor's best level than at its others, by geometric means over cells.

    Each of the other levels counts the same: factors with two levels and with more are on one scale.
    """

    factor: str
    best: str
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Tuned:
    """What tuned scores of cells vary with.

    `best` (cells,): the expected score of the best of `k` of `n` configurations. `shares`: of the variance of its log between
    cells, by term. `noise`: the part of that variance that errors of estimation explain, taken off before. `lead`: share of
    the factor that is asked about minus the share of its rivals and their interactions, with its interval; nan where the cells
    differ by no more than noise. `influence` (n,): what each configuration does to the lead; their squares sum to its variance.
    """

    k: int
    n: int
    best: np.ndarray
    shares: list[Share]
    noise: float
    gains: list[Gain]
    lead: Share
    influence: np.ndarray


def grid(frame: pd.DataFrame, factors: Sequence[str], k: int = 4) -> Grid:
    """The grid in a frame of trials: columns of `factors`, "configuration", "validation" and "test", also "coverage" if known.

    `k`: of how many configurations the best is meant, at most half of those tried.

    Several seeds of a configuration are averaged, and failed where one did. Cells that lack a configuration are left out: the
    statistics below compare the same draws everywhere. Raises ValueError where fewer than two cells or four configurations
    are left, where no trial succeeded, or for scores that are not positive.
    """
    names = [name for name in ("validation", "test", "coverage") if name in frame]
    groups = frame.groupby([*factors, "configuration"], sort=False)[names]
    means = groups.mean().where(groups.count().eq(groups.size(), axis=0))
    places = means.index.droplevel("configuration").unique()  # in the order of the study
    tables = {name: means[name].unstack("configuration").sort_index(axis=1).reindex(places) for name in names}
    tried = pd.Series(1, index=means.index).unstack("configuration").reindex(places).notna().all(axis=1)
    left_out = tuple(" · ".join(map(str, np.atleast_1d(np.array(cell, dtype=object)))) for cell in tried.index[~tried])
    validation, test = (tables[name][tried].to_numpy(dtype=float) for name in ("validation", "test"))
    if test.shape[0] < 2 or test.shape[1] < FEWEST:
        found = f"{test.shape[0]} and {test.shape[1]}"
        raise ValueError(f"a grid needs two complete cells and {FEWEST} configurations, got {found}")
    ok = np.isfinite(validation) & np.isfinite(test)
    if not ok.any() or (test[ok] <= 0).any():
        raise ValueError("a grid needs positive scores, one at least")
    coverage = tables["coverage"][tried].to_numpy(dtype=float) if "coverage" in names else np.full(test.shape, math.nan)
    cells = tables["test"].index[tried].to_frame(index=False)
    return Grid(cells, validation, test, coverage, left_out, bounded(k, test.shape[1]))


# ---- shares


def single_shares(found: Grid, level: float = 0.95) -> list[Share]:
    """Shares of the variance of log scores of single configurations, by factor, pair of factors and "within cells".

    Trials are charged no more than the cap, failed ones the cap: left out, they would hide what makes a cell fail. Intervals
    are the jackknife's over configurations left out of all cells together (`genbench.statistics.variance.shares`).
    """
    cells, n = found.test.shape
    frame = found.cells.loc[np.repeat(np.arange(cells), n)].reset_index(drop=True)
    score = np.where(found.failed, found.cap, np.minimum(found.test, found.cap)).ravel()
    frame = frame.assign(configuration=np.tile(np.arange(n), cells), score=score)
    return shares(frame, _terms(found), unit="configuration", level=level)


def tuned_shares(
    found: Grid, asked: str = "architecture", rivals: Sequence[str] = ("loss", "regularisation"), level: float = 0.95
) -> Tuned:
    """How the variance of *tuned* scores divides among factors, and whether one factor leads others.

    A cell's tuned score is the log of the expected test score of the best of k configurations by validation (a
    U-statistic over all subsets, with capped scores). Each term, a factor or
    a pair of factors, gets its Shapley value of the sum of squares between cells: a quadratic form y' M y of the tuned scores
    y, in a complete grid its usual sum of squares. Errors of y add tr(M V) to it on average, which is taken off; V is the
    jackknife's covariance over configurations left out of all cells together, so what a shared configuration does to all cells
    cancels. Shares are over the corrected total: they sum to 1 and may be a little below 0.

    Intervals are of the delta method, variance g' V g with the gradient g of the ratio at y, which is on the wide side as y
    varies more than the truth; Student's t, degrees of freedom as in `genbench.statistics.search_curve.degrees`. They are of the
    levels and search spaces at hand. Gains are of factors with two levels or more, over the level found best: 1 or more even
    where levels are equal, the more the more levels there are.

    The response is the log score, not the log of its distance to the score of real data: tuned cells come near that floor
    or, by chance, below it, where such logs explode; shares near a floor thus say little of how much of the gap is closed.

    Raises ValueError without variance between cells.

    References: Shapley 1953; Efron & Stein 1981 (jackknife); Tang et al. 2020, arXiv 2004.13705 (the U-statistic).
    """
    n, k = found.test.shape[1], found.k
    curves = [log_best(v, t, k, found.cap) for v, t in zip(found.validation, found.test, strict=True)]
    y = np.array([estimate for estimate, _ in curves])
    deviations = np.array([left - left.mean() for _, left in curves])
    covariance = (n - 1) / n * deviations @ deviations.T
    if np.ptp(y) == 0:
        raise ValueError("shares need cells that differ")
    terms, t = _terms(found), float(stats.t.ppf(0.5 + level / 2, degrees(n, k)))
    forms = _forms(found.cells, terms)
    total = sum(forms)
    raw, noise = float(y @ total @ y), float((total * covariance).sum())

    def influenced(name: str, form: np.ndarray) -> tuple[Share, np.ndarray]:
        r2 = float(y @ form @ y) / raw
        if raw <= noise:
            return Share(name, r2, *[math.nan] * 4), np.zeros(n)
        value = (float(y @ form @ y) - float((form * covariance).sum())) / (raw - noise)
        slope = 2 * (form @ y - value * total @ y) / (raw - noise)
        influence = math.sqrt((n - 1) / n) * slope @ deviations
        half = t * math.sqrt(float((influence**2).sum()))
        return Share(name, r2, value, value - half, value + half, math.nan), influence

    def share(name: str, form: np.ndarray) -> Share:
        return influenced(name, form)[0]

    parts = [share(name, form) for name, form in zip([*terms, "other interactions"], forms, strict=True)]
    behind = [form for name, form in zip(terms, forms, strict=False) if set(name.split(":")) <= set(rivals)]
    ahead = forms[terms.index(asked)] if asked in terms else np.zeros_like(total)
    lead, influence = influenced(f"{asked} minus {' and '.join(rivals)}", ahead - sum(behind, np.zeros_like(total)))
    gains = [_gain(found.cells[factor], y, covariance, t) for factor in terms if ":" not in factor]
    return Tuned(k, n, np.exp(y), parts, min(noise / raw, 1.0), gains, lead, influence)


def pooled_lead(every: Sequence[Tuned], level: float = 0.95) -> Share:
    """The mean lead over several grids, with its interval; nan where any is.

    Grids share configurations: the jackknife leaves one out of all of them at once, as in `best_contrast`.
    """
    influence = np.zeros(max(tuned.n for tuned in every))
    for tuned in every:
        influence[: tuned.n] += tuned.influence / len(every)
    freedom = min(degrees(tuned.n, tuned.k) for tuned in every)
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * math.sqrt(float((influence**2).sum()))
    mean = float(np.mean([tuned.lead.share for tuned in every]))
    return Share(every[0].lead.term, math.nan, mean, mean - half, mean + half, math.nan)


def _terms(found: Grid) -> list[str]:
    """Factors with two levels or more, and their pairs."""
    varied = [factor for factor in found.factors if found.cells[factor].nunique() > 1]
    return [*varied, *(f"{a}:{b}" for a, b in combinations(varied, 2))]


def _forms(cells: pd.DataFrame, terms: Sequence[str]) -> list[np.ndarray]:
    """Matrices (cells, cells) whose quadratic forms are the terms' Shapley values of the sum of squares, and the remainder's."""
    coded = {}
    for factor in {name for term in terms for name in term.split(":")}:
        codes, levels = pd.factorize(cells[factor])
        one = np.eye(len(levels))[codes]
        coded[factor] = one[:, :-1] - one[:, -1:]
    blocks = []
    for term in terms:
        block = np.ones((len(cells), 1))
        for factor in term.split(":"):
            block = (block[:, :, None] * coded[factor][:, None, :]).reshape(len(cells), -1)
        blocks.append(block - block.mean(0))
    m = len(blocks)
    hats = {(): np.zeros((len(cells), len(cells)))}
    for size in range(1, m + 1):
        for subset in combinations(range(m), size):
            columns = np.concatenate([blocks[i] for i in subset], axis=1)
            hats[subset] = columns @ np.linalg.pinv(columns, rcond=1e-10)
    out = [np.zeros_like(hats[()]) for _ in blocks]
    for subset, hat in hats.items():
        weight = math.factorial(len(subset)) * math.factorial(max(m - len(subset) - 1, 0)) / math.factorial(m)
        for i in set(range(m)) - set(subset):
            out[i] += weight * (hats[tuple(sorted((*subset, i)))] - hat)
    centred = np.eye(len(cells)) - 1 / len(cells)
    return [*out, centred - hats[tuple(range(m))]]


def _gain(column: pd.Series, y: np.ndarray, covariance: np.ndarray, t: float) -> Gain:
    levels = list(dict.fromkeys(column))
    means = np.array([(column == level) / (column == level).sum() for level in levels], dtype=float)
    best = int(np.argmin(means @ y))
    contrast = np.delete(means, best, axis=0).mean(0) - means[best]
    log, half = float(contrast @ y), t * math.sqrt(max(float(contrast @ covariance @ contrast), 0.0))
    return Gain(str(column.name), str(levels[best]), *(math.exp(v) for v in (log, log - half, log + half)))
