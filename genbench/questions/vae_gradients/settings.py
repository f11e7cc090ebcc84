"""How noisy the estimators of a VAE's gradient are (Roeder et al. 2017)."""

from typing import ClassVar

from pydantic import Field

from genbench.questions.base import Training

__all__ = ["Settings"]


class Settings(Training):
    """How noisy the estimators of a VAE's gradient are (Roeder et al. 2017)."""

    uses: ClassVar = ("vae",)

    datasets: tuple[str, ...] = Field(default=("ring8", "digits"), min_length=1)
    updates: int = Field(default=1000, ge=10)
    draws: int = Field(default=100, ge=10)  # of noise, over which a gradient varies
    examples: int = Field(default=32, ge=2)  # behind a gradient
