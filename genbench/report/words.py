"""Numbers and sentences: every sentence is made from the numbers, so that none outlives its data."""

import math
from collections.abc import Sequence

from genbench.report import encoders, variation
from genbench.report.read import Results
from genbench.report.tables import Cell, Column, Row, Table, mains
from genbench.report.text import listing, names, number, plural, value

__all__ = ["arrow", "findings", "notes", "overview"]

ARROWS = {"lower": "↓", "higher": "↑", "target": "→", "none": ""}
KINDS = {"exact": "exact", "lower_bound": "at most (bound)", "upper_bound": "at least (bound)", "estimate": "estimate"}
KINDS |= {"annealed": "annealed bound", "conservative": "of the annealing chain", "surrogate": "bound on a surrogate"}


def arrow(column: Column) -> tuple[str, str]:
    """Sign and words for the direction of a metric."""
    words = {"lower": "lower is better", "higher": "higher is better", "none": "not ranked"}
    if column.direction == "target":
        if column.target is None:
            return "", "best at the data's entropy, which is not known here: not ranked"
        return f"→ {number(column.target)}", f"best at {number(column.target)}, the entropy of the data"
    return ARROWS[column.direction], words[column.direction]


def overview(results: Results) -> str:
    """How much was run and how much of it failed."""
    trials = results.trials
    if trials.empty:
        return "The study holds no trials yet."
    bad = trials[trials["status"] != "ok"]
    seeds = trials.groupby(["dataset", "label"])["seed"].nunique()
    each = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    text = (
        f"{plural(len(trials), 'trial')}: {plural(trials['model'].nunique(), 'model')} on "
        f"{plural(trials['dataset'].nunique(), 'dataset')}, {each} seed{'' if each == '1' else 's'} each. "
    )
    if bad.empty:
        return text + "All ended ok."
    where = bad.groupby(["label", "dataset"], sort=False).size()
    if len(where) > 6:
        named = f"in {plural(len(where), 'pair')} of model and dataset"
    else:
        named = listing([f"{n} of {label} on {dataset}" for (label, dataset), n in where.items()])
    return text + f"{len(trials) - len(bad)} ended ok, {len(bad)} did not ({named}); means are over those that did."


def findings(results: Results, dataset: str, every: Sequence[Table]) -> list[str]:
    """Sentences about a dataset: its main metric and how stable it is, then each kind of likelihood by itself."""
    shown = {column.metric for table in every for column in table.columns}
    main = next((metric for metric in mains(results.kind(dataset)) if metric in shown), None)
    found = []
    for table in every:
        for place, column in enumerate(table.columns):
            if column.metric == main and not table.kind:
                found += _ranking(table, place, floor=True)
    spreads = [each for each in variation.variations(results, dataset, every) if each.column.metric == main]
    found.append(variation.sentence(spreads))
    found += [encoders.sentence(each) for each in encoders.agreements(results, dataset, every) if each.column.metric == main]
    for table in every:
        found += _ranking(table, 0, floor=False) if table.kind else []
    return [each for each in found if each] or ["No scores."]


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
    compared = [r.difference for r, _ in have if r.difference and math.isfinite(r.difference.half)]
    if compared and table.kind:
        text += f"Compared on the same {min(each.n for each in compared):,} test examples. "
    if groups["tie"]:
        text += f"Not separable from it: {names(groups['tie'], len(have) - len(best))}. "
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


def notes(table: Table) -> list[str]:
    """What the values of a table hold for; metrics with the same settings together."""
    together: dict[str, list[str]] = {}
    for column in table.columns:
        together.setdefault(column.settings, []).append(column.title)
    if len(together) == 1:
        found = [next(iter(together)) + "."]
    else:
        found = [f"{', '.join(titles)}: {settings}." for settings, titles in together.items()]
    for warning in dict.fromkeys(column.warning for column in table.columns if column.warning):
        found.append(f"{listing([c.title for c in table.columns if c.warning == warning])}: {warning}.")
    targets = [column for column in table.columns if column.direction == "target"]
    return found + [f"{column.title}: {arrow(column)[1]}." for column in targets]


def _seeds(row: Row, cell: Cell) -> str:
    failed = f", {row.trials - row.ok} of {row.trials} failed" if row.ok < row.trials else ""
    return f" ({plural(cell.n, 'seed')}{failed})"
