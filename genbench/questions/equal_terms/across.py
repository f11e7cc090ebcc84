"""What searches say together: rankings over datasets and encoders, and what scores vary with."""

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from genbench.report.blocks import Heading, Points
from genbench.report.searches import Searches, counted
from genbench.report.text import number, plural
from genbench.results.study import GIVEN, Results
from genbench.statistics.ranks import agreement
from genbench.statistics.variance import shares
from genbench.statistics.verdict import Verdict

__all__ = ["across"]


def across(
    results: Results, every: Sequence[Searches], decided: dict[str, list[Verdict]], margin: float, gans: Collection[str]
) -> list:
    """Blocks on all datasets, and all encoders, together; none where there is one of each. `gans`: labels of such models."""
    encoders = _encoders(results, every)
    if len(every) < 2:
        return [Heading("Several encoders"), Points(tuple(encoders))] if encoders else []
    frame = _fresh(every)
    total = [v for each in decided.values() for v in each]
    counts = f"Over all datasets {plural(len(total), 'pair')}: {counted(total, margin)}."
    said = [counts, *_agreement(frame), *_shares(frame[frame["model"].isin(gans)]), *_spreads(every), *encoders]
    return [Heading("All datasets together"), Points(tuple(said))]


def _fresh(every: Sequence[Searches]) -> pd.DataFrame:
    """Scores of fresh seeds of the choices, a row each, of models without labels."""
    rows = [
        {"model": s.label, "dataset": each.name, "seed": seed, "score": score}
        for each in every
        if GIVEN not in each.name
        for s in each.found
        for seed, score in enumerate(s.confirmed)
    ]
    return pd.DataFrame(rows, columns=["model", "dataset", "seed", "score"])


def _agreement(frame: pd.DataFrame) -> list[str]:
    try:
        same = agreement(frame)
    except ValueError:  # fewer than two models on all datasets
        return []
    return [
        f"Do {same.judges} datasets rank the choices of {same.models} models alike, by the mean rank of their fresh seeds among "
        f"those of all? Kendall's W is "
        f"{number(same.w)} (1: the same order; p = {number(same.p, 2)} of no relation), the mean Kendall tau of two datasets "
        f"{number(same.tau)} ({number(same.low)} to {number(same.high)} over redrawn seeds)."
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

    raw = ", ".join(str(round(100 * found[term].r2)) for term in ("model", "model:dataset", "within cells"))

    def told(term: str) -> str:
        each = found[term]
        share, low, high = (round(100 * value) for value in (each.share, each.low, each.high))
        return f"{share} % ({low} to {high})"

    return [
        f"Within datasets, log scores of the choices of {plural(within['model'].nunique(), 'GAN')} vary with the model by "
        f"{told('model')}, with how the model suits the dataset by {told('model:dataset')} and with the seed by "
        f"{told('within cells')} of their variance, less what noise adds; raw: {raw} %. A re-analysis of the means and "
        "deviations that Lucic et al. print gives 16, 63 and 21 % of the raw variance for their seven GANs on four datasets."
    ]


def _spreads(every: Sequence[Searches]) -> list[str]:
    """How far configurations, and seeds of one, lie apart."""
    configurations, seeds = [], []
    for s in (s for each in every for s in each.found):
        ok = s.test[np.isfinite(s.test) & (s.test > 0)]
        fresh = s.confirmed[np.isfinite(s.confirmed) & (s.confirmed > 0)]
        if ok.size > 1 and fresh.size > 1:
            configurations.append(np.log(ok).std(ddof=1))
            seeds.append(np.log(fresh).std(ddof=1))
    if not seeds:
        return []
    factors = [number(math.exp(float(np.median(each)))) for each in (configurations, seeds)]
    among = f"{len(seeds)} searches" if len(seeds) > 1 else "1 search"
    return [
        f"One standard deviation of the log score is a factor of {factors[0]} over the configurations of a search and of "
        f"{factors[1]} over fresh seeds of one (medians over {among})."
    ]


def _encoders(results: Results, every: Sequence[Searches]) -> list[str]:
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
            f"{each.name}: {plural(same.judges, 'encoder')} rank the choices of {same.models} models with a "
            f"Kendall tau of {number(same.tau)} ({number(same.low)} to {number(same.high)} over redrawn seeds)."
        )
    return said
