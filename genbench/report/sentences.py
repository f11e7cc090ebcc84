"""What the page says of a study's results: every sentence is made from the numbers, so that none outlives its data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from genbench.report import encoders, variation
from genbench.report.means import Mean
from genbench.report.tables import Column, Row, ScoreTable, mains
from genbench.report.text import ends, listing, names, number, plural, spread, value
from genbench.results.study import Results

__all__ = ["Finding", "arrow", "findings", "overview", "settings"]

ARROWS = {"lower": "↓", "higher": "↑", "target": "→", "none": ""}
KINDS = {
    "exact": "exact",
    "lower_bound": "bounded from above",
    "upper_bound": "bounded from below",
    "estimate": "estimated",
    "annealed": "annealed bound",
    "raise": "by RAISE",
    "long": "bound of a long chain",
    "surrogate": "of a surrogate",
}


@dataclass(frozen=True)
class Finding:
    """Sentences on one result: `short` (at most three) stands on the page, `more` behind a fold."""

    short: str
    more: tuple[str, ...] = ()


def arrow(column: Column) -> tuple[str, str]:
    """Sign and words for the direction of a metric."""
    words = {"lower": "lower is better", "higher": "higher is better", "none": "not ranked"}
    if column.direction == "target":
        if column.target is None:
            return "", "best at the entropy of the data, which is unknown here, so not ranked"
        return f"→ {number(column.target)}", f"best at {number(column.target)}, the entropy of the data"
    return ARROWS[column.direction], words[column.direction]


def overview(results: Results) -> str:
    """How much was run and how much of it failed."""
    trials = results.trials
    if trials.empty:
        return "The study holds no trials yet."
    bad = trials[trials["status"] != "ok"]
    seeds = trials.groupby(["dataset", "label"])["seed"].nunique()
    low, high = seeds.min(), seeds.max()
    each = plural(high, "seed") if low == high else f"{low} to {high} seeds"
    text = f"{plural(trials['model'].nunique(), 'model')} ran on {plural(trials['dataset'].nunique(), 'dataset')} with {each} "
    text += f"each: {plural(len(trials), 'trial')}."
    searched = results.searched
    if len(searched):
        broke = (searched["status"] != "ok").sum()
        text += f" Searches added {plural(len(searched), 'trial')}, of which {broke} failed."
    if bad.empty:
        return f"{text} No{' other' if len(searched) else ''} trial failed."
    where = bad.groupby(["label", "dataset"], sort=False).size()
    if len(where) > 6:
        named = f"in {plural(len(where), 'pair')} of model and dataset"
    else:
        named = listing([f"{n} of {label} on {dataset}" for (label, dataset), n in where.items()])
    return f"{text} {len(bad)} of {len(trials)} trials failed ({named}); means are over the other {len(trials) - len(bad)}."


def findings(results: Results, dataset: str, every: Sequence[ScoreTable]) -> list[Finding]:
    """What a dataset's scores say: its main metric and how stable that is, then each kind of likelihood by itself.

    Class-conditional models by themselves, after the others.
    """
    tracks = results.tracks(dataset)
    if len(tracks) > 1:
        apart = ((part, [table for table in every if table.given == given]) for given, part in tracks.items())
        return [found for part, own in apart for found in findings(part, dataset, own)]
    shown = {column.metric for table in every for column in table.columns}
    main = next((metric for metric in mains(results.kind(dataset)) if metric in shown), None)
    spreads = [each for each in variation.variations(results, dataset, every) if each.column.metric == main]
    agreed = [each for each in encoders.agreements(results, dataset, every) if each.column.metric == main]
    stable = (variation.sentence(spreads), *map(encoders.sentence, agreed))
    found, alone = [], []
    for table in every:
        for place, column in enumerate(table.columns):
            if column.metric == main and not table.kind:
                ranked = _ranking(table, place)
                found.append(Finding(ranked.short, (*ranked.more, *filter(None, stable))))
                stable = ()
    for table in every:
        if table.kind and len(table.contenders) == 1 and (only := table.contenders[0]).cells[0].n and not only.cells[0].caveat:
            alone += [f"{_name(table, 0)}: {only.label}, {_told(table, 0, only)}", *_beside(table, 0)]
        elif table.kind:
            found.append(_ranking(table, 0))
    if alone:
        found.append(Finding("", (f"Only one model has such a likelihood, so none is ranked: {'; '.join(alone)}.",)))
    return found or [Finding("No scores.")]


def _name(table: ScoreTable, place: int) -> str:
    column = table.columns[place]
    given = f", {table.given}" if table.given else ""
    return f"{column.card.title}, {KINDS[table.kind]}{given}" if table.kind in KINDS else column.title


def _told(table: ScoreTable, place: int, row: Row) -> str:
    """A value with its unit, and what belongs to it: annealing gap, error over test examples, seeds, whether it beats chance."""
    mean = row.cells[place]
    gaps = [row.cells[i] for i, column in enumerate(table.columns) if column.metric == "bdmc_gap" and i != place]
    facts = [f"annealing gap {number(gap.mean, 2)} nats" for gap in gaps if gap.n]
    facts += [f"standard error over test examples {number(mean.se, 2)}"] * bool(table.kind and math.isfinite(mean.se))
    facts += [f"worse than a uniform distribution, {number(table.uniform)}"] * table.worse_than_uniform(place, mean)
    return spread(mean, table.columns[place].unit, [*facts, _seeds(row, mean)])


def _seeds(row: Row, mean: Mean) -> str:
    failed = f", {row.trials - row.ok} of {row.trials} failed" if row.ok < row.trials else ""
    return (f"{mean.n} of {row.ok} seeds" if mean.n < row.ok else plural(mean.n, "seed")) + failed


def _beside(table: ScoreTable, place: int) -> list[str]:
    """The values of references, which are no contenders."""
    rows = [row for row in table.rows if row.reference and row.cells[place].n]
    return [f"reference (no contender): {row.label}, {_told(table, place, row)}" for row in rows]


def _ranking(table: ScoreTable, place: int) -> Finding:
    """What a column says of its contenders; further: references, doubts, what is missing."""
    column, name = table.columns[place], _name(table, place)
    pairs = [(row, row.cells[place]) for row in table.contenders]
    have = [(row, mean) for row, mean in pairs if mean.n and not mean.caveat]
    more = [f"{_capital(text)}." for text in _beside(table, place)]
    more += [
        f"{name}: the value of {row.label} is not reliable and not ranked, {_told(table, place, row)}. {_capital(mean.caveat)}."
        for row, mean in pairs
        if mean.caveat
    ]
    missing = [row.label for row, mean in pairs if not mean.n and mean.note != "n/a"]
    more += [f"No trial of {listing(missing)} succeeded."] if missing else []
    if not have:
        return Finding(f"{name}: no model has a value that can be ranked.", tuple(more))
    if len(have) == 1:
        row = have[0][0]
        return Finding(f"{name}: only {row.label} has a reliable value, {_told(table, place, row)}.", tuple(more))
    best = [(row, mean) for row, mean in have if mean.state in ("best", "equal")]
    if not best:
        return Finding(f"{name} is not ranked; {len(have)} models have a value.", tuple(more))
    text = _winner(table, place, have, best)
    if len(best) < len(have):
        text += _ties(have)
        more = [*_others(table, place, have), *more]
    if table.kind.startswith(("lower_bound", "upper_bound")):
        made = "; ".join(dict.fromkeys(mean.estimator for _, mean in have if mean.estimator))
        more.append(f"Bounds differ in tightness{f' ({made})' if made else ''}, so the models may rank otherwise.")
    if not table.kind and column.floor.n and column.direction in ("lower", "higher"):
        text += _reach(column, have)
    return Finding(text.strip(), tuple(more))


def _winner(table: ScoreTable, place: int, have: list[tuple[Row, Mean]], best: list[tuple[Row, Mean]]) -> str:
    """Which models are best, by how much."""
    column, head = table.columns[place], f"{_name(table, place)} ({arrow(table.columns[place])[1]})"
    labels, (row, mean) = [row.label for row, _ in best], best[0]
    everyone = f"all {len(have)} models with a value"
    if len(best) == 1:
        return f"{head}: {row.label} is best, {_told(table, place, row)}. "
    if column.card.best is not None and _reaches(column, mean):
        who = everyone if len(best) == len(have) else listing(labels)
        return (
            f"{head}: every seed of {who} scores a perfect sampler's {number(column.card.best)} or beyond, which counts equally. "
        )
    if len(best) == len(have):
        return f"{head}: {everyone} score the same, {number(mean.mean)}. "
    return f"{head}: {listing(labels)} share the best mean, {value(mean)}. "


def _ties(have: list[tuple[Row, Mean]]) -> str:
    """Whether the others are worse than the best."""
    states = [mean.state for _, mean in have if mean.state != "best"]
    tie = [row.label for row, mean in have if mean.state == "tie"]
    if tie:
        return f"Statistically indistinguishable from it: {names(tie, len(states))}. "
    if set(states) == {"apart"}:
        return "All others are worse. "
    if set(states) == {"open"}:
        return "One seed is too few to rank the others. "
    unclear = [row.label for row, mean in have if mean.state == "unclear"]
    return f"The seeds vary too much to prove {names(unclear, len(states))} worse. " if unclear else ""


def _others(table: ScoreTable, place: int, have: list[tuple[Row, Mean]]) -> list[str]:
    """How the others compare with the best, in more words."""
    groups = {state: [row.label for row, mean in have if mean.state == state] for state in ("unclear", "open")}
    sizes = {row.difference.n for row, _ in have if row.difference and math.isfinite(row.difference.half)}
    found = []
    if sizes and table.kind:
        span = f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"
        found.append(f"Models are compared on the same {span} test examples.")
    if groups["unclear"]:
        found.append(f"Worse in every seed, but the seeds vary too much for proof: {listing(groups['unclear'])}.")
    if groups["open"]:
        found.append(f"Too few seeds to tell (one): {listing(groups['open'])}.")
    worse = [
        f"{row.label} ({number(mean.mean)})"
        for row, mean in have
        if mean.state != "best" and table.worse_than_uniform(place, mean)
    ]
    if worse:
        found.append(f"Worse than a uniform distribution over grey levels ({number(table.uniform)}): {listing(worse)}.")
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _reaches(column: Column, mean: Mean) -> bool:
    """Whether all seeds are at what a perfect sampler gets, or past it."""
    sign = 1 if column.direction == "lower" else -1
    return all(sign * v <= sign * column.card.best for v in mean.values)


def _reach(column: Column, have: list[tuple[Row, Mean]]) -> str:
    """Which models' means are at the worst redraw of the real-vs-real baseline or better."""
    sign, edge = 1 if column.direction == "lower" else -1, column.edge(worst=True)
    reach = [row.label for row, mean in have if sign * mean.mean <= sign * edge]
    if len(reach) == len(have):
        who = "all models reach it"
    else:
        who = f"{listing(reach)} reach{'es' if len(reach) == 1 else ''} it" if reach else "no model reaches it"
    return f"Real data score {ends(column.floor)} against real data; {who}. "


def settings(table: ScoreTable) -> list[str]:
    """What the values of a table hold for; metrics with the same settings together."""
    together: dict[str, list[str]] = {}
    for column in table.columns:
        together.setdefault(column.settings, []).append(column.title)
    if len(together) == 1:
        found = [next(iter(together)) + "."]
    else:
        found = [f"{', '.join(titles)}: {each}." for each, titles in together.items()]
    for warning in dict.fromkeys(column.warning for column in table.columns if column.warning):
        found.append(f"{listing([c.title for c in table.columns if c.warning == warning])}: {warning}.")
    targets = [column for column in table.columns if column.direction == "target"]
    return found + [f"{column.title}: {arrow(column)[1]}." for column in targets]
