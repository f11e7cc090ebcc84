"""Changes of images that a strength makes from nothing to much, and the strengths at which they are of equal size in pixels."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["blurred", "equalised", "noised", "perturbations", "shifted"]

Change = Callable[[Tensor], Tensor]  # strengths (n,) to changed images (n, C, H, W)
GREY = 0.5
GRID = 32  # steps in which a strength is bracketed before it is bisected
HALVINGS = 24


def perturbations(images: Tensor, partners: Tensor, generator: torch.Generator) -> dict[str, tuple[float, Change]]:
    """By name the largest strength to try and the change of float32 images (n, C, H, W) in 0..1 at a strength per image.

    Strength 0 changes nothing. `shift`: pixels along one of the four directions of the grid; `rotation`: degrees to either side;
    `blur`: standard deviation in pixels; `noise`: standard deviation of normal noise, cut at 0 and 1; `brightness`: added to
    dark and taken from bright images, cut likewise; `occlusion`: side in pixels of a mid-grey square near the middle; `blend`:
    share of the partner (n, C, H, W) of each image. Which direction, side, noise and place an image gets, `generator` draws.
    """
    n, side = len(images), images.shape[-1]
    way = torch.randint(4, (n,), generator=generator) * (math.pi / 2)
    sign = torch.randint(2, (n,), generator=generator) * 2.0 - 1
    field = torch.randn(images.shape, generator=generator)
    centre = (torch.rand(n, 2, generator=generator) - 0.5) * side / 2 + (side - 1) / 2
    lift = torch.where(images.flatten(1).mean(1) < GREY, 1.0, -1.0)
    return {
        "shift": (side / 2, lambda s: shifted(images, s * way.cos(), s * way.sin())),
        "rotation": (90.0, lambda s: _turned(images, sign * s)),
        "blur": (float(side), lambda s: blurred(images, s)),
        "noise": (4.0, lambda s: noised(images, s, field)),
        "brightness": (1.0, lambda s: (images + _column(s * lift)).clamp(0, 1)),
        "occlusion": (2.0 * side, lambda s: _covered(images, s, centre)),
        "blend": (1.0, lambda s: images + _column(s) * (partners - images)),
    }


def equalised(images: Tensor, change: Change, limit: float, target: float) -> tuple[Tensor, Tensor]:
    """Strengths (n,) and changed images at the least strength up to `limit` that moves each image by `target` in L2.

    The distance is met to the digits of float32. nan strengths, and images as they were, where no strength of a grid moves an
    image so far.
    """

    def moved(strength: Tensor) -> Tensor:
        return (change(strength) - images).flatten(1).norm(dim=1)

    zero = torch.zeros(len(images))
    low, high = zero.clone(), torch.full_like(zero, math.nan)
    # squares of the steps: small strengths do most
    for step in (limit * (i / GRID) ** 2 for i in range(1, GRID + 1)):
        there, searching = moved(zero + step) >= target, high.isnan()
        high = torch.where(searching & there, step, high)
        low = torch.where(searching & ~there, step, low)
    found = ~high.isnan()
    high = torch.where(found, high, 0.0)
    low = torch.where(found, low, 0.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        there = moved(middle) >= target
        low, high = torch.where(there, low, middle), torch.where(there, middle, high)
    return torch.where(found, high, math.nan), torch.where(_column(found), change(high), images)


def shifted(images: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Images moved by that many pixels (n,), by bicubic interpolation, with their border repeated and cut at 0 and 1."""
    height, width = images.shape[-2:]
    maps = torch.eye(2, 3).repeat(len(images), 1, 1)
    maps[:, 0, 2], maps[:, 1, 2] = -2 * right / width, -2 * down / height
    return _mapped(images, maps)


def _turned(images: Tensor, degrees: Tensor) -> Tensor:
    angle = degrees * (math.pi / 180)
    rows = (angle.cos(), -angle.sin(), 0 * angle), (angle.sin(), angle.cos(), 0 * angle)
    return _mapped(images, torch.stack([torch.stack(row, 1) for row in rows], 1))


def _mapped(images: Tensor, maps: Tensor) -> Tensor:
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, "bicubic", "border", align_corners=False).clamp(0, 1)


def blurred(images: Tensor, deviation: Tensor) -> Tensor:
    """Images averaged with normal weights of a standard deviation (n,) in pixels, renormalised at the border."""

    def weights(size: int) -> Tensor:
        gap = torch.arange(size)[:, None] - torch.arange(size)[None]
        return torch.softmax(-(gap**2)[None] / (2 * deviation.clamp_min(1e-3)[:, None, None] ** 2), 2)

    height, width = images.shape[-2:]
    return weights(height)[:, None] @ images @ weights(width)[:, None].mT


def noised(images: Tensor, deviation: Tensor, field: Tensor) -> Tensor:
    """Images plus a field of unit normal noise times a standard deviation (n,), cut at 0 and 1."""
    return (images + _column(deviation) * field).clamp(0, 1)


def _covered(images: Tensor, side: Tensor, centre: Tensor) -> Tensor:
    """Images with a square of that side (n,) around centres (n, 2) in mid-grey; its edges cover pixels in part."""
    height, width = images.shape[-2:]
    cover = [
        (side[:, None] / 2 - (torch.arange(size) - place[:, None]).abs()).clamp(0, 1)
        for size, place in zip((height, width), centre.T, strict=True)
    ]
    mask = (cover[0][:, :, None] * cover[1][:, None, :])[:, None]
    return images + mask * (GREY - images)


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]
