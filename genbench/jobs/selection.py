"""What chooses among configurations and checkpoints: one metric on the validation split, and beside it the test split's."""

import math
import time
import traceback
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.config.code import code_hash
from genbench.config.expand import Trial
from genbench.config.hashing import short_hash
from genbench.config.schema import Study
from genbench.data import Dataset, space
from genbench.jobs.common import INFRASTRUCTURE, cause_of
from genbench.jobs.reference import named_encoder, sample_count
from genbench.jobs.stored import draw_samples, trained
from genbench.metrics.distances import FrechetTo
from genbench.metrics.encoder import extract
from genbench.metrics.neighbours import Coverage
from genbench.metrics.transport import SlicedTo
from genbench.results.files import read_json, write_json
from genbench.results.paths import TRAINED, Paths
from genbench.training.replicas import stream

__all__ = ["CHOOSES", "Selection"]

CHOOSES = {"images": "fid", "points": "sliced_w1"}  # the metric that chooses, on the validation split; lower is better
SPLITS = ("validation", "test")


class Selection:
    """Scores the checkpoints of a dataset's trials by the metric that chooses; what it found of a trial is kept in the store.

    Arguments:
        data: the dataset. study: says how many samples, and which encoder. paths, device: as for every job.
    """

    def __init__(self, data: Dataset, study: Study, paths: Paths, device: torch.device):
        self.data, self.paths, self.device, self.count = data, paths, device, sample_count(data, study)
        self.metric = CHOOSES[data.kind]
        if data.kind == "points":
            self.features, name = lambda x: x, "points"
        else:
            encoder = named_encoder(study.encoders[0], data, paths, device)
            self.features, name = lambda x: extract(encoder, x.to(device))[0], encoder.name
        code = code_hash("genbench.jobs.selection:Selection", settings=[data.kind, data.meta["source"], *study.encoder_kinds[:1]])
        self.key = short_hash([self.count, name, data.content_hash, code], 8)

    def __call__(self, trial: Trial) -> dict[str, Any]:
        """Status, cause, costs and, of a trial that ended ok, `checkpoints`: dicts of `update` (None: the end), validation
        and test; `scores`: those of the checkpoint with the lowest validation score, with its coverage of the test split;
        `update`: which it was; `last`: the scores of the end."""
        file = self.file(trial)
        if not file.is_file():
            write_json(file, self._selected(trial))
        return read_json(file)

    def file(self, trial: Trial) -> Path:
        """What was found of a trial in this way, if it was."""
        return self.paths.selection(trial.id, self.key)

    def _selected(self, trial: Trial) -> dict[str, Any]:
        training = read_json(self.paths.trial(trial.id) / TRAINED)
        row = {"status": training["status"], "cause": training["cause"], "scores": {}, "costs": dict(training["costs"])}
        if row["status"] != "ok":
            return row
        start = time.perf_counter()
        checkpoints, best, chosen = [], math.inf, None
        try:
            for update in [*training.get("earlier", ()), None]:
                try:
                    found, features = self._scored(trial, update)
                except ValueError:  # not finite on the way, which the end need not be
                    if update is None:
                        raise
                    continue
                checkpoints.append({"update": update, **found})
                if found["validation"] <= best:  # of equal ones the last
                    best, chosen = found["validation"], features
            coverage = self.coverage(chosen)
        except INFRASTRUCTURE:
            raise
        except Exception as error:
            traceback.print_exc()
            return row | {"status": "failed", "cause": f"evaluation: {cause_of(error)}"}
        row["costs"] |= {"evaluate_seconds": time.perf_counter() - start}
        picked = [each for each in checkpoints if each["validation"] == best][-1]
        scores = {split: picked[split] for split in SPLITS} | {"coverage": coverage}
        last = {split: checkpoints[-1][split] for split in SPLITS}
        return row | {"scores": scores, "update": picked["update"], "last": last, "checkpoints": checkpoints}

    def _scored(self, trial: Trial, update: int | None) -> tuple[dict[str, float], Tensor]:
        """Scores of a checkpoint on both splits, and its samples' features; ValueError where a score is not finite."""
        model = trained(trial, self.paths, self.device, update)
        generator = torch.Generator(self.device).manual_seed(stream(trial.seed, "evaluation"))
        features = self.features(draw_samples(model, space(self.data, model.space[self.data.kind]), self.count, generator))
        scores = self.distances(features, trial.seed)
        if not all(map(math.isfinite, scores.values())):
            raise ValueError(f"{self.metric} is not finite")
        return scores, features

    @cached_property
    def real(self) -> dict[str, Tensor]:
        """Features of the data, by split."""
        return {split: self.features(self.data.splits[split]) for split in SPLITS}

    @cached_property
    def coverage(self) -> Coverage:
        """Of the test split."""
        return Coverage(self.real["test"])

    @cached_property
    def distances(self) -> FrechetTo | SlicedTo:
        """The metric that chooses, of samples' features, to each split."""
        return SlicedTo(self.real) if self.data.kind == "points" else FrechetTo(self.real)
