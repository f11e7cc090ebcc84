"""Which signs the course's algorithm 1 needs (erratum E1)."""

from typing import Literal

from pydantic import Field, FiniteFloat

from genbench.questions.base import Training

__all__ = ["Settings"]

Planar = Literal["ring8", "grid25", "moons", "swiss_roll", "checkerboard", "pinwheel"]


class Chains(Training):
    """Energies of points that learn from chains."""

    datasets: tuple[Planar, ...] = Field(default=("ring8",), min_length=1)
    width: int = Field(default=64, ge=4)
    depth: int = Field(default=2, ge=1)
    steps: int = Field(default=20, ge=1)  # of the chains per update
    step: FiniteFloat = Field(default=0.01, gt=0)  # their size
    lr: FiniteFloat = Field(default=1e-3, gt=0)


class Settings(Chains):
    """Which signs the course's algorithm 1 needs (erratum E1)."""

    updates: int = Field(default=400, ge=10)
    looks: int = Field(default=12, ge=2)  # at the chains during training
