"""Numbers and sentences: every sentence is made from the numbers, so that none outlives its data."""

import math
from collections.abc import Sequence

from genbench.report.read import Results
from genbench.report.tables import KINDS, MAIN, Cell, Column, Row, Table

__all__ = ["arrow", "count", "findings", "listing", "notes", "number", "overview", "value"]

ARROWS = {"lower": "↓", "higher": "↑", "target": "→", "none": ""}


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
    words = {"lower": "lower is better", "higher": "higher is better", "none": "no better direction"}
    if column.card.direction == "target":
        if column.target is None:
            return "", "best at the data's entropy, which is not known here: not ranked"
        return f"→ {number(column.target)}", f"best at {number(column.target)}, the entropy of the data"
    return ARROWS[column.card.direction], words[column.card.direction]


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
    name = f"{column.title}, {KINDS[table.kind].split(', ')[1]}" if table.kind in KINDS else column.title
    doubtful = [(row, cell) for row, cell in pairs if cell.caveat]
    doubts = [
        f"{name} of {row.label}, {value(cell)}, is not to be relied on and not ranked: {cell.caveat}." for row, cell in doubtful
    ]
    if not have:
        return doubts or [f"{name}: no model has a value."]
    if len(have) == 1:
        row, cell = have[0]
        only = f"only {row.label} has a value{' to rely on' if doubts else ''}, {value(cell)}{_seeds(row, cell)}"
        return [f"{name}: {only}; there is nothing to rank.", *doubts]
    best = [(row, cell) for row, cell in have if cell.state == "best"]
    if not best:
        return [f"{name}: {len(have)} models have a value; not ranked.", *doubts]
    row, cell = best[0]
    if len(best) > 1:
        text = f"{name} ({arrow(column)[1]}): equal best mean, {number(cell.mean)}, "
        text += f"{listing([r.label for r, _ in best])}. "
    else:
        text = f"{name} ({arrow(column)[1]}): best mean {row.label}, {value(cell)}{_seeds(row, cell)}. "
    groups = {state: [r.label for r, c in have if c.state == state] for state in ("tie", "apart", "open")}
    if groups["tie"]:
        text += f"Not separable from it: {_names(groups['tie'], len(have) - len(best))}. "
    elif groups["apart"] and not groups["open"]:
        text += "Its interval overlaps no other. "
    if groups["open"]:
        text += f"Not testable with a single seed: {listing(groups['open'])}. "
    if floor and column.floor.n and column.card.direction in ("lower", "higher"):
        text += _reach(column, have)
    missing = [r.label for r, c in pairs if not c.n and c.note != "n/a"]
    if missing:
        text += f"No trial of {listing(missing)} ended ok. "
    return [text.strip(), *doubts]


def _reach(column: Column, have: list[tuple[Row, Cell]]) -> str:
    """Which models' intervals reach the interval of the floor."""
    sign = 1 if column.card.direction == "lower" else -1
    edge = sign * column.floor.mean + (column.floor.half if math.isfinite(column.floor.half) else 0.0)
    tested = [(row, cell) for row, cell in have if math.isfinite(cell.half)]
    reach = [row.label for row, cell in tested if sign * cell.mean - cell.half <= edge]
    head = f"Floor (real against real): {value(column.floor)}; "
    if not tested:
        return head + "no interval to compare with it. "
    return head + (f"reached by the interval of {listing(reach)}. " if reach else "no model's interval reaches it. ")


def notes(table: Table) -> list[str]:
    """What the values of a table hold for; metrics with the same settings together."""
    together: dict[str, list[str]] = {}
    for column in table.columns:
        together.setdefault(column.settings, []).append(column.title)
    if len(together) == 1:
        found = [next(iter(together)) + "."]
    else:
        found = [f"{', '.join(titles)}: {settings}." for settings, titles in together.items()]
    targets = [column for column in table.columns if column.card.direction == "target"]
    return found + [f"{column.title}: {arrow(column)[1]}." for column in targets]


def _names(labels: list[str], others: int) -> str:
    """Names, or how many of the others where the list would be long."""
    if len(labels) <= 8:
        return listing(labels)
    return f"{len(labels)} of the {others} others" if len(labels) < others else f"any of the {others} others"


def _seeds(row: Row, cell: Cell) -> str:
    failed = f", {row.trials - row.ok} of {row.trials} failed" if row.ok < row.trials else ""
    return f" ({_plural(cell.n, 'seed')}{failed})"
