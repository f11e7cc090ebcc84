"""What to keep in mind when reading a report, as sentences made from its numbers."""

import math
from collections.abc import Sequence

import pandas as pd

from genbench.report.copies import RULE as COPIES
from genbench.report.copies import Verdict, verdicts
from genbench.report.means import Mean
from genbench.report.sentences import Finding
from genbench.report.tables import Column, ScoreTable
from genbench.report.text import listing, names, number, percent, plural, value
from genbench.results.study import Results

__all__ = ["cautions", "encoders_used"]

CT_LOW, CT_HIGH = -3.0, 3.0  # a data-copying test below speaks for copies, above for samples far from the training data
NULL = {"authpct": 0.0, "ct": 0.0, "nn_distance": 1.0}  # what held-out data get
AVERAGES = (
    "These are averages over all samples. They do not see some copies among new samples, and a model that copies some images and "
    "misses the rest can look like held-out data."
)
CLASSIFIER = "a small classifier trained on this dataset's training split (not Inception)"


def cautions(results: Results, every: dict[str, Sequence[ScoreTable]]) -> list[Finding]:
    """What is not comparable, whose budget was too short or too long, and who copies training data; details behind each."""
    unfair = results.study.get("unfair")
    found = []
    if unfair:
        many = "s are" if len(unfair) > 1 else " is"
        found.append(Finding(f"{len(unfair)} condition{many} not equal for all models.", tuple(unfair)))
    found += _budgets(results, unfair)
    found += _memory(results, {dataset: each for dataset, each in every.items() if each})
    return found + _gaps(every)


def _budgets(results: Results, unfair: list[str] | None) -> list[Finding]:
    """What the kept updates and the costs say of the budget."""
    short, long, lines = [], [], []
    for dataset in results.datasets:
        last, early, costs = _kept(results, dataset, unfair)
        if last:
            lines.append(f"{dataset}: more training may help {listing(last)}, whose last update was the best on validation.")
        if early:
            lines.append(f"{dataset}: the best weights of {listing(early)} came before half of the budget; the rest overfits.")
        ratios = [_factor(each) for each in zip(*costs, strict=True)]
        if len(costs) > 1 and all(math.isfinite(ratio) for ratio in ratios):
            lines.append(
                f"{dataset}: training FLOPs differ by a factor of {number(ratios[0], 2)} between models, parameters by a factor "
                f"of {number(ratios[1], 2)} (baselines apart)."
            )
        short, long = short + [(dataset, label) for label in last], long + [(dataset, label) for label in early]
    if not lines:
        return []
    said = [f"too short for {_pairs(short)}"] * bool(short) + [f"longer than needed for {_pairs(long)}"] * bool(long)
    head = (
        f"The budget was {listing(said)}, by the validation split." if said else "Models cost different amounts of computation."
    )
    return [Finding(head, tuple(lines))]


def _pairs(found: list[tuple[str, str]]) -> str:
    """Models with their datasets: by name if they are few."""
    where: dict[str, list[str]] = {}
    for dataset, label in found:
        where.setdefault(label, []).append(dataset)
    if len(found) > 6:
        return f"{plural(len(where), 'model')} ({len(found)} pairs of model and dataset)"
    return listing([f"{label} on {listing(datasets)}" for label, datasets in where.items()])


def _kept(results: Results, dataset: str, unfair: list[str] | None) -> tuple[list[str], list[str], list[tuple[float, float]]]:
    """Labels whose last update was kept in all seeds, labels whose first half holds all kept ones, FLOPs and parameters."""
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
        blind = unfair is None or any("no held-out loss" in line and model in _who(line) for line in unfair)
        if (kept == updates).all() and not blind:  # without a loss the last update is kept in any case
            last.append(label)
    return last, early, costs


def _who(line: str) -> list[str]:
    """The models that a sentence of the fairness linter is about."""
    return line.partition(":")[0].split(", ")


def _factor(values: Sequence[float]) -> float:
    known = [each for each in values if math.isfinite(each) and each > 0]
    return max(known) / min(known) if len(known) > 1 else math.nan


def _memory(results: Results, every: dict[str, Sequence[ScoreTable]]) -> list[Finding]:
    """Who copies training data, by single samples and on average, and where that was not measured."""
    near: dict[str, list[str]] = {}
    lines, blind = [], []
    looked = {dataset: told for dataset in every if (told := verdicts(results, dataset))}
    for dataset, tables in every.items():
        if any(column.metric in NULL for table in tables for column in table.columns):
            copiers, told = _copies(dataset, tables)
            near[dataset], lines = copiers, lines + told
        elif dataset not in looked:
            blind.append(dataset)
    found = _repeated(looked)
    if near:
        copying = [(dataset, label) for dataset, labels in near.items() for label in labels]
        who = f"samples of {_pairs(copying)}" if copying else "no model's samples"
        head = f"On average, {who} lie closer to the training data than real data do."
        found.append(Finding(head, (*lines, AVERAGES)))
    if blind:
        more = "A model that returns training data reaches every real-vs-real baseline."
        found.append(Finding(f"Copying of training data was not measured on {listing(blind)}.", (more,)))
    return found


def _repeated(looked: dict[str, dict[str, Verdict]]) -> list[Finding]:
    """Whose samples repeat training examples, and whose those that they are scored against."""
    if not looked:
        return []
    told = [(dataset, label, each) for dataset, models in looked.items() for label, each in models.items()]
    copying = [(dataset, label) for dataset, label, each in told if each.copies]
    lines = [f"{dataset}, {label}: {line}" for dataset, label, each in told if each.copies for line in each.told]
    for dataset, models in looked.items():
        clean = [each for each in models.values() if not each.copies]
        kinds = {"exact": [each.exact for each in clean], "near": [each.near for each in clean]}
        shares = [f"{kind} ones of under {percent(max(own) / 100)}" for kind, own in kinds.items() if own and None not in own]
        if clean:
            missed = f"; {listing(shares)} of a seed's samples would not be noticed" if shares else ""
            lines.append(f"{dataset}: no copies found among samples of {plural(len(clean), 'model')}{missed}.")
    head = f"Samples of {_pairs(copying)} hold copies of training data." if copying else "No copies of training data were found."
    found = [Finding(head, (*lines, COPIES))]
    if seen := [(dataset, label) for dataset, label, each in told if each.splits]:
        more = tuple(f"{dataset}, {label}: {line}" for dataset, label, each in told for line in each.seen)
        splits = listing(sorted({split for *_, each in told for split in each.splits}))
        found.append(Finding(f"Samples of {_pairs(seen)} hold examples of the {splits} split.", more))
    return found


def _copies(dataset: str, tables: Sequence[ScoreTable]) -> tuple[list[str], list[str]]:
    """Models that lie nearer to their training data than real data do by any metric, and the numbers; also who lies farther."""
    found, lines = [], []
    for table in tables:
        for place, column in enumerate(table.columns):
            if column.metric not in NULL:
                continue
            cells = [(row.label, row.cells[place]) for row in table.rows if row.cells[place].n]
            near = sorted(((n, m) for n, m in cells if m.mean + _margin(m) < _edge(column)), key=lambda pair: pair[1].mean)
            found += [label for label, _ in near]
            who = _few(near, column) if near else "no model"
            lines.append(
                f"{dataset}: {column.title} is below {number(_edge(column), 2)}, a sign of copies or of easy images, for {who}."
            )
            far = [(n, m) for n, m in cells if column.metric == "ct" and m.mean - _margin(m) > CT_HIGH]
            if far:
                who = _few(sorted(far, key=lambda pair: -pair[1].mean), column)
                lines.append(f"{dataset}: {column.title} is above {number(CT_HIGH, 2)}, a sign of underfitting, for {who}.")
    return list(dict.fromkeys(found)), lines


def _gaps(every: dict[str, Sequence[ScoreTable]]) -> list[Finding]:
    """Which models give training examples a better likelihood than test examples, by more than the error over examples."""
    found, lines = [], []
    for dataset, tables in every.items():
        for table, place, column in [(t, i, c) for t in tables for i, c in enumerate(t.columns) if c.metric == "nll_gap"]:
            cells = [(row.label, row.cells[place]) for row in table.rows]
            wide = [(label, mean) for label, mean in cells if mean.n and math.isfinite(mean.se) and mean.mean > 2 * mean.se]
            found += [(dataset, label) for label, _ in wide]
            if wide:
                who = _few(sorted(wide, key=lambda pair: -pair[1].mean), column)
                lines.append(f"{dataset}: {column.title} exceeds twice its standard error over examples for {who}.")
    many = len(found) > 1
    said = (
        f"{_pairs(found)} {'give' if many else 'gives'} training data a better likelihood than test data, a sign of overfitting."
    )
    return [Finding(said, tuple(lines))] if found else []


def _few(cells: Sequence[tuple[str, Mean]], column: Column) -> str:
    """The first models with their values, and how many more."""
    unit = f" {column.unit}" if column.unit.startswith(("nats", "bits")) else ""
    shown = [f"{label} ({value(mean)}{unit})" for label, mean in cells[:4]]
    return listing(shown + ([f"{len(cells) - 4} more"] if len(cells) > 4 else []))


def _edge(column: Column) -> float:
    """What copies lie below: all real-against-real values, those of held-out data by construction, and C_T's threshold."""
    usual = min([NULL[column.metric], *column.floor.values])
    return min(usual, CT_LOW) if column.metric == "ct" else usual


def _margin(mean: Mean) -> float:
    """Half of the interval over seeds; of a single seed twice its standard error."""
    half = mean.half if math.isfinite(mean.half) else 2 * mean.se
    return half if math.isfinite(half) else 0.0


def encoders_used(results: Results, dataset: str) -> str:
    """Whose features score a dataset's samples; empty if no score says so."""
    scores = results.scores[(results.scores["dataset"] == dataset) & (results.scores["encoder"] != "")]
    used = list(dict.fromkeys(scores["encoder"]))
    if not used:
        return ""
    short = {each: results.short(dataset, each) for each in used}
    text = f"Features come from {listing([each if each == short[each] else f'{short[each]} ({each})' for each in used])}"
    text += f", {CLASSIFIER}. " if any(each.startswith("genbench-") for each in used) else ". "
    text += "Compare such scores within this dataset and report only, never with published values."
    scores = results.further_scores
    others = [results.short(dataset, each) for each in dict.fromkeys(scores.loc[scores["dataset"] == dataset, "encoder"])]
    return text + (f" The same samples are scored by {names(others, len(others))} below." if others else "")
