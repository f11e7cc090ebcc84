"""The jobs of a search: score its trials on the validation and the test split, and choose a configuration."""

import json
import math
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.config.expand import Trial, code_hash
from genbench.config.hashing import short_hash
from genbench.data import Dataset, load, space
from genbench.files import read_json, write_json
from genbench.jobs.common import Paths, group_of
from genbench.jobs.evaluate import draw_samples, trained
from genbench.jobs.reference import named_encoder, sample_count
from genbench.jobs.train import INFRASTRUCTURE, cause_of
from genbench.metrics.encoder import extract
from genbench.metrics.fidelity import frechet
from genbench.metrics.points import sliced_w1
from genbench.training.replicas import stream

__all__ = ["CHOOSES", "choose", "score_searched"]

CHOOSES = {"images": "fid", "points": "sliced_w1"}  # the metric that chooses, on the validation split
SPLITS = ("validation", "test")
Judge = Callable[[Tensor, int], dict[str, float]]


def score_searched(study: str, group: str, paths: Paths, out: Path, device: torch.device) -> None:
    """Score every trial of a search's group on both splits; what an earlier job scored the same way is not scored again."""
    settings, members = group_of(study, group, paths)
    data = load(paths.data(members.dataset))
    count, judge, name = sample_count(data, settings), *_judge(data, settings.encoders[0], paths, device)
    key = short_hash([count, name, data.content_hash, code_hash("genbench.jobs.search")], 8)
    rows = []
    for trial in members.trials:
        file = paths.trial(trial.id) / f"searched-{key}.json"
        if not file.is_file():
            write_json(file, _score(trial, data, judge, count, paths, device))
        row = {"trial": trial.id, "configuration": trial.configuration, "seed": trial.seed, **read_json(file)}
        row |= {"net": trial.net, "hp": trial.hp}
        print(f"{group} configuration {trial.configuration}: {row['status']} {json.dumps(row['scores'])}", file=sys.stderr)
        rows.append(row)
    write_json(out, {"group": group, "study": study, "metric": CHOOSES[data.kind], "rows": rows})


def _judge(data: Dataset, encoder: str, paths: Paths, device: torch.device) -> tuple[Judge, str]:
    """What gives a sample's distance to each split, and the name of what it depends on."""
    if data.kind == "points":
        return lambda x, seed: {s: sliced_w1(x, data.splits[s], seed=seed).value for s in SPLITS}, "points"
    net = named_encoder(encoder, data, paths, device)
    real = {split: extract(net, data.splits[split].to(device))[0] for split in SPLITS}

    def judge(x: Tensor, seed: int) -> dict[str, float]:
        features = extract(net, x.to(device))[0]
        return {split: frechet(features, real[split])[0] for split in SPLITS}

    return judge, net.name


def _score(trial: Trial, data: Dataset, judge: Judge, count: int, paths: Paths, device: torch.device) -> dict[str, Any]:
    training = read_json(paths.trial(trial.id) / "train.json")
    row = {"status": training["status"], "cause": training["cause"], "scores": {}, "costs": dict(training["costs"])}
    if row["status"] != "ok":
        return row
    start = time.perf_counter()
    try:
        model = trained(trial, paths, device)
        generator = torch.Generator(device).manual_seed(stream(trial.seed, "evaluation"))
        samples = draw_samples(model, space(data, model.space[data.kind]), count, generator)
        scores = judge(samples, trial.seed)
        if not all(map(math.isfinite, scores.values())):
            raise ValueError(f"{CHOOSES[data.kind]} is not finite")
    except INFRASTRUCTURE:
        raise
    except Exception as error:
        traceback.print_exc()
        return row | {"status": "failed", "cause": f"evaluation: {cause_of(error)}"}
    row["costs"] |= {"evaluate_seconds": time.perf_counter() - start}
    return row | {"scores": scores}


def choose(manifests: list[Path], out: Path) -> None:
    """Write the configuration with the lowest mean over its trials of the validation score.

    A configuration of which any trial failed comes after all others; if all are such, the authors' defaults stand in.
    """
    rows = [row for manifest in manifests for row in read_json(manifest)["rows"]]
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(row["configuration"], []).append(row["scores"].get("validation", math.inf))
    means = {configuration: sum(values) / len(values) for configuration, values in sorted(found.items())}
    best = min(means, key=means.get)
    about = {"configuration": best, "configurations": len(means), "failed": sum(map(math.isinf, means.values()))}
    if math.isfinite(means[best]):
        about["validation"] = means[best]
    write_json(out, about)
    print(f"configuration {best} of {len(means)}, validation {means[best]:.4g}", file=sys.stderr)
