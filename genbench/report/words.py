"""Numbers and sentences: every sentence is made from the numbers, so that none outlives its data."""

import math
from collections.abc import Sequence

import pandas as pd

from genbench.report.read import Results
from genbench.report.tables import MAIN, Cell, Column, Row, Table

__all__ = ["arrow", "care", "count", "findings", "listing", "notes", "number", "overview", "value"]

ARROWS = {"lower": "↓", "higher": "↑", "target": "→", "none": ""}
KINDS = {"exact": "exact", "lower_bound": "at most (bound)", "upper_bound": "at least (bound)", "estimate": "estimate"}
COPIES = "No metric here detects copies of training data: a model that returns them reaches every floor."


def number(x: float | None, digits: int = 3) -> str:
    """A number for people with that many significant digits, a dash if there is none."""
    if x is None or not math.isfinite(x):
        return "–"
    if x == 0:
        return "0"
    size = math.floor(math.log10(abs(x)))
    if size >= 6 or size < -4:
        mantissa = f"{x / 10.0**size:.{digits - 1}f}"
        return f"{mantissa}e{size}"
    return f"{x:,.{max(0, digits - 1 - size)}f}"


def count(x: float | None) -> str:
    """A whole number with thousands separated, in powers of ten from a hundred million on."""
    if x is None or not math.isfinite(x):
        return "–"
    return number(x) if abs(x) >= 1e8 else f"{x:,.0f}"


def value(cell: Cell) -> str:
    """mean ± half-width, rounded to two digits of the half-width; the note if there is no mean."""
    if not math.isfinite(cell.mean):
        return cell.note or "–"
    if not math.isfinite(cell.half):
        return number(cell.mean)
    if cell.half == 0:
        return f"{cell.mean:,.0f} ± 0" if cell.mean == round(cell.mean) else f"{number(cell.mean)} ± 0"
    places = 1 - math.floor(math.log10(cell.half))
    if places > 6 or max(abs(cell.mean), cell.half) >= 1e6:
        return f"{number(cell.mean)} ± {number(cell.half, 2)}"
    places = max(0, places)
    return f"{cell.mean:,.{places}f} ± {cell.half:,.{places}f}"


def arrow(column: Column) -> tuple[str, str]:
    """Sign and words for the direction of a metric."""
    words = {"lower": "lower is better", "higher": "higher is better", "none": "not ranked"}
    if column.direction == "target":
        if column.target is None:
            return "", "best at the data's entropy, which is not known here: not ranked"
        return f"→ {number(column.target)}", f"best at {number(column.target)}, the entropy of the data"
    return ARROWS[column.direction], words[column.direction]


def listing(items: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def overview(results: Results) -> str:
    """How much was run and how much of it failed."""
    trials = results.trials
    if trials.empty:
        return "The study holds no trials yet."
    bad = trials[trials["status"] != "ok"]
    seeds = trials.groupby(["dataset", "label"])["seed"].nunique()
    each = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    text = (
        f"{_plural(len(trials), 'trial')}: {_plural(trials['model'].nunique(), 'model')} on "
        f"{_plural(trials['dataset'].nunique(), 'dataset')}, {each} seed{'' if each == '1' else 's'} each. "
    )
    if bad.empty:
        return text + "All ended ok."
    where = bad.groupby(["label", "dataset"], sort=False).size()
    if len(where) > 6:
        named = f"in {_plural(len(where), 'pair')} of model and dataset"
    else:
        named = listing([f"{n} of {label} on {dataset}" for (label, dataset), n in where.items()])
    return text + f"{len(trials) - len(bad)} ended ok, {len(bad)} did not ({named}); means are over those that did."


def _plural(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def findings(results: Results, dataset: str, every: Sequence[Table]) -> list[str]:
    """Sentences about a dataset: its main metric, then each kind of likelihood by itself."""
    main = next(
        (m for m in MAIN.get(results.kind(dataset), ()) for t in every for c in t.columns if c.metric == m),
        None,
    )
    found = []
    for table in every:
        for place, column in enumerate(table.columns):
            if column.metric == main and not table.kind:
                found += _ranking(table, place, floor=True)
        if table.kind:
            found += _ranking(table, 0, floor=False)
    return found or ["No scores."]


def _ranking(table: Table, place: int, floor: bool) -> list[str]:
    column = table.columns[place]
    pairs = [(row, row.cells[place]) for row in table.rows]
    have = [(row, cell) for row, cell in pairs if cell.n and not cell.caveat]
    name = f"{column.title}, {KINDS[table.kind]}" if table.kind in KINDS else column.title
    doubtful = [(row, cell) for row, cell in pairs if cell.caveat]
    doubts = [
        f"{name} of {row.label}, {value(cell)}{_worse(table, column, cell)}, is not to be relied on and not ranked: "
        f"{cell.caveat}."
        for row, cell in doubtful
    ]
    if not have:
        return doubts or [f"{name}: no model has a value."]
    if len(have) == 1:
        row, cell = have[0]
        only = f"only {row.label} has a value{' to rely on' if doubts else ''}, {value(cell)}"
        only += _worse(table, column, cell) + _seeds(row, cell)
        return [f"{name}: {only}; there is nothing to rank.", *doubts]
    best = [(row, cell) for row, cell in have if cell.state == "best"]
    if all(cell.state == "equal" for _, cell in have):
        return [f"{name}: the same mean, {number(have[0][1].mean)}, for all {len(have)} models with a value.", *doubts]
    if not best:
        return [f"{name}: {len(have)} models have a value; not ranked.", *doubts]
    row, cell = best[0]
    if len(best) > 1:
        text = f"{name} ({arrow(column)[1]}): equal best mean, {number(cell.mean)}{_worse(table, column, cell)}, "
        text += f"{listing([r.label for r, _ in best])}. "
    else:
        text = f"{name} ({arrow(column)[1]}): best mean {row.label}, {value(cell)}"
        text += f"{_worse(table, column, cell)}{_seeds(row, cell)}. "
    groups = {state: [r.label for r, c in have if c.state == state] for state in ("tie", "apart", "open")}
    if groups["tie"]:
        text += f"Not separable from it: {_names(groups['tie'], len(have) - len(best))}. "
    elif groups["apart"] and not groups["open"]:
        text += "Separable from all others. "
    if groups["open"]:
        text += f"Not testable with a single seed: {listing(groups['open'])}. "
    worse = [f"{r.label}, {number(c.mean)}" for r, c in have if c.state != "best" and _worse(table, column, c)]
    if worse:
        text += f"Others{_worse(table, column, Cell(math.inf))}: {'; '.join(worse)}. "
    if table.kind.startswith(("lower_bound", "upper_bound")):
        made = "; ".join(dict.fromkeys(c.estimator for _, c in have if c.estimator))
        made = f" ({made})" if made else ""
        text += f"Bounds differ in tightness{made}: their order need not be that of the models. "
    if floor and column.floor.n and column.direction in ("lower", "higher"):
        text += _reach(column, have)
    missing = [r.label for r, c in pairs if not c.n and c.note != "n/a"]
    if missing:
        text += f"No trial of {listing(missing)} ended ok. "
    return [text.strip(), *doubts]


def _reach(column: Column, have: list[tuple[Row, Cell]]) -> str:
    """Which models' means are at the far edge of the floor's interval or better."""
    sign = 1 if column.direction == "lower" else -1
    edge = column.floor.mean + sign * (column.floor.half if math.isfinite(column.floor.half) else 0.0)
    reach = [row.label for row, cell in have if sign * cell.mean <= sign * edge]
    head = f"Floor (real against real): {value(column.floor)}; its far edge, {number(edge)}, is reached by "
    return head + (f"the mean of {listing(reach)}. " if reach else "no model's mean. ")


def _worse(table: Table, column: Column, cell: Cell) -> str:
    """A remark on bits per dimension above those of the uniform law."""
    if column.metric != "bpd" or table.uniform is None or not cell.mean > table.uniform:
        return ""
    return f" (worse than uniform, {number(table.uniform)})"


def care(results: Results) -> list[str]:
    """What to keep in mind: what the study says of itself, then what the updates kept and the costs say."""
    unfair = results.study.get("unfair")
    found = list(unfair or ())
    for dataset in results.datasets:
        last, early, costs = [], [], []
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
            blind = unfair is None or any(line.startswith(f"{model}: has no held-out loss") for line in unfair)
            if (kept == updates).all() and not blind:  # without a loss the last update is kept in any case
                last.append(label)
        if last:
            found.append(
                f"{dataset}: the last update was the best on validation in all seeds of {listing(last)}: "
                "more training may help them."
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
    return [*found, COPIES]


def _factor(values: Sequence[float]) -> float:
    known = [each for each in values if math.isfinite(each) and each > 0]
    return max(known) / min(known) if len(known) > 1 else math.nan


def notes(table: Table) -> list[str]:
    """What the values of a table hold for; metrics with the same settings together."""
    together: dict[str, list[str]] = {}
    for column in table.columns:
        together.setdefault(column.settings, []).append(column.title)
    if len(together) == 1:
        found = [next(iter(together)) + "."]
    else:
        found = [f"{', '.join(titles)}: {settings}." for settings, titles in together.items()]
    targets = [column for column in table.columns if column.direction == "target"]
    return found + [f"{column.title}: {arrow(column)[1]}." for column in targets]


def _names(labels: list[str], others: int) -> str:
    """Names, or how many of the others where the list would be long."""
    if len(labels) <= 8:
        return listing(labels)
    return f"{len(labels)} of the {others} others" if len(labels) < others else f"any of the {others} others"


def _seeds(row: Row, cell: Cell) -> str:
    failed = f", {row.trials - row.ok} of {row.trials} failed" if row.ok < row.trials else ""
    return f" ({_plural(cell.n, 'seed')}{failed})"
