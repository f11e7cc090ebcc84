"""How gradients pass a deep critic, and where its weights end (WGAN-GP's figure 2)."""

from pydantic import Field, FiniteFloat

from genbench.questions.base import Planar, Positive

__all__ = ["Settings"]


class Settings(Planar):
    """How gradients pass a deep critic, and where its weights end (WGAN-GP's figure 2)."""

    datasets: tuple[str, ...] = Field(default=("swiss_roll",), min_length=1)
    updates: int = Field(default=300, ge=10)
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=12, ge=2)
    lr: FiniteFloat = Field(default=2e-4, gt=0)
    limits: tuple[Positive, ...] = Field(default=(0.001, 0.01, 0.1), min_length=1)
    gp: FiniteFloat = Field(default=10.0, gt=0)
