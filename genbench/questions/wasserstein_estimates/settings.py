"""Whether Wasserstein critics of fixed pairs know their distance (Stanczuk et al. 2021)."""

from typing import Literal, get_args

from pydantic import Field, FiniteFloat, model_validator

from genbench.questions.base import Training

__all__ = ["Settings"]

Restraint = Literal["clipping", "gradient penalty", "one-sided penalty", "spectral norm", "c-transform", "no restraint"]

RESTRAINTS: tuple[Restraint, ...] = get_args(Restraint)


class Settings(Training):
    """Whether Wasserstein critics of fixed pairs know their distance (Stanczuk et al. 2021)."""

    datasets: tuple[Literal["ring8", "grid25", "digits", "polygons", "triangles"], ...] = Field(
        default=("ring8", "digits"), min_length=1
    )
    updates: int = Field(default=600, ge=10)
    batch: int = Field(default=64, ge=8)
    critics: tuple[Restraint, ...] = Field(default=RESTRAINTS, min_length=1)
    dims: tuple[int, ...] = (2, 16, 64)  # of pairs of laws whose distance is known
    points: int = Field(default=500, ge=20)  # of each of two sets
    draws: int = Field(default=20, ge=2)  # of batches
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=2, ge=1)
    lr: FiniteFloat = Field(default=1e-3, gt=0)
    limit: FiniteFloat = Field(default=0.01, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _in_space(self) -> "Settings":
        if any(dim < 1 for dim in self.dims):
            raise ValueError(f"dims must be >= 1, got {', '.join(map(str, self.dims))}")
        return self
