"""What each term of a VAE's objective does to its latents."""

from typing import ClassVar

from pydantic import Field

from genbench.questions.base import Training

__all__ = ["Settings"]


class Settings(Training):
    """What each term of a VAE's objective does to its latents."""

    kind: ClassVar = "images"
    grey: ClassVar = True
    classified: ClassVar = True
    uses: ClassVar = ("vae",)

    datasets: tuple[str, ...] = Field(default=("digits",), min_length=1)
    updates: int = Field(default=1000, ge=10)
    examples: int = Field(default=1000, ge=50)  # most of a split that are looked at
    side: int = Field(default=20, ge=2, le=40)  # images of the grid per axis
    pairs: int = Field(default=4, ge=1, le=9)  # of test examples with a path between them
    steps: int = Field(default=11, ge=3, le=25)  # images of a path
