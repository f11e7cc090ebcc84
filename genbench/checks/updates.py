"""What an update of a model costs, counted as the trainer counts it, on examples of its dataset's shape."""

import contextlib
import functools
import json
import math
from pathlib import Path

import torch

from genbench.checks.clock import space_like, trainer
from genbench.checks.shapes import shapes_only
from genbench.checks.trials import arguments
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.models import MODELS
from genbench.training.costs import StepCost, count_step
from genbench.training.losses import Losses
from genbench.training.replicas import Replicas
from genbench.training.switches import HP

__all__ = ["by_shapes", "update_cost"]

SMALL = 256  # numbers of an example up to which an update takes less time than working out its shapes
LIKE: dict[tuple[object, ...], str] = {}  # the first dataset of a shape, which stands for all of it


def update_cost(trial: Trial, root: Path = ROOT) -> StepCost:
    """Cost of one of a trial's updates, of all players; counted once for all trials of equal networks, batches and shapes."""
    spec = dataset_spec(trial.dataset, root)
    dataset = LIKE.setdefault((root, spec.kind, spec.shape, spec.levels, spec.classes), spec.name)
    return _counted(trial.model, dataset, trial.batch, json.dumps(trial.net, sort_keys=True), root)


@functools.lru_cache(maxsize=4096)
def _counted(model: str, dataset: str, batch: int, net: str, root: Path) -> StepCost:
    made = dict(model=model, dataset=dataset, batch=batch, net=json.loads(net), budget={"unit": "updates", "value": 1})
    trial = Trial(id="", family="", seed=0, hp={}, train={}, dataset_spec="", code="", **made)
    if MODELS[model].players and math.prod(dataset_spec(dataset, root).shape) > SMALL:
        with contextlib.suppress(RuntimeError):  # a model that needs numbers gets them below
            return by_shapes(trial, root)
    return trainer([trial], root).cost


def by_shapes(trial: Trial, root: Path = ROOT) -> StepCost:
    """The same, without numbers: of a model that trains by gradient steps; RuntimeError if it needs numbers. See shapes_only."""
    spec, cls = dataset_spec(trial.dataset, root), MODELS[trial.model]
    with shapes_only():
        model = cls(spec.shape, spec.levels, **arguments(trial, root))
        single = Replicas(lambda: model, [0], [{**HP, **model.hp}], "cpu", torch.float32, lifted=False)
        x = torch.empty(trial.batch, *spec.shape, dtype=torch.float32 if spec.levels is None else torch.uint8)
        labels = torch.empty(trial.batch, dtype=torch.int64) if model.classes else None
        losses = Losses(single, x, space_like(spec, cls.space[spec.kind]), trial.batch, labels)
        times = [player for player, count in model.players.items() for _ in range(count)]
        return count_step(model, lambda: [losses.gradients(player) for player in times], trial.batch)
