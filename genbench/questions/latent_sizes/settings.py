"""How many latent numbers a VAE uses, and what more of them bring."""

from typing import ClassVar

from pydantic import Field

from genbench.questions.base import Count, Training

__all__ = ["Settings"]


class Settings(Training):
    """How many latent numbers a VAE uses, and what more of them bring."""

    kind: ClassVar = "images"
    classified: ClassVar = True
    uses: ClassVar = ("vae",)

    datasets: tuple[str, ...] = Field(default=("digits",), min_length=1)
    updates: int = Field(default=1000, ge=10)
    sizes: tuple[Count, ...] = Field(default=(2, 8, 16, 32), min_length=1)
    weights: int = Field(default=200, ge=2)  # of the importance-weighted bound
    examples: int = Field(default=1000, ge=50)  # most of the test split that bounds are of
    samples: int = Field(default=1000, ge=50)
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images
