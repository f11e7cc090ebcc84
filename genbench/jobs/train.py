"""Training of a group of trials into the store."""

import json
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch

from genbench.checks.clock import network
from genbench.checks.trials import built
from genbench.config.budget import Budget
from genbench.config.expand import Group, Trial
from genbench.config.hashing import short_hash
from genbench.data import Dataset, space
from genbench.jobs.common import INFRASTRUCTURE, cause_of, locked, progress, versions
from genbench.jobs.context import Context
from genbench.jobs.stored import build_model
from genbench.models import MODELS
from genbench.results.files import read_json, write_json, write_parquet
from genbench.results.paths import HISTORY, TRAINED, TRIAL, Paths
from genbench.training.checkpoint import save_tensors
from genbench.training.together import SIZES, fastest
from genbench.training.trainer import Result, Switches, Trainer

__all__ = ["train_group"]


def train_group(group: Group, context: Context, interval: float) -> dict[str, str]:
    """Train the group's trials that the store lacks, with `interval` seconds between checkpoints; statuses of all by trial.

    A trial that diverges or breaks inside the method becomes a row with its status and cause.
    """
    paths = context.paths
    with locked(paths.store / "locks" / group.name.replace("/", "-")):
        todo = [t for t in group.trials if not _done(t, context)]
        for chunk in _chunks(todo, context):
            _train(chunk, context, interval)
    statuses = {t.id: read_json(paths.trial(t.id) / TRAINED)["status"] for t in group.trials}
    print(f"{group.name}: " + ", ".join(f"seed {t.seed} {statuses[t.id]}" for t in group.trials), file=sys.stderr)
    return statuses


def _chunks(trials: list[Trial], context: Context) -> Iterator[list[Trial]]:
    """Trials that can train together, as many as are fastest here: they differ in seed and hyperparameters only."""
    alike: dict[str, list[Trial]] = {}
    for trial in trials:
        alike.setdefault(short_hash([trial.net, trial.train, trial.batch, trial.budget]), []).append(trial)
    for own in alike.values():
        most = min(len(own), max(1, int(own[0].train.get("replicas", Switches.replicas))))
        size = _together(own, most, context) if most > SIZES[1] else most
        yield from (own[start : start + size] for start in range(0, len(own), size))


def _together(trials: list[Trial], most: int, context: Context) -> int:
    """How many of these trials to train together, `most` at the most."""
    if not (MODELS[trials[0].model].players and built(trials[0]).liftable):
        return most  # one after the other
    sizes = [*(size for size in SIZES if size < most), most]
    return fastest(lambda count: _trainer(trials[:count], context), network(trials[0]), context.paths.speeds, sizes)


def _done(trial: Trial, context: Context) -> bool:
    """Whether a trial need not be trained; of a searched one that was scored, only the chosen weights are still there."""
    try:
        record = read_json(context.paths.trial(trial.id) / TRAINED)
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    if record["content_hash"] != context.data.content_hash:
        return False
    if record["status"] != "ok" or (trial.phase == "search" and context.select.file(trial).is_file()):
        return True
    return all(context.paths.weights(trial.id, update).is_file() for update in [*record.get("earlier", ()), None])


def _train(chunk: list[Trial], context: Context, interval: float) -> None:
    started = time.time()
    # random streams differ between devices
    key = short_hash([[t.id for t in chunk], context.data.content_hash, context.device.type])
    checkpoint = context.paths.checkpoint(key)
    try:
        label = progress(f"{chunk[0].dataset}/{chunk[0].model} x{len(chunk)}")
        results = _trainer(chunk, context, checkpoint=checkpoint, interval=interval, key=key, log=label).run()
    except INFRASTRUCTURE:
        raise
    except Exception as error:
        if len(chunk) > 1:  # find the guilty one: the others must not suffer
            for trial in chunk:
                _train([trial], context, interval)
            checkpoint.unlink(missing_ok=True)
            return
        traceback.print_exc()
        results = [Result("failed", cause_of(error), None, 0, None, [])]
    for trial, result in zip(chunk, results, strict=True):
        _store(trial, result, context.data, context.paths, context.device, started)
    checkpoint.unlink(missing_ok=True)


def _trainer(trials: list[Trial], context: Context, **more: Any) -> Trainer:
    """What trains these trials together; `more`: what Trainer is told of checkpoints and progress."""
    first, data = trials[0], context.data
    return Trainer(
        build_model(first), [t.seed for t in trials], [t.hp for t in trials],
        data.splits["train"], data.splits["validation"], space(data, MODELS[first.model].space[data.kind]),
        first.batch, Budget(**first.budget), Switches(**first.train), device=context.device, labels=data.labels, **more,
    )  # fmt: skip


def _store(trial: Trial, result: Result, data: Dataset, paths: Paths, device: torch.device, started: float) -> None:
    """Files of a trial; train.json is written last and makes it count as done."""
    import pandas as pd

    folder = paths.trial(trial.id)
    write_json(folder / TRIAL, trial.as_dict())
    history = pd.DataFrame(result.history, columns=["update", "series", "value", "seconds"])
    history = history.astype({"update": int, "series": str, "value": float, "seconds": float})  # also where it is empty
    write_parquet(folder / HISTORY, history)
    for update, model in result.earlier.items():
        save_tensors(paths.weights(trial.id, update), model.state_dict())
    if result.model is not None:
        save_tensors(paths.weights(trial.id), result.model.state_dict())
    files = ("model", "history", "earlier")
    record: dict[str, Any] = {f.name: getattr(result, f.name) for f in fields(Result) if f.name not in files}
    record |= {
        "earlier": list(result.earlier),
        "trial": trial.id,
        "device": _device_name(device),
        "versions": versions(),
        "content_hash": data.content_hash,
    }
    write_json(folder / TRAINED, {**record, "started": started, "finished": time.time()})


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
