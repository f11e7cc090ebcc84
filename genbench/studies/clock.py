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

from genbench.config.budget import Budget
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.config.schema import DatasetSpec
from genbench.data.space import SPACES, Space, Standard
from genbench.files import read_json
from genbench.models import MODELS
from genbench.studies.check import arguments, built
from genbench.training.trainer import DIAGNOSES, VALIDATIONS, Switches, Trainer

__all__ = ["Clock", "recorded", "time_trial"]

LEAST = 0.05  # seconds that updates of one network are timed for, and at least two updates
EXAMPLES = 2000  # random examples that they are drawn from
PASSES = 20  # of a model that is fitted by passes over the data until it converges, if its budget has as many
FITTED = 3  # passes of it that are timed


class Stopwatch(Trainer):
    """A trainer that runs a few updates to tell how long all would take."""

    def seconds_in_all(self, least: float = LEAST) -> float:
        """Seconds of a run of all replicas together, from updates timed for `least` seconds, two at least."""
        if not self.players:
            passes, self.updates = self.updates, min(self.updates, FITTED)
            return self._warm(self._fit) / self.replicas.count / self.updates * min(passes, PASSES)
        self.model.train()
        self._one()  # the first one also draws noise for many, and warms up
        count, spent = 0, 0.0
        while count < 2 or (spent < least and count < self.updates):
            took, grads = self._clock(self._one)
            count, spent = count + 1, spent + took
        total = spent / count * self.updates
        if hasattr(self.model, "diagnose"):
            total += self._warm(lambda: self._diagnose(grads)) * min(DIAGNOSES, self.updates)
        if self.model.selects:
            total += self._warm(self._validate) * min(VALIDATIONS, self.updates)
        return total

    def _one(self) -> dict[str, Any]:
        """One update of every player, with the average of the weights."""
        grads = {}
        for player, times in self.players.items():
            for _ in range(times):
                _, grads[player] = self._update(player)
        torch._foreach_lerp_(self.average, self.leaves, 0.1)
        return grads

    def _warm(self, what: Callable[[], Any]) -> float:
        what()
        return self._clock(what)[0]

    def _clock(self, what: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds of a call, and what it returns: the processor's own on a CPU, where others may be at work as well."""
        if self.replicas.device.type == "cpu":
            start = time.process_time()
            out = what()
            return time.process_time() - start, out
        torch.cuda.synchronize(self.replicas.device)
        start = time.perf_counter()
        out = what()
        torch.cuda.synchronize(self.replicas.device)
        return time.perf_counter() - start, out


def time_trial(trials: Sequence[Trial], device: torch.device | str = "cpu", root: Path = ROOT, least: float = LEAST) -> float:
    """Seconds of training per trial, where these, which differ in seed and hyperparameters only, train together."""
    first = trials[0]
    spec, cls = dataset_spec(first.dataset, root), MODELS[first.model]
    make = functools.partial(cls, spec.shape, spec.levels, **arguments(first, root))
    x, labels = _random(spec, EXAMPLES if cls.players else spec.split.train)
    held_out = min(len(x), spec.split.validation)
    watch = Stopwatch(
        make, [t.seed for t in trials], [t.hp for t in trials], x, x[:held_out], _space(spec, cls.space[spec.kind]),
        first.batch, Budget(**first.budget), Switches(**first.train), device=device,
        labels={"train": labels, "validation": labels[:held_out]},
    )  # fmt: skip
    return watch.seconds_in_all(least) / len(trials)


def _random(spec: DatasetSpec, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Examples of a dataset's shape, at most so many, and their classes."""
    generator = torch.Generator().manual_seed(0)
    count = min(spec.split.train, most)
    labels = torch.randint(spec.classes or 1, (count,), generator=generator)
    if spec.kind == "points":
        return torch.randn(count, *spec.shape, generator=generator), labels
    return torch.randint(spec.levels, (count, *spec.shape), generator=generator).to(torch.uint8), labels


def _space(spec: DatasetSpec, name: str) -> Space:
    if SPACES[name] is Standard:
        return Standard(tuple(spec.shape), None, (0.0,) * len(spec.shape), 1.0)
    return SPACES[name](tuple(spec.shape), spec.levels)


def _network(trial: Trial) -> str:
    """All that a trial's speed depends on."""
    train = {key: value for key, value in trial.train.items() if key != "replicas"}
    return json.dumps([trial.model, trial.dataset, trial.net, trial.batch, trial.budget, train], sort_keys=True)


def recorded(store: Path, wanted: Iterable[Trial], device: str = "cpu") -> dict[str, float]:
    """Median seconds of training by network, of stored trials that have one of the wanted networks and ran to their end.

    Arguments:
        store: folder of the trials. device: "cpu" or "cuda", where they must have run.
    """
    names, seconds = {_network(trial) for trial in wanted}, {}
    for file in store.glob("*/trial.json"):
        definition = read_json(file)
        name = json.dumps(
            [*(definition[key] for key in ("model", "dataset", "net", "batch", "budget")),
             {key: value for key, value in definition["train"].items() if key != "replicas"}], sort_keys=True,
        )  # fmt: skip
        record = file.with_name("train.json")
        if name in names and record.is_file():
            about = read_json(record)
            if about["status"] == "ok" and (about["device"] == "cpu") == (device == "cpu"):
                seconds.setdefault(name, []).append(about["costs"]["seconds"])
    return {name: statistics.median(each) for name, each in seconds.items()}


@dataclass
class Clock:
    """Seconds of training per trial, by network.

    Attributes:
        known: from trials that ran. timed: from updates that were timed here. scaled: networks that no time was left for.
        rates: seconds per amount of work of what was timed, by model and dataset, by model, and of all.
    """

    known: Mapping[str, float]
    root: Path = ROOT
    device: str = "cpu"
    timed: dict[str, float] = field(default_factory=dict)
    rates: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    scaled: set[str] = field(default_factory=set)

    def time(self, trials: Iterable[Trial], limit: float) -> None:
        """Time the networks of these trials for `limit` seconds, those first that the most work is done with."""
        alike: dict[str, list[Trial]] = {}
        for trial in trials:
            alike.setdefault(_network(trial), []).append(trial)
        end = time.process_time() + limit
        first = sorted(alike.items(), key=lambda pair: -len(pair[1]) * self._amount(pair[1][0]))
        models: set[tuple[str, str]] = set()
        # each model on each dataset comes once before any comes again, so that what is left can be scaled from it
        first.sort(key=lambda pair: self._again(models, pair[1][0]))
        for name, own in first:
            if name in self.known:
                continue
            if time.process_time() > end and self.rates:
                break
            size = int(own[0].train.get("replicas", Switches.replicas)) if MODELS[own[0].model].liftable else 1
            self.timed[name] = time_trial(own[: max(size, 1)], self.device, self.root)
            rate = self.timed[name] / self._amount(own[0])
            for key in ((own[0].model, own[0].dataset), (own[0].model, ""), ("", "")):
                self.rates.setdefault(key, []).append(rate)

    def seconds(self, trial: Trial) -> float:
        """Seconds of training of a trial."""
        name = _network(trial)
        if name in self.known:
            return self.known[name]
        if name in self.timed:
            return self.timed[name]
        self.scaled.add(name)
        keys = ((trial.model, trial.dataset), (trial.model, ""), ("", ""))
        rates = next((self.rates[key] for key in keys if key in self.rates), [math.nan])
        return statistics.median(rates) * self._amount(trial)

    def _amount(self, trial: Trial) -> float:
        """What the time of networks of one kind goes with, roughly: parameters times examples times updates of all players."""
        cls = MODELS[trial.model]
        players = cls.players | ({"critic": trial.net["critic_steps"]} if trial.net.get("critic_steps") else {})
        updates = trial.budget["value"] if trial.budget["unit"] == "updates" else 1.0
        return built(trial, self.root).parameters * trial.batch * updates * max(sum(players.values()), 1)

    @staticmethod
    def _again(models: set[tuple[str, str]], trial: Trial) -> bool:
        pair = (trial.model, trial.dataset)
        again = pair in models
        models.add(pair)
        return again
