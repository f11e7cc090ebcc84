"""Densities of a flow of layers and of a continuous one on the same planar data (FFJORD's figure 2)."""

from typing import Literal

from pydantic import Field

from genbench.questions.base import Training

__all__ = ["Settings"]

Planar = Literal["ring8", "grid25", "moons", "swiss_roll", "checkerboard", "pinwheel"]

Density = Literal["realnvp", "glow", "nsf", "maf", "cnf", "ffjord"]


class Settings(Training):
    """Densities of a flow of layers and of a continuous one on the same planar data (FFJORD's figure 2)."""

    datasets: tuple[Planar, ...] = Field(default=("ring8", "checkerboard", "pinwheel"), min_length=1)
    models: tuple[Density, ...] = Field(default=("glow", "ffjord"), min_length=1)
    seeds: int = Field(default=2, ge=1, le=16)
    updates: int = Field(default=300, ge=10)
    cells: int = Field(default=60, ge=10)  # of a map per axis
    times: int = Field(default=6, ge=2)  # at which a continuous flow's density is shown

    @property
    def recipes(self) -> tuple[str, ...]:
        return self.models
