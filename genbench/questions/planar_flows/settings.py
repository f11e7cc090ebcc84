"""How many planar or radial layers an energy of the plane needs (Rezende & Mohamed 2015)."""

from typing import Literal, get_args

from pydantic import Field, FiniteFloat

from genbench.questions.base import Training

__all__ = ["Settings"]

Target = Literal["U1", "U2", "U3", "U4"]
Kind = Literal["planar", "radial"]


class Settings(Training):
    """How many planar or radial layers an energy of the plane needs (Rezende & Mohamed 2015)."""

    datasets: tuple[()] = ()  # its targets are energies
    targets: tuple[Target, ...] = Field(default=get_args(Target), min_length=1)
    flows: tuple[Kind, ...] = Field(default=get_args(Kind), min_length=1)
    layers: tuple[int, ...] = Field(default=(2, 8, 32), min_length=1)
    updates: int = Field(default=1000, ge=10)
    batch: int = Field(default=256, ge=8)
    lr: FiniteFloat = Field(default=0.05, gt=0)
    cells: int = Field(default=60, ge=10)  # of a map per axis
