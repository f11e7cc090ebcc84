"""Whether a ranking of models depends on the network whose features score their samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd
from scipy import stats

from genbench.report.means import Mean, averaged, redrawn
from genbench.report.tables import Column, ScoreTable
from genbench.report.text import listing, plural
from genbench.results.study import Results

__all__ = ["ByEncoder", "agreements", "described", "frame", "sentence"]


@dataclass(frozen=True)
class ByEncoder:
    """One metric by all encoders, the primary one first.

    `cells` and `floors`: by encoder (and label). `tau`: Kendall's tau-b between the primary encoder's ranking of the models'
    means and each other one's, over the models that both have scored; nan for fewer than two or equal means. `swapped` and
    `pairs`: how many of how many pairs of models stand in the opposite order. `names`: short ones of the encoders.
    """

    column: Column
    encoders: tuple[str, ...]
    labels: tuple[str, ...]
    families: dict[str, str]
    cells: dict[str, dict[str, Mean]]
    floors: dict[str, Mean]
    tau: dict[str, float]
    swapped: dict[str, int]
    pairs: dict[str, int]
    names: dict[str, str]


def agreements(results: Results, dataset: str, every: Sequence[ScoreTable]) -> list[ByEncoder]:
    """Every ranked metric of the tables that further encoders have measured, too.

    References: Kendall 1945 (tau-b).
    """
    further = results.further_scores[results.further_scores["dataset"] == dataset]
    scores = results.scores[results.scores["dataset"] == dataset]
    found = []
    for table in every:
        for place, column in enumerate(table.columns):
            chosen = further[(further["metric"] == column.metric) & (further["kind"] == column.kind)].dropna(subset="value")
            if chosen.empty or column.direction not in ("lower", "higher"):
                continue
            first = scores.loc[(scores["metric"] == column.metric) & (scores["kind"] == column.kind), "encoder"].iloc[0]
            cells = {first or "primary": {row.label: row.cells[place] for row in table.contenders}}
            floors = {first or "primary": column.floor}
            known = results.further_floors
            known = known[(known["dataset"] == dataset) & (known["metric"] == column.metric)]
            for encoder, part in chosen.groupby("encoder", sort=False):
                means = {label: averaged(own["value"]) for label, own in part.groupby("label")}
                cells[encoder] = {row.label: means[row.label] for row in table.contenders if row.label in means}
                floors[encoder] = redrawn(tuple(known.loc[known["encoder"] == encoder, "value"].dropna()))
            labels = tuple(row.label for row in table.contenders if row.cells[place].n)
            families = {row.label: row.family for row in table.rows}
            names = {encoder: results.short(dataset, encoder) for encoder in cells}
            found.append(ByEncoder(column, tuple(cells), labels, families, cells, floors, *_compare(cells), names))
    return found


def _compare(cells: dict[str, dict[str, Mean]]) -> tuple[dict[str, float], dict[str, int], dict[str, int]]:
    """Kendall's tau, swapped pairs and pairs of each further encoder against the first."""
    (_, base), *others = cells.items()
    tau, swapped, pairs = {}, {}, {}
    for encoder, each in others:
        common = [label for label in base if base[label].n and label in each]
        means = [(base[label].mean, each[label].mean) for label in common]
        tau[encoder] = float(stats.kendalltau(*zip(*means, strict=True)).statistic) if len(means) > 1 else math.nan
        signs = [(a[0] - b[0]) * (a[1] - b[1]) for a, b in combinations(means, 2)]
        swapped[encoder], pairs[encoder] = sum(sign < 0 for sign in signs), len(signs)
    return tau, swapped, pairs


def sentence(each: ByEncoder) -> str:
    """How well the rankings of models by two or more encoders agree."""
    first, *others = each.encoders
    best = {encoder: _best(each, encoder) for encoder in each.encoders}
    parts = [
        f"{each.names[encoder]} (tau {each.tau[encoder]:.2f}; {each.swapped[encoder]} of "
        f"{plural(each.pairs[encoder], 'pair')} of models in the opposite order)"
        for encoder in others
        if math.isfinite(each.tau[encoder])
    ]
    if not parts:
        return ""
    text = f"{each.column.title}: the ranking by {each.names[first]} agrees with that by {listing(parts)}. "
    if len(set(best.values())) == 1:
        return text + f"{best[first]} is best by {'both' if len(others) == 1 else 'all'}."
    return text + "Best: " + "; ".join(f"{best[encoder]} by {each.names[encoder]}" for encoder in each.encoders) + "."


def _best(each: ByEncoder, encoder: str) -> str:
    sign = 1 if each.column.direction == "lower" else -1
    means = {label: sign * cell.mean for label, cell in each.cells[encoder].items() if cell.n}
    return min(means, key=means.get)


def described(results: Results, dataset: str) -> str:
    """How a dataset's own encoders differ, from the facts that the study keeps of them; empty for fewer than two."""
    known = [each for each in results.meta(dataset).get("encoders") or () if each.get("hash")]
    if len(known) < 2:
        return ""
    first, *others = (results.short(dataset, str(each["hash"])) for each in known)
    own = ("accuracy", "seed", "hash")  # what differs between trainings of one network
    facts = [{key: fact for key, fact in each.items() if key not in own} for each in known]
    if any(each != facts[0] for each in facts):
        return f"{listing(others)} and {first} differ in architecture or data."
    return (
        f"{listing(others)} and {first} differ in their training seed only. ByEncoder shows that the ranking does not depend on "
        "one network's chance; other features may still rank otherwise."
    )


def frame(datasets: dict[str, list[ByEncoder]]) -> pd.DataFrame:
    """All means by encoder as one frame, with the encoder's tau to the primary one."""
    rows = [
        {"dataset": dataset, "metric": each.column.metric, "kind": each.column.kind, "encoder": encoder, "model": label}
        | {"mean": cell.mean, "half_width": cell.half, "values": cell.n, "tau": each.tau.get(encoder, math.nan)}
        for dataset, every in datasets.items()
        for each in every
        for encoder, cells in each.cells.items()
        for label, cell in cells.items()
        if cell.n
    ]
    columns = "dataset metric kind encoder model mean half_width values tau"
    return pd.DataFrame(rows, columns=columns.split())
