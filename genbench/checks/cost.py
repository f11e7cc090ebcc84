"""What a study will cost before it runs: trials, core- or GPU-hours, disk."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genbench.checks.clock import Clock, network, recorded
from genbench.checks.trials import built
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.config.schema import Study
from genbench.results.files import read_json
from genbench.results.paths import ABOUT, FLOOR, TRIAL, Paths

__all__ = ["Cost", "Work", "bytes_of", "estimate"]

LIMIT = 10.0  # seconds for timing updates
STARTUP = 4.0  # seconds that a job's imports take
# Seconds, seen on one core, of what has no updates to time: metrics of so many examples, for a trial's evaluation and for the
# choice of a checkpoint; more where a likelihood takes many passes; and two classifiers with what real data score.
SEEN = {"points": 2500, "images": 1000}
EVALUATE = {"points": 1.2, "images": 0.5}
CHECKPOINT = {"points": 0.05, "images": 0.1}
EXPENSIVE = {"ebm": 5.0, "diffusion": 10.0, "continuous_flow": 1.5, "vae": 3.0}
REFERENCE = {"points": 4.0, "images": 30.0}
KEPT = 100_000  # bytes of a trial's curves, picture and JSON


@dataclass(frozen=True)
class Work:
    """Trials of one kind that a study trains.

    Attributes:
        what: "search", "confirm" or "train". total: trials in all, `left` of them not in the store.
        trials: those that are left; to confirm a choice that is not made yet: one for each configuration it can fall on.
    """

    what: str
    total: int
    left: int
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
    study: Study, works: Sequence[Work], asked: Mapping[str, str], results: Path,
    jobs: int, device: str = "cpu", limit: float = LIMIT, root: Path = ROOT,
) -> tuple[list[Cost], list[str]]:  # fmt: skip
    """Costs by part, and what to know of them, one line each.

    Arguments:
        works: what is to be trained. asked: folders of questions by name. results: folder that earlier runs filled.
        jobs: processes that train and score. device: "cpu" or "cuda".
        limit: seconds for timing updates of networks that the store has no trial of.
    """
    trials = [trial for work in works for trial in work.trials]
    paths = Paths(results)
    clock = Clock(recorded(paths.store, trials, device), root, device)
    clock.time(trials, limit)
    prices = Prices(study, clock, paths, root)
    costs = []
    for what in dict.fromkeys(work.what for work in works):
        own = [work for work in works if work.what == what]
        training, _, kept = (sum(each) for each in zip(*(prices.of(work) for work in own), strict=True))
        total, left = sum(work.total for work in own), sum(work.left for work in own)
        costs.append(Cost(what, total, left, training / 3600, kept))
    scoring = sum(prices.of(work)[1] for work in works)
    total, left = sum(work.total for work in works), sum(work.left for work in works)
    costs.append(Cost("scoring", total, left, scoring / 3600, 0))
    costs.append(_references(works, results, root))
    costs.append(Cost("starting jobs", jobs, jobs, jobs * STARTUP / 3600, 0))
    answers, unknown = _questions(asked, results)
    scaled = len(clock.scaled.keys() - clock.known.keys())
    how = f"{len(clock.timed)} from a few timed updates, {scaled} scaled from these by parameters and examples"
    lines = [f"{len(clock.known)} networks from trials that ran, {how}"]
    if unknown:
        lines.append(f"questions that never ran here are not counted: {', '.join(unknown)}")
    if study.posthoc:
        lines.append("post-hoc samples are not counted")
    return costs + answers, lines


class Prices:
    """Seconds of training and of scoring, and bytes, of trials of a study; those of one network and kind cost the same."""

    def __init__(self, study: Study, clock: Clock, paths: Paths, root: Path):
        self.study, self.clock, self.root = study, clock, root
        self.evaluated, self.searched = (_scored(paths.all_scored(searched)) for searched in (False, True))
        self.found: dict[tuple[str, str], tuple[float, float, float]] = {}

    def of(self, work: Work) -> tuple[float, float, float]:
        """Of all that is left of some work: any of its trials may be what is left."""
        each = [self._trial(trial, work.what) for trial in work.trials]
        return tuple(work.left * sum(part) / len(each) for part in zip(*each, strict=True)) if each else (0.0, 0.0, 0.0)

    def _trial(self, trial: Trial, what: str) -> tuple[float, float, float]:
        key = (network(trial), what)
        if key not in self.found:
            speed, spec = self.clock.speed(trial), dataset_spec(trial.dataset, self.root)
            least = self.study.samples if spec.kind == "images" else self.study.point_samples
            count = max(least, spec.samples or 0)
            share, drawing, scoring = count / SEEN[spec.kind], count * speed.sampling, 0.0
            pair = (trial.dataset, trial.model)
            if what != "train":
                usual = trial.train.get("checkpoints", 1) * (CHECKPOINT[spec.kind] * share + drawing)
                scoring += self.searched.get(pair, usual)
            if what != "search":
                usual = EVALUATE[spec.kind] * share + EXPENSIVE.get(trial.family, 0.0) + drawing
                scoring += self.evaluated.get(pair, usual)
            kept = bytes_of(trial, 0 if what == "search" else count, self.root)
            self.found[key] = (speed.training, scoring, kept)
        return self.found[key]


def bytes_of(trial: Trial, samples: int, root: Path = ROOT) -> int:
    """Bytes that a trial leaves in the store: its weights at every checkpoint, `samples` generated examples, curves.

    Of a searched one the weights of the chosen checkpoint alone; until it is scored, a group's take more.
    """
    spec = dataset_spec(trial.dataset, root)
    each = math.prod(spec.shape) * (1 if spec.kind == "images" else 4)
    kept = 1 if trial.phase == "search" else trial.train.get("checkpoints", 1)
    return 4 * built(trial, root).numbers * kept + samples * each + KEPT


def _scored(files: Iterable[Path]) -> dict[tuple[str, str], float]:
    """Median seconds that scoring a stored trial took, by dataset and model."""
    found: dict[tuple[str, str], list[float]] = {}
    for file in files:
        trial, seconds = read_json(file.with_name(TRIAL)), read_json(file)["costs"].get("evaluate_seconds")
        if seconds:
            found.setdefault((trial["dataset"], trial["model"]), []).append(seconds)
    return {pair: statistics.median(each) for pair, each in found.items()}


def _references(works: Sequence[Work], results: Path, root: Path) -> Cost:
    """Encoders and floors of the datasets."""
    names = list(dict.fromkeys(t.dataset for work in works for t in work.trials))
    todo = [name for name in names if not (Paths(results).reference(name) / FLOOR).is_file()]
    seconds = sum(REFERENCE[dataset_spec(name, root).kind] for name in todo)
    return Cost("datasets", len(names), len(todo), seconds / 3600, 0)


def _questions(folders: Mapping[str, str], results: Path) -> tuple[list[Cost], list[str]]:
    """What questions took that ran before, with these settings (none are left to do) or with others; the rest by name."""
    seconds, unknown, done = 0.0, [], 0
    for name, folder in folders.items():
        if (Paths(results).question(folder) / ABOUT).is_file():
            done += 1
            continue
        if took := [read_json(file)["seconds"] for file in Paths(results).asked(name)]:
            seconds += statistics.median(took)
        else:
            unknown.append(name)
    left = len(folders) - done
    return ([Cost("questions", len(folders), left, seconds / 3600, 0)] if folders else []), unknown
