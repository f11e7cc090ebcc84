"""Settings of the experiments on flows in continuous time."""

from typing import Literal

from pydantic import Field, FiniteFloat, model_validator

from genbench.config.experiments.base import Asked, Settings

__all__ = ["Adjoint", "DivergenceCost", "FlowDensities"]

Planar = Literal["ring8", "grid25", "moons", "swiss_roll", "checkerboard", "pinwheel"]
Density = Literal["realnvp", "glow", "nsf", "maf", "cnf", "ffjord"]


class Adjoint(Settings):
    """What the adjoint's gradient costs and gains beside backpropagation through the solver."""

    datasets: tuple[Planar, ...] = Field(default=("ring8",), min_length=1)
    seeds: int = Field(default=2, ge=1, le=16)
    updates: int = Field(default=96, ge=10)
    tolerances: tuple[FiniteFloat, ...] = Field(default=(1e-3, 1e-5), min_length=1)  # of dopri5
    steps: int = Field(default=4, ge=1)  # of RK4
    width: int = Field(default=64, ge=4)
    depth: int = Field(default=2, ge=1)
    lr: FiniteFloat = Field(default=5e-3, gt=0)

    @model_validator(mode="after")
    def _positive(self) -> "Adjoint":
        if min(self.tolerances) <= 0:
            raise ValueError(f"tolerances must be > 0, got {', '.join(f'{each:g}' for each in self.tolerances)}")
        return self


class DivergenceCost(Asked):
    """What a log-determinant, an exact divergence and an estimate of it cost by dimension; nothing is trained."""

    datasets: tuple[str, ...] = Field(default=(), max_length=0)  # its points are normal
    dims: tuple[int, ...] = Field(default=(2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), min_length=3)
    points: int = Field(default=32, ge=1)
    width: int = Field(default=64, ge=4)
    probes: int = Field(default=1000, ge=50)  # behind a variance

    @model_validator(mode="after")
    def _in_space(self) -> "DivergenceCost":
        if min(self.dims) < 1:
            raise ValueError(f"dims must be >= 1, got {', '.join(map(str, self.dims))}")
        return self


class FlowDensities(Settings):
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
