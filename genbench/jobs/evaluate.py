"""The job that samples and scores the trials of a group; what was scored the same way before is not scored again."""

import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.config.code import code_hash
from genbench.config.expand import Group, Trial
from genbench.config.hashing import short_hash
from genbench.config.schema import Study
from genbench.config.seeds import listed
from genbench.data import space
from genbench.jobs.common import INFRASTRUCTURE, cause_of
from genbench.jobs.context import Context
from genbench.jobs.manifold import known_manifold
from genbench.jobs.reference import GRID, density_grid, sample_count, sample_scores, scoring_of
from genbench.jobs.stored import draw_samples, trained
from genbench.likelihood.decoders import annealed_scores
from genbench.likelihood.score import Likelihood, nll_scores
from genbench.metrics.cards import METRICS, SYMBOLS, units
from genbench.metrics.score import Score
from genbench.models import Model
from genbench.results.files import read_json, read_npz, write_json, write_npz
from genbench.results.paths import DENSITY, LIKELIHOODS, PARTS, PREVIEW, SAMPLES, SCORED, TRAINED
from genbench.results.pictures import save_preview
from genbench.training.replicas import stream

__all__ = ["evaluate_group"]

SAMPLING = ("genbench.jobs.stored:draw_samples", "genbench.jobs.stored:trained")
LIKELIHOOD = ("genbench.likelihood.score:nll_scores", "genbench.likelihood.score:Likelihood", "genbench.data.dataset:Dataset")
ANNEALED = "genbench.likelihood.decoders:annealed_scores"


def evaluate_group(group: Group, context: Context) -> list[dict[str, Any]]:
    """Score every trained trial of a group: a row for each, with all scores; samples and pictures go to the store."""
    compared = scoring_of(context.data, context.study, context.paths)
    rows: list[dict[str, Any]] = []
    for trial in group.trials:
        folder = context.paths.trial(trial.id)
        training = read_json(folder / TRAINED)
        row = {"trial": trial.id, "status": training["status"], "cause": training["cause"], "scores": [], "costs": {}}
        if training["status"] == "ok":
            picture = not any(r["status"] == "ok" for r in rows)  # of the density, expensive for some: the first seed's is shown
            selected = {}
            if training.get("earlier"):
                selected = context.select(trial)
                row |= {key: selected.get(key) for key in ("update", "last", "checkpoints")}
            if selected.get("status") == "failed":
                row |= {"status": "failed", "cause": selected["cause"]}
            else:
                row |= _evaluated(_Evaluation(trial, training, context, compared, picture, selected.get("update")))
            write_json(folder / SCORED, row)
        shown = ", ".join(f"{s['metric']} {s['value']:.4g}" for s in row["scores"])
        print(f"{group.name} seed {trial.seed}: {row['status']} {row['cause'] or ''} {shown}", file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def _evaluated(evaluation: "_Evaluation") -> dict[str, Any]:
    try:
        return {"status": "ok", "cause": None, **evaluation.run()}
    except INFRASTRUCTURE:
        raise
    except Exception as error:
        traceback.print_exc()
        return {"status": "failed", "cause": f"evaluation: {cause_of(error)}"}


@dataclass
class _Evaluation:
    """Scores of one trial, in parts: functions of samples, and the likelihoods, which share one random stream.

    Each part is kept with a hash of all that it depends on, the code included, and computed only where that changed.
    """

    trial: Trial
    training: Mapping[str, Any]
    context: Context
    compared: list[str]  # with what, as hashes
    picture: bool  # whether the density is drawn
    update: int | None  # of the checkpoint that is scored; None: the end
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.study, self.data, self.device = self.context.study, self.context.data, self.context.device
        self.folder: Path = self.context.paths.trial(self.trial.id)
        self.generator = torch.Generator(self.device).manual_seed(stream(self.trial.seed, "evaluation"))
        code = code_hash(*SAMPLING)
        made = [
            self.trial.id,
            self.training["finished"],
            self.update,
            sample_count(self.data, self.study),
            self.device.type,
            code,
        ]
        self.key = short_hash(made)  # of the samples

    @cached_property
    def model(self) -> Model:
        return trained(self.trial, self.context.paths, self.device, self.update)

    def run(self) -> dict[str, Any]:
        """Scores and costs."""
        start = time.perf_counter()
        file = self.folder / PARTS
        kept = read_json(file) if file.is_file() else {}
        self.parts = kept.get("parts", {})
        samples, labels, seconds = self.sampled()
        names = [*self.of_samples(samples, labels), self.likelihood()]
        self.parts = {name: self.parts[name] for name in names}
        spent = kept.get("seconds", 0.0) * (kept.get("samples") == self.key) + time.perf_counter() - start
        write_json(file, {"samples": self.key, "seconds": spent, "parts": self.parts})
        costs = {"sample_seconds": seconds, "sample_count": len(samples), "evaluate_seconds": spent}
        return {"scores": [row for part in self.parts.values() for row in part["scores"]], "costs": costs}

    def sampled(self) -> tuple[Tensor, Tensor | None, float]:
        """Samples in raw units, the classes that they were asked to be of, and the seconds that they took; stored ones again."""
        file = self.folder / SAMPLES
        found = read_npz(file) if file.is_file() else {}
        if str(found.get("key")) != self.key:
            clock = time.perf_counter()
            labels = self.model.draw_labels(sample_count(self.data, self.study), self.generator)
            seen = space(self.data, self.model.space[self.data.kind])
            samples = draw_samples(self.model, seen, sample_count(self.data, self.study), self.generator, labels)
            found = {"samples": samples.numpy(), "key": self.key, "seconds": time.perf_counter() - clock}
            found |= {} if labels is None else {"labels": labels.cpu().numpy()}
            found["state"] = self.generator.get_state().numpy()
            write_npz(file, **found)
            support = None if self.data.kind == "images" else self.data.density().support
            save_preview(self.folder / PREVIEW, found["samples"], self.data.levels, support)
        self.generator.set_state(torch.from_numpy(found["state"]))
        labels = torch.from_numpy(found["labels"]).to(self.device) if "labels" in found else None
        return torch.from_numpy(found["samples"]), labels, float(found["seconds"])

    def fresh(self, name: str, key: str) -> bool:
        """Whether a part was computed with this key."""
        return self.parts.get(name, {}).get("key") == key

    def keep(self, name: str, key: str, scores: list[Score], **more: Any) -> None:
        self.parts[name] = {"key": key, "scores": [score.as_dict() for score in scores], **more}

    def of_samples(self, samples: Tensor, labels: Tensor | None) -> list[str]:
        """Compute what is missing of the metrics of samples; the parts' names."""
        asked = units(self.data.kind, self.study.metrics)
        keys = {
            name: short_hash([self.key, self.compared, scoring_code(name, self.study, self.data.meta["source"])])
            for name in asked
        }
        # a map from latents to data is inverted before the likelihood is estimated, on the same random stream
        inverting = [name for name in asked if METRICS[asked[name][0]].needs == "decoder"] if self.data.projection() else []
        if missing := [name for name in asked if not self.fresh(name, keys[name])]:
            manifold = known_manifold(samples, self.data, self.model, self.generator) if inverting else None
            wanted = [metric for name in missing for metric in asked[name]]
            found = sample_scores(
                samples,
                self.data,
                self.study.encoders,
                self.context.paths,
                self.device,
                self.trial.seed,
                labels,
                manifold,
                wanted,
            )
            state = bytes(self.generator.get_state().tolist()).hex()
            for name in missing:
                after = {"state": state} if name in inverting else {}
                self.keep(name, keys[name], [score for score in found if score.metric in asked[name]], **after)
        for name in inverting:
            self.generator.set_state(torch.tensor(list(bytes.fromhex(self.parts[name]["state"])), dtype=torch.uint8))
        return list(asked)

    def likelihood(self) -> str:
        """Compute what there is of likelihoods, if it is missing; the part's name."""
        images, study = self.data.kind == "images", self.study
        count = study.likelihood_points if images else study.point_samples
        annealed = bool(study.annealed_points) and listed(self.trial.seed) == study.seeds[0]  # expensive: one seed shows it
        code = code_hash(*LIKELIHOOD, *([ANNEALED] if annealed else []), settings=[self.data.kind, self.data.meta["source"]])
        further = [study.annealed_points, study.annealed_temperatures] if annealed else []
        key = short_hash([self.key, self.data.content_hash, count, further, self.picture, code])
        if self.fresh("likelihood", key):
            return "likelihood"
        seen = space(self.data, self.model.space[self.data.kind])
        likelihood = Likelihood(self.model, self.data, seen, self.generator)
        found, examples = nll_scores(likelihood, count)
        if annealed:
            found += annealed_scores(self.model, self.data, seen, *further, self.generator)
        write_npz(self.folder / LIKELIHOODS, **{name: each.numpy() for name, each in examples.items()})
        if self.picture and not images:
            _save_density(self.folder, likelihood)
        self.keep("likelihood", key, found)
        return "likelihood"


def scoring_code(name: str, study: Study, source: str) -> str:
    """Hash of the code of a part: the metric's function, and what shows it samples of a source of data."""
    needs = {METRICS[key].needs for key, symbol in SYMBOLS.items() if ":".join(symbol) == name}
    roots = [name, "genbench.jobs.reference:sample_scores", "genbench.data.dataset:Dataset"]
    roots += ["genbench.jobs.manifold:known_manifold"] if "decoder" in needs else []
    roots += ["genbench.metrics.references:Training"] if "training" in needs else []
    return code_hash(*roots, settings=[*study.encoder_kinds, source])


def _save_density(folder: Path, likelihood: Likelihood) -> None:
    x, y, points = density_grid(likelihood.data)
    log_p = likelihood.density(points)
    if log_p is not None:
        log_p = log_p.float().cpu().clamp(min=-1e4).reshape(GRID, GRID)
        write_npz(folder / DENSITY, x=x.numpy(), y=y.numpy(), log_prob=log_p.numpy())
