"""What the questions on Wasserstein critics say, as numbers and verdicts."""

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from scipy import stats

from genbench.report.means import averaged
from genbench.report.text import number
from genbench.report.verdicts import HOLDS, IN_PART, OPEN, REFUTED, UNDECIDED
from genbench.statistics.uncertainty import welch
from genbench.statistics.verdict import holm

__all__ = [
    "FREE",
    "IS",
    "IS_NOT",
    "LEVEL",
    "MARGIN",
    "UNSCALED",
    "UNSURE",
    "Rank",
    "blurs",
    "cells",
    "compared",
    "crossover",
    "mostly",
    "ours",
    "prefers",
    "rivals",
    "trials",
]

MARGIN = 1.25  # a value within this factor of W1 counts as W1
LEVEL = 0.05
FREE = "no restraint"  # a critic that nobody takes for a distance
UNSCALED = ("clipping", "spectral norm")  # critics whose Lipschitz constant K is not meant to be 1: they estimate K W1
IS, IS_NOT, UNSURE = "W1", "not W1", UNDECIDED
REDRAWS = 2000


def cells(pairs: pd.DataFrame, critics: pd.DataFrame) -> pd.DataFrame:
    """Return a row per pair and critic: what the value is of W1, and whether it is W1 within the margin, by two yardsticks.

    `law_ratio` (a mean over seeds) is value / W1 of the distributions, empty where that is unknown, `set_ratio` value / W1 of the
    two finite sets. `law_word` and `set_word` are IS where both one-sided t-tests of the margin's ends say so, IS_NOT where one
    of them says the opposite, each corrected by Holm over all regularised critics and both yardsticks, else UNSURE; `law_word`
    is empty where the distributions are unknown. `ratio` and `word`: by the distributions where known, else by the sets.
    `batch_ratio`: value / raw batch W1. `cosine`: a mean.
    """
    rows = []
    for (name, critic), part in critics[critics["status"] == "ok"].groupby(["pair", "critic"], sort=False):
        pair = pairs.set_index("pair").loc[name]
        rows.append(
            {
                "pair": name, "kind": pair["kind"], "dim": int(pair["dim"]), "critic": critic, "seeds": len(part),
                "law_ratio": averaged(part["value"] / pair["known"]), "set_ratio": averaged(part["value"] / pair["exact"]),
                "batch_ratio": averaged(part["value"] / pair["batch"]), "cosine": averaged(part["cosine"]),
                "half": averaged(part["half"]), "bound": averaged(part["bound"] / pair["exact"]),
            }
        )  # fmt: skip
    found = pd.DataFrame(rows)
    both = pd.concat([found["law_ratio"], found["set_ratio"]], ignore_index=True)
    tests = pd.DataFrame([_p_values(cell.values) for cell in both], columns=["inside", "outside"])
    known = np.array([cell.n > 0 for cell in both])
    family = known & np.tile(found["critic"] != FREE, 2)
    for key in tests:
        tests.loc[family, key] = holm(tests.loc[family, key])
    words = np.where(tests["inside"] <= LEVEL, IS, np.where(tests["outside"] <= LEVEL, IS_NOT, UNSURE))
    found["law_word"], found["set_word"] = np.split(np.where(known, words, ""), 2)
    law = found["law_word"] != ""
    for key in ("ratio", "word"):
        found[key] = found[f"law_{key}"].where(law, found[f"set_{key}"])
    return found


def ours(pairs: pd.DataFrame, critics: pd.DataFrame) -> pd.DataFrame:
    """Return values on pairs of known distributions in the words and columns of the published ones."""
    own = []
    for pair in pairs[pairs["known"].notna()].to_dict("records"):
        name = pair["pair"]
        own.append(("W1 between the pair, exact", name, number(pair["known"])))
        there = critics[(critics["pair"] == name) & (critics["status"] == "ok")]
        for critic, part in there.groupby("critic", sort=False):
            found = f"{number(part['value'].mean())} ({number(part['cosine'].mean(), 2)})"
            own.append((f"W1 estimate, {critic} (cosine of its gradient)", name, found))
        batch = f"{number(pair['batch'])} ({number(pair['batch_cosine'], 2)})"
        own.append(("W1 estimate, minibatch transport (cosine of its gradient)", name, batch))
    return pd.DataFrame(own, columns=["what", "dataset", "published"]).assign(source="this study")


def _p_values(ratios: Sequence[float]) -> tuple[float, float]:
    """p-values of `the mean is not within the margin` and of `it is`; 1 and 1 for fewer than two values."""
    if len(ratios) < 2:
        return 1.0, 1.0
    mean, se = np.mean(ratios), max(stats.sem(ratios), 1e-12)
    above_low, below_high = ((mean - 1 / MARGIN) / se, (MARGIN - mean) / se)
    inside = max(stats.t.sf(above_low, len(ratios) - 1), stats.t.sf(below_high, len(ratios) - 1))
    outside = 2 * min(stats.t.cdf(above_low, len(ratios) - 1), stats.t.cdf(below_high, len(ratios) - 1))
    return float(inside), min(1.0, float(outside))


def mostly(words: Sequence[str]) -> str:
    """The verdict on `the value is not W1` over pairs: what more than half of them say; a part where both are said."""
    wrong, right = (sum(word == each for word in words) for each in (IS_NOT, IS))
    if 2 * wrong > len(words):
        return HOLDS
    if 2 * right > len(words):
        return REFUTED
    return IN_PART if wrong and right else OPEN


# ---- better estimate, worse generator?


def trials(looks: pd.DataFrame, ends: pd.DataFrame) -> pd.DataFrame:
    """Trainings that ended well, with their last look and its relative errors against three distances."""
    last = looks.sort_values("update").groupby(["dataset", "critic", "seed"], sort=False).tail(1)
    found = ends[ends["status"] == "ok"].merge(last, on=["dataset", "critic", "seed"])
    for truth in ("exact", "batch", "debiased"):
        found[f"error_{truth}"] = (found["value"] - found[truth]).abs() / found[truth].abs()
    return found


class Rank:
    """Spearman's rank correlation of the error of a critic's value with the distance of its generator's samples.

    `rho` over trainings, `low` and `high` its 95 % bootstrap interval over seeds within critics, `p` the share of all orders of
    the critics whose correlation is as far from 0 as `means`, that of the critics' means; `critics`, `trainings`: how many.
    Below 0, the better estimate comes with the worse generator.
    """

    def __init__(self, part: pd.DataFrame, truth: str):
        part = part.dropna(subset=[f"error_{truth}", "quality"])
        groups = [np.asarray(each[[f"error_{truth}", "quality"]]) for _, each in part.groupby("critic", sort=False)]
        self.critics, self.trainings = len(groups), len(part)
        self.rho = self.means = self.low = self.high = self.p = math.nan
        if self.critics < 3:
            return
        rng = np.random.default_rng(0)
        self.rho = float(_spearman(np.concatenate(groups)))
        if min(len(each) for each in groups) > 1:
            redrawn = [each[rng.integers(len(each), size=(REDRAWS, len(each)))] for each in groups]
            self.low, self.high = np.nanquantile(_spearman(np.concatenate(redrawn, axis=1)), [0.025, 0.975])
        means = np.array([each.mean(0) for each in groups])
        orders = [rng.permutation(len(means)) for _ in range(REDRAWS)] if len(means) > 7 else permutations(range(len(means)))
        others = np.array([np.column_stack([means[list(order), 0], means[:, 1]]) for order in orders])
        self.means = float(_spearman(means))
        self.p = float((abs(_spearman(others)) >= abs(self.means) - 1e-9).mean())

    @property
    def verdict(self) -> str:
        """On `the better estimate makes the worse generator`: what both the seeds and the few critics bear out."""
        if not self.p <= LEVEL:  # nan too
            return OPEN
        return HOLDS if self.high < 0 else REFUTED if self.low > 0 else OPEN


def rivals(part: pd.DataFrame) -> dict[str, tuple[float, float, float]] | None:
    """The c-transform against the gradient penalty, the critics that the paper compares: means and half-width of the difference.

    By `error_batch`, `error_debiased`, `quality` and `batch`, 95 % Welch intervals over seeds;
    None where either has fewer than two trainings.
    """
    a, b = (part[part["critic"] == critic] for critic in ("c-transform", "gradient penalty"))
    if min(len(a), len(b)) < 2:
        return None
    return {
        key: (float(a[key].mean()), float(b[key].mean()), welch(a[key].to_numpy(float), b[key].to_numpy(float)))
        for key in ("error_batch", "error_debiased", "quality", "batch")
    }


def compared(pair: tuple[float, float, float]) -> int:
    """-1 where the first of two means is smaller and the interval of the difference is without 0, 1 where larger, else 0."""
    first, second, half = pair
    return int(np.sign(first - second)) if abs(first - second) > half else 0


def _spearman(values: np.ndarray) -> np.ndarray:
    """Rank correlations (...) of pairs (..., n, 2); nan where one side is constant."""
    ranks = stats.rankdata(values, axis=-2)
    ranks = ranks - ranks.mean(-2, keepdims=True)
    size = np.sqrt((ranks**2).sum(-2).prod(-1))
    with np.errstate(invalid="ignore"):
        return (ranks[..., 0] * ranks[..., 1]).sum(-1) / np.where(size > 0, size, np.nan)


# ---- batches


def prefers(batches: pd.DataFrame) -> pd.DataFrame:
    """Per data, size and candidate: raw and debiased W1 (means over draws) and which of candidate and data is nearer.

    `gap` is the paired difference of the candidate's raw W1 to that of other data; `word` is "nearer" where it is below 0 and
    "farther" where it is above, by a t-test over draws with Holm's correction over all rows; else "level". `debiased_word`: the
    same of the debiased W1.
    """
    keys = ["data", "kind", "dim", "size", "draw"]
    real = batches[batches["candidate"] == "data"].set_index(keys)["raw"]
    rows = []
    for (data, kind, dim, size, candidate), part in batches.groupby(["data", "kind", "dim", "size", "candidate"], sort=False):
        part = part.set_index(keys)
        gap = part["raw"] - real.reindex(part.index)
        row = {"data": data, "kind": kind, "dim": dim, "size": size, "candidate": candidate, "raw": averaged(part["raw"])}
        rows.append(row | {"debiased": averaged(part["debiased"]), "gap": averaged(gap)})
    found = pd.DataFrame(rows)
    others = found["candidate"] != "data"
    for key, word in (("gap", "word"), ("debiased", "debiased_word")):
        found[word] = "level"
        found.loc[others, word] = _sides([cell.values for cell in found.loc[others, key]])
    return found


def _sides(values: Sequence[Sequence[float]]) -> np.ndarray:
    """On which side of 0 the mean of each row of values is, by t-tests with Holm's correction over all rows."""
    p = [float(stats.ttest_1samp(each, 0).pvalue) if len(each) > 1 and np.ptp(each) > 0 else 1.0 for each in values]
    signs = np.where([np.mean(each) < 0 if len(each) else False for each in values], "nearer", "farther")
    return np.where(holm(p) <= LEVEL, signs, "level")


def crossover(part: pd.DataFrame) -> tuple[float, float, float]:
    """The batch size up to which one candidate is nearer than data, and its 95 % bootstrap interval over draws.

    By the mean gap, linear in the size's logarithm. 0 where the candidate is farther at every size, inf where it is nearer at
    every size, nan where no one size parts smaller batches, in which it is nearer, from larger ones. Redraws of that kind widen
    the interval: it is from the first size at which they turn to farther up to the last.
    """
    part = part.sort_values("size")
    sizes, values = np.log(part["size"].to_numpy(float)), [np.array(cell.values) for cell in part["gap"]]
    rng = np.random.default_rng(0)
    redrawn = np.stack([each[rng.integers(len(each), size=(REDRAWS // 4, len(each)))].mean(1) for each in values], axis=1)
    firsts, lasts = np.transpose([_turns(sizes, gaps) for gaps in redrawn])
    low, high = (float(np.quantile(each, q, method="nearest")) for each, q in ((firsts, 0.025), (lasts, 0.975)))
    first, last = _turns(sizes, np.array([each.mean() for each in values]))
    return first if first == last else math.nan, low, high


def _turns(sizes: np.ndarray, gaps: np.ndarray) -> tuple[float, float]:
    """First and last size at which gaps turn from nearer to farther: 0 before them all, inf behind them all."""
    near = gaps < 0
    turns = [
        float(np.exp(sizes[i] + gaps[i] / (gaps[i] - gaps[i + 1]) * (sizes[i + 1] - sizes[i])))
        for i in range(len(gaps) - 1)
        if near[i] and not near[i + 1]
    ]
    turns = [0.0] * (not near[0]) + turns + [math.inf] * bool(near[-1])
    return turns[0], turns[-1]


def blurs(part: pd.DataFrame) -> str:
    """The verdict on `batch W1 prefers blur` for one data: a candidate nearer at all sizes, none at any, or a part."""
    at_all = part[part["candidate"] != "data"].groupby("candidate")["word"].agg(lambda words: (words == "nearer").all())
    words = part.loc[part["candidate"] != "data", "word"]
    if at_all.any():
        return HOLDS
    if (words == "farther").all():
        return REFUTED
    return IN_PART if (words == "nearer").any() else OPEN
