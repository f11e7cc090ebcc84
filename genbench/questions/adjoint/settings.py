"""What the adjoint's gradient costs and gains beside backpropagation through the solver."""

from pydantic import Field, FiniteFloat

from genbench.questions.base import Planar, Positive

__all__ = ["Settings"]


class Settings(Planar):
    """What the adjoint's gradient costs and gains beside backpropagation through the solver."""

    datasets: tuple[str, ...] = Field(default=("ring8",), min_length=1)
    seeds: int = Field(default=2, ge=1, le=16)
    updates: int = Field(default=96, ge=10)
    tolerances: tuple[Positive, ...] = Field(default=(1e-3, 1e-5), min_length=1)  # of dopri5
    steps: int = Field(default=4, ge=1)  # of RK4
    width: int = Field(default=64, ge=4)
    depth: int = Field(default=2, ge=1)
    lr: FiniteFloat = Field(default=5e-3, gt=0)
