"""The job that samples and scores the trials of a group."""

import sys
import time
import traceback
from typing import Any

import torch

from genbench.config.expand import Trial
from genbench.config.schema import Study
from genbench.data import Dataset, Space, load, space
from genbench.files import read_json, write_json, write_npz
from genbench.jobs.common import Paths, group_of
from genbench.jobs.manifold import manifold_scores
from genbench.jobs.pictures import save_preview
from genbench.jobs.reference import GRID, density_grid, sample_count, sample_scores
from genbench.jobs.train import INFRASTRUCTURE, build_model, cause_of
from genbench.likelihood.decoders import annealed_scores
from genbench.likelihood.score import Likelihood, nll_scores
from genbench.metrics.score import Score
from genbench.models import Model
from genbench.training.checkpoint import load_tensors
from genbench.training.replicas import stream

__all__ = ["decoded", "draw_samples", "evaluate_group", "trained"]

CHUNK = 500  # examples sampled at once


def evaluate_group(study: str, group: str, paths: Paths, out, device: torch.device) -> None:
    """Score every trained trial of a group; the manifest `out` carries all scores, the store samples and pictures."""
    settings, members = group_of(study, group, paths)
    data = load(paths.data(members.dataset))
    rows = []
    for trial in members.trials:
        training = read_json(paths.trial(trial.id) / "train.json")
        row = {"trial": trial.id, "status": training["status"], "cause": training["cause"], "scores": [], "costs": {}}
        if training["status"] == "ok":
            picture = not any(r["status"] == "ok" for r in rows)  # of the density, dear for some: the first seed's is shown
            row |= _evaluate(trial, data, settings, paths, device, picture)
            write_json(paths.trial(trial.id) / "metrics.json", row)
        shown = ", ".join(f"{s['metric']} {s['value']:.4g}" for s in row["scores"])
        print(f"{group} seed {trial.seed}: {row['status']} {row['cause'] or ''} {shown}", file=sys.stderr, flush=True)
        rows.append(row)
    write_json(out, {"group": group, "study": study, "rows": rows})


def trained(trial: Trial, paths: Paths, device: torch.device) -> Model:
    """A trial's model with the weights that training kept; FileNotFoundError without them."""
    file = paths.trial(trial.id) / "weights.safetensors"
    stored = load_tensors(file)
    if stored is None:
        raise FileNotFoundError(f"{file}: missing or unreadable; train the group again")
    model = build_model(trial)()
    model.load_state_dict(stored[0])
    return model.to(device).eval().requires_grad_(False)


def _evaluate(trial: Trial, data: Dataset, study: Study, paths: Paths, device: torch.device, picture: bool) -> dict[str, Any]:
    start = time.perf_counter()
    folder = paths.trial(trial.id)
    generator = torch.Generator(device).manual_seed(stream(trial.seed, "evaluation"))
    try:
        model = trained(trial, paths, device)
        seen = space(data, model.space[data.kind])
        images = data.kind == "images"
        count = sample_count(data, study)
        clock = time.perf_counter()
        labels = model.draw_labels(count, generator)
        samples = draw_samples(model, seen, count, generator, labels)
        costs = {"sample_seconds": time.perf_counter() - clock, "sample_count": count}
        asked = {} if labels is None else {"labels": labels.cpu().numpy()}
        write_npz(folder / "samples.npz", samples=samples.numpy(), **asked)
        support = None if images else data.density().support
        save_preview(folder / "preview.png", samples.numpy(), data.levels, support)
        scores = sample_scores(samples, data, study.encoders, paths, device, trial.seed, labels)
        scores += manifold_scores(samples, data, model, generator)
        likelihood = Likelihood(model, data, seen, generator)
        found, examples = nll_scores(likelihood, study.likelihood_points if images else study.point_samples)
        scores += found
        if study.annealed_points and trial.seed == study.seeds[0]:  # dear: one seed shows it
            scores += annealed_scores(model, data, seen, study.annealed_points, study.annealed_temperatures, generator)
        write_npz(folder / "examples.npz", **{key: each.numpy() for key, each in examples.items()})
        if picture and not images:
            _save_density(folder, likelihood)
        rows = [_finite(score).as_dict() for score in scores]
    except INFRASTRUCTURE:
        raise
    except Exception as error:
        traceback.print_exc()
        return {"status": "failed", "cause": f"evaluation: {cause_of(error)}"}
    return {
        "status": "ok",
        "cause": None,
        "scores": rows,
        "costs": {**costs, "evaluate_seconds": time.perf_counter() - start},
    }


def _finite(score: Score) -> Score:
    if score.value != score.value or abs(score.value) == float("inf"):
        raise ValueError(f"{score.metric} is {score.value}")
    return score


def draw_samples(
    model: Model, seen: Space, count: int, generator: torch.Generator, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """`count` examples in raw units, on the CPU; of these classes (count,) where the model is told of classes."""
    given = () if labels is None else labels.split(CHUNK)
    starts = enumerate(range(0, count, CHUNK))
    y = torch.cat([model.sample(min(CHUNK, count - start), generator, *given[i : i + 1]) for i, start in starts])
    return decoded(y, seen)


def decoded(y: torch.Tensor, seen: Space) -> torch.Tensor:
    """Samples (n, *shape) of the space that a model sees in raw units, on the CPU; ValueError unless all are finite."""
    if bad := int((~y.isfinite()).flatten(1).any(1).sum()):
        raise ValueError(f"{bad} of {len(y)} samples are not finite")
    return seen.decode(y).cpu()


def _save_density(folder, likelihood: Likelihood) -> None:
    x, y, points = density_grid(likelihood.data)
    log_p = likelihood.density(points)
    if log_p is not None:
        log_p = log_p.float().cpu().clamp(min=-1e4).reshape(GRID, GRID)
        write_npz(folder / "density.npz", x=x.numpy(), y=y.numpy(), log_prob=log_p.numpy())
