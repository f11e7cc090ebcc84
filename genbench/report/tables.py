"""The tables of the report as plain values: a row per model, a column per metric, means with their intervals."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genbench.metrics.card import GROUPS, Card
from genbench.metrics.cards import METRICS
from genbench.metrics.uncertainty import Difference, interval
from genbench.report.ranking import judge, on_same_examples
from genbench.report.read import Results
from genbench.report.trust import OWN, caveat, classifier, estimator, parse

__all__ = ["Cell", "Column", "Row", "Table", "mains", "tables"]

WIDEST = 5  # columns of a table; more are split
LIKELIHOOD = ("nll", "kl", "bpd")  # a table per kind
# likelihoods with a table of their own, of the models that have the first
APART = {"annealed": ("ais_nll", "bdmc_gap"), "conservative": ("raise_nll",), "surrogate": ("surrogate_nll", "bdmc_gap")}
KINDS = {
    "exact": "Likelihood, exact",
    "lower_bound": "Likelihood, bound (the shown value is at least the true one)",
    "upper_bound": "Likelihood, bound (the shown value is at most the true one)",
    "estimate": "Likelihood, estimate",
    "annealed": "Likelihood, annealed bounds",
    "conservative": "Likelihood, conservative",
    "surrogate": "Surrogate likelihood",
}
SHORT = {"exact": "exact", "lower_bound": "bound", "upper_bound": "bound from the other side", "estimate": "estimate"}
NOTES = {
    "exact": "No bound and no sampling: exact up to the accuracy of a solver (cnf) or a grid (ebm: quadrature). "
    "Ranked among exact likelihoods only.",
    "lower_bound": "The log-likelihood is bounded from below: the true value is as good as shown or better. "
    "Ranked among such bounds only; a difference may be one of tightness.",
    "upper_bound": "The log-likelihood is bounded from above: the true value is as good as shown or worse. "
    "Ranked among such bounds only; a difference may be one of tightness.",
    "estimate": "Estimated: may err in both directions by more than the interval over seeds. Ranked among estimates only.",
    "annealed": "Bounds by annealed importance sampling on few test examples: tighter than those above, and no substitute for "
    "them; the gap bounds their error on data that the model itself made. Ranked among themselves only.",
    "conservative": "By reverse annealing from few test images, for the law of the annealing chain's last state: errs on the "
    "side opposite to the estimate by an annealed normalising constant. Ranked among themselves only.",
    "surrogate": "Models without a density, given one by Gaussian noise around their samples: a likelihood of that other model. "
    "Never comparable with a likelihood above.",
}
TOGETHER = (
    "Read precision and recall together: precision alone rewards collapse; recall alone rewards diffuse samples and can "
    "exceed real data's value. Neither is ranked."
)
# numbers among the settings that say what values may be compared; of words all but those that stand elsewhere
SETTINGS = {
    "n_reference": "reference examples",
    "n_train": "training examples",
    "n_held_out": "held-out examples",
    "radius": "mode radius",
    "threshold": "images needed per class",
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

    `told`: what tells it from the table's other columns of the metric; `entropy`: its floor is the data's entropy, which no
    model was compared with; `warning`: why all its values need care.
    """

    metric: str
    kind: str
    card: Card
    target: float | None
    floor: "Cell"
    settings: str
    unit: str
    told: str = ""
    entropy: bool = False
    warning: str = ""

    @property
    def title(self) -> str:
        told = self.told or ("" if self.kind in KINDS else self.kind)
        return self.card.title + (f" ({told})" if told else "")

    @property
    def direction(self) -> str:
        """The card's direction, "none" for metrics that are shown but not ranked."""
        return self.card.direction if self.card.ranked else "none"


@dataclass(frozen=True)
class Cell:
    """A mean over seeds: `half` is nan for a single one, `mean` too for none; `state` as in `judge`.

    `caveat`: why the value is not to be relied on, and so not ranked; `estimator`: of a likelihood;
    `se`: mean standard error over its test examples.
    """

    mean: float = math.nan
    half: float = math.nan
    values: tuple[float, ...] = ()
    state: str = ""
    note: str = ""
    estimator: str = ""
    caveat: str = ""
    se: float = math.nan

    @property
    def n(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Row:
    """A model in a table; `ok` of its `trials` ended well.

    `difference`: of its likelihood in the first column to the best model's, on the same test examples.
    """

    label: str
    family: str
    ok: int
    trials: int
    cells: tuple[Cell, ...]
    difference: Difference | None = None


@dataclass(frozen=True)
class Table:
    """One metric group of one dataset, best row first if the first column is ranked.

    `absent`: models without such a likelihood; `uniform`: bits per dimension of a uniform law over the grey values.
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


def tables(results: Results, dataset: str) -> list[Table]:
    """All score tables of a dataset: metric groups first, then one per kind of likelihood."""
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
            told = [SHORT.get(k, k) if [m for m, _ in pairs].count(metric) > 1 else "" for metric, k in part]
            columns = tuple(_column(results, dataset, m, k, t) for (m, k), t in zip(part, told, strict=True))
            note = TOGETHER if {"precision", "recall"} & {m for m, _ in part} else ""
            name = f"{title} ({place} of {len(parts)})" if len(parts) > 1 else title
            found.append(Table(dataset, name, columns, _rows(results, dataset, columns, results.labels(dataset)), note))
    likelihoods = scores[scores["metric"].isin(LIKELIHOOD)]
    kinds = likelihoods["kind"].unique()
    for each in [k for k in KINDS if k in kinds] + sorted(set(kinds) - set(KINDS)):
        chosen = likelihoods[likelihoods["kind"] == each]
        found.append(_likelihood(results, dataset, [(m, each) for m in LIKELIHOOD if m in set(chosen["metric"])], each))
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


def _likelihood(results: Results, dataset: str, pairs: list[tuple[str, str]], kind: str) -> Table:
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
    return Table(dataset, title, columns, rows, NOTES.get(kind, ""), floor, absent, kind or "not stated", uniform)


def _column(results: Results, dataset: str, metric: str, kind: str, told: str = "") -> Column:
    card = METRICS.get(metric) or Card(metric, metric, "", "none", "both", "Likelihood", "", "", "", "", "", "")
    entropy = results.meta(dataset).get("entropy")
    floors = results.floors[(results.floors["dataset"] == dataset) & (results.floors["metric"] == metric)]
    values = tuple(floors["value"].dropna())
    floor = Cell(*interval(values), values)
    guessed = metric == "nll" and not values and _finite(entropy)  # else the true density on the very points that models see
    if guessed:
        floor = Cell(float(entropy), math.nan, (float(entropy),))
    target = None
    if card.direction == "target":  # the only such metric is the cross-entropy to the data
        target = float(entropy) if _finite(entropy) else floor.mean if _finite(floor.mean) else None
    chosen = results.scores
    chosen = chosen[(chosen["dataset"] == dataset) & (chosen["metric"] == metric) & (chosen["kind"] == kind)]
    known = [parse(text).get("floor") for text in chosen["settings"].dropna().unique()]
    if len(floors) and set(floors["n"]).isdisjoint(chosen["n"]) and known and all(map(_finite, known)):
        floors = floors.iloc[:0]  # of other numbers of examples, which the value depends on: the formula's instead
        floor = Cell(float(np.mean(known)), math.nan, (float(np.mean(known)),))
    settings = _settings(chosen, floors if metric not in LIKELIHOOD else None)
    unit = next((unit for unit in chosen["unit"].dropna() if unit), card.unit)
    warning = classifier(map(parse, chosen["settings"]))
    return Column(metric, kind, card, target, floor, settings, unit, told, guessed, warning)


def _settings(scores: pd.DataFrame, floors: pd.DataFrame | None) -> str:
    """What the values hold for, as words: sizes and settings; says so if they differ between trials."""
    parts = [f"n = {_join(scores['n'])}"]
    if floors is not None and len(floors) and set(floors["n"].dropna()) != set(scores["n"].dropna()):
        parts.append(f"floor at n = {_join(floors['n'])}")
    hidden = HIDDEN + OWN if floors is None else HIDDEN
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
    cells: dict[str, list[Cell]] = {label: [] for label in labels}
    differences: dict[str, Difference] = {}
    for place, column in enumerate(columns):
        chosen = scores[(scores["metric"] == column.metric) & (scores["kind"] == column.kind)].dropna(subset="value")
        parts = dict(list(chosen.groupby("label")))
        own = {label: parts.get(label, chosen[:0]) for label in labels}
        values = {label: tuple(part["value"]) for label, part in own.items()}
        made = {label: [parse(s) for s in part["settings"]] for label, part in own.items()}
        doubts = {label: caveat(each, column.metric) for label, each in made.items()}
        sound = {label: each for label, each in values.items() if not doubts[label]}
        if column.metric in LIKELIHOOD:
            against = on_same_examples(results, dataset, column.metric, column.kind)
            states = judge(sound, column.direction, column.target, against)
            best = next((label for label, state in states.items() if state == "best"), None)
            if best is not None and not place:
                differences = {label: against(label, best) for label in states if label != best}
        else:
            states = judge(sound, column.direction, column.target)
        for label, part in own.items():
            note = "" if values[label] else _note(results, dataset, label)
            errors = pd.to_numeric(part["se"], errors="coerce").dropna()
            se = float(errors.mean()) if len(errors) else math.nan
            named = estimator(made[label], column.kind)
            mean, half = interval(values[label])
            cells[label].append(Cell(mean, half, values[label], states.get(label, ""), note, named, doubts[label], se))
    rows = []
    for label in labels:
        trials = results.of(dataset, label)
        family, ok = str(trials["family"].iloc[0]), int((trials["status"] == "ok").sum())
        rows.append(Row(label, family, ok, len(trials), tuple(cells[label]), differences.get(label)))
    return tuple(sorted(rows, key=lambda row: _order(row, columns[0])))


def _note(results: Results, dataset: str, label: str) -> str:
    """Why there is no value: every trial failed, or the metric does not apply."""
    status = results.of(dataset, label)["status"]
    return f"{len(status)} of {len(status)} failed" if (status != "ok").all() else "n/a"


def _order(row: Row, column: Column) -> tuple[bool, bool, float]:
    mean, doubtful = row.cells[0].mean, bool(row.cells[0].caveat)
    if not math.isfinite(mean) or column.direction == "none":  # then in the study's order
        return not math.isfinite(mean), doubtful, 0.0
    if column.direction == "target" and _finite(column.target):
        return False, doubtful, abs(mean - column.target)
    return False, doubtful, -mean if column.direction == "higher" else mean


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
