"""Models of stored trials."""

import functools
from collections.abc import Callable

import torch

from genbench.checks.trials import arguments
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec
from genbench.models import MODELS, Model
from genbench.results.paths import Paths
from genbench.sampling.draws import draw_samples
from genbench.training.checkpoint import load_tensors

__all__ = ["build_model", "draw_samples", "trained"]


def build_model(trial: Trial) -> Callable[[], Model]:
    """What makes a trial's model; its data's shape comes from the configuration."""
    spec = dataset_spec(trial.dataset)
    return functools.partial(MODELS[trial.model], spec.shape, spec.levels, **arguments(trial))


def trained(trial: Trial, paths: Paths, device: torch.device, update: int | None = None) -> Model:
    """A trial's model with the weights that training kept, or those of an earlier checkpoint; FileNotFoundError without them."""
    file = paths.weights(trial.id, update)
    stored = load_tensors(file)
    if stored is None:
        raise FileNotFoundError(f"{file}: missing or unreadable; train the group again")
    model = build_model(trial)()
    model.load_state_dict(stored[0])
    return model.to(device).eval().requires_grad_(False)
