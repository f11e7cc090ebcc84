"""Samples of a trained model, a chunk at a time."""

import torch
from torch import Tensor

from genbench.data.space import Space
from genbench.models import Model

__all__ = ["CHUNK", "decoded", "draw_samples"]

CHUNK = 500  # examples sampled at once


def draw_samples(model: Model, seen: Space, count: int, generator: torch.Generator, labels: Tensor | None = None) -> Tensor:
    """`count` examples in raw units, on the CPU; of these classes (count,) where the model is class-conditional."""
    given = () if labels is None else labels.split(CHUNK)
    starts = enumerate(range(0, count, CHUNK))
    y = torch.cat([model.sample(min(CHUNK, count - start), generator, *given[i : i + 1]) for i, start in starts])
    return decoded(y, seen)


def decoded(y: Tensor, seen: Space) -> Tensor:
    """Samples (n, *shape) of the data space that a model sees in raw units, on the CPU; ValueError unless all are finite."""
    if bad := int((~y.isfinite()).flatten(1).any(1).sum()):
        raise ValueError(f"{bad} of {len(y)} samples are not finite")
    return seen.decode(y).cpu()
