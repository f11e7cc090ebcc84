"""Numbers and sentences: every sentence is made from the numbers, so that none outlives its data."""

import math
from collections.abc import Sequence

from genbench.report import encoders, variation
from genbench.report.means import Mean
from genbench.report.tables import Column, Row, ScoreTable, mains
from genbench.report.text import ends, listing, names, number, plural, value
from genbench.results.study import Results

__all__ = ["arrow", "findings", "notes", "overview"]

ARROWS = {"lower": "↓", "higher": "↑", "target": "→", "none": ""}
KINDS = {"exact": "exact", "lower_bound": "at most (bound)", "upper_bound": "at least (bound)", "estimate": "estimate"}
KINDS |= {"annealed": "annealed bound", "raise": "by RAISE", "long": "bound of a long chain", "surrogate": "bound on a surrogate"}


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
    searched = results.searched
    broke = f"{(searched['status'] != 'ok').sum()} broke or gave no finite values"
    tried = f" Searches tried {plural(len(searched), 'further trial')}, of which {broke}." * bool(len(searched))
    if bad.empty:
        return text + "All ended ok." + tried
    where = bad.groupby(["label", "dataset"], sort=False).size()
    if len(where) > 6:
        named = f"in {plural(len(where), 'pair')} of model and dataset"
    else:
        named = listing([f"{n} of {label} on {dataset}" for (label, dataset), n in where.items()])
    return text + f"{len(trials) - len(bad)} ended ok, {len(bad)} did not ({named}); means are over those that did.{tried}"


def findings(results: Results, dataset: str, every: Sequence[ScoreTable]) -> list[str]:
    """Sentences about a dataset: its main metric and how stable it is, then each kind of likelihood by itself.

    Models that are told the class by themselves, after the others.
    """
    tracks = results.tracks(dataset)
    if len(tracks) > 1:
        apart = ((part, [table for table in every if table.given == given]) for given, part in tracks.items())
        return [sentence for part, own in apart for sentence in findings(part, dataset, own)]
    shown = {column.metric for table in every for column in table.columns}
    main = next((metric for metric in mains(results.kind(dataset)) if metric in shown), None)
    found, alone = [], []
    for table in every:
        for place, column in enumerate(table.columns):
            if column.metric == main and not table.kind:
                found += _ranking(table, place)
    spreads = [each for each in variation.variations(results, dataset, every) if each.column.metric == main]
    found.append(variation.sentence(spreads))
    found += [encoders.sentence(each) for each in encoders.agreements(results, dataset, every) if each.column.metric == main]
    for table in every:
        if table.kind and len(table.contenders) == 1 and (only := table.contenders[0]).cells[0].n and not only.cells[0].caveat:
            alone.append(f"{_name(table, 0)}: {only.label}, {_told(table, 0, only)}")
            alone += _beside(table, 0)
        elif table.kind:
            found += _ranking(table, 0)
    if alone:
        found.append(f"Of one model only, so without a ranking: {'; '.join(alone)}.")
    return [each.strip() for each in found if each] or ["No scores."]


def _name(table: ScoreTable, place: int) -> str:
    column = table.columns[place]
    given = f", {table.given}" if table.given else ""
    return f"{column.card.title}, {KINDS[table.kind]}{given}" if table.kind in KINDS else column.title


def _told(table: ScoreTable, place: int, row: Row, seeds: bool = True) -> str:
    """A value with what belongs to it: annealing gap, error over test examples, seeds, whether it is worse than uniform."""
    cell = row.cells[place]
    gaps = [row.cells[i] for i, column in enumerate(table.columns) if column.metric == "bdmc_gap" and i != place]
    gap = "".join(f", annealing gap {value(gap)} nats" for gap in gaps if gap.n)
    error = f"test SE {number(cell.se, 2)}" if table.kind and math.isfinite(cell.se) else ""
    worse = f"worse than uniform, {number(table.uniform)}" if table.worse_than_uniform(place, cell) else ""
    facts = [fact for fact in (worse, error, _seeds(row, cell) if seeds else "") if fact]
    return value(cell) + gap + (f" ({'; '.join(facts)})" if facts else "")


def _beside(table: ScoreTable, place: int) -> list[str]:
    """The values of references, which are no contenders."""
    rows = [row for row in table.rows if row.reference and row.cells[place].n]
    return [f"reference (no contender): {row.label}, {_told(table, place, row)}" for row in rows]


def _ranking(table: ScoreTable, place: int) -> list[str]:
    """What a column says of its contenders, then why values are not to be relied on."""
    column, name = table.columns[place], _name(table, place)
    pairs = [(row, row.cells[place]) for row in table.contenders]
    have = [(row, cell) for row, cell in pairs if cell.n and not cell.caveat]
    doubts = [
        f"{name} of {row.label}, {_told(table, place, row)}, is not to be relied on and not ranked: {cell.caveat}."
        for row, cell in pairs
        if cell.caveat
    ]
    beside = "".join(f"{text[0].upper()}{text[1:]}. " for text in _beside(table, place))
    if not have:
        return [*doubts, beside.strip()] if doubts else [f"{name}: no {'contender' if beside else 'model'} has a value. {beside}"]
    if len(have) == 1:
        row, cell = have[0]
        only = f"only {row.label} has a value{' to rely on' if doubts else ''}, {_told(table, place, row)}"
        return [f"{name}: {only}. {beside}".strip(), *doubts]
    best = [(row, cell) for row, cell in have if cell.state in ("best", "equal")]
    if not best:
        return [f"{name}: {len(have)} models have a value; not ranked. {beside}".strip(), *doubts]
    row, cell = best[0]
    labels = [r.label for r, _ in best]
    perfect = column.card.best is not None and _reaches(column, cell)
    if len(best) > 1 and perfect:
        who = f"all {len(have)} models with a value" if len(best) == len(have) else listing(labels)
        text = f"{name} ({arrow(column)[1]}): as good as a perfect sampler's {number(column.card.best)}, past which nothing "
        text += f"ranks, in every seed of {who}. "
    elif len(best) == len(have):
        text = f"{name}: the same mean, {number(cell.mean)}, for all {len(have)} models with a value. "
    elif len(best) > 1:
        text = f"{name} ({arrow(column)[1]}): equal best mean, {_told(table, place, row, seeds=False)}, {listing(labels)}. "
    else:
        text = f"{name} ({arrow(column)[1]}): best mean {row.label}, {_told(table, place, row)}. "
    if len(best) < len(have):
        text += _others(table, place, have)
    text += beside
    if table.kind.startswith(("lower_bound", "upper_bound")):
        made = "; ".join(dict.fromkeys(c.estimator for _, c in have if c.estimator))
        made = f" ({made})" if made else ""
        text += f"Bounds differ in tightness{made}: their order need not be that of the models. "
    if not table.kind and column.floor.n and column.direction in ("lower", "higher"):
        text += _reach(column, have)
    missing = [r.label for r, c in pairs if not c.n and c.note != "n/a"]
    if missing:
        text += f"No trial of {listing(missing)} ended ok. "
    return [text.strip(), *doubts]


def _others(table: ScoreTable, place: int, have: list[tuple[Row, Mean]]) -> str:
    """How the others compare with the best."""
    states = ("best", "tie", "unclear", "apart", "open")
    groups = {state: [r.label for r, c in have if c.state == state] for state in states}
    sizes = {row.difference.n for row, _ in have if row.difference and math.isfinite(row.difference.half)}
    text = ""
    if sizes and table.kind:
        span = f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"
        text += f"Compared on the same {span} test examples. "
    if groups["tie"]:
        text += f"Not separable from it: {names(groups['tie'], len(have) - len(groups['best']))}. "
    if groups["unclear"]:
        text += f"Behind in every seed, but too spread to separate: {listing(groups['unclear'])}. "
    if groups["apart"] and not (groups["tie"] or groups["unclear"] or groups["open"]):
        text += "Separable from all others. "
    if groups["open"]:
        text += f"Not testable with a single seed: {listing(groups['open'])}. "
    worse = [f"{r.label}, {number(c.mean)}" for r, c in have if c.state != "best" and table.worse_than_uniform(place, c)]
    return text + (f"Others (worse than uniform, {number(table.uniform)}): {'; '.join(worse)}. " if worse else "")


def _reaches(column: Column, cell: Mean) -> bool:
    """Whether all seeds are at what a perfect sampler gets, or past it."""
    sign = 1 if column.direction == "lower" else -1
    return all(sign * v <= sign * column.card.best for v in cell.values)


def _reach(column: Column, have: list[tuple[Row, Mean]]) -> str:
    """Which models' means are at the worst of the floor's redraws or better."""
    sign, edge = 1 if column.direction == "lower" else -1, column.edge(worst=True)
    reach = [row.label for row, cell in have if sign * cell.mean <= sign * edge]
    head = f"Floor (real against real): {ends(column.floor)}"
    head += f"; its far edge, {number(edge)}, is reached by " if len(set(column.floor.values)) > 1 else ", reached by "
    return head + (f"the mean of {listing(reach)}. " if reach else "no model's mean. ")


def notes(table: ScoreTable) -> list[str]:
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


def _seeds(row: Row, cell: Mean) -> str:
    failed = f", {row.trials - row.ok} of {row.trials} failed" if row.ok < row.trials else ""
    return (f"{cell.n} of {row.ok} seeds" if cell.n < row.ok else plural(cell.n, "seed")) + failed
