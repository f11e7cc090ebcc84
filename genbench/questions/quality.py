"""How near samples are to a dataset, by what questions can afford: a small classifier for images, W1 for points."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genbench.data import Dataset
from genbench.metrics.distances import frechet
from genbench.metrics.encoder import Encoder, extract, train_encoder
from genbench.metrics.sets import Points
from genbench.metrics.transport import w1

if TYPE_CHECKING:
    from genbench.questions.critic_quality.settings import Settings as CriticQuality
    from genbench.questions.latent_priors.settings import Settings as LatentPriors
    from genbench.questions.latent_sizes.settings import Settings as LatentSizes
    from genbench.questions.wasserstein_training.settings import Settings as WassersteinTraining

__all__ = ["classifier", "sample_distance"]


def classifier(data: Dataset, epochs: int, device: torch.device, seed: int = 0, augment: bool = True) -> Encoder:
    """A small classifier of a dataset's images, trained on its training split; see train_encoder."""
    return train_encoder(
        data.splits["train"], data.labels["train"], classes=data.classes, levels=data.levels, seed=seed, epochs=epochs,
        device=device, augment=augment, validation=(data.splits["validation"], data.labels["validation"]),
    )  # fmt: skip


def sample_distance(
    data: Dataset, settings: "CriticQuality | LatentPriors | LatentSizes | WassersteinTraining", device: torch.device
) -> Callable[[Tensor], float]:
    """Distance of samples in raw units to the test split: exact W1, or the Fréchet distance of a small classifier's features."""
    test = data.splits["test"]
    if data.kind == "points":
        return lambda samples: w1(Points(samples, test), n=settings.samples).value
    encoder = classifier(data, settings.encoder_epochs, device)
    reference = extract(encoder, test)[0]
    return lambda samples: frechet(extract(encoder, samples)[0], reference)[0]
