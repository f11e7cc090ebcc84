"""What a sample costs beside a training example, for images of growing sides."""

from typing import Literal

from pydantic import Field, model_validator

from genbench.questions.base import Question

__all__ = ["Settings"]


class Settings(Question):
    """What a sample costs beside a training example, for images of growing sides."""

    datasets: tuple[Literal["mnist5k_binary", "mnist5k", "mnist_binary", "mnist", "fashion_mnist"], ...] = Field(
        default=("mnist5k_binary",), min_length=1
    )
    models: tuple[Literal["made", "pixelcnn", "pixelrnn", "realnvp", "vae"], ...] = Field(
        default=("made", "pixelcnn", "pixelrnn", "realnvp", "vae"), min_length=1
    )
    sides: tuple[int, ...] = Field(default=(8, 12, 16, 28), min_length=1)  # of the images, cut out of the middle
    seeds: int = Field(default=2, ge=1, le=16)  # each repeats the timing
    batch: int = Field(default=16, ge=2)  # of training, and samples drawn at once

    @model_validator(mode="after")
    def _even(self) -> "Settings":
        if any(side % 4 or not 8 <= side <= 28 for side in self.sides):
            raise ValueError(f"sides must be multiples of 4 from 8 to 28, got {', '.join(map(str, self.sides))}")
        return self

    @property
    def recipes(self) -> tuple[str, ...]:
        return self.models
