"""Models of stored trials and what they generate."""

import torch

from genbench.config.expand import Trial
from genbench.data import Space
from genbench.jobs.train import build_model
from genbench.models import Model
from genbench.results.paths import Paths
from genbench.training.checkpoint import load_tensors

__all__ = ["CHUNK", "decoded", "draw_samples", "trained"]

CHUNK = 500  # examples sampled at once


def trained(trial: Trial, paths: Paths, device: torch.device, update: int | None = None) -> Model:
    """A trial's model with the weights that training kept, or those of an earlier checkpoint; FileNotFoundError without them."""
    file = paths.weights(trial.id, update)
    stored = load_tensors(file)
    if stored is None:
        raise FileNotFoundError(f"{file}: missing or unreadable; train the group again")
    model = build_model(trial)()
    model.load_state_dict(stored[0])
    return model.to(device).eval().requires_grad_(False)


def draw_samples(
    model: Model, seen: Space, count: int, generator: torch.Generator, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """`count` examples in raw units, on the CPU; of these classes (count,) where the model is told of classes."""
    given = () if labels is None else labels.split(CHUNK)
    starts = enumerate(range(0, count, CHUNK))
    y = torch.cat([model.sample(min(CHUNK, count - start), generator, *given[i : i + 1]) for i, start in starts])
    return decoded(y, seen)


def decoded(y: torch.Tensor, seen: Space) -> torch.Tensor:
    """Samples (n, *shape) of the space that a model sees in raw units, on the CPU; ValueError unless all are finite."""
    if bad := int((~y.isfinite()).flatten(1).any(1).sum()):
        raise ValueError(f"{bad} of {len(y)} samples are not finite")
    return seen.decode(y).cpu()
