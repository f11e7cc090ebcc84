"""What to keep in mind when reading a report, as sentences made from its numbers."""

import math
from collections.abc import Sequence

import pandas as pd

from genbench.report.means import Mean
from genbench.report.tables import Column, ScoreTable
from genbench.report.text import listing, names, number, value
from genbench.results.study import Results

__all__ = ["cautions", "encoders_used"]

CT_LOW, CT_HIGH = -3.0, 3.0  # a data-copying test below speaks for copies, above for samples far from the training data
NULL = {"authpct": 0.0, "ct": 0.0, "nn_distance": 1.0}  # what held-out data get
TWO_WAYS = (
    "No memorisation metric separates memorisation from underfitting: a model that copies some images and misses the rest can "
    "look like held-out data."
)
CLASSIFIER = "a small classifier trained on this dataset's training split (not Inception)"


def cautions(results: Results, every: dict[str, Sequence[ScoreTable]]) -> list[str]:
    """What the study says of itself, then what the updates kept, the costs and the memorisation metrics say."""
    unfair = results.study.get("unfair")
    found = list(unfair or ())
    for dataset in results.datasets:
        found += _budget(results, dataset, unfair)
    copies = [line for dataset, each in every.items() if each for line in (*_copies(dataset, each), *_gaps(dataset, each))]
    measured = any(column.metric in NULL for each in every.values() for table in each for column in table.columns)
    return [*found, *copies, *([TWO_WAYS] if measured else [])]


def _budget(results: Results, dataset: str, unfair: list[str] | None) -> list[str]:
    """What the kept updates and the costs of a dataset's models say."""
    last, early, costs, found = [], [], [], []
    for label in results.labels(dataset):
        trials = results.of(dataset, label)
        model, ok = trials["model"].iloc[0], trials[trials["status"] == "ok"]
        if ok.empty or results.family(dataset, label) == "baseline":
            continue
        kept, updates, flops, parameters = (
            pd.to_numeric(ok[name], errors="coerce")
            for name in ("selected_update", "cost_updates", "cost_flops", "cost_parameters")
        )
        costs.append((flops.mean(), parameters.mean()))
        if (kept < updates / 2).all():
            early.append(label)
        blind = unfair is None or any("no held-out loss" in line and model in _who(line) for line in unfair)
        if (kept == updates).all() and not blind:  # without a loss the last update is kept in any case
            last.append(label)
    if last:
        found.append(
            f"{dataset}: the last update was the best on validation in all seeds of {listing(last)}: more training may help them."
        )
    if early:
        found.append(
            f"{dataset}: weights from before half of the budget were best in all seeds of {listing(early)}: "
            "the rest of it overfits."
        )
    ratios = [_factor(each) for each in zip(*costs, strict=True)]
    if len(costs) > 1 and all(math.isfinite(ratio) for ratio in ratios):
        found.append(
            f"{dataset}: training FLOPs differ by a factor of {number(ratios[0], 2)} between models "
            f"(without the baseline), parameters by {number(ratios[1], 2)}."
        )
    return found


def _who(line: str) -> list[str]:
    """The models that a sentence of the fairness linter is about."""
    return line.partition(":")[0].split(", ")


def _factor(values: Sequence[float]) -> float:
    known = [each for each in values if math.isfinite(each) and each > 0]
    return max(known) / min(known) if len(known) > 1 else math.nan


def _copies(dataset: str, every: Sequence[ScoreTable]) -> list[str]:
    """Which models lie nearer to their training data than real data do, by every metric of memorisation, and which farther."""
    metrics = [(table, i, c) for table in every for i, c in enumerate(table.columns) if c.metric in NULL]
    if not metrics:
        return [f"{dataset}: whether samples copy training data was not measured; a model that returns them reaches every floor."]
    parts, far = [], []
    for table, place, column in metrics:
        cells = [(row.label, row.cells[place]) for row in table.rows if row.cells[place].n]
        near = [(label, cell) for label, cell in cells if cell.mean + _margin(cell) < _edge(column)]
        near = sorted(near, key=lambda pair: pair[1].mean)
        parts.append(f"{column.title} below {number(_edge(column), 2)} for {_few(near, column) if near else 'no model'}")
        if column.metric == "ct":
            beyond = [(label, cell) for label, cell in cells if cell.mean - _margin(cell) > CT_HIGH]
            far = [(column, sorted(beyond, key=lambda pair: -pair[1].mean))] if beyond else []
    lines = [f"{dataset}, copies of training data, taking the whole interval of a model: {'; '.join(parts)}."]
    for column, cells in far:
        lines.append(
            f"{dataset}, samples farther from the training data than held-out data are (underfitting): {column.title} above "
            f"{number(CT_HIGH, 2)} for {_few(cells, column)}."
        )
    return lines


def _gaps(dataset: str, every: Sequence[ScoreTable]) -> list[str]:
    """Which models give training examples a better likelihood than test examples, by more than the error over examples."""
    found = [(table, i) for table in every for i, c in enumerate(table.columns) if c.metric == "nll_gap"]
    cells = [(row.label, row.cells[i]) for table, i in found for row in table.rows]
    cells = [(label, cell) for label, cell in cells if cell.n and math.isfinite(cell.se)]
    if not cells:
        return []
    wide = sorted(((label, cell) for label, cell in cells if cell.mean > 2 * cell.se), key=lambda pair: -pair[1].mean)
    column = found[0][0].columns[found[0][1]]
    who = f"for {_few(wide, column)}" if wide else f"for none of {len(cells)}" if len(cells) > 1 else f"not for {cells[0][0]}"
    return [f"{dataset}, overfitting: {column.title} above twice its standard error over examples {who}."]


def _few(cells: Sequence[tuple[str, Mean]], column: Column) -> str:
    """The first models with their values, and how many more."""
    unit = f" {column.unit}" if column.unit.startswith(("nats", "bits")) else ""
    shown = [f"{label} ({value(cell)}{unit})" for label, cell in cells[:4]]
    return listing(shown + ([f"{len(cells) - 4} more"] if len(cells) > 4 else []))


def _edge(column: Column) -> float:
    """What copies lie below: all real-against-real values, those of held-out data by construction, and C_T's threshold."""
    usual = min([NULL[column.metric], *column.floor.values])
    return min(usual, CT_LOW) if column.metric == "ct" else usual


def _margin(cell: Mean) -> float:
    """Half of the interval over seeds; of a single seed twice its standard error."""
    half = cell.half if math.isfinite(cell.half) else 2 * cell.se
    return half if math.isfinite(half) else 0.0


def encoders_used(results: Results, dataset: str) -> str:
    """Whose features score a dataset's samples; empty if no score says so."""
    scores = results.scores[(results.scores["dataset"] == dataset) & (results.scores["encoder"] != "")]
    used = list(dict.fromkeys(scores["encoder"]))
    if not used:
        return ""
    own = any(each.startswith("genbench-") for each in used)
    short = {each: results.short(dataset, each) for each in used}
    called = [each if each == short[each] else f"{short[each]} ({each})" for each in used]
    text = f"Features: {listing(called)}" + (f", {CLASSIFIER}" if own else "")
    text += ": comparable between models on the same dataset in this report, not with published values."
    scores = results.further_scores
    others = [results.short(dataset, each) for each in dict.fromkeys(scores.loc[scores["dataset"] == dataset, "encoder"])]
    return text + (f" Also scored by {names(others, len(others))}, below." if others else "")
