"""The files of a study as one object: what tables, figures and sentences are made from."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genbench.config.errors import UserError
from genbench.results.files import read_json
from genbench.results.labels import GIVEN, labels, recipe
from genbench.results.paths import ABOUT, STUDY, Paths, table
from genbench.results.scores import OWN, parse, primary
from genbench.results.tables import EXAMPLES, FLOORS, POSTHOC, SCORES, SEARCHED, read_table

__all__ = ["GIVEN", "Answer", "Results", "about", "read"]


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
    `posthoc`: numbers of post-hoc samples, and of the raw ones beside them; empty in most studies.
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
    posthoc: pd.DataFrame = _empty(*POSTHOC, "label")
    searched: pd.DataFrame = _empty(*SEARCHED)

    @property
    def config(self) -> dict[str, Any]:
        """The study's configuration, empty where it was not kept."""
        return self.study.get("config") or {}

    @property
    def paths(self) -> Paths:
        """Where the files lie that the tables were made from."""
        return Paths(self.store.parent)

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

    @property
    def margin(self) -> float:
        """Ratio of two scores that still counts as equal; of older studies that don't say, 1.1."""
        return float(self.config.get("margin", 1.1))

    @property
    def k(self) -> int:
        """Searches are compared by the best of so many configurations."""
        return int(self.config.get("k", 4))

    def card(self, model: str) -> dict[str, Any]:
        """A model's family, title, paper and likelihood, empty if unknown."""
        return (self.study.get("models") or {}).get(model) or {}

    def labels(self, dataset: str) -> list[str]:
        """Labels of a dataset in the study's order of models."""
        return list(dict.fromkeys(self.trials.loc[self.trials["dataset"] == dataset, "label"]))

    def tracks(self, dataset: str) -> "dict[str, Results]":
        """The same files for models without ("") and with class labels (GIVEN), which are never ranked together."""
        given = self.trials.get("conditional", pd.Series(False, index=self.trials.index)).astype(bool)
        parts = {GIVEN * each: self._only(self.trials["trial"][given == each]) for each in (False, True)}
        found = {name: part for name, part in parts.items() if dataset in set(part.trials["dataset"])}
        return found if len(found) > 1 else dict.fromkeys(found, self)

    def _only(self, trials: pd.Series) -> "Results":
        names = ("trials", "scores", "examples", "further_scores", "posthoc")
        return replace(self, **{name: frame[frame["trial"].isin(trials)] for name in names if len(frame := getattr(self, name))})

    def answer(self, name: str) -> Answer | None:
        """A question's settings and tables; None where the study has none of that name."""
        folder = self.paths.question((self.study.get("questions") or {}).get(name) or "none")
        if not (folder / ABOUT).is_file():
            return None
        about = read_json(folder / ABOUT)
        return Answer(about["settings"], {name: pd.read_parquet(table(folder, name)) for name in about["tables"]})

    @cached_property
    def _rows(self) -> dict[tuple[str, str], pd.DataFrame]:
        return dict(list(self.trials.groupby(["dataset", "label"], sort=False)))

    def of(self, dataset: str, label: str) -> pd.DataFrame:
        """Trials of one row of the tables, by seed."""
        return self._rows.get((dataset, label), self.trials[:0])

    def is_reference(self, dataset: str, label: str) -> bool:
        """Whether a model is no contender on a dataset: its class of distributions contains the true one."""
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

    def files(self, dataset: str, label: str, name: str) -> Iterator[tuple[Any, Path]]:
        """Trials of one row of the tables that have a file of that name, each with it, by seed."""
        for row in self.of(dataset, label).itertuples():
            path = self.paths.trial(row.trial) / name
            if path.is_file():
                yield row, path

    def first_ok(self, dataset: str, label: str, name: str) -> Path | None:
        """A file of the first seed that ended well and has it."""
        return next((path for row, path in self.files(dataset, label, name) if row.status == "ok"), None)


def about(study_dir: Path) -> dict[str, Any]:
    """study.json of a study's folder; UserError if it has not been gathered yet."""
    for path in (study_dir / STUDY, table(study_dir, "trials")):
        if not path.is_file():
            raise UserError(f"{path}: not found; gather the study before reporting or tracking it")
    return read_json(study_dir / STUDY)


def read(study_dir: Path, store: Path) -> Results:
    """Read a study; UserError if it has not been gathered yet. Missing scores or floors are empty frames."""
    study_dir, store = Path(study_dir), Path(store)
    study = about(study_dir)
    found = {name: read_table(study_dir, name) for name in ("scores", "floors", "examples", "searched", "posthoc")}
    trials = _in_order(read_table(study_dir, "trials"), study)
    recipes = [recipe(store / trial) for trial in trials["trial"]]
    trials["conditional"] = [bool((each["net"] or {}).get("conditional")) for each in recipes]
    trials = trials.assign(label=labels(trials, recipes)).reset_index(drop=True)
    named = trials[["trial", "label"]]
    scores = _values(found["scores"]).merge(named, on="trial", how="inner")
    scores["kind"] = scores["kind"].where(scores["kind"].notna(), "")
    chosen = {
        name: primary(meta, scores.loc[scores["dataset"] == name, "encoder"])
        for name, meta in (study.get("datasets") or {}).items()
    }
    scores, others = _apart(scores, chosen)
    floors = _values(found["floors"])
    copied = floors["role"] == "training"  # older studies have floors of real data only
    copies, (floors, other_floors) = floors[copied].reset_index(drop=True), _apart(floors[~copied], chosen)
    examples, posthoc = (found[name].merge(named, on="trial", how="inner") for name in ("examples", "posthoc"))
    scores = _distinguish(scores)
    return Results(study, trials, scores, floors, store, examples, others, other_floors, copies, posthoc, found["searched"])


def _in_order(trials: pd.DataFrame, study: dict[str, Any]) -> pd.DataFrame:
    """Trials by model and variant in the study's order, then by seed."""
    models = {name: place for place, name in enumerate(study.get("models") or {})}
    variants = [cell.get("variant", "") for cell in (study.get("config") or {}).get("cells") or ()]
    trials["_place"] = trials["model"].map(lambda name: models.get(name, len(models)))
    trials["_variant"] = trials["variant"].map(lambda name: variants.index(name) if name in variants else len(variants))
    trials = trials.sort_values(["_place", "model", "_variant", "seed", "trial"], kind="stable")
    return trials.drop(columns=["_place", "_variant"])


def _values(frame: pd.DataFrame) -> pd.DataFrame:
    """Finite values only, and the encoder that the settings name ("" if none)."""
    value = pd.to_numeric(frame["value"], errors="coerce").replace([np.inf, -np.inf], np.nan)
    return frame.assign(value=value, encoder=[parse(each).get("encoder") or "" for each in frame["settings"]])


def _apart(frame: pd.DataFrame, chosen: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the primary encoders or without one, and rows of other encoders."""
    keep = (frame["encoder"] == "") | (frame["encoder"] == frame["dataset"].map(chosen))
    return frame[keep].reset_index(drop=True), frame[~keep].reset_index(drop=True)


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
