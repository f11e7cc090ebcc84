"""How stable a ranking is: over seeds, over datasets, over encoders."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from genbench.statistics.distribution import losses

__all__ = ["Agreement", "agreement", "concordance", "rank_probabilities"]


@dataclass(frozen=True)
class Agreement:
    """Agreement of raters (datasets, encoders) about the order of models.

    `w`: Kendall's coefficient of concordance, 0 to 1, and `p` that unrelated raters agree as much; `tau`: mean of Kendall's
    tau-b over pairs of raters, -1 to 1, with its interval over seeds.
    """

    raters: int
    models: int
    w: float
    p: float
    tau: float
    low: float
    high: float


def rank_probabilities(
    frame: pd.DataFrame, rater: str = "dataset", shared: bool = False, repeats: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """The chance of each model to have each rank, by rater, if the seeds were drawn anew.

    `frame`: columns "model", `rater`, "seed" and "score" (lower is better, any unit, not finite where the seed failed). A
    model's standing with a rater is the mean rank of its seeds among the seeds of all models there, so that failed seeds are
    the last and no unit matters. Seeds are resampled within models `repeats` times; `shared`: the same trials are scored by
    all raters, as by several encoders, and are resampled together. With S seeds the bootstrap's spread is too small by
    sqrt((S - 1) / S). Returns index (rater, model), columns rank 1 to M, rows that sum to 1; equal standings share ranks.

    References: Agarwal et al. 2021, arXiv 2108.13264 (stratified bootstrap of ranks).
    """
    tables = []
    for name, standings in _resampled(frame, rater, shared, repeats, seed):
        models, first, last = standings.columns, *(stats.rankdata(standings, m, axis=1) for m in ("min", "max"))
        share = {rank: (((first <= rank) & (rank <= last)) / (last - first + 1)).mean(0) for rank in range(1, len(models) + 1)}
        tables.append(pd.DataFrame(share, index=pd.MultiIndex.from_product([[name], models], names=[rater, "model"])))
    return pd.concat(tables).rename_axis(columns="rank")


def agreement(
    frame: pd.DataFrame,
    rater: str = "dataset",
    shared: bool = False,
    repeats: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Agreement:
    """How far raters agree about the order of models.

    `frame` and `shared` as in `rank_probabilities`; models that some rater lacks are left out. `p` is of 9,999 permutations of
    the models within each rater. The interval of tau is of the order that endless seeds would give: the percentile one over
    resampled seeds, its upper end reflected where that is higher, since noise lowers the agreement. It covers where seeds
    differ less than models do; where they differ as much, the agreement seen and its interval are too low, and
    `rank_probabilities` shows that no order is known.

    Raises ValueError for fewer than two raters or two models that all raters have.

    References: Kendall & Babington Smith 1939 (W, with ties); Kendall 1945 (tau-b); Friedman 1937 (raters (models - 1) W).
    """
    counts = frame.groupby("model")[rater].nunique()
    frame = frame[frame["model"].isin(counts.index[counts == frame[rater].nunique()])]
    observed = np.stack([table.to_numpy()[0] for _, table in _resampled(frame, rater, shared, 0, seed)])
    raters, models = observed.shape
    if raters < 2 or models < 2:
        raise ValueError(f"agreement needs two raters and two models that all have, got {raters} and {models}")
    drawn = np.stack([table.to_numpy() for _, table in _resampled(frame, rater, shared, repeats, seed)], axis=1)
    tau = float(_mean_tau(observed))
    low, high = np.quantile(_mean_tau(drawn), [(1 - level) / 2, (1 + level) / 2])
    high = min(max(high, 2 * tau - low), 1.0)
    w = float(concordance(observed))
    chance = np.random.default_rng(seed).permuted(np.tile(observed, (9999, 1, 1)), axis=2)
    p = (1 + (concordance(chance) >= w - 1e-9).sum()) / 10_000
    return Agreement(raters, models, w, float(p), tau, float(low), float(high))


def concordance(standings: np.ndarray) -> np.ndarray:
    """Kendall's W of (..., raters, models), any numbers that order the models; 1 for equal orders, nan if all are tied.

    References: Kendall & Babington Smith 1939, corrected for ties.
    """
    ranks = stats.rankdata(standings, axis=-1)
    between = ranks.mean(-2).var(-1)
    # the variance of untied ranks is (models^2 - 1) / 12; ties lower it
    within = ranks.var(-1).mean(-1)
    return between / np.where(within > 0, within, math.nan)


def _mean_tau(standings: np.ndarray) -> np.ndarray:
    """Mean Kendall's tau-b over pairs of raters, (...) of (..., raters, models)."""
    i, j = np.triu_indices(standings.shape[-1], 1)
    signs = np.sign(standings[..., i] - standings[..., j])
    norms = np.sqrt((signs**2).sum(-1))
    pairs = [
        (signs[..., a, :] * signs[..., b, :]).sum(-1) / np.maximum(norms[..., a] * norms[..., b], 1)
        for a, b in combinations(range(standings.shape[-2]), 2)
    ]
    return np.mean(pairs, axis=0)


def _resampled(frame: pd.DataFrame, rater: str, shared: bool, repeats: int, seed: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Per rater the standings (repeats, models) of resampled seeds; of the seeds themselves (1, models) for no repeats."""
    for name, part in frame.groupby(rater, sort=True):
        part = part.sort_values(["model", "seed"])
        values = losses(part["score"])
        models, of = np.unique(part["model"], return_inverse=True)
        sizes = np.bincount(of)
        # the same stream of draws for all raters resamples the same trials, if they have the same seeds
        rng = np.random.default_rng([seed] if shared else [seed, *str(name).encode()])
        counts = [rng.multinomial(size, np.full(size, 1 / size), repeats) if repeats else np.ones((1, size)) for size in sizes]
        weights = np.concatenate(counts, axis=1) / sizes[of]
        above = (values[:, None] > values) + 0.5 * (values[:, None] == values)
        beaten = (weights @ above.T) * weights
        member = (of[:, None] == np.arange(models.size)).astype(float)
        # equal models are equal up to rounding errors
        yield name, pd.DataFrame((beaten @ member).round(9), columns=models)
