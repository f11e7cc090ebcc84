"""What the temperature of Glow's samples trades, and whether its latents lead from one image to another."""

from typing import Literal

from pydantic import Field, FiniteFloat, model_validator

from genbench.questions.base import Training

__all__ = ["Settings"]


class Settings(Training):
    """What the temperature of Glow's samples trades, and whether its latents lead from one image to another."""

    datasets: tuple[Literal["digits", "mnist5k", "polygons", "triangles", "mnist", "fashion_mnist"], ...] = Field(
        default=("digits",), min_length=1
    )
    updates: int = Field(default=400, ge=10)
    temperatures: tuple[FiniteFloat, ...] = Field(default=(0.0, 0.5, 0.7, 1.0), min_length=1)
    samples: int = Field(default=1000, ge=50)  # at each temperature
    pairs: int = Field(default=200, ge=10)  # of test images with a path between them
    steps: int = Field(default=9, ge=3)  # images of a path, its ends included; one is halfway where they are odd
    shown: int = Field(default=3, ge=1)  # paths in the figure
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images

    @property
    def recipes(self) -> tuple[str, ...]:
        return ("glow",)

    @model_validator(mode="after")
    def _positive(self) -> "Settings":
        if min(self.temperatures) < 0:
            raise ValueError(f"temperatures must be >= 0, got {', '.join(f'{t:g}' for t in self.temperatures)}")
        return self
