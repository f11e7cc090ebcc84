"""What an update of a model costs, counted as the trainer counts it, on examples of its dataset's shape."""

import contextlib
import functools
import json
from pathlib import Path

import torch

from genbench.checks.clock import space_like, trainer
from genbench.checks.shapes import shapes_only
from genbench.checks.trials import arguments, built
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.models import MODELS
from genbench.training.costs import StepCost
from genbench.training.losses import Losses
from genbench.training.replicas import Replicas
from genbench.training.switches import HP

__all__ = ["by_shapes", "update_cost"]

LARGE = 800_000  # parameters above which an update takes longer than working out its shapes
FEW = (2, 3)  # examples per draw, at which two updates are run: one costs a constant, and so much for each example
LIKE: dict[tuple[object, ...], str] = {}  # the first dataset of a shape, which stands for all of it


def update_cost(trial: Trial, root: Path = ROOT) -> StepCost:
    """Cost of one of a trial's updates, of all players; counted once for all trials of equal networks and shapes of data."""
    spec = dataset_spec(trial.dataset, root)
    dataset = LIKE.setdefault((root, spec.kind, spec.shape, spec.levels, spec.classes), spec.name)
    about = (trial.model, dataset, json.dumps(trial.net, sort_keys=True), root)
    if MODELS[trial.model].players and built(trial, root).parameters > LARGE:
        with contextlib.suppress(RuntimeError):  # a model that needs numbers gets them below
            return _worked_out(trial.batch, *about)
    few, more = _run(*about)
    share = (trial.batch - FEW[0]) / (FEW[1] - FEW[0])
    pairs = {name: (getattr(few, name), getattr(more, name)) for name in ("samples", "evaluations", "flops")}
    return StepCost(**{name: round(low + (high - low) * share) for name, (low, high) in pairs.items()})


@functools.lru_cache(maxsize=4096)
def _worked_out(batch: int, model: str, dataset: str, net: str, root: Path) -> StepCost:
    return by_shapes(_trial(batch, model, dataset, net), root)


@functools.lru_cache(maxsize=4096)
def _run(model: str, dataset: str, net: str, root: Path) -> tuple[StepCost, ...]:
    return tuple(trainer([_trial(batch, model, dataset, net)], root).cost for batch in FEW)


def _trial(batch: int, model: str, dataset: str, net: str) -> Trial:
    made = dict(model=model, dataset=dataset, batch=batch, net=json.loads(net), budget={"unit": "updates", "value": 1})
    return Trial(id="", family="", seed=0, hp={}, train={}, dataset_spec="", code="", **made)


def by_shapes(trial: Trial, root: Path = ROOT) -> StepCost:
    """The same, without numbers: of a model that trains by gradient steps; RuntimeError if it needs numbers. See shapes_only."""
    spec, cls = dataset_spec(trial.dataset, root), MODELS[trial.model]
    with shapes_only():
        model = cls(spec.shape, spec.levels, **arguments(trial, root))
        single = Replicas(lambda: model, [0], [{**HP, **model.hp}], "cpu", torch.float32, lifted=False)
        x = torch.empty(trial.batch, *spec.shape, dtype=torch.float32 if spec.levels is None else torch.uint8)
        labels = torch.empty(trial.batch, dtype=torch.int64) if model.classes else None
        return Losses(single, x, space_like(spec, cls.space[spec.kind]), trial.batch, labels).cost()
