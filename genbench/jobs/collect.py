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
from genbench.results.paths import ENCODER, FLOOR, LIKELIHOODS, META, STUDY, TRAINED, Paths, table
from genbench.results.rows import checkpoints, levels, named, searched_rows
from genbench.results.tables import COSTS, EXAMPLES, POSTHOC, SCORES, SEARCHED, TRIALS

__all__ = ["collect"]


def collect(
    study_name: str, manifests: list[Path], paths: Paths, posthoc: Sequence[Path] = (), searched: Sequence[Path] = ()
) -> None:
    """results/studies/<study>: trials, scores and floors as tables, study.json with the provenance."""
    study = read_study(study_name)
    scored, tried = ([read_json(path) for path in each] for each in (manifests, searched))
    there = {
        row["group"] for manifest in (*scored, *tried) for row in manifest["rows"]
    }  # a study that grows may have stopped short of others
    found = [chosen(group, paths) for group in groups(study) if group.name in there]
    trials = {t.id: t for group in found for t in group.trials}
    members = {group.name: {t.id: t for t in group.trials} for group in found}
    rows, scores, examples = [], [], []
    for manifest in scored:
        for row in manifest["rows"]:
            trial = members[row["group"]][row["trial"]]
            base = named(trial)
            rows.append(_trial(base, trial, row, read_json(paths.trial(trial.id) / TRAINED)))
            scores += [{**base, **_with_settings(score)} for score in row["scores"]]
            if row["status"] == "ok":
                examples += _examples(base, paths.trial(trial.id) / LIKELIHOODS)
    datasets = list(dict.fromkeys(t.dataset for t in trials.values()))
    measured = {dataset: read_json(paths.reference(dataset) / FLOOR)["scores"] for dataset in datasets}
    floors = [{"dataset": dataset, **_with_settings(score)} for dataset, each in measured.items() for score in each]
    order = ["dataset", "model", "seed"]
    made = {
        "trials": pd.DataFrame(rows, columns=list(TRIALS)).sort_values([*order, "variant"]),
        "scores": pd.DataFrame(scores, columns=list(SCORES)).sort_values([*order, "metric"]),
        "examples": pd.concat(examples) if examples else pd.DataFrame(columns=list(EXAMPLES)),
        "floors": pd.DataFrame(floors),
        "searched": pd.DataFrame(searched_rows(tried, members), columns=list(SEARCHED)),
        "posthoc": pd.DataFrame(_posthoc(posthoc, members, paths), columns=list(POSTHOC)),
    }
    folder = paths.study(study_name)
    for name, frame in made.items():
        write_parquet(table(folder, name), frame)
    write_json(folder / STUDY, _about(study, trials.values(), datasets, paths))


def _trial(base: dict, trial: Trial, row: dict, training: dict) -> dict:
    """A row of the trials' table, from the trial, its row in the manifest of its job, and how its training went."""
    costs = {f"cost_{name}": {**training["costs"], **row["costs"]}.get(name) for name in COSTS}
    rest = {key: training[key] for key in ("step", "selected_update", "device", "started", "finished")}
    place = {"variant": trial.variant, "phase": trial.phase, "configuration": trial.configuration}
    place |= {**levels(trial), **checkpoints(row)}
    return {**base, **place, "status": row["status"], "cause": row["cause"], **rest, **costs}


def _with_settings(score: dict) -> dict:
    """A score whose settings are JSON."""
    return {**score, "settings": json.dumps(score["settings"])}


def _posthoc(manifests: Sequence[Path], members: dict[str, dict[str, Trial]], paths: Paths) -> list[dict]:
    """Numbers of post-hoc samples, and faults as rows with a cause and no number; `pictures`: a file of the results folder."""
    rows = []
    for path in manifests:
        pictures, manifest = str(path.with_suffix(".npz").relative_to(paths.results)), read_json(path)
        for row in manifest["rows"]:
            base = named(members[row["group"]][row["trial"]])
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
        found = [paths.encoder(dataset, name) / ENCODER for name in study.encoders if name.startswith("classifier")]
        images = dataset_spec(dataset).kind == "images"
        encoders = [read_json(path) for path in found] if images else []
        about[dataset] = {**read_json(paths.data(dataset) / META), "encoders": encoders}
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
