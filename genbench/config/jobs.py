"""Which groups of trials one process runs: a process spends seconds on its imports before it does anything."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genbench.config.expand import Group, Trial
from genbench.config.hashing import short_hash
from genbench.config.read import ROOT, dataset_spec

__all__ = ["MINUTES", "Job", "jobs", "work"]

MINUTES = 2.0  # of work in a job, unless a run is told otherwise

# Seconds of one core, for a sense of size: laptop's searches took 1.5, 2 and 5 s for a trial's 51,000, 19,000 and 13,000 examples
# of 2, 64 and 784 numbers, and about half a second for its scores
EXAMPLE = 2e-5  # times the square root of the numbers in an example
SCORED = 0.5
FLOPS = 1e10  # a second
UNITS = ("samples", "evaluations")  # of budgets that are counted in examples


@dataclass(frozen=True)
class Job:
    """Groups of one dataset, phase and look that one process trains and scores, one after the other."""

    name: str  # <dataset>/<phase>-<hash of the groups' names>
    groups: tuple[Group, ...]

    @property
    def names(self) -> list[str]:
        """Of its groups."""
        return [group.name for group in self.groups]


def jobs(groups: Iterable[Group], minutes: float, root: Path = ROOT) -> list[Job]:
    """Groups in order, as many to a job as take about so many minutes of one core; at least one."""
    out: list[Job] = []
    parts: dict[tuple[str, str, int], list[tuple[Group, float]]] = {}
    for group in groups:
        parts.setdefault((group.dataset, group.phase, group.look), []).append((group, _seconds(group, root)))
    for (dataset, phase, _), own in parts.items():
        start, spent = 0, 0.0
        for place, (_, seconds) in enumerate(own):
            spent += seconds
            if place + 1 == len(own) or spent + own[place + 1][1] > 60 * minutes:
                members = tuple(group for group, _ in own[start : place + 1])
                name = f"{dataset}/{phase or 'plain'}-{short_hash([group.name for group in members], 8)}"
                out.append(Job(name, members))
                start, spent = place + 1, 0.0
    return out


def _seconds(group: Group, root: Path) -> float:
    if group.phase == "confirm":  # of its trials one is taken, on each seed
        return len(group.seeds) * work(group.trials[0], root)
    return sum(work(trial, root) for trial in group.trials)


def work(trial: Trial, root: Path = ROOT) -> float:
    """About how many seconds of one core a trial takes, from its budget and its data's shape alone."""
    value, unit = trial.budget["value"], trial.budget["unit"]
    if unit == "flops":
        return value / FLOPS + SCORED
    examples = value if unit in UNITS else value * trial.batch
    return examples * EXAMPLE * math.sqrt(math.prod(dataset_spec(trial.dataset, root).shape)) + SCORED
