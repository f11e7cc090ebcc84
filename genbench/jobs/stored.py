"""Models of stored trials."""

import torch

from genbench.config.expand import Trial
from genbench.jobs.train import build_model
from genbench.models import Model
from genbench.results.paths import Paths
from genbench.sampling.draws import draw_samples
from genbench.training.checkpoint import load_tensors

__all__ = ["draw_samples", "trained"]


def trained(trial: Trial, paths: Paths, device: torch.device, update: int | None = None) -> Model:
    """A trial's model with the weights that training kept, or those of an earlier checkpoint; FileNotFoundError without them."""
    file = paths.weights(trial.id, update)
    stored = load_tensors(file)
    if stored is None:
        raise FileNotFoundError(f"{file}: missing or unreadable; train the group again")
    model = build_model(trial)()
    model.load_state_dict(stored[0])
    return model.to(device).eval().requires_grad_(False)
