"""Whether the Wasserstein distance of batches prefers centres of clusters to real data; nothing is trained."""

from pydantic import Field

from genbench.questions.base import Count, Question

__all__ = ["Settings"]


class Settings(Question):
    """Whether the Wasserstein distance of batches prefers centres of clusters to real data; nothing is trained."""

    datasets: tuple[str, ...] = Field(default=("digits", "polygons"), min_length=1)
    dims: tuple[Count, ...] = (2, 8, 32, 128)  # of standard normals
    sizes: tuple[Count, ...] = Field(default=(64, 256, 900), min_length=1)  # of batches
    centres: tuple[Count, ...] = (10, 50)
    draws: int = Field(default=20, ge=2)
    points: int = Field(default=4000, ge=100)  # most of a dataset that are used
