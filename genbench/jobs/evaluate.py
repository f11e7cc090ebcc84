"""The job that samples and scores the trials of a group."""

import sys
import time
import traceback
from typing import Any

import torch

from genbench.config.expand import Trial
from genbench.config.schema import Study
from genbench.data import Dataset, load, space
from genbench.jobs.common import group_of
from genbench.jobs.judge import Judge
from genbench.jobs.manifold import known_manifold
from genbench.jobs.reference import GRID, density_grid, sample_count, sample_scores
from genbench.jobs.stored import draw_samples, trained
from genbench.jobs.train import INFRASTRUCTURE, cause_of
from genbench.likelihood.decoders import annealed_scores
from genbench.likelihood.score import Likelihood, nll_scores
from genbench.metrics.score import Score
from genbench.results.files import read_json, write_json, write_npz
from genbench.results.paths import DENSITY, LIKELIHOODS, PREVIEW, SAMPLES, SCORED, TRAINED, Paths
from genbench.results.pictures import save_preview
from genbench.training.replicas import stream

__all__ = ["evaluate_group"]


def evaluate_group(study: str, group: str, paths: Paths, out, device: torch.device) -> None:
    """Score every trained trial of a group; the manifest `out` carries all scores, the store samples and pictures."""
    settings, members = group_of(study, group, paths)
    data = load(paths.data(members.dataset))
    rows, judge = [], None
    for trial in members.trials:
        training = read_json(paths.trial(trial.id) / TRAINED)
        row = {"trial": trial.id, "status": training["status"], "cause": training["cause"], "scores": [], "costs": {}}
        if training["status"] == "ok":
            picture = not any(r["status"] == "ok" for r in rows)  # of the density, dear for some: the first seed's is shown
            judged = {}
            if training.get("earlier"):
                judge = judge or Judge(data, settings, paths, device)
                judged = judge(trial)
                row |= {key: judged.get(key) for key in ("update", "last", "checkpoints")}
            if judged.get("status") == "failed":
                row |= {"status": "failed", "cause": judged["cause"]}
            else:
                row |= _evaluate(trial, data, settings, paths, device, picture, judged.get("update"))
            write_json(paths.trial(trial.id) / SCORED, row)
        shown = ", ".join(f"{s['metric']} {s['value']:.4g}" for s in row["scores"])
        print(f"{group} seed {trial.seed}: {row['status']} {row['cause'] or ''} {shown}", file=sys.stderr, flush=True)
        rows.append(row)
    write_json(out, {"group": group, "study": study, "rows": rows})


def _evaluate(
    trial: Trial, data: Dataset, study: Study, paths: Paths, device: torch.device, picture: bool, update: int | None
) -> dict[str, Any]:
    start = time.perf_counter()
    folder = paths.trial(trial.id)
    generator = torch.Generator(device).manual_seed(stream(trial.seed, "evaluation"))
    try:
        model = trained(trial, paths, device, update)
        seen = space(data, model.space[data.kind])
        images = data.kind == "images"
        count = sample_count(data, study)
        clock = time.perf_counter()
        labels = model.draw_labels(count, generator)
        samples = draw_samples(model, seen, count, generator, labels)
        costs = {"sample_seconds": time.perf_counter() - clock, "sample_count": count}
        asked = {} if labels is None else {"labels": labels.cpu().numpy()}
        write_npz(folder / SAMPLES, samples=samples.numpy(), **asked)
        support = None if images else data.density().support
        save_preview(folder / PREVIEW, samples.numpy(), data.levels, support)
        manifold = known_manifold(samples, data, model, generator)
        scores = sample_scores(samples, data, study.encoders, paths, device, trial.seed, labels, manifold)
        likelihood = Likelihood(model, data, seen, generator)
        found, examples = nll_scores(likelihood, study.likelihood_points if images else study.point_samples)
        scores += found
        if study.annealed_points and trial.seed == study.seeds[0]:  # dear: one seed shows it
            scores += annealed_scores(model, data, seen, study.annealed_points, study.annealed_temperatures, generator)
        write_npz(folder / LIKELIHOODS, **{key: each.numpy() for key, each in examples.items()})
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


def _save_density(folder, likelihood: Likelihood) -> None:
    x, y, points = density_grid(likelihood.data)
    log_p = likelihood.density(points)
    if log_p is not None:
        log_p = log_p.float().cpu().clamp(min=-1e4).reshape(GRID, GRID)
        write_npz(folder / DENSITY, x=x.numpy(), y=y.numpy(), log_prob=log_p.numpy())
