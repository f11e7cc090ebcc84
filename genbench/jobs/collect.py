"""The job that gathers a study's tables."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genbench import questions
from genbench.checks.fairness import unfair
from genbench.checks.trials import well_specified
from genbench.config.expand import Trial, groups
from genbench.config.read import dataset_spec, model_spec, read_study
from genbench.jobs.common import chosen, commit, machine, versions
from genbench.models import MODELS
from genbench.results.files import read_json, write_json, write_parquet
from genbench.results.paths import Paths
from genbench.results.study import COSTS, EXAMPLES, REFINED, SCORES, SEARCHED

__all__ = ["collect"]


def collect(
    study_name: str, manifests: list[Path], paths: Paths, refined: Sequence[Path] = (), searched: Sequence[Path] = ()
) -> None:
    """results/studies/<study>: trials, scores and floors as tables, study.json with the provenance."""
    study = read_study(study_name)
    found = [chosen(group, paths) for group in groups(study)]
    trials = {t.id: t for group in found for t in group.trials}
    # variants may share a trial, such as the authors' defaults: only its group tells what it stands for
    members = {group.name: {t.id: t for t in group.trials} for group in found}
    rows, scores, examples = [], [], []
    for manifest in map(read_json, manifests):
        for row in manifest["rows"]:
            trial = members[manifest["group"]][row["trial"]]
            training = read_json(paths.trial(trial.id) / "train.json")
            base = _base(trial)
            costs = {f"cost_{name}": {**training["costs"], **row["costs"]}.get(name) for name in COSTS}
            rest = {k: training[k] for k in ("step", "selected_update", "device", "started", "finished")}
            place = {"phase": trial.phase, "configuration": trial.configuration, **_levels(trial), **_checkpoints(row)}
            rows.append(
                {**base, "variant": trial.variant, **place, "status": row["status"], "cause": row["cause"], **rest, **costs}
            )
            scores += [{**base, **score, "settings": json.dumps(score["settings"])} for score in row["scores"]]
            if row["status"] == "ok":
                examples += _examples(base, paths.trial(trial.id) / "examples.npz")
    datasets = list(dict.fromkeys(t.dataset for t in trials.values()))
    floors = [
        {"dataset": d, **score, "settings": json.dumps(score["settings"])}
        for d in datasets
        for score in read_json(paths.reference(d) / "floor.json")["scores"]
    ]
    folder = paths.study(study_name)
    order = ["dataset", "model", "seed"]
    write_parquet(folder / "trials.parquet", pd.DataFrame(rows).sort_values([*order, "variant"]))
    write_parquet(folder / "scores.parquet", pd.DataFrame(scores, columns=list(SCORES)).sort_values([*order, "metric"]))
    write_parquet(folder / "examples.parquet", pd.concat(examples) if examples else pd.DataFrame(columns=list(EXAMPLES)))
    write_parquet(folder / "floors.parquet", pd.DataFrame(floors))
    write_parquet(folder / "searched.parquet", pd.DataFrame(_searched(searched, members), columns=list(SEARCHED)))
    write_parquet(folder / "refined.parquet", pd.DataFrame(_refined(refined, members, paths), columns=list(REFINED)))
    write_json(folder / "study.json", _about(study, trials.values(), datasets, paths))


def _base(trial: Trial) -> dict:
    return {"trial": trial.id, **{key: getattr(trial, key) for key in ("dataset", "model", "family", "seed")}}


def _levels(trial: Trial) -> dict[str, str]:
    """Its levels of a grid's factors, as JSON."""
    return {"levels": json.dumps(dict(trial.levels))}


def _checkpoints(row: dict) -> dict:
    """Which checkpoint was chosen (None: the end), and what all scored by the metric that chooses, as JSON."""
    return {"checkpoint": row.get("update"), "checkpoints": json.dumps(row.get("checkpoints") or [])}


def _searched(manifests: Sequence[Path], members: dict[str, dict[str, Trial]]) -> list[dict]:
    """A row per trial of a search, with the metric that chooses on both splits; no number where it failed."""
    rows = []
    for manifest in map(read_json, manifests):
        for row in manifest["rows"]:
            trial = members[manifest["group"]][row["trial"]]
            place = {
                "variant": trial.variant,
                **_levels(trial),
                "configuration": trial.configuration,
                "metric": manifest["metric"],
            }
            rest = {"net": json.dumps(trial.net), "hp": json.dumps(trial.hp), "seconds": row["costs"].get("seconds")}
            scores = {key: row["scores"].get(key) for key in ("validation", "test", "coverage")} | _checkpoints(row)
            rows.append({**_base(trial), **place, "status": row["status"], "cause": row["cause"], **scores, **rest})
    return rows


def _refined(manifests: Sequence[Path], members: dict[str, dict[str, Trial]], paths: Paths) -> list[dict]:
    """Numbers of refined samples, and faults as rows with a cause and no number; `pictures`: a file of the results folder."""
    rows = []
    for path in manifests:
        pictures, manifest = str(path.with_suffix(".npz").relative_to(paths.results)), read_json(path)
        for row in manifest["rows"]:
            base = _base(members[manifest["group"]][row["trial"]])
            rows += [{**base, **each, "pictures": pictures} for each in row["numbers"] + row["faults"]]
    return rows


def _examples(base: dict, path: Path) -> list[pd.DataFrame]:
    """Likelihoods of single test examples, for differences between models on the same examples."""
    head = {key: base[key] for key in ("trial", "dataset", "model", "seed")}
    with np.load(path, allow_pickle=False) as file:
        parts = {key: file[key] for key in file.files}
    frames = []
    for key, values in parts.items():
        metric, kind = key.split("/")
        frames.append(pd.DataFrame({**head, "metric": metric, "kind": kind, "index": range(len(values)), "value": values}))
    return frames


def _about(study, trials, datasets: list[str], paths: Paths) -> dict:
    head, dirty = commit()
    models = {}
    for trial in trials:
        spec = model_spec(trial.model)
        models[trial.model] = {
            "family": spec.family,
            "title": spec.title,
            "paper": spec.paper,
            "notes": spec.notes,
            "likelihood": MODELS[trial.model].likelihood,
        }
    about = {}
    for dataset in datasets:
        found = [paths.encoder(dataset, name) / "encoder.json" for name in study.encoders if name.startswith("classifier")]
        images = dataset_spec(dataset).kind == "images"
        encoders = [read_json(path) for path in found] if images else []
        about[dataset] = {**read_json(paths.data(dataset) / "meta.json"), "encoders": encoders}
    return {
        "study": study.name,
        "title": study.title,
        "description": study.description,
        "config": study.model_dump(mode="json"),
        "unfair": unfair(study),
        "references": well_specified(trials),
        "questions": questions.folders(study),
        "datasets": about,
        "models": models,
        "versions": versions(),
        "commit": head,
        "dirty": dirty,
        "machine": machine(),
        "finished": time.time(),
    }
