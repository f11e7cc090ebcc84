"""Data whose manifold is known."""

import torch
from torch import Tensor

from genbench.data import Dataset
from genbench.metrics.order import drawn
from genbench.metrics.sets import Manifold
from genbench.models import Model

__all__ = ["known_manifold"]

SAMPLES, INVERTED = 1000, 256  # generated images that are projected, test images that a generator is inverted at


def known_manifold(
    samples: Tensor, data: Dataset, model: Model | None = None, generator: torch.Generator | None = None
) -> Manifold | None:
    """What metrics see of images (n, C, H, W), raw units, of a dataset whose manifold is known; None of another.

    A model that decodes z ~ N(0, I) without class labels adds its map.
    """
    project = data.projection()
    if project is None:
        return None
    top = data.levels - 1
    made, test = drawn(samples, SAMPLES).float() / top, drawn(data.splits["test"], INVERTED).float() / top
    decodes = {}
    if hasattr(model, "generate") and model.normal_prior and not model.classes:

        def generate(z: Tensor) -> Tensor:  # from the symmetric space, and clipped to it as samples are
            return ((model.generate(z) + 1) / 2).clamp(0, 1).unflatten(1, data.shape)

        decodes = {"generate": generate, "latent": model.latent, "generator": generator}
    return Manifold(project, made, test, **decodes)
