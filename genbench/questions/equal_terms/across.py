"""What searches say together: rankings over datasets and encoders, and what scores vary with."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from genbench.questions.searches import DatasetSearches
from genbench.report.blocks import Fold, Points
from genbench.report.text import number, percent, plural, span
from genbench.report.verdicts import counted
from genbench.results.study import GIVEN, Results
from genbench.statistics.ranks import agreement
from genbench.statistics.variance import shares
from genbench.statistics.verdict import Verdict

__all__ = ["across"]


def across(
    results: Results,
    every: Sequence[DatasetSearches],
    decided: Mapping[str, Sequence[Verdict]],
    margin: float,
    gans: Collection[str],
) -> list[Fold]:
    """A fold on all datasets and all encoders together; none where there is one of each. `gans`: labels of such models."""
    encoders = _encoders(results, every)
    if len(every) < 2:
        return [Fold("Do encoders rank the models alike?", (Points(tuple(encoders)),))] if encoders else []
    frame = _seeds(every)
    total = counted([v.word for each in decided.values() for v in each], margin, "pairs of models")
    said = [f"Over all datasets, {total}.", *_agreement(frame), *_shares(frame[frame["model"].isin(gans)]), *_spreads(every)]
    return [Fold("All datasets together", (Points((*said, *encoders)),))]


def _seeds(every: Sequence[DatasetSearches]) -> pd.DataFrame:
    """Scores of new seeds of the choices, a row each, of models without class labels."""
    rows = [
        {"model": s.label, "dataset": each.name, "seed": seed, "score": score}
        for each in every
        if GIVEN not in each.name
        for s in each.found
        for seed, score in enumerate(s.confirmed)
    ]
    return pd.DataFrame(rows, columns=["model", "dataset", "seed", "score"]).astype({"score": float})


def _agreement(frame: pd.DataFrame) -> list[str]:
    try:
        same = agreement(frame)
    except ValueError:  # fewer than two models on all datasets
        return []
    return [
        f"How alike {same.judges} datasets rank the chosen configurations of {same.models} models, by the mean rank of their new "
        f"seeds: Kendall's W is {number(same.w)} (1: the same order; p = {number(same.p, 2)} of no relation), and Kendall's tau "
        f"of two datasets {number(same.tau)} on average (95 %: {number(same.low)} to {number(same.high)} over redrawn seeds)."
    ]


def _shares(frame: pd.DataFrame) -> list[str]:
    """Shares of the variance of log scores within datasets: of models, of models by dataset, of seeds."""
    common = frame.groupby("model")["dataset"].nunique()
    frame = frame[frame["model"].isin(common.index[common == frame["dataset"].nunique()]) & np.isfinite(frame["score"])]
    if frame["model"].nunique() < 2 or (frame["score"] <= 0).any() or frame.groupby(["model", "dataset"]).size().min() < 2:
        return []
    logs = np.log(frame["score"])
    within = frame.assign(score=np.exp(logs - logs.groupby(frame["dataset"]).transform("mean")))
    if np.ptp(within["score"]) == 0:
        return []
    found = {each.term: each for each in shares(within, ["model", "dataset", "model:dataset"])}
    parts = {"the model": "model", "how it suits the dataset": "model:dataset", "the seed": "within cells"}
    said = [f"{percent(found[t].share)} ({span((found[t].low, found[t].high), percent)}) with {w}" for w, t in parts.items()]
    raw = ", ".join(percent(found[term].r2) for term in parts.values())
    return [
        f"Within datasets, the log scores of {plural(within['model'].nunique(), 'GAN')} vary by {', '.join(said)}: shares of the "
        f"variance without noise, with 95 % intervals; with noise {raw}. The means and deviations that Lucic et al. print give "
        "16, 63 and 21 % with noise, for their seven GANs on four datasets."
    ]


def _spreads(every: Sequence[DatasetSearches]) -> list[str]:
    """How far configurations, and seeds of one, lie apart."""
    configurations, seeds = [], []
    for s in (s for each in every for s in each.found):
        ok = s.test[np.isfinite(s.test) & (s.test > 0)]
        new = s.confirmed[np.isfinite(s.confirmed) & (s.confirmed > 0)]
        if ok.size > 1 and new.size > 1:
            configurations.append(np.log(ok).std(ddof=1))
            seeds.append(np.log(new).std(ddof=1))
    if not seeds:
        return []
    factors = [number(math.exp(float(np.median(each)))) for each in (configurations, seeds)]
    among = f"{len(seeds)} searches" if len(seeds) > 1 else "1 search"
    return [
        f"A standard deviation of the log score is a factor of {factors[0]} over the configurations of a search, and of "
        f"{factors[1]} over new seeds of one configuration (medians over {among})."
    ]


def _encoders(results: Results, every: Sequence[DatasetSearches]) -> list[str]:
    """Whether encoders rank the choices of a dataset alike, a sentence for each dataset that several have scored."""
    said = []
    for each in every:
        labels = {s.label for s in each.found}
        parts = [results.scores, results.further_scores]
        own = [part[(part["dataset"] == each.dataset) & (part["metric"] == each.metric)] for part in parts if len(part)]
        own = [part[part["label"].isin(labels)] for part in own]
        if len(own) < 2 or own[1].empty:
            continue
        frame = pd.concat(own).rename(columns={"value": "score"}).drop(columns="model").rename(columns={"label": "model"})
        try:
            same = agreement(frame[["model", "encoder", "seed", "score"]], judge="encoder", shared=True)
        except ValueError:  # fewer than two models by all encoders
            continue
        said.append(
            f"{each.name}: {plural(same.judges, 'encoder')} rank {same.models} models with a Kendall's tau of {number(same.tau)} "
            f"(1: the same order; 95 %: {number(same.low)} to {number(same.high)} over redrawn seeds)."
        )
    return said
