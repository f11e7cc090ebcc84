"""How long trials will train: from a few timed updates, or from trials that ran.

Of each network a few updates are timed as the trainer runs them, so many replicas at once as a job would train, on random data
of the dataset's shape: speed does not depend on the values. Counting the operations of an update instead would take as long
as timing it. Where a study has more networks than the time allows, the rest is scaled from the timed ones of the same model, by
parameters times updates of all players.
"""

import functools
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from genbench.checks.trials import arguments, built
from genbench.config.budget import Budget
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.config.schema import DatasetSpec
from genbench.data.space import SPACES, Space, Standard
from genbench.models import MODELS
from genbench.results.files import read_json
from genbench.results.paths import TRAINED
from genbench.training.trainer import DIAGNOSES, VALIDATIONS, Switches, Trainer

__all__ = ["Clock", "Speed", "network", "recorded", "space_like", "time_trial", "trainer"]

LEAST = 0.05  # seconds that updates of one network are timed for
SLOW = 0.3  # seconds of a first call beside which what only a first call does is small
SAMPLED = 128  # examples that are generated
EXAMPLES = 2000  # random examples that they are drawn from
PASSES = 20  # of a model that is fitted by passes over the data until it converges, if its budget has as many
FITTED = 3  # passes of it that are timed


@dataclass(frozen=True)
class Speed:
    """Seconds of training of a trial, and of one generated example."""

    training: float
    sampling: float


def time_trial(trials: Sequence[Trial], device: torch.device | str = "cpu", root: Path = ROOT, least: float = LEAST) -> Speed:
    """Speed of a trial where these, which differ in seed and hyperparameters only, train together.

    `least`: seconds that steps are timed for; one step at least is.
    """
    cls = MODELS[trials[0].model]
    made = trainer(trials, root, device)
    made.replicas.traced = False  # tracing takes longer than timing, and a trial is at most as slow as without
    watch = Stopwatch(made.replicas.device)
    training = _training(made, watch, least) if cls.players else _fitting(made, watch)
    model, generator = made.finished(0), torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        sampling = watch.warm(lambda: model.sample(SAMPLED, generator)) / SAMPLED
    return Speed(training / len(trials), sampling)


def trainer(trials: Sequence[Trial], root: Path = ROOT, device: torch.device | str = "cpu") -> Trainer:
    """A trainer of trials that differ in seed and hyperparameters only, on random data of their dataset's shape."""
    first = trials[0]
    spec, cls = dataset_spec(first.dataset, root), MODELS[first.model]
    make = functools.partial(cls, spec.shape, spec.levels, **arguments(first, root))
    x, labels = _random(spec, EXAMPLES if cls.players else spec.split.train)
    held_out = min(len(x), spec.split.validation)
    return Trainer(
        make, [t.seed for t in trials], [t.hp for t in trials], x, x[:held_out], space_like(spec, cls.space[spec.kind]),
        first.batch, Budget(**first.budget), Switches(**first.train), device=device,
        labels={"train": labels, "validation": labels[:held_out]},
    )  # fmt: skip


def _training(trainer: Trainer, watch: "Stopwatch", least: float) -> float:
    """Seconds of a run of all replicas together, from steps timed for `least` seconds."""
    updates = trainer.updates
    spent, (_, grads) = watch.time(trainer.step)  # also draws noise for many, and warms up; small beside a long step
    count = 1 if spent > SLOW else 0
    while not count or (spent < least and count < updates):
        took, (_, grads) = watch.time(trainer.step)
        count, spent = count + 1, spent * (count > 0) + took
    total = spent / count * updates
    if hasattr(trainer.model, "diagnose"):
        total += watch.warm(lambda: trainer.diagnose(grads)) * min(DIAGNOSES, updates)
    if trainer.model.selects:
        total += watch.warm(trainer.validate) * min(VALIDATIONS, updates)
    return total


def _fitting(trainer: Trainer, watch: "Stopwatch") -> float:
    """Seconds of all replicas of a model that is fitted by passes over the data."""
    passes, trainer.updates = trainer.updates, min(trainer.updates, FITTED)
    return watch.warm(trainer.run) / trainer.updates * min(passes, PASSES)


@dataclass(frozen=True)
class Stopwatch:
    """Times calls: in seconds of the processor's own on a CPU, where others may be at work as well."""

    device: torch.device

    def time(self, what: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds of a call, and what it returns."""
        clock = time.process_time if self.device.type == "cpu" else self._synchronised
        start = clock()
        out = what()
        return clock() - start, out

    def warm(self, what: Callable[[], Any]) -> float:
        """Seconds of a call that is not the first, unless the first is long."""
        first = self.time(what)[0]
        return first if first > SLOW else self.time(what)[0]

    def _synchronised(self) -> float:
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _random(spec: DatasetSpec, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Examples of a dataset's shape, at most so many, and their classes."""
    generator = torch.Generator().manual_seed(0)
    count = min(spec.split.train, most)
    labels = torch.randint(spec.classes or 1, (count,), generator=generator)
    if spec.kind == "points":
        return torch.randn(count, *spec.shape, generator=generator), labels
    return torch.randint(spec.levels, (count, *spec.shape), generator=generator).to(torch.uint8), labels


def space_like(spec: DatasetSpec, name: str) -> Space:
    """A data space of a dataset's shape; of points, one that leaves them as they are."""
    if SPACES[name] is Standard:
        return Standard(tuple(spec.shape), None, (0.0,) * len(spec.shape), 1.0)
    return SPACES[name](tuple(spec.shape), spec.levels)


def network(trial: Trial) -> str:
    """All that a trial's speed depends on."""
    train = {key: value for key, value in trial.train.items() if key != "replicas"}
    return json.dumps([trial.model, trial.dataset, trial.net, trial.batch, trial.budget, train], sort_keys=True)


def recorded(store: Path, wanted: Iterable[Trial], device: str = "cpu") -> dict[str, float]:
    """Median seconds of training by network, of stored trials that have one of the wanted networks and ran to their end.

    Arguments:
        store: folder of the trials. device: "cpu" or "cuda", where they must have run.
    """
    names, seconds = {network(trial) for trial in wanted}, {}
    for file in store.glob("*/trial.json"):
        definition = read_json(file)
        name = json.dumps(
            [*(definition[key] for key in ("model", "dataset", "net", "batch", "budget")),
             {key: value for key, value in definition["train"].items() if key != "replicas"}], sort_keys=True,
        )  # fmt: skip
        record = file.with_name(TRAINED)
        if name in names and record.is_file():
            about = read_json(record)
            if about["status"] == "ok" and (about["device"] == "cpu") == (device == "cpu"):
                seconds.setdefault(name, []).append(about["costs"]["seconds"])
    return {name: statistics.median(each) for name, each in seconds.items()}


@dataclass
class Clock:
    """How fast trials train and generate, by network.

    Attributes:
        known: seconds of training by network, from trials that ran. timed: speeds of networks that were timed here.
        scaled: networks that no time was left for. rates: speeds per amount of work of what was timed, by model, dataset and
            unit of the budget, by model and unit, by kind of network and unit, by unit.
    """

    known: Mapping[str, float]
    root: Path = ROOT
    device: str = "cpu"
    timed: dict[str, Speed] = field(default_factory=dict)
    scaled: dict[str, Speed] = field(default_factory=dict)
    rates: dict[tuple[str, ...], list[Speed]] = field(default_factory=dict)

    def time(self, trials: Iterable[Trial], limit: float) -> None:
        """Time the networks of these trials for `limit` seconds: each model once, then on each dataset once, then all."""
        alike: dict[str, list[Trial]] = {}
        for trial in trials:
            alike.setdefault(network(trial), []).append(trial)
        # the cheapest first, so that many are timed
        todo = sorted((pair for pair in alike.items() if pair[0] not in self.known), key=lambda pair: self._amount(pair[1][0])[0])
        met: set[tuple[str, ...]] = set()
        turns = []
        for name, own in todo:
            keys = {(own[0].model,), (own[0].model, own[0].dataset)}
            turns.append((2 - len(keys - met), name, own))
            met |= keys
        end = time.process_time() + limit
        for _, name, own in sorted(turns, key=lambda each: each[0]):
            if time.process_time() > end and self.rates:
                break
            size = int(own[0].train.get("replicas", Switches.replicas)) if built(own[0], self.root).liftable else 1
            speed = self.timed[name] = time_trial(own[: max(size, 1)], self.device, self.root)
            work, numbers = self._amount(own[0])
            for key in _keys(own[0]):
                self.rates.setdefault(key, []).append(Speed(speed.training / work, speed.sampling / numbers))

    def speed(self, trial: Trial) -> Speed:
        """Speed of a trial: of its training as it ran or was timed, else scaled from its model's, or from all that were timed."""
        name = network(trial)
        if name in self.timed:
            return self.timed[name]
        if name not in self.scaled:
            work, numbers = self._amount(trial)
            rates = next((self.rates[key] for key in _keys(trial) if key in self.rates), [])
            training, sampling = (
                statistics.median(getattr(rate, key) for rate in rates) if rates else math.nan for key in ("training", "sampling")
            )
            known = self.known.get(name)
            self.scaled[name] = Speed(training * work if known is None else known, sampling * numbers)
        return self.scaled[name]

    def _amount(self, trial: Trial) -> tuple[float, float]:
        """What the times of training and of generating an example go with, roughly: parameters, times examples that are seen."""
        cls, value, unit = MODELS[trial.model], trial.budget["value"], trial.budget["unit"]
        players = cls.players | ({"critic": trial.net["critic_steps"]} if trial.net.get("critic_steps") else {})
        numbers = max(built(trial, self.root).parameters, 1)
        if unit in ("flops", "evaluations"):
            return value * (numbers if unit == "evaluations" else 1), numbers
        shown = max(sum(n for player, n in players.items() if player not in cls.blind), 1)
        updates = value if unit == "updates" else value / (trial.batch * shown)
        return numbers * trial.batch * updates * max(sum(players.values()), 1), numbers


def _keys(trial: Trial) -> tuple[tuple[str, ...], ...]:
    unit = trial.budget["unit"]
    kind = f"network {trial.net.get('network', 'mlp')}"
    return (trial.model, trial.dataset, unit), (trial.model, unit), (kind, unit), (unit,)
