"""The job that samples the trained generators of a group by other methods, and scores these samples beside the raw ones."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.config.errors import UserError
from genbench.data import load, space
from genbench.jobs.common import INFRASTRUCTURE, cause_of, chosen, groups_of
from genbench.jobs.context import Context
from genbench.jobs.reference import named_encoder, sample_count
from genbench.jobs.stored import trained
from genbench.metrics.cards import POSTHOC, scores
from genbench.metrics.encoder import extract
from genbench.metrics.neighbours import neighbours
from genbench.metrics.references import read_reference
from genbench.metrics.sets import Images, Points
from genbench.results.files import read_json, write_json, write_npz
from genbench.results.paths import TRAINED, Paths
from genbench.sampling.draws import decoded
from genbench.sampling.methods import METHODS, Diagnostics, Made, Sampler, Walks
from genbench.training.replicas import stream

__all__ = ["sample_group"]

PICTURED = {"points": 1000, "images": 24}  # samples of each method that are kept for pictures

Scorer = Callable[[Tensor], dict[str, float]]
Rows = list[dict[str, Any]]


def sample_group(study: str, group: str, paths: Paths, out: Path, device: torch.device) -> None:
    """Sample every trained trial of a group by the study's methods.

    `out` carries all numbers, the .npz beside it pictures of the first trial. A number is {method, threshold, metric, value, n}:
    scores, costs per sample and diagnostics of the method alike. A method that fails, or that a model has nothing for, is a
    fault {method, cause}. UserError if the study asks for no sampling method.
    """
    settings, (found,) = groups_of(study, [group])
    if settings.posthoc is None:
        raise UserError(f"config/studies/{study}.yaml: posthoc: missing, so there is nothing to do after training")
    members = chosen(found, paths)
    data = load(paths.data(members.dataset))
    context = Context(settings, data, paths, device)
    score = _scorer(context)
    rows, pictures = [], {}
    for trial in members.trials:
        row: dict[str, Any] = {"group": group, "trial": trial.id, "numbers": [], "faults": []}
        training = read_json(paths.trial(trial.id) / TRAINED)
        if training["status"] == "ok":  # of the checkpoint that its scores are of
            update = context.select(trial).get("update") if training.get("earlier") else None
            model = trained(trial, paths, device, update)
            sampler = Sampler(
                model, space(data, model.space[data.kind]), data.splits["validation"], sample_count(data, settings),
                settings.posthoc.steps, torch.Generator(device),
            )  # fmt: skip
            found = _Numbers(sampler, score)
            for method in ("raw", *settings.posthoc.methods):
                # streams of their own: one method's numbers don't depend on which others run
                sampler.generator.manual_seed(stream(trial.seed, f"refine {method}"))  # the old name: numbers stay
                found.measure(method)
            row |= {"numbers": found.numbers, "faults": found.faults}
            pictures = pictures or found.pictures
        rows.append(row)
        faults = "; ".join(f"{each['method']}: {each['cause']}" for each in row["faults"])
        print(f"{group} seed {trial.seed}: {len(row['numbers'])} numbers {faults}", file=sys.stderr, flush=True)
    write_npz(out.with_suffix(".npz"), **pictures)
    write_json(out, {"study": study, "rows": rows})


class _Numbers:
    """What the methods make of one trial: numbers, faults and pictures."""

    def __init__(self, sampler: Sampler, score: Scorer):
        self.sampler, self.score = sampler, score
        self.numbers: Rows = []
        self.faults: Rows = []
        self.pictures: dict[str, np.ndarray] = {}

    def measure(self, method: str) -> None:
        try:
            if why := METHODS[method].unfit(self.sampler.model):
                self.faults.append({"method": method, "cause": why})
                return
            for made in METHODS[method].run(self.sampler):
                self._keep(method, made)
        except INFRASTRUCTURE:
            raise
        except Exception as error:
            traceback.print_exc()
            self.faults.append({"method": method, "cause": cause_of(error)})

    def _keep(self, method: str, made: Made) -> None:
        seen, model = self.sampler.seen, self.sampler.model
        if isinstance(made, Walks):
            self.pictures[method] = seen.decode(made.y).cpu().numpy()
        elif isinstance(made, Diagnostics):
            self._add(method, made.values, made.n)
        else:
            x = decoded(made.y.reshape(-1, *model.shape), seen)
            if made.threshold is None:
                self.pictures[method] = x[: PICTURED[seen.kind]].numpy()
            costs = {name: float(getattr(made, name)) for name in ("generator_passes", "critic_passes", "backward_passes")}
            costs["seconds_per_1000"] = 1000 * made.seconds / len(x)
            self._add(method, self.score(x) | costs, len(x), made.threshold)

    def _add(self, method: str, values: dict[str, float], n: int, threshold: float | None = None) -> None:
        common = {"method": method, "threshold": threshold, "n": n}
        self.numbers += [{**common, "metric": key, "value": value} for key, value in values.items()]


def _scorer(context: Context) -> Scorer:
    """Metrics shown, by key, of samples in raw units; precision and recall of points are those of their coordinates."""
    data, study, paths, device = context.data, context.study, context.paths, context.device
    if data.kind == "points":
        density, test = data.density(), data.splits["test"]

        def points(samples: Tensor) -> dict[str, float]:
            own = {score.metric: score.value for score in scores(Points(samples, test, density), POSTHOC)}
            counts = neighbours(samples, test)
            return own | {"precision": counts.precision[0], "recall": counts.recall[0]}

        return points
    encoder = named_encoder(study.encoders[0], data, paths, device)
    reference = read_reference(paths.reference(data.name), len(study.encoders))[0][0]

    def images(samples: Tensor) -> dict[str, float]:
        seen = Images(*extract(encoder, samples.to(device)), reference)
        return {score.metric: score.value for score in scores(seen, POSTHOC)}

    return images
