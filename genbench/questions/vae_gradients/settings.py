"""How noisy the estimators of a VAE's gradient are (Roeder et al. 2017)."""

from typing import Literal

from pydantic import Field

from genbench.questions.base import Training

__all__ = ["Settings"]


class OfVAEs(Training):
    """Questions on the VAE by its recipe."""

    @property
    def recipes(self) -> tuple[str, ...]:
        return ("vae",)


class Settings(OfVAEs):
    """How noisy the estimators of a VAE's gradient are (Roeder et al. 2017)."""

    datasets: tuple[Literal["ring8", "grid25", "moons", "digits", "mnist5k"], ...] = Field(
        default=("ring8", "digits"), min_length=1
    )
    updates: int = Field(default=1000, ge=10)
    draws: int = Field(default=100, ge=10)  # of noise, over which a gradient varies
    examples: int = Field(default=32, ge=2)  # behind a gradient
