"""What a study will cost before it runs: trials, core- or GPU-hours, disk."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.config.schema import Study
from genbench.files import read_json
from genbench.studies.check import built
from genbench.studies.clock import Clock, recorded
from genbench.studies.experiments import experiment_folders

__all__ = ["Cost", "Work", "bytes_of", "estimate"]

LIMIT = 10.0  # seconds for timing updates
STARTUP = 4.0  # seconds that a job's imports take
# Seconds, seen on one core, of what has no updates to time: a trial's evaluation and a checkpoint's judgement by kind of data,
# more for families whose likelihoods or samples take many passes; and two classifiers with what real data score.
EVALUATE = {"points": 1.2, "images": 0.5}
DEAR = {"ebm": 10.0, "diffusion": 12.0, "continuous_flow": 1.5, "vae": 3.0}
JUDGE = {"points": 1.2, "images": 0.1}
SLOW = {"ebm": 5.0, "diffusion": 2.0}
REFERENCE = {"points": 4.0, "images": 30.0}
KEPT = 100_000  # bytes of a trial's curves, picture and JSON


@dataclass(frozen=True)
class Work:
    """Trials of one kind that a study trains.

    Attributes:
        what: "search", "confirm" or "train". total: trials in all, `left` of them not in the store; jobs: that train those.
        trials: those that are left; to confirm a choice that is not made yet: one for each configuration it can fall on.
    """

    what: str
    total: int
    left: int
    jobs: int
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Cost:
    """What a part of a study has left to do: hours of one core or GPU (nan: not known) and bytes it adds to the disk."""

    what: str
    trials: int
    left: int
    hours: float
    bytes: float


def estimate(
    study: Study, works: Sequence[Work], results: Path, device: str = "cpu", limit: float = LIMIT, root: Path = ROOT
) -> tuple[list[Cost], list[str]]:
    """Costs by part, and what to know of them, one line each.

    Arguments:
        works: what is to be trained. results: folder that earlier runs filled. device: "cpu" or "cuda".
        limit: seconds for timing updates of networks that the store has no trial of.
    """
    trials = [trial for work in works for trial in work.trials]
    clock = Clock(recorded(results / "store", trials, device), root, device)
    clock.time(trials, limit)
    seen = _evaluations(results / "store", trials)
    costs = []
    for what in dict.fromkeys(work.what for work in works):
        own = [work for work in works if work.what == what]
        seconds = sum(work.left * _mean(clock.seconds(t) for t in work.trials) for work in own)
        kept = sum(work.left * _mean(bytes_of(t, _samples(study, t, root), root) for t in work.trials) for work in own)
        total, left = sum(work.total for work in own), sum(work.left for work in own)
        costs.append(Cost(what, total, left, seconds / 3600, kept))
    costs.append(_scoring(study, works, seen, root))
    costs.append(_references(works, results, root))
    jobs = sum(2 * work.jobs for work in works)
    costs.append(Cost("starting jobs", jobs, jobs, jobs * STARTUP / 3600, 0))
    experiments, unknown = _experiments(study, results, root)
    lines = [f"{len(clock.known)} networks from trials that ran, {len(clock.timed)} from a few timed updates, "
             f"{len(clock.scaled)} scaled from these"]  # fmt: skip
    if unknown:
        lines.append(f"experiments that never ran here are not counted: {', '.join(unknown)}")
    if study.refine:
        lines.append("refined samples are not counted")
    return costs + experiments, lines


def bytes_of(trial: Trial, samples: int, root: Path = ROOT) -> int:
    """Bytes that a trial leaves in the store: its weights at every checkpoint, `samples` generated examples, curves."""
    spec = dataset_spec(trial.dataset, root)
    each = math.prod(spec.shape) * (1 if spec.kind == "images" else 4)
    return 4 * built(trial, root).numbers * trial.train.get("checkpoints", 1) + samples * each + KEPT


def _samples(study: Study, trial: Trial, root: Path) -> int:
    """Generated examples that are kept: none of a search's trials."""
    spec = dataset_spec(trial.dataset, root)
    least = study.samples if spec.kind == "images" else study.point_samples
    return 0 if trial.phase == "search" else max(least, spec.samples or 0)


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def _evaluations(store: Path, trials: Sequence[Trial]) -> dict[tuple[str, str], float]:
    """Median seconds that evaluating a stored trial took, by dataset and model of these trials."""
    wanted, found = {(t.dataset, t.model) for t in trials}, {}
    for file in store.glob("*/metrics.json"):
        definition, seconds = read_json(file.with_name("trial.json")), read_json(file)["costs"].get("evaluate_seconds")
        pair = (definition["dataset"], definition["model"])
        if pair in wanted and seconds:
            found.setdefault(pair, []).append(seconds)
    return {pair: statistics.median(each) for pair, each in found.items()}


def _scoring(study: Study, works: Sequence[Work], seen: dict[tuple[str, str], float], root: Path) -> Cost:
    """Judging checkpoints of searches and of what confirms them, and evaluating all but a search's trials."""
    seconds, total, left = 0.0, 0, 0
    for work in works:
        total, left = total + work.total, left + work.left
        if not work.trials:
            continue
        first = work.trials[0]
        kind = dataset_spec(first.dataset, root).kind
        if work.what != "train":
            each = JUDGE[kind] + SLOW.get(first.family, 0.0)
            seconds += work.left * each * first.train.get("checkpoints", 1)
        if work.what != "search":
            usual = EVALUATE[kind] + DEAR.get(first.family, 0.0)
            seconds += work.left * seen.get((first.dataset, first.model), usual)
    return Cost("scoring", total, left, seconds / 3600, 0)


def _references(works: Sequence[Work], results: Path, root: Path) -> Cost:
    """Encoders and floors of the datasets."""
    names = list(dict.fromkeys(t.dataset for work in works for t in work.trials))
    todo = [name for name in names if not (results / "reference" / name / "floor.json").is_file()]
    seconds = sum(REFERENCE[dataset_spec(name, root).kind] for name in todo)
    return Cost("datasets", len(names), len(todo), seconds / 3600, 0)


def _experiments(study: Study, results: Path, root: Path) -> tuple[list[Cost], list[str]]:
    """What experiments took that ran before, with these settings (none are left to do) or with others; the rest by name."""
    folders, seconds, unknown, done = experiment_folders(study, root), 0.0, [], 0
    for name, folder in folders.items():
        if (results / "experiments" / folder / "about.json").is_file():
            done += 1
            continue
        others = (results / "experiments").glob(f"{name}-*/about.json")
        if took := [read_json(file)["seconds"] for file in others]:
            seconds += statistics.median(took)
        else:
            unknown.append(name)
    left = len(folders) - done
    return ([Cost("experiments", len(folders), left, seconds / 3600, 0)] if folders else []), unknown
