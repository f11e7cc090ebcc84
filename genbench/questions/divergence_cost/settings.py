"""What a log-determinant, an exact divergence and an estimate of it cost by dimension; nothing is trained."""

from pydantic import Field

from genbench.questions.base import Count, Question

__all__ = ["Settings"]


class Settings(Question):
    """What a log-determinant, an exact divergence and an estimate of it cost by dimension; nothing is trained."""

    datasets: tuple[()] = ()  # its points are normal
    dims: tuple[Count, ...] = Field(default=(2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), min_length=3)
    points: int = Field(default=32, ge=1)
    width: int = Field(default=64, ge=4)
    probes: int = Field(default=1000, ge=50)  # behind a variance
