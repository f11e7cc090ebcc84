"""Where the spread over seeds comes from: how large the generated sample was, or how training went."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from genbench.report.tables import Column, ScoreTable
from genbench.report.text import names, plural
from genbench.results.study import Results
from genbench.statistics.uncertainty import Spread, pooled_share, spread

__all__ = ["Variation", "frame", "sentence", "sentences", "variations"]

LEVEL = 0.05
ON_TEST = ("nll_gap", "manifold_recall", "manifold_f1")  # their standard errors are over test examples, which seeds share


@dataclass(frozen=True)
class Variation:
    """The spread of one metric of one model over its seeds."""

    column: Column
    label: str
    family: str
    spread: Spread

    @property
    def trained(self) -> bool:
        """Whether the seeds differ by more than their finite samples explain."""
        return self.spread.p < LEVEL


def variations(results: Results, dataset: str, every: Sequence[ScoreTable]) -> list[Variation]:
    """Every sample metric of every model that has at least two seeds with a standard error, in the tables' order."""
    scores = results.scores[results.scores["dataset"] == dataset].copy()
    scores["se"] = pd.to_numeric(scores["se"], errors="coerce")
    scores = scores.dropna(subset=["value", "se"])
    found = []
    for table in every:
        for column in () if table.kind else table.columns:
            chosen = scores[(scores["metric"] == column.metric) & (scores["kind"] == column.kind)]
            for row in table.rows:
                own = chosen[chosen["label"] == row.label]
                split = spread(own["value"], own["se"])
                if split is not None and column.metric not in ON_TEST:
                    found.append(Variation(column, row.label, row.family, split))
    return found


def sentence(every: Sequence[Variation]) -> str:
    """What the variations of one metric say; empty without any."""
    if not every:
        return ""
    title, apart = every[0].column.title, [each.label for each in every if each.trained]
    text = f"{title}: seeds differ by more than their finite samples explain for "
    if apart:
        text += f"{len(apart)} of {plural(len(every), 'model')}"
        text += f" ({names(apart, len(every))})" if len(apart) < len(every) else ""
    else:
        text += f"none of {plural(len(every), 'model')}" if len(every) > 1 else "no model"
    text += " (χ² test at 5 %)."
    share = pooled_share(each.spread for each in every)
    if math.isfinite(share):
        counts = {each.spread.n for each in every}
        seeds = f"{min(counts)} to {max(counts)} seeds" if len(counts) > 1 else plural(max(counts), "seed")
        text += f" Training causes {100 * share:.0f} % of the variance over {seeds}, all models pooled."
    return text


def sentences(every: Sequence[Variation]) -> list[str]:
    """A sentence per metric."""
    return [sentence(list(own)) for _, own in groupby(every, key=lambda each: each.column)]


def frame(datasets: dict[str, list[Variation]]) -> pd.DataFrame:
    """All variations as one frame."""
    keys = "dataset metric kind model seeds sd_over_seeds se_of_sampling sd_of_training training_share p"
    rows = [
        (dataset, v.column.metric, v.column.kind, v.label, s.n, s.total, s.sampling, s.training, s.share, s.p)
        for dataset, every in datasets.items()
        for v in every
        for s in (v.spread,)
    ]
    return pd.DataFrame(rows, columns=keys.split())
