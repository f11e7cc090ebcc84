"""How gradients pass a deep critic, and where its weights end (WGAN-GP's figure 2)."""

from typing import Literal

from pydantic import Field, FiniteFloat, model_validator

from genbench.questions.base import Training

__all__ = ["Settings"]

Planar = Literal["ring8", "grid25", "moons", "swiss_roll", "checkerboard", "pinwheel"]


class Settings(Training):
    """How gradients pass a deep critic, and where its weights end (WGAN-GP's figure 2)."""

    datasets: tuple[Planar, ...] = Field(default=("swiss_roll",), min_length=1)
    updates: int = Field(default=300, ge=10)
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=12, ge=2)
    lr: FiniteFloat = Field(default=2e-4, gt=0)
    limits: tuple[FiniteFloat, ...] = Field(default=(0.001, 0.01, 0.1), min_length=1)
    gp: FiniteFloat = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _positive(self) -> "Settings":
        if min(self.limits) <= 0:
            raise ValueError(f"limits must be > 0, got {', '.join(f'{limit:g}' for limit in self.limits)}")
        return self
