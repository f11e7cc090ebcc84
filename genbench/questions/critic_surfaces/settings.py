"""What critics look like near their optimum, by what keeps them Lipschitz (WGAN-GP's figure 1b)."""

from pydantic import Field, FiniteFloat

from genbench.questions.base import Planar

__all__ = ["Settings"]


class Settings(Planar):
    """What critics look like near their optimum, by what keeps them Lipschitz (WGAN-GP's figure 1b)."""

    datasets: tuple[str, ...] = Field(default=("ring8", "swiss_roll", "grid25"), min_length=1)
    updates: int = Field(default=600, ge=10)
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=3, ge=1)
    lr: FiniteFloat = Field(default=1e-3, gt=0)
    limit: FiniteFloat = Field(default=0.01, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=10.0, gt=0)
    points: int = Field(default=2000, ge=50)  # of data and of fakes, between which the exact distance is computed
    cells: int = Field(default=60, ge=10)  # of the map per axis
