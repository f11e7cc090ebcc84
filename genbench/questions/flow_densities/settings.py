"""Densities of a flow of layers and of a continuous one on the same planar data (FFJORD's figure 2)."""

from typing import ClassVar

from pydantic import Field

from genbench.questions.base import Planar

__all__ = ["Settings"]


class Settings(Planar):
    """Densities of a flow of layers and of a continuous one on the same planar data (FFJORD's figure 2)."""

    families: ClassVar = ("flow", "continuous_flow")

    datasets: tuple[str, ...] = Field(default=("ring8", "checkerboard", "pinwheel"), min_length=1)
    models: tuple[str, ...] = Field(default=("glow", "ffjord"), min_length=1)
    seeds: int = Field(default=2, ge=1, le=16)
    updates: int = Field(default=300, ge=10)
    cells: int = Field(default=60, ge=10)  # of a map per axis
    times: int = Field(default=6, ge=2)  # at which a continuous flow's density is shown
