"""How many latent numbers a VAE uses, and what more of them bring."""

from typing import Literal

from pydantic import Field, model_validator

from genbench.questions.base import Training

__all__ = ["Settings"]

Images = Literal["digits", "mnist5k", "mnist", "fashion_mnist"]


class OfVAEs(Training):
    """Questions on the VAE by its recipe."""

    @property
    def recipes(self) -> tuple[str, ...]:
        return ("vae",)


class Settings(OfVAEs):
    """How many latent numbers a VAE uses, and what more of them bring."""

    datasets: tuple[Images, ...] = Field(default=("digits",), min_length=1)
    updates: int = Field(default=1000, ge=10)
    sizes: tuple[int, ...] = Field(default=(2, 8, 16, 32), min_length=1)
    weights: int = Field(default=200, ge=2)  # of the importance-weighted bound
    examples: int = Field(default=1000, ge=50)  # most of the test split that bounds are of
    samples: int = Field(default=1000, ge=50)
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images

    @model_validator(mode="after")
    def _positive(self) -> "Settings":
        if min(self.sizes) < 1:
            raise ValueError(f"sizes must be >= 1, got {', '.join(map(str, self.sizes))}")
        return self
