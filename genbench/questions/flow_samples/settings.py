"""What the temperature of Glow's samples trades, and whether its latents lead from one image to another."""

from typing import Annotated, ClassVar

from pydantic import Field, FiniteFloat

from genbench.questions.base import Training

__all__ = ["Settings"]

Temperature = Annotated[FiniteFloat, Field(ge=0)]


class Settings(Training):
    """What the temperature of Glow's samples trades, and whether its latents lead from one image to another."""

    kind: ClassVar = "images"
    grey: ClassVar = True
    classified: ClassVar = True
    uses: ClassVar = ("glow",)

    datasets: tuple[str, ...] = Field(default=("digits",), min_length=1)
    updates: int = Field(default=400, ge=10)
    temperatures: tuple[Temperature, ...] = Field(default=(0.0, 0.5, 0.7, 1.0), min_length=1)
    samples: int = Field(default=1000, ge=50)  # at each temperature
    pairs: int = Field(default=200, ge=10)  # of test images with a path between them
    steps: int = Field(default=9, ge=3)  # images of a path, its ends included; one is halfway where they are odd
    shown: int = Field(default=3, ge=1)  # paths in the figure
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images
