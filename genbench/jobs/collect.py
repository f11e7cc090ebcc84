"""The job that gathers a study's tables."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from genbench.config.expand import expand
from genbench.config.read import dataset_spec, model_spec, read_study
from genbench.files import read_json, write_json, write_parquet
from genbench.jobs.common import Paths, commit, machine, versions
from genbench.models import MODELS
from genbench.report.read import COSTS, EXAMPLES, SCORES
from genbench.studies.check import references, unfair

__all__ = ["collect"]


def collect(study_name: str, manifests: list[Path], paths: Paths) -> None:
    """results/studies/<study>: trials, scores and floors as tables, study.json with the provenance."""
    study = read_study(study_name)
    trials = {t.id: t for t in expand(study)}
    rows, scores, examples = [], [], []
    for manifest in manifests:
        for row in read_json(manifest)["rows"]:
            trial = trials[row["trial"]]
            training = read_json(paths.trial(trial.id) / "train.json")
            base = {
                "trial": trial.id,
                "dataset": trial.dataset,
                "model": trial.model,
                "family": trial.family,
                "seed": trial.seed,
            }
            costs = {f"cost_{name}": {**training["costs"], **row["costs"]}.get(name) for name in COSTS}
            rest = {k: training[k] for k in ("step", "selected_update", "device", "started", "finished")}
            rows.append({**base, "variant": trial.variant, "status": row["status"], "cause": row["cause"], **rest, **costs})
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
    write_json(folder / "study.json", _about(study, trials.values(), datasets, paths))


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
        "unfair": unfair(trials),
        "references": references(trials),
        "datasets": about,
        "models": models,
        "versions": versions(),
        "commit": head,
        "dirty": dirty,
        "machine": machine(),
        "finished": time.time(),
    }
