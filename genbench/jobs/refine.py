"""The job that refines what the generators of a group make, and scores it beside the raw samples."""

import math
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.config.errors import UserError
from genbench.config.expand import Trial
from genbench.config.schema import Study
from genbench.data import Dataset, Space, load, space
from genbench.jobs.common import group_of
from genbench.jobs.judge import Judge
from genbench.jobs.reference import named_encoder, sample_count
from genbench.jobs.stored import CHUNK, decoded, trained
from genbench.jobs.train import INFRASTRUCTURE, cause_of
from genbench.metrics.cards import scores
from genbench.metrics.encoder import extract
from genbench.metrics.neighbours import neighbours
from genbench.metrics.references import read_reference
from genbench.metrics.sets import Images, Points
from genbench.models import Model
from genbench.models.adversarial import Adversarial
from genbench.models.gan_losses import LOSSES
from genbench.results.files import read_json, write_json, write_npz
from genbench.results.paths import TRAINED, Paths
from genbench.sampling.calibration import isotonic, platt, reliability, reliability_out_of_fold
from genbench.sampling.latent import arcs, ddls, truncated_normal
from genbench.sampling.metropolis import metropolis
from genbench.training.replicas import stream

__all__ = ["SHOWN", "THRESHOLDS", "refine_group"]

THRESHOLDS = (2.0, 1.0, 0.5, 0.25)  # of the truncation; the raw samples have none
CALIBRATED = 5000  # samples, and held-out examples where there are so many, that a calibration is fitted to
SHOWN = ("modes", "high_quality", "mode_kl", "sliced_w1", "fid", "kid", "precision", "recall", "classes_covered", "class_kl")
PAIRS, IMAGE_STEPS, POINT_STEPS = 6, 9, 65  # of interpolations
PICTURED = {"points": 1000, "images": 24}  # samples of each method that are kept for pictures

Scorer = Callable[[Tensor], dict[str, float]]
Rows = list[dict[str, Any]]


def refine_group(study: str, group: str, paths: Paths, out: Path, device: torch.device) -> None:
    """Refine every trained trial of a group; `out` carries all numbers, the .npz beside it pictures of the first trial.

    A number is {method, threshold, metric, value, n}: scores, costs per sample and diagnostics of the method alike. A method
    that fails, or that a model has nothing for, is a fault {method, cause}. UserError if the study refines nothing.
    """
    settings, members = group_of(study, group, paths)
    if settings.refine is None:
        raise UserError(f"config/studies/{study}.yaml: refine: missing, so there is nothing to do after training")
    data = load(paths.data(members.dataset))
    score = _scorer(data, settings, paths, device)
    rows, pictures, judge = [], {}, None
    for trial in members.trials:
        row: dict[str, Any] = {"trial": trial.id, "numbers": [], "faults": []}
        training = read_json(paths.trial(trial.id) / TRAINED)
        if training["status"] == "ok":
            update = None
            if training.get("earlier"):  # the checkpoint that its scores are of
                judge = judge or Judge(data, settings, paths, device)
                update = judge(trial).get("update")
            found = _Refined(trial, settings, data, score, paths, device, update)
            found.run()
            row |= {"numbers": found.numbers, "faults": found.faults}
            pictures = pictures or found.pictures
        rows.append(row)
        told = "; ".join(f"{each['method']}: {each['cause']}" for each in row["faults"])
        print(f"{group} seed {trial.seed}: {len(row['numbers'])} numbers {told}", file=sys.stderr, flush=True)
    write_npz(out.with_suffix(".npz"), **pictures)
    write_json(out, {"group": group, "study": study, "rows": rows})


def _scorer(data: Dataset, study: Study, paths: Paths, device: torch.device) -> Scorer:
    """Metrics shown, by key, of samples in raw units; precision and recall of points are those of their coordinates."""
    if data.kind == "points":
        density, test = data.density(), data.splits["test"]

        def points(samples: Tensor) -> dict[str, float]:
            own = {score.metric: score.value for score in scores(Points(samples, test, density), SHOWN)}
            counts = neighbours(samples, test)
            return own | {"precision": counts.precision[0], "recall": counts.recall[0]}

        return points
    encoder = named_encoder(study.encoders[0], data, paths, device)
    reference = read_reference(paths.reference(data.name), len(study.encoders))[0][0]

    def images(samples: Tensor) -> dict[str, float]:
        seen = Images(*extract(encoder, samples.to(device)), reference)
        return {score.metric: score.value for score in scores(seen, SHOWN)}

    return images


class _Refined:
    """One trial: its numbers, faults and pictures."""

    def __init__(self, trial: Trial, study: Study, data: Dataset, score: Scorer, paths: Paths, device, update: int | None):
        self.trial, self.data, self.score, self.settings = trial, data, score, study.refine
        self.model: Model = trained(trial, paths, device, update)
        self.space: Space = space(data, self.model.space[data.kind])
        self.count, self.device = sample_count(data, study), device
        self.numbers: Rows = []
        self.faults: Rows = []
        self.pictures: dict[str, np.ndarray] = {}

    def run(self) -> None:
        methods = {"raw": self.raw, **{name: getattr(self, name) for name in self.settings.methods}}
        for name, method in methods.items():
            # streams of their own: one method's numbers don't depend on which others run
            self.generator = torch.Generator(self.device).manual_seed(stream(self.trial.seed, f"refine {name}"))
            try:
                if why := self.unfit(name):
                    self.faults.append({"method": name, "cause": why})
                else:
                    method()
            except INFRASTRUCTURE:
                raise
            except Exception as error:
                traceback.print_exc()
                self.faults.append({"method": name, "cause": cause_of(error)})

    def unfit(self, method: str) -> str:
        """Why a method has nothing to do with the model; empty where it has."""
        if self.model.classes:
            return "class-conditional generators are not refined"
        if method == "truncation" and not self.model.normal_prior:
            return "the model's prior is not a standard normal law"
        if method in ("metropolis", "ddls") and not isinstance(self.model, Adversarial):
            return "the model has no critic"
        if method in ("metropolis", "ddls") and getattr(self.model, "norm", "none") == "batch":
            return "the critic's value of an example depends on its batch"
        return ""

    # ---- what is done

    def raw(self) -> None:
        """As many samples as the others have, from fresh noise."""
        start = time.perf_counter()
        y = self.made(self.model.draw_prior(self.count, self.generator))
        self.note("raw", y, start, passes=(1, 0, 0))
        loss = getattr(self.model, "loss", None)
        if isinstance(self.model, Adversarial) and loss in LOSSES and LOSSES[loss].logistic:
            real, fake = self.values()
            labels = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
            shares = (torch.cat([real, fake]) + math.log(len(real) / len(fake))).sigmoid()
            self.add("raw", asdict(reliability(shares, labels)), len(labels))

    def truncation(self) -> None:
        """Latent coordinates within a threshold."""
        for threshold in THRESHOLDS:
            start = time.perf_counter()
            y = self.made(truncated_normal((self.count, self.model.latent), threshold, self.generator))
            self.note("truncation", y, start, (1, 0, 0), threshold)

    def metropolis(self) -> None:
        """Chains over samples, with odds from an isotonic regression."""
        real, fake = self.values()
        logit = isotonic(real, fake)
        known = logit(real)

        def propose(n: int) -> tuple[Tensor, Tensor]:
            x = self.model.generate(self.model.draw_prior(n, self.generator))
            return x, logit(self.model.score(x))

        start, parts = time.perf_counter(), []
        for size in self.sizes():
            drawn = torch.randint(len(known), (size,), generator=self.generator, device=self.device)
            parts.append(metropolis(propose, known[drawn], self.settings.steps, self.generator))
        passes = sum(part.proposals for part in parts) / self.count
        self.note("metropolis", torch.cat([part.x for part in parts]), start, (passes, passes, 0))
        shares = np.array([len(part.x) / self.count for part in parts])
        own = {key: float(shares @ [getattr(part, key) for part in parts]) for key in ("acceptance", "restarted")}
        self.add("metropolis", own | asdict(reliability_out_of_fold(isotonic, real, fake)), len(real) + len(fake))

    def ddls(self) -> None:
        """Langevin chains in the latent space, with odds from a logistic regression.

        Passes are those of the critic's advice alone, without what a prior other than N(0, I) costs.
        """
        real, fake = self.values()
        line = platt(real, fake)

        def logit(z: Tensor) -> Tensor:
            return line(self.model.score(self.model.generate(z)))

        start, parts = time.perf_counter(), []
        for size in self.sizes():
            z = self.model.draw_prior(size, self.generator)
            parts.append(ddls(logit, z, self.settings.steps, self.generator, self.model.log_prior))
        y = self.made(torch.cat([part[0] for part in parts]))
        count = self.settings.steps + 1  # looks at energy and slope
        self.note("ddls", y, start, (count + 1, count, count))
        shares = np.array([len(part[0]) / self.count for part in parts])
        own = {"acceptance": float(shares @ [part[1] for part in parts]), "length": float(shares @ [part[2] for part in parts])}
        own |= {"slope": line.slope} | asdict(reliability_out_of_fold(platt, real, fake))
        self.add("ddls", own, len(real) + len(fake))

    def interpolation(self) -> None:
        """Arcs between pairs of z, straight lines where their law is not N(0, I): pictures only."""
        ends = self.model.draw_prior(2 * PAIRS, self.generator).unflatten(0, (2, PAIRS))
        steps = POINT_STEPS if self.data.kind == "points" else IMAGE_STEPS
        t = torch.linspace(0, 1, steps, device=self.device)
        path = arcs(*ends, t) if self.model.normal_prior else torch.lerp(*ends, t.reshape(-1, 1, 1))
        y = self.model.generate(path.flatten(0, 1)).reshape(-1, *self.model.shape)
        x = self.space.decode(y).cpu().numpy()
        self.pictures["interpolation"] = x.reshape(steps, PAIRS, *self.model.shape)

    # ---- with what

    def sizes(self) -> list[int]:
        return [min(CHUNK, self.count - start) for start in range(0, self.count, CHUNK)]

    def made(self, z: Tensor) -> Tensor:
        """Flat or shaped examples of z, as the model's own `sample` makes them."""
        if hasattr(self.model, "draw") and not self.model.levels:
            return self.model.draw(z, self.generator)
        return torch.cat([self.model.generate(each) for each in z.split(CHUNK)])

    def values(self) -> tuple[Tensor, Tensor]:
        """The critic's values of held-out examples and of samples, which are plenty even where the others are few."""
        real = self.space.encode(self.data.splits["validation"][:CALIBRATED].to(self.device))
        fake = self.made(self.model.draw_prior(CALIBRATED, self.generator))
        return tuple(torch.cat([self.model.score(each) for each in x.flatten(1).split(CHUNK)]) for x in (real, fake))

    def note(self, method: str, y: Tensor, start: float, passes: tuple[float, float, float], threshold: float | None = None):
        """Score samples y in the model's space; the clock stops before."""
        seconds = time.perf_counter() - start
        x = decoded(y.reshape(-1, *self.model.shape), self.space)
        if threshold is None:
            self.pictures[method] = x[: PICTURED[self.data.kind]].numpy()
        cost = dict(zip(("generator_passes", "critic_passes", "backward_passes"), map(float, passes), strict=True))
        self.add(method, self.score(x) | cost | {"seconds_per_1000": 1000 * seconds / len(x)}, len(x), threshold)

    def add(self, method: str, values: dict[str, float], n: int, threshold: float | None = None) -> None:
        common = {"method": method, "threshold": threshold, "n": n}
        self.numbers += [{**common, "metric": key, "value": value} for key, value in values.items()]
