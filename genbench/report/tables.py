"""The tables of scores as plain values: a row per model, a column per metric, means with their intervals."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from genbench.metrics.card import GROUPS, Card
from genbench.metrics.cards import METRICS
from genbench.report.likelihoods import APART, KINDS, LIKELIHOOD, SHORT, details, note
from genbench.report.means import Mean, redrawn
from genbench.report.ranking import against_best, losses, on_same_examples
from genbench.report.reliability import RULE, caveat, classifier, estimator
from genbench.results.scores import OWN, parse
from genbench.results.study import Results
from genbench.statistics.uncertainty import Difference, interval

__all__ = ["Column", "Row", "ScoreTable", "mains", "tables"]

WIDEST = 5  # columns of a table; more are split
TOGETHER = (
    "Read precision and recall together. Precision alone rewards collapse. Recall alone rewards diffuse samples and can exceed "
    "that of real data. So neither is ranked."
)
# numbers among the settings that say what values may be compared; of words all but those that stand elsewhere
SETTINGS = {
    "n_reference": "reference examples",
    "n_train": "training examples",
    "n_held_out": "held-out examples",
    "radius": "mode radius",
    "least_share": "least share of the expected number",
    "neighbours": "nearest neighbours",
    "k": "nearest neighbours",
    "bins": "bins",
    "projections": "projections",
    "chains": "chains",
    "temperatures": "temperatures",
}
HIDDEN = ("encoder",)


def mains(kind: str) -> tuple[str, ...]:
    """The first metrics to look at for points or images."""
    return tuple(key for key, card in METRICS.items() if card.main and card.applies in (kind, "both"))


@dataclass(frozen=True)
class Column:
    """A metric in a table: `kind` of likelihood, `floor` and `target` values, what its values hold for.

    `suffix`: how it differs from the table's other columns of the metric; `entropy`: its floor is the data's
    entropy, which no model was compared with; `warning`: why all its values need care; `copier`: what training data get
    against the test split; `size`, `copier_size`: number of examples of the floor and the copier where the scores have another.
    """

    metric: str
    kind: str
    card: Card
    target: float | None
    floor: Mean
    settings: str
    unit: str
    suffix: str = ""
    entropy: bool = False
    warning: str = ""
    copier: Mean = field(default_factory=Mean)
    size: str = ""
    copier_size: str = ""

    @property
    def title(self) -> str:
        suffix = self.suffix or ("" if self.kind in KINDS else self.kind)
        return self.card.title + (f" ({suffix})" if suffix else "")

    @property
    def direction(self) -> str:
        """The card's direction, "none" for metrics that are shown but not ranked."""
        return self.card.direction if self.card.ranked else "none"

    def edge(self, worst: bool) -> float:
        """The worst or the best of the floor's redraws, nan without one."""
        far = max if (self.direction == "lower") == worst else min
        return far(self.floor.values, default=math.nan)


@dataclass(frozen=True)
class Row:
    """A model in a table; `ok` of its `trials` ended well.

    `difference`: of its likelihood in the first column to the best model's, on the same test examples.
    `reference`: no contender, since its class of distributions contains the true one; shown first and never ranked.
    """

    label: str
    family: str
    ok: int
    trials: int
    cells: tuple[Mean, ...]
    difference: Difference | None = None
    reference: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """One metric group of one dataset, best row first if the first column is ranked.

    `absent`: models without such a likelihood; `uniform`: bits per dimension of a uniform distribution over the grey levels;
    `details`: further columns by title, a text per label; `given`: whether its models are class-conditional, see Results.tracks.
    """

    dataset: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    floor_name: str = "Real data against real data"
    absent: tuple[str, ...] = ()
    kind: str = ""
    uniform: float | None = None
    details: dict[str, dict[str, str]] = field(default_factory=dict)
    given: str = ""

    def worse_than_uniform(self, place: int, cell: Mean) -> bool:
        """Whether a mean of bits per dimension is above that of a uniform distribution over the grey levels."""
        return self.columns[place].metric == "bpd" and self.uniform is not None and cell.mean > self.uniform

    @property
    def contenders(self) -> tuple[Row, ...]:
        """The rows that can be ranked."""
        return tuple(row for row in self.rows if not row.reference)

    @property
    def errors(self) -> bool:
        """Whether any likelihood has a standard error over test examples."""
        return bool(self.kind) and any(math.isfinite(row.cells[0].se) for row in self.rows)

    @property
    def estimators(self) -> bool:
        """Whether any value says how it was estimated."""
        return bool(self.kind) and any(row.cells[0].estimator for row in self.rows)

    @property
    def differences(self) -> bool:
        """Whether any two likelihoods were compared on the same test examples."""
        return any(row.difference for row in self.rows)


def tables(results: Results, dataset: str) -> list[ScoreTable]:
    """All score tables of a dataset: metric groups first, then one per kind of likelihood; then those of models given classes."""
    return [_marked(table, given) for given, part in results.tracks(dataset).items() for table in _tables(part, dataset)]


def _marked(table: ScoreTable, given: str) -> ScoreTable:
    """A table whose titles say that its models are class-conditional."""
    if not given:
        return table
    columns = tuple(replace(each, suffix=", ".join(filter(None, (each.suffix, given)))) for each in table.columns)
    return replace(table, title=f"{table.title}, {given}", columns=columns, given=given)


def _tables(results: Results, dataset: str) -> list[ScoreTable]:
    scores = results.scores[results.scores["dataset"] == dataset]
    if scores.empty:
        return []
    apart = LIKELIHOOD + sum(APART.values(), ())
    present = list(dict.fromkeys(scores["metric"]))
    groups = {group: [key for key, card in METRICS.items() if card.group == group] for group in GROUPS}
    groups["Other"] = [metric for metric in present if metric not in METRICS]
    found = []
    for title, metrics in groups.items():
        pairs = [
            (metric, kind)
            for metric in metrics
            if metric in present and metric not in apart
            for kind in sorted(scores.loc[scores["metric"] == metric, "kind"].unique())
        ]
        parts = _split(pairs)
        for place, part in enumerate(parts, 1):
            suffixes = [SHORT.get(k, k) if [m for m, _ in pairs].count(metric) > 1 else "" for metric, k in part]
            columns = tuple(_column(results, dataset, m, k, t) for (m, k), t in zip(part, suffixes, strict=True))
            hint = TOGETHER if {"precision", "recall"} & {m for m, _ in part} else ""
            name = f"{title} ({place} of {len(parts)})" if len(parts) > 1 else title
            rows = _rows(results, dataset, columns, results.labels(dataset))
            gaps = "nll_gap" if any(m == "nll_gap" for m, _ in part) else ""
            more = details("", gaps, scores[scores["metric"] == gaps], None) if gaps else {}
            more = {f"{METRICS[gaps].title}: {name}": texts for name, texts in more.items()}
            found.append(ScoreTable(dataset, name, columns, rows, hint, details=more))
    likelihoods = scores[scores["metric"].isin(LIKELIHOOD)]
    kinds = likelihoods["kind"].unique()
    for each in [k for k in KINDS if k in kinds] + sorted(set(kinds) - set(KINDS)):
        chosen = likelihoods[likelihoods["kind"] == each]
        pairs = [(m, each) for m in LIKELIHOOD if m in set(chosen["metric"])]
        found.append(_likelihood(results, dataset, pairs, each))
    for kind, metrics in APART.items():
        own = set(scores.loc[scores["metric"] == metrics[0], "label"])
        chosen = scores[scores["metric"].isin(metrics) & scores["label"].isin(own)]
        if own:
            pairs = [(m, k) for m in metrics for k in sorted(chosen.loc[chosen["metric"] == m, "kind"].unique())]
            found.append(_likelihood(results, dataset, pairs, kind))
    return found


def _split(pairs: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Columns of each table of a group, about equally many and at most WIDEST."""
    count = math.ceil(len(pairs) / WIDEST)
    size = math.ceil(len(pairs) / count) if count else 0
    return [pairs[start : start + size] for start in range(0, len(pairs), size or 1)]


def _likelihood(results: Results, dataset: str, pairs: list[tuple[str, str]], kind: str) -> ScoreTable:
    columns = tuple(_column(results, dataset, metric, k) for metric, k in pairs)
    scores = results.scores[results.scores["dataset"] == dataset]
    first = pairs[0][0]
    have = {
        label for m, k in pairs if m == first for label in scores.loc[(scores["metric"] == m) & (scores["kind"] == k), "label"]
    }
    labels = [label for label in results.labels(dataset) if label in have]
    rows = _rows(results, dataset, columns, labels)
    others = [label for label in results.labels(dataset) if label not in labels]
    why = {label: _note(results, dataset, label) for label in others}
    absent = tuple(label if why[label] == "n/a" else f"{label} ({why[label]})" for label in others)
    title = KINDS.get(kind, f"Likelihood, {kind or 'kind not stated'}")
    entropy = results.meta(dataset).get("entropy")
    measured = any(column.floor.n and not column.entropy for column in columns)
    floor = f"True density (entropy {entropy:.4g})" if measured and _finite(entropy) else "Entropy of the data"
    levels = results.meta(dataset).get("levels")
    uniform = math.log2(levels) if levels and any(column.metric == "bpd" for column in columns) else None
    images = results.kind(dataset) == "images"
    text = note(kind, {row.label: row.cells[0].estimator for row in rows}, images)
    chosen = scores[(scores["metric"] == first) & (scores["kind"] == pairs[0][1])]
    more = details(kind, first, chosen, math.prod(results.meta(dataset).get("shape") or ()) if images else None)
    if kind in ("annealed", "surrogate"):
        text += f" {RULE}"
    return ScoreTable(dataset, title, columns, rows, text, floor, absent, kind or "not stated", uniform, more)


def _column(results: Results, dataset: str, metric: str, kind: str, suffix: str = "") -> Column:
    card = METRICS.get(metric) or Card(metric, metric, "", "none", "both", "Likelihood", "", "", "", "", "", "")
    entropy = results.meta(dataset).get("entropy")
    floors = results.floors[(results.floors["dataset"] == dataset) & (results.floors["metric"] == metric)]
    values = tuple(floors["value"].dropna())
    floor = redrawn(values)
    guessed = metric == "nll" and not values and _finite(entropy)  # else the true density on the very points that models see
    if guessed:
        floor = Mean(float(entropy), math.nan, (float(entropy),))
    target = None
    if card.direction == "target":  # the only such metric is the cross-entropy to the data
        target = float(entropy) if _finite(entropy) else floor.mean if _finite(floor.mean) else None
    chosen = results.scores
    chosen = chosen[(chosen["dataset"] == dataset) & (chosen["metric"] == metric) & (chosen["kind"] == kind)]
    known = [parse(text).get("floor") for text in chosen["settings"].dropna().unique()]
    formula = bool(len(floors) and set(floors["n"]).isdisjoint(chosen["n"]) and known and all(map(_finite, known)))
    if formula:
        floors = floors.iloc[:0]  # of other numbers of examples, which the value depends on: the formula's instead
        floor = Mean(float(np.mean(known)), math.nan, (float(np.mean(known)),))
    copies = results.copies
    copies = copies[(copies["dataset"] == dataset) & (copies["metric"] == metric)].dropna(subset="value")
    copies = copies[copies["encoder"].isin(chosen["encoder"])] if "encoder" in chosen else copies
    settings = _settings(chosen, metric in LIKELIHOOD) + ("; floor by formula" if formula else "")
    unit = next((unit for unit in chosen["unit"].dropna() if unit), card.unit)
    warning = classifier(map(parse, chosen["settings"]))
    sizes = {"size": _other(floors, chosen), "copier_size": _other(copies, chosen)}
    copier = redrawn(tuple(copies["value"]))
    return Column(metric, kind, card, target, floor, settings, unit, suffix, guessed, warning, copier, **sizes)


def _other(floors: pd.DataFrame, scores: pd.DataFrame) -> str:
    """Number of examples of floors, if it is not that of the scores."""
    return _join(floors["n"]) if len(floors) and set(floors["n"].dropna()) != set(scores["n"].dropna()) else ""


def _settings(scores: pd.DataFrame, likelihood: bool) -> str:
    """What the values hold for, as words: sizes and settings; says so if they differ between trials."""
    parts = [f"n = {_join(scores['n'])}"]
    hidden = HIDDEN + OWN if likelihood else HIDDEN
    seen: dict[str, set[str]] = {}
    clipped = 0.0
    for text in scores["settings"].dropna().unique():
        settings = parse(text)
        clipped = max(clipped, settings.get("clipped") or 0.0)
        for key, value in settings.items():
            if key in SETTINGS or (isinstance(value, str) and key not in hidden):
                seen.setdefault(SETTINGS.get(key, key), set()).add(f"{value:g}" if isinstance(value, float) else str(value))
    for key, values in seen.items():
        shown = sorted(values)
        differs = f"differs ({', '.join(shown[:4])}{'…' if shown[4:] else ''})"
        parts.append(f"{key} {shown[0] if len(shown) == 1 else differs}")
    if clipped > 0:
        parts.append(f"clipped up to {clipped:.2g}")
    return "; ".join(parts)


def _join(numbers: pd.Series) -> str:
    return " or ".join(f"{int(number):,}" for number in sorted(set(numbers.dropna()))) or "not stated"


def _rows(results: Results, dataset: str, columns: tuple[Column, ...], labels: list[str]) -> tuple[Row, ...]:
    scores = results.scores[results.scores["dataset"] == dataset]
    cells: dict[str, list[Mean]] = {label: [] for label in labels}
    differences: dict[str, Difference] = {}
    references = {label: results.is_reference(dataset, label) for label in labels}
    for place, column in enumerate(columns):
        chosen = scores[(scores["metric"] == column.metric) & (scores["kind"] == column.kind)].dropna(subset="value")
        parts = dict(list(chosen.groupby("label")))
        own = {label: parts.get(label, chosen[:0]) for label in labels}
        values = {label: tuple(part["value"]) for label, part in own.items()}
        made = {label: [parse(s) for s in part["settings"]] for label, part in own.items()}
        doubts = {label: caveat(each, column.metric) for label, each in made.items()}
        sound = {label: each for label, each in values.items() if not (doubts[label] or references[label])}
        errors = {label: pd.to_numeric(part["se"], errors="coerce").dropna() for label, part in own.items()}
        known = {label: float((each**2).mean()) for label, each in errors.items() if len(each)}
        ranked = {"direction": column.direction, "target": column.target, "errors": known, "best": column.card.best}
        if column.metric in LIKELIHOOD:
            against = on_same_examples(results, dataset, column.metric, column.kind)
            states = against_best(sound, against=against, **ranked)
            best = next((label for label, state in states.items() if state == "best"), None)
            if best is not None and not place:
                differences = {label: against(label, best) for label in states if label != best}
        else:
            states = against_best(sound, **ranked)
        differ = len({_join(part["n"]) for part in own.values() if len(part)}) > 1
        for label, part in own.items():
            why = "" if values[label] else _note(results, dataset, label)
            se = float(errors[label].mean()) if len(errors[label]) else math.nan
            named = estimator(made[label], column.kind)
            size = _join(part["n"]) if differ and len(part) else ""
            head = (*interval(values[label]), values[label], states.get(label, ""), why, named, doubts[label])
            cells[label].append(Mean(*head, se, size))
    rows = []
    for label in labels:
        trials = results.of(dataset, label)
        family, ok = str(trials["family"].iloc[0]), int((trials["status"] == "ok").sum())
        rows.append(Row(label, family, ok, len(trials), tuple(cells[label]), differences.get(label), references[label]))
    return tuple(sorted(rows, key=lambda row: _order(row, columns[0])))


def _note(results: Results, dataset: str, label: str) -> str:
    """Why there is no value: every trial failed, or the metric does not apply."""
    status = results.of(dataset, label)["status"]
    return f"{len(status)} of {len(status)} failed" if (status != "ok").all() else "n/a"


def _order(row: Row, column: Column) -> tuple[bool, bool, bool, float, float]:
    """References first, then models with a value to rely on, then doubtful ones, then those without any."""
    cell, target = row.cells[0], column.target
    head = (not row.reference, not math.isfinite(cell.mean), bool(cell.caveat))
    if not cell.n or column.direction == "none":  # then in the study's order
        return *head, 0.0, 0.0
    if column.direction == "target":
        return *head, abs(cell.mean - target) if _finite(target) else cell.mean, 0.0
    sign = -1 if column.direction == "higher" else 1
    return *head, float(losses(cell.values, column.direction, best=column.card.best).mean()), sign * cell.mean


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
