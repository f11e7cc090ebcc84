"""The job that runs an experiment."""

import sys
import time
from pathlib import Path

import torch

from genbench.config.errors import UserError
from genbench.config.read import dataset_spec, model_spec, read_study, recipe
from genbench.config.schema import Recipe
from genbench.data import load
from genbench.experiments import EXPERIMENTS
from genbench.experiments.training import Bench
from genbench.files import write_json, write_parquet
from genbench.jobs.common import Paths, machine, versions

__all__ = ["run_experiment"]


def run_experiment(name: str, study: str, paths: Paths, out: Path, device: torch.device) -> None:
    """Run an experiment with a study's settings: a parquet file per table beside `out`, then `out` with how they came about.

    UserError if there is no such experiment, if the study does not ask for it, or if its datasets are not prepared.
    """
    if name not in EXPERIMENTS:
        raise UserError(f"experiment {name!r}: unknown; allowed: {', '.join(EXPERIMENTS)}")
    asked = read_study(study, asked_by="--study").experiments.asked()
    if name not in asked:
        raise UserError(f"config/studies/{study}.yaml: experiments: {name} is not asked for; there: {', '.join(asked) or 'none'}")
    settings, start = asked[name], time.perf_counter()
    data = {dataset: load(paths.data(dataset)) for dataset in settings.datasets}

    def recipe_of(model: str, dataset: str) -> Recipe:
        return recipe(model_spec(model), dataset_spec(dataset))

    frames = EXPERIMENTS[name](settings, Bench(data, recipe_of, device, lambda line: print(line, file=sys.stderr, flush=True)))
    for table, frame in frames.items():
        write_parquet(out.parent / f"{table}.parquet", frame)
    about = {"experiment": name, "settings": settings.model_dump(mode="json"), "tables": list(frames)}
    about |= {"content_hashes": {each.name: each.content_hash for each in data.values()}, "device": str(device)}
    write_json(out, {**about, "versions": versions(), "machine": machine(), "seconds": time.perf_counter() - start})
