"""What an update of a model costs, counted as the trainer counts it, on few random examples."""

import functools
import json
from pathlib import Path

from genbench.checks.clock import trainer
from genbench.config.expand import Trial
from genbench.config.read import ROOT, dataset_spec
from genbench.training.costs import StepCost

__all__ = ["update_cost"]

FEW = (2, 3)  # examples per draw, at which two updates are counted: one costs a constant, and so much for each example
LIKE: dict[tuple[object, ...], str] = {}  # the first dataset of a shape, which stands for all of it


def update_cost(trial: Trial, root: Path = ROOT) -> StepCost:
    """Cost of one of a trial's updates, of all players; counted once for all trials of equal networks and shapes of data."""
    spec = dataset_spec(trial.dataset, root)
    dataset = LIKE.setdefault((root, spec.kind, spec.shape, spec.levels, spec.classes), spec.name)
    few, more = _counted(trial.model, dataset, json.dumps(trial.net, sort_keys=True), root)
    share = (trial.batch - FEW[0]) / (FEW[1] - FEW[0])
    pairs = {name: (getattr(few, name), getattr(more, name)) for name in ("samples", "evaluations", "flops")}
    return StepCost(**{name: round(low + (high - low) * share) for name, (low, high) in pairs.items()})


@functools.lru_cache(maxsize=4096)
def _counted(model: str, dataset: str, net: str, root: Path) -> tuple[StepCost, ...]:
    made = dict(model=model, dataset=dataset, net=json.loads(net), budget={"unit": "updates", "value": 1})
    rest = dict(id="", family="", seed=0, hp={}, train={}, dataset_spec="", code="")
    return tuple(trainer([Trial(batch=batch, **made, **rest)], root).cost for batch in FEW)
