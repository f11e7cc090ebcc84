"""What the adjoint's gradient costs and gains beside backpropagation through the solver."""

from typing import Literal

from pydantic import Field, FiniteFloat, model_validator

from genbench.questions.base import Training

__all__ = ["Settings"]

Planar = Literal["ring8", "grid25", "moons", "swiss_roll", "checkerboard", "pinwheel"]


class Settings(Training):
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
    def _positive(self) -> "Settings":
        if min(self.tolerances) <= 0:
            raise ValueError(f"tolerances must be > 0, got {', '.join(f'{each:g}' for each in self.tolerances)}")
        return self
