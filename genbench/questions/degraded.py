"""Samplers of known faults, made from real images: what a metric of samples should put into some order."""

import math

import torch
from torch import Tensor

from genbench.questions.perturb import blurred, noised, shifted

__all__ = ["FADED", "LOST", "NOISE", "SCALE", "SPECKS", "samplers"]

SCALE = 0.06  # of the side: a blur's standard deviation and the length of a shift
NOISE = 0.1
FADED = 0.7
SPECKS = 0.03
LOST = 0.3  # share of the classes


def samplers(images: Tensor, labels: Tensor, fresh: Tensor, levels: int, generator: torch.Generator) -> dict[str, Tensor]:
    """As many samples of each sampler as there are images (n, C, H, W), from 0 to levels - 1, as a model's would be.

    `fresh data` are other real images, as given; `noise`, `blur`, `shift` (to one of the four sides),
    `faded` (less contrast around each image's mean) and `specks` (pixels that turn black or white) change the images; `lost
    classes` repeats images of the classes that are left; `few images` repeats a tenth of the images; `pairs` averages two images
    of one class; `Gaussian` draws from the normal distribution with the images' mean and covariance, cut to the grey range.
    """
    top, n = levels - 1, len(images)
    x, scale = images.float() / top, torch.full((n,), SCALE * images.shape[-1])
    way = torch.randint(4, (n,), generator=generator) * (math.pi / 2)
    mean = x.mean((1, 2, 3), keepdim=True)
    specks, white = (torch.rand(x.shape, generator=generator) for _ in range(2))
    present = labels.unique()
    kept = present[torch.randperm(len(present), generator=generator)][: max(1, round((1 - LOST) * len(present)))]
    left = torch.isin(labels, kept).nonzero()[:, 0]
    partner = torch.arange(n)
    for c in present:
        own = (labels == c).nonzero()[:, 0]
        partner[own] = own.roll(1)
    weights = torch.randn(n, n, generator=generator) / (n - 1) ** 0.5
    spread = (weights @ (x - x.mean(0)).flatten(1)).view_as(x)  # its covariance is the images'
    made = {
        "noise": noised(x, torch.full((n,), NOISE), torch.randn(x.shape, generator=generator)),
        "blur": blurred(x, scale),
        "shift": shifted(x, scale * way.cos(), scale * way.sin()),
        "faded": mean + FADED * (x - mean),
        "specks": torch.where(specks < SPECKS, white.round(), x),
        "pairs": (x + x[partner]) / 2,
        "Gaussian": (x.mean(0) + spread).clamp(0, 1),
    }
    rounded = {name: (each * top).round().to(images.dtype) for name, each in made.items()}
    few = images[torch.arange(n) % max(1, n // 10)]
    return {"fresh data": fresh, "few images": few, "lost classes": images[_filled(left, n)], **rounded}


def _filled(indices: Tensor, n: int) -> Tensor:
    """The indices again and again until there are n."""
    return indices[torch.arange(n) % len(indices)]
