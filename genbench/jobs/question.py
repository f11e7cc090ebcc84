"""The job that runs a question."""

import sys
import time
from pathlib import Path

import torch

from genbench import questions
from genbench.config.errors import UserError
from genbench.config.read import dataset_spec, model_spec, read_study, recipe
from genbench.config.schema import Recipe
from genbench.data import load
from genbench.jobs.common import machine, versions
from genbench.questions.training import Bench
from genbench.results.files import write_json, write_parquet
from genbench.results.paths import Paths, table

__all__ = ["run_question"]


def run_question(name: str, study: str, paths: Paths, out: Path, device: torch.device) -> None:
    """Run a question with a study's settings: a parquet file per table beside `out`, then `out` with how they came about.

    UserError if the study does not ask it, or if its datasets are not prepared.
    """
    asked = questions.asked(read_study(study, asked_by="--study"))
    if name not in asked:
        raise UserError(f"config/studies/{study}.yaml: questions: {name!r} is not asked; there: {', '.join(asked) or 'none'}")
    settings, start = asked[name], time.perf_counter()
    data = {dataset: load(paths.data(dataset)) for dataset in settings.datasets}

    def recipe_of(model: str, dataset: str) -> Recipe:
        return recipe(model_spec(model), dataset_spec(dataset))

    def log(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    frames = questions.part(name, "run").run(settings, Bench(data, recipe_of, device, log))
    for title, frame in frames.items():
        write_parquet(table(out.parent, title), frame)
    about = {"question": name, "settings": settings.model_dump(mode="json"), "tables": list(frames)}
    about |= {"content_hashes": {each.name: each.content_hash for each in data.values()}, "device": str(device)}
    write_json(out, {**about, "versions": versions(), "machine": machine(), "seconds": time.perf_counter() - start})
