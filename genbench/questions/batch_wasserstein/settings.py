"""Whether the distance of batches prefers centres of clusters to real data (Stanczuk et al. 2021); nothing is trained."""

from typing import Literal

from pydantic import Field, model_validator

from genbench.questions.base import Question

__all__ = ["Settings"]


class Settings(Question):
    """Whether the distance of batches prefers centres of clusters to real data (Stanczuk et al. 2021); nothing is trained."""

    datasets: tuple[Literal["ring8", "grid25", "digits", "polygons", "triangles"], ...] = Field(
        default=("digits", "polygons"), min_length=1
    )
    dims: tuple[int, ...] = (2, 8, 32, 128)  # of standard normals
    sizes: tuple[int, ...] = Field(default=(64, 256, 900), min_length=1)  # of batches
    centres: tuple[int, ...] = (10, 50)
    draws: int = Field(default=20, ge=2)
    points: int = Field(default=4000, ge=100)  # most of a dataset that are used

    @model_validator(mode="after")
    def _positive_sizes(self) -> "Settings":
        if min((*self.dims, *self.centres, *self.sizes), default=1) < 1:
            raise ValueError("dims, centres and sizes must be >= 1")
        return self
