"""Means with their intervals, what separates from the best, and the tables of the report as plain values."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from genbench.metrics.card import Card
from genbench.metrics.cards import METRICS
from genbench.report.read import Results
from genbench.report.trust import OWN, caveat, estimator, parse

__all__ = [
    "GROUPS",
    "MAIN",
    "Cell",
    "Column",
    "Row",
    "Table",
    "costs",
    "failures",
    "interval",
    "judge",
    "long",
    "tables",
]

GROUPS = {
    "points": {"Distance to the data": ("w1", "data_nll"), "Modes": ("modes", "high_quality", "mode_kl")},
    "images": {
        "Distance to the data": ("fid", "kid"),
        "Fidelity and coverage": ("precision", "recall", "classes_covered", "class_kl"),
    },
}
MAIN = {
    "points": ("w1", "data_nll", "modes", "high_quality"),
    "images": ("fid", "kid", "precision", "recall"),
}
LIKELIHOOD = ("nll", "bpd")
KINDS = {
    "exact": "Likelihood, exact",
    "lower_bound": "Likelihood, bound (the shown value is at least the true one)",
    "upper_bound": "Likelihood, bound (the shown value is at most the true one)",
    "estimate": "Likelihood, estimate",
}
NOTES = {
    "exact": "No bound and no sampling: exact up to the accuracy of a solver (cnf) or a grid (ebm: quadrature). "
    "Ranked among exact likelihoods only.",
    "lower_bound": "The log-likelihood is bounded from below: the true value is as good as shown or better. "
    "Ranked among such bounds only; a difference may be one of tightness.",
    "upper_bound": "The log-likelihood is bounded from above: the true value is as good as shown or worse. "
    "Ranked among such bounds only; a difference may be one of tightness.",
    "estimate": "Estimated: may err in both directions by more than the interval over seeds. Ranked among estimates only.",
}
UNRANKED = {"precision", "recall"}
TOGETHER = (
    "Read precision and recall together: precision alone rewards collapse; recall alone rewards diffuse samples and can "
    "exceed real data's value. Neither is ranked."
)
# settings that say nothing about comparability
HIDDEN = ("repeat", "seed", "ceiling", "floor", "bias", "clipped", "n_high_quality", "subset_std")
SETTINGS = {"n_reference": "reference examples", "radius": "mode radius", "threshold": "images needed per class"}


def interval(values: Iterable[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of its t-interval; one value has no interval (nan), none has no mean either."""
    array = np.asarray([value for value in values if math.isfinite(value)], dtype=float)
    if array.size == 0:
        return math.nan, math.nan
    if array.size == 1:
        return float(array[0]), math.nan
    quantile = stats.t.ppf(0.5 + level / 2, array.size - 1)
    return float(array.mean()), float(quantile * array.std(ddof=1) / math.sqrt(array.size))


def judge(values: Mapping[str, Iterable[float]], direction: str, target: float | None = None) -> dict[str, str]:
    """Compare models with the best one by Welch's t-test at 5 % over their seeds.

    Returns per label with at least one value "best" (also for an equal mean), "tie" (0 lies in the 95 % interval of
    the difference of the two means), "apart", or "open" (it or the best has a single seed), and "equal" for all if
    all means are equal; empty without a direction, without a target if one is needed, or for one model alone.
    For a target the distances of the seeds to it are compared.
    """
    if direction == "none" or (direction == "target" and not _finite(target)):
        return {}
    lower = {
        "lower": lambda v: v,
        "higher": lambda v: -v,
        "target": lambda v: abs(v - target),
    }[direction]
    samples = {label: np.asarray([lower(v) for v in each if math.isfinite(v)], dtype=float) for label, each in values.items()}
    samples = {label: each for label, each in samples.items() if each.size}
    if len(samples) < 2:
        return {}
    best = min(samples.values(), key=np.mean)
    if all(each.mean() == best.mean() for each in samples.values()):
        return dict.fromkeys(samples, "equal")
    states = {}
    for label, each in samples.items():
        if each.mean() == best.mean():
            states[label] = "best"
        elif min(each.size, best.size) < 2:
            states[label] = "open"
        else:
            states[label] = "tie" if each.mean() - best.mean() <= _welch(each, best) else "apart"
    return states


def _welch(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> float:
    """Half-width of Welch's t-interval of the difference of two means; 0 without any spread."""
    squares = np.array([a.var(ddof=1) / a.size, b.var(ddof=1) / b.size])
    if squares.sum() == 0:
        return 0.0
    shares = squares / squares.sum()
    freedom = 1 / (shares**2 / np.array([a.size - 1, b.size - 1])).sum()  # Satterthwaite
    return float(stats.t.ppf(0.5 + level / 2, freedom) * math.sqrt(squares.sum()))


@dataclass(frozen=True)
class Column:
    """A metric in a table: `kind` of likelihood, `floor` and `target` values, what its values hold for."""

    metric: str
    kind: str
    card: Card
    target: float | None
    floor: "Cell"
    settings: str

    @property
    def title(self) -> str:
        return self.card.title + (f" ({self.kind})" if self.kind and self.kind not in KINDS else "")

    @property
    def direction(self) -> str:
        """The card's direction, "none" for metrics that are shown but not ranked."""
        return "none" if self.metric in UNRANKED else self.card.direction


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
    """A model in a table; `ok` of its `trials` ended well."""

    label: str
    family: str
    ok: int
    trials: int
    cells: tuple[Cell, ...]


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
        return bool(self.kind) and any(math.isfinite(cell.se) for row in self.rows for cell in row.cells)

    @property
    def estimators(self) -> bool:
        """Whether any value says how it was estimated."""
        return any(cell.estimator for row in self.rows for cell in row.cells)


def tables(results: Results, dataset: str) -> list[Table]:
    """All score tables of a dataset: metric groups first, then one per kind of likelihood."""
    scores = results.scores[results.scores["dataset"] == dataset]
    if scores.empty:
        return []
    kind = results.kind(dataset)
    groups = dict(GROUPS.get(kind, {}))
    grouped = {metric for metrics in groups.values() for metric in metrics} | set(LIKELIHOOD)
    other = tuple(dict.fromkeys(metric for metric in scores["metric"] if metric not in grouped))
    if other:
        groups["Other"] = other
    found = []
    for title, metrics in groups.items():
        pairs = [(m, k) for m in metrics for k in sorted(scores.loc[scores["metric"] == m, "kind"].unique())]
        if pairs:
            columns = tuple(_column(results, dataset, metric, k) for metric, k in pairs)
            rows = _rows(results, dataset, columns, results.labels(dataset))
            found.append(Table(dataset, title, columns, rows, TOGETHER if UNRANKED & set(metrics) else ""))
    likelihoods = scores[scores["metric"].isin(LIKELIHOOD)]
    present = likelihoods["kind"].unique()
    for each in [k for k in KINDS if k in present] + sorted(set(present) - set(KINDS)):
        found.append(_likelihood(results, dataset, likelihoods[likelihoods["kind"] == each], each))
    return found


def _likelihood(results: Results, dataset: str, scores: pd.DataFrame, kind: str) -> Table:
    columns = tuple(_column(results, dataset, metric, kind) for metric in scores["metric"].unique())
    labels = [label for label in results.labels(dataset) if label in set(scores["label"])]
    rows = _rows(results, dataset, columns, labels)
    others = [label for label in results.labels(dataset) if label not in labels]
    why = {label: _note(results, dataset, label) for label in others}
    absent = tuple(label if why[label] == "n/a" else f"{label} ({why[label]})" for label in others)
    title = KINDS.get(kind, f"Likelihood, {kind or 'kind not stated'}")
    entropy = results.meta(dataset).get("entropy")
    measured = any(len(column.floor.values) and column.floor.values[0] != entropy for column in columns)
    floor = f"True density (entropy {entropy:.4g})" if measured and _finite(entropy) else "Entropy of the data"
    levels = results.meta(dataset).get("levels")
    uniform = math.log2(levels) if levels and any(column.metric == "bpd" for column in columns) else None
    return Table(dataset, title, columns, rows, NOTES.get(kind, ""), floor, absent, kind, uniform)


def _column(results: Results, dataset: str, metric: str, kind: str) -> Column:
    card = METRICS.get(metric) or Card(metric, metric, "", "none", "both", "Likelihood", "", "", "", "", "", "")
    entropy = results.meta(dataset).get("entropy")
    floors = results.floors[(results.floors["dataset"] == dataset) & (results.floors["metric"] == metric)]
    values = tuple(floors["value"].dropna())
    floor = Cell(*interval(values), values)
    if metric == "nll" and not values and _finite(entropy):  # else the true density on the very points that models see
        floor = Cell(float(entropy), math.nan, (float(entropy),))
    target = None
    if card.direction == "target":  # the only such metric is the cross-entropy to the data
        target = float(entropy) if _finite(entropy) else floor.mean if _finite(floor.mean) else None
    chosen = results.scores
    chosen = chosen[(chosen["dataset"] == dataset) & (chosen["metric"] == metric) & (chosen["kind"] == kind)]
    return Column(metric, kind, card, target, floor, _settings(chosen, floors if metric not in LIKELIHOOD else None))


def _settings(scores: pd.DataFrame, floors: pd.DataFrame | None) -> str:
    """What the values hold for, as words: sizes and settings; says so if they differ between trials."""
    parts = [f"n = {_join(scores['n'])}"]
    if floors is not None and len(floors) and set(floors["n"].dropna()) != set(scores["n"].dropna()):
        parts.append(f"floor at n = {_join(floors['n'])}")
    hidden = HIDDEN + (OWN if floors is None else ())
    seen: dict[str, set[str]] = {}
    clipped = 0.0
    for text in scores["settings"].dropna().unique():
        settings = parse(text)
        clipped = max(clipped, settings.get("clipped") or 0.0)
        for key, value in settings.items():
            if key not in hidden and isinstance(value, str | int | float | bool):
                seen.setdefault(key, set()).add(f"{value:g}" if isinstance(value, float) else str(value))
    for key, values in seen.items():
        shown = sorted(values)
        parts.append(
            f"{SETTINGS.get(key, key)} "
            + (shown[0] if len(shown) == 1 else f"differs ({', '.join(shown[:4])}{'…' if shown[4:] else ''})")
        )
    if clipped > 0:
        parts.append(f"clipped up to {clipped:.2g}")
    return "; ".join(parts)


def _join(numbers: pd.Series) -> str:
    return " or ".join(f"{int(number):,}" for number in sorted(set(numbers.dropna()))) or "not stated"


def _rows(results: Results, dataset: str, columns: tuple[Column, ...], labels: list[str]) -> tuple[Row, ...]:
    scores = results.scores[results.scores["dataset"] == dataset]
    cells: dict[str, list[Cell]] = {label: [] for label in labels}
    for column in columns:
        chosen = scores[(scores["metric"] == column.metric) & (scores["kind"] == column.kind)]
        chosen = chosen.dropna(subset="value")
        values = {label: tuple(chosen.loc[chosen["label"] == label, "value"]) for label in labels}
        named, doubts = dict.fromkeys(labels, ""), dict.fromkeys(labels, "")
        if column.metric in LIKELIHOOD:
            made = {label: [parse(s) for s in chosen.loc[chosen["label"] == label, "settings"]] for label in labels}
            named = {label: estimator(each, column.kind) for label, each in made.items()}
            doubts = {label: caveat(each) for label, each in made.items()}
        sound = {label: each for label, each in values.items() if not doubts[label]}
        states = judge(sound, column.direction, column.target)
        for label, own in values.items():
            note = "" if own else _note(results, dataset, label)
            errors = pd.to_numeric(chosen.loc[chosen["label"] == label, "se"], errors="coerce").dropna()
            se = float(errors.mean()) if len(errors) else math.nan
            cells[label].append(Cell(*interval(own), own, states.get(label, ""), note, named[label], doubts[label], se))
    rows = []
    for label in labels:
        status = results.of(dataset, label)["status"]
        family = results.family(dataset, label)
        rows.append(Row(label, family, int((status == "ok").sum()), len(status), tuple(cells[label])))
    return tuple(sorted(rows, key=lambda row: _order(row, columns[0])))


def _note(results: Results, dataset: str, label: str) -> str:
    """Why there is no value: every trial failed, or the metric does not apply."""
    status = results.of(dataset, label)["status"]
    return f"{len(status)} of {len(status)} failed" if (status != "ok").all() else "n/a"


def _order(row: Row, column: Column) -> tuple[bool, bool, float]:
    mean, doubtful = row.cells[0].mean, bool(row.cells[0].caveat)
    if not math.isfinite(mean) or column.metric in UNRANKED:  # then in the study's order
        return not math.isfinite(mean), doubtful, 0.0
    if column.direction == "target" and _finite(column.target):
        return False, doubtful, abs(mean - column.target)
    return False, doubtful, -mean if column.direction == "higher" else mean


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def long(every: Iterable[Table]) -> pd.DataFrame:
    """All score tables as one frame: a row per dataset, metric, kind and model, floors as model "(floor)"."""
    rows = []
    for table in every:
        for place, column in enumerate(table.columns):
            head = {
                "dataset": table.dataset,
                "table": table.title,
                "metric": column.metric,
                "kind": column.kind,
            }
            head |= {"unit": column.card.unit, "direction": column.direction}
            if column.floor.n:
                rows.append(head | {"model": "(floor)"} | _numbers(column.floor) | {"settings": column.settings})
            for row in table.rows:
                own = {
                    "model": row.label,
                    "family": row.family,
                    "trials": row.trials,
                    "failed": row.trials - row.ok,
                }
                rows.append(head | own | _numbers(row.cells[place]) | {"settings": column.settings})
    names = "dataset table metric kind unit direction model family mean half_width values se trials failed state"
    return pd.DataFrame(rows).reindex(columns=[*names.split(), "note", "estimator", "not_reliable_because", "settings"])


def _numbers(cell: Cell) -> dict[str, object]:
    return {
        "mean": cell.mean,
        "half_width": cell.half,
        "values": cell.n,
        "se": cell.se,
        "state": cell.state,
        "note": cell.note,
        "estimator": cell.estimator,
        "not_reliable_because": cell.caveat,
    }


def costs(results: Results) -> pd.DataFrame:
    """Mean costs of the trials that ended ok, by dataset and model; `players`: updates per network."""
    rows = []
    for dataset in results.datasets:
        for label in results.labels(dataset):
            trials = results.of(dataset, label)
            ok = trials[trials["status"] == "ok"]
            row = {"dataset": dataset, "model": label, "family": results.family(dataset, label)}
            row |= {"ok": len(ok), "trials": len(trials)}
            for name in trials.columns[trials.columns.str.startswith("cost_")]:
                row[name.removeprefix("cost_")] = pd.to_numeric(ok[name], errors="coerce").mean()
            seconds = pd.to_numeric(ok["cost_seconds"], errors="coerce")
            row |= {"seconds_min": seconds.min(), "seconds_max": seconds.max()}
            row["sample_seconds_per_1000"] = 1000 * row["sample_seconds"] / row["sample_count"]
            row["device"] = ", ".join(sorted(set(ok["device"].dropna())))
            row["players"] = _players(results, ok)
            rows.append(row)
    return pd.DataFrame(rows)


def _players(results: Results, ok: pd.DataFrame) -> str:
    for trial in ok["trial"]:
        path = results.store / trial / "train.json"
        if path.is_file():
            updates = json.loads(path.read_text(encoding="utf-8")).get("costs", {}).get("player_updates") or {}
            return "; ".join(f"{name} {count:,}" for name, count in updates.items()) if len(updates) > 1 else ""
    return ""


def failures(results: Results) -> pd.DataFrame:
    """Every trial that did not end ok."""
    names = ["dataset", "label", "seed", "status", "cause", "step", "trial"]
    return results.trials.loc[results.trials["status"] != "ok", names].rename(columns={"label": "model"})
