"""Whether generators whose critics know the distance better are better (Stanczuk et al. 2021)."""

from typing import Literal, get_args

from pydantic import Field, FiniteFloat

from genbench.questions.base import Training

__all__ = ["Settings"]

Restraint = Literal["clipping", "gradient penalty", "one-sided penalty", "spectral norm", "c-transform", "no restraint"]

RESTRAINTS: tuple[Restraint, ...] = get_args(Restraint)


class Settings(Training):
    """Whether generators whose critics know the distance better are better (Stanczuk et al. 2021)."""

    datasets: tuple[Literal["ring8", "grid25", "digits", "polygons", "triangles"], ...] = Field(
        default=("ring8", "digits"), min_length=1
    )
    updates: int = Field(default=400, ge=10)  # of the generator
    batch: int = Field(default=64, ge=8)
    critics: tuple[Restraint, ...] = Field(default=RESTRAINTS[:-1], min_length=1)
    looks: int = Field(default=5, ge=1)  # during training
    samples: int = Field(default=1000, ge=50)  # at each look
    draws: int = Field(default=10, ge=2)  # of batches at each look
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images
    shown: int = Field(default=10, ge=1)  # images that are kept of each kind
    width: int = Field(default=64, ge=4)
    depth: int = Field(default=2, ge=1)
    lr: FiniteFloat = Field(default=1e-3, gt=0)
    limit: FiniteFloat = Field(default=0.1, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=1.0, gt=0)  # at 10, that of both sides keeps a generator from learning a ring
