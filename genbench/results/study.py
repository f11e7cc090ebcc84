"""The files of a study as one object: what tables, figures and sentences are made from."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genbench.config.errors import UserError
from genbench.report.trust import OWN, parse
from genbench.results.files import read_json

__all__ = ["COSTS", "EXAMPLES", "GIVEN", "REFINED", "SCORES", "SEARCHED", "Answer", "Results", "primary", "read"]

TRIALS = (
    "trial",
    "dataset",
    "model",
    "family",
    "seed",
    "status",
    "cause",
    "step",
    "selected_update",
    "device",
)
COSTS = (
    "updates",
    "samples",
    "evaluations",
    "flops",
    "seconds",
    "replicas",
    "group_seconds",
    "peak_memory_mb",
    "parameters",
    "sample_seconds",
    "sample_count",
)  # in trials.parquet as "cost_..."
SCORES = (
    "trial",
    "dataset",
    "model",
    "family",
    "seed",
    "name",
    "metric",
    "value",
    "unit",
    "n",
    "se",
    "kind",
    "settings",
)
FLOORS = ("dataset", "metric", "repeat", "value", "unit", "n", "settings", "role")
EXAMPLES = ("trial", "dataset", "model", "seed", "metric", "kind", "index", "value")  # likelihoods of single test examples
REFINED = (
    "trial", "dataset", "model", "family", "seed", "method", "threshold", "metric", "value", "n", "cause", "pictures",
)  # fmt: skip
SEARCHED = (
    "trial", "dataset", "model", "family", "variant", "configuration", "seed", "status", "cause", "metric", "validation", "test",
    "coverage", "checkpoint", "checkpoints", "levels", "seconds", "net", "hp",
)  # fmt: skip
GIVEN = "given class labels"


@dataclass(frozen=True)
class Answer:
    """What a report sees of an answer."""

    settings: dict[str, Any]
    tables: dict[str, pd.DataFrame]


def _empty(*columns: str):
    return field(default_factory=lambda: pd.DataFrame(columns=columns))


@dataclass(frozen=True)
class Results:
    """A study's files in memory.

    `trials`, `scores` and `floors` are the study's frames, trials and scores with a `label`: the model's
    name, its cell's variant, and what else differs where a study has several cells of that model and dataset: never averaged.
    `store`, `reference`, `data`: folders of trials, of real-data references and of datasets.
    `examples`: likelihoods of single test examples, empty in older studies. Scores and floors are those of each dataset's
    primary encoder and of metrics without one; `further_scores`, `further_floors`: those of its other encoders.
    Floors are of real data against real data; `copies`: of training data against the test split, by all encoders.
    `searched`: trials of searches, which are in no other table.
    `refined`: numbers of samples that were refined after training, and of the raw ones beside them; empty in most studies.
    """

    study: dict[str, Any]
    trials: pd.DataFrame
    scores: pd.DataFrame
    floors: pd.DataFrame
    store: Path
    examples: pd.DataFrame = _empty(*EXAMPLES, "label")
    further_scores: pd.DataFrame = _empty(*SCORES, "encoder", "label")
    further_floors: pd.DataFrame = _empty(*FLOORS, "encoder")
    copies: pd.DataFrame = _empty(*FLOORS, "encoder")
    refined: pd.DataFrame = _empty(*REFINED, "label")
    searched: pd.DataFrame = _empty(*SEARCHED)

    @property
    def config(self) -> dict[str, Any]:
        """The study's configuration, empty where it was not kept."""
        return self.study.get("config") or {}

    @property
    def reference(self) -> Path:
        return self.store.parent / "reference"

    @property
    def data(self) -> Path:
        return self.store.parent / "data"

    @cached_property
    def datasets(self) -> list[str]:
        """Names of the datasets in the study's order."""
        known = list(self.study.get("datasets") or {})
        return known + sorted(set(self.trials["dataset"]) - set(known))

    def meta(self, dataset: str) -> dict[str, Any]:
        """A dataset's meta.json, empty if unknown."""
        return (self.study.get("datasets") or {}).get(dataset) or {}

    def kind(self, dataset: str) -> str:
        """points or images."""
        return self.meta(dataset).get("kind") or "points"

    def card(self, model: str) -> dict[str, Any]:
        """A model's family, title, paper and likelihood, empty if unknown."""
        return (self.study.get("models") or {}).get(model) or {}

    def labels(self, dataset: str) -> list[str]:
        """Labels of a dataset in the study's order of models."""
        return list(dict.fromkeys(self.trials.loc[self.trials["dataset"] == dataset, "label"]))

    def tracks(self, dataset: str) -> "dict[str, Results]":
        """The same files by what a dataset's models are told, "" or GIVEN: those are never ranked together."""
        told = self.trials.get("conditional", pd.Series(False, index=self.trials.index)).astype(bool)
        parts = {GIVEN * each: self._only(self.trials["trial"][told == each]) for each in (False, True)}
        found = {given: part for given, part in parts.items() if dataset in set(part.trials["dataset"])}
        return found if len(found) > 1 else dict.fromkeys(found, self)

    def _only(self, trials: pd.Series) -> "Results":
        names = ("trials", "scores", "examples", "further_scores", "refined")
        return replace(self, **{name: frame[frame["trial"].isin(trials)] for name in names if len(frame := getattr(self, name))})

    def answer(self, name: str) -> Answer | None:
        """A question's settings and tables; None where the study has none of that name."""
        folder = self.store.parent / "questions" / ((self.study.get("questions") or {}).get(name) or "none")
        if not (folder / "about.json").is_file():
            return None
        about = read_json(folder / "about.json")
        return Answer(about["settings"], {table: pd.read_parquet(folder / f"{table}.parquet") for table in about["tables"]})

    def of(self, dataset: str, label: str) -> pd.DataFrame:
        """Trials of one row of the tables, by seed."""
        trials = self.trials
        return trials[(trials["dataset"] == dataset) & (trials["label"] == label)]

    def is_reference(self, dataset: str, label: str) -> bool:
        """Whether a model is no contender on a dataset: its class of laws contains the true one."""
        known = (self.study.get("references") or {}).get(dataset) or ()
        return str(self.of(dataset, label)["model"].iloc[0]) in known

    def encoder_names(self, dataset: str) -> dict[str, str]:
        """Short names by the hash in the names of a dataset's own encoders."""
        config = self.config.get("encoders") or ()
        own = [name for name in config if name.startswith("classifier")]
        known = self.meta(dataset).get("encoders") or ()
        return {str(each.get("hash")): name for each, name in zip(known, own, strict=False)}

    def short(self, dataset: str, encoder: str) -> str:
        """A short name of an encoder, its own where it has none."""
        return next((name for key, name in self.encoder_names(dataset).items() if key in encoder), encoder)

    def family(self, dataset: str, label: str) -> str:
        """Family of a label."""
        return str(self.of(dataset, label)["family"].iloc[0])

    def first_ok(self, dataset: str, label: str, file: str) -> Path | None:
        """A file of the first seed that ended well and has it."""
        rows = self.of(dataset, label)
        paths = (self.store / trial / file for trial in rows.loc[rows["status"] == "ok", "trial"])
        return next((path for path in paths if path.is_file()), None)


def read(study_dir: Path, store: Path) -> Results:
    """Read a study; UserError if it has not been gathered yet. Missing scores or floors are empty frames."""
    study_dir, store = Path(study_dir), Path(store)
    for name in ("study.json", "trials.parquet"):
        if not (study_dir / name).is_file():
            raise UserError(f"{study_dir / name}: not found; gather the study before reporting or tracking it")
    study = read_json(study_dir / "study.json")
    costs = tuple(f"cost_{name}" for name in COSTS)
    trials = _frame(study_dir / "trials.parquet", TRIALS + costs + ("started", "finished"))
    order = {name: place for place, name in enumerate(study.get("models") or {})}
    for name, usual in (("variant", ""), ("phase", ""), ("configuration", 0), ("levels", "{}"), ("checkpoints", "[]")):
        if name not in trials:  # older studies
            trials[name] = usual
    variants = [cell.get("variant", "") for cell in (study.get("config") or {}).get("cells") or ()]
    trials["_place"] = trials["model"].map(lambda name: order.get(name, len(order)))
    trials["_variant"] = trials["variant"].map(lambda name: variants.index(name) if name in variants else len(variants))
    trials = trials.sort_values(["_place", "model", "_variant", "seed", "trial"], kind="stable")
    trials = trials.drop(columns=["_place", "_variant"])
    nets = [_recipe(store / trial / "trial.json")["net"] or {} for trial in trials["trial"]]
    trials["conditional"] = [bool(net.get("conditional")) for net in nets]
    trials = trials.assign(label=_labels(trials, store)).reset_index(drop=True)
    scores = _values(_frame(study_dir / "scores.parquet", SCORES)).merge(trials[["trial", "label"]], on="trial", how="inner")
    scores["kind"] = scores["kind"].where(scores["kind"].notna(), "")
    floors = _values(_frame(study_dir / "floors.parquet", FLOORS))
    examples = _frame(study_dir / "examples.parquet", EXAMPLES).merge(trials[["trial", "label"]], on="trial", how="inner")
    chosen = {
        name: primary(meta, scores.loc[scores["dataset"] == name, "encoder"])
        for name, meta in (study.get("datasets") or {}).items()
    }
    scores, others = _apart(scores, chosen)
    copied = floors["role"] == "training"  # older studies have floors of real data only
    copies, (floors, other_floors) = floors[copied].reset_index(drop=True), _apart(floors[~copied], chosen)
    searched = _frame(study_dir / "searched.parquet", SEARCHED)
    refined = _frame(study_dir / "refined.parquet", REFINED).merge(trials[["trial", "label"]], on="trial", how="inner")
    return Results(study, trials, _distinguish(scores), floors, store, examples, others, other_floors, copies, refined, searched)


def primary(meta: dict[str, Any], used: Iterable[str]) -> str:
    """Name of a dataset's primary encoder: the first that the study lists, by its hash, else the one of most scores."""
    used = Counter(name for name in used if name)
    first = str((meta.get("encoders") or [{}])[0].get("hash") or "no encoder listed")
    return next((name for name in used if first in name), max(used, key=used.get, default=""))


def _values(frame: pd.DataFrame) -> pd.DataFrame:
    """Finite values only, and the encoder that the settings name ("" if none)."""
    value = pd.to_numeric(frame["value"], errors="coerce").replace([np.inf, -np.inf], np.nan)
    return frame.assign(value=value, encoder=[parse(each).get("encoder") or "" for each in frame["settings"]])


def _apart(frame: pd.DataFrame, chosen: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the primary encoders or without one, and rows of other encoders."""
    keep = (frame["encoder"] == "") | (frame["encoder"] == frame["dataset"].map(chosen))
    return frame[keep].reset_index(drop=True), frame[~keep].reset_index(drop=True)


def _frame(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.read_parquet(path) if path.is_file() else pd.DataFrame()
    return frame.reindex(columns=[*columns, *(name for name in frame.columns if name not in columns)])


def _labels(trials: pd.DataFrame, store: Path) -> list[str]:
    """Label each trial: the model, plus what tells its cells apart if a dataset has several of one model."""
    recipes = {trial: _flat(_recipe(store / trial / "trial.json")) for trial in trials["trial"]}
    named = trials["variant"].where((trials["variant"] != "") | ~trials["conditional"], GIVEN)
    labels = trials["model"].where(named == "", trials["model"] + " · " + named).astype(object)
    for _, group in trials.groupby(["dataset", labels], sort=False):
        flat = [recipes[trial] for trial in group["trial"]]
        keys = sorted({key for recipe in flat for key in recipe})
        differ = [key for key in keys if len({repr(recipe.get(key)) for recipe in flat}) > 1]
        for index, recipe in zip(group.index, flat, strict=True):
            parts = ", ".join(_part(key, recipe) for key in differ if key != "budget.unit")
            labels[index] += f" · {parts}" if differ else ""
    return labels.tolist()


def _recipe(path: Path) -> dict[str, Any]:
    trial = read_json(path) if path.is_file() else {}
    return {key: trial.get(key) for key in ("budget", "batch", "net", "hp")}


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {f"{prefix}{key}": item}
    return flat


def _part(key: str, recipe: dict[str, Any]) -> str:
    """A setting that tells cells apart, as short words."""
    if key == "budget.value":
        return f"{_short(recipe.get(key))} {recipe.get('budget.unit') or ''}".strip()
    return f"{key.split('.')[-1]} {_short(recipe.get(key))}"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | int) and not isinstance(value, bool) else str(value)


def _distinguish(scores: pd.DataFrame) -> pd.DataFrame:
    """Put the settings into the kind where a trial has a metric several times: they must not be averaged."""
    repeated = scores.duplicated(["trial", "metric", "kind"], keep=False)
    if repeated.any():
        extra = [
            (f"{row.kind} " if row.kind else "") + f"n={row.n} {_telling(row.settings)}".strip()
            for row in scores[repeated].itertuples()
        ]
        scores.loc[repeated, "kind"] = extra
    return scores


def _telling(settings: str | None) -> str:
    """Settings without what an estimate found out about itself, which differs from trial to trial."""
    kept = {key: item for key, item in parse(settings).items() if key not in OWN or key == "estimator"}
    return json.dumps(kept) if kept else ""
