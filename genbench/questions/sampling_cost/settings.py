"""What a sample costs beside a training example, for images of growing sides."""

from typing import Annotated, ClassVar

from pydantic import Field

from genbench.config.schema import DatasetSpec
from genbench.questions.base import Question

__all__ = ["Settings"]

Side = Annotated[int, Field(ge=8, multiple_of=4)]  # networks halve images twice


class Settings(Question):
    """What a sample costs beside a training example, for images of growing sides."""

    kind: ClassVar = "images"
    families: ClassVar = ("autoregressive", "flow", "vae")

    datasets: tuple[str, ...] = Field(default=("mnist5k_binary",), min_length=1)
    models: tuple[str, ...] = Field(default=("made", "pixelcnn", "pixelrnn", "realnvp", "vae"), min_length=1)
    sides: tuple[Side, ...] = Field(default=(8, 12, 16, 28), min_length=1)  # of the images, cut out of the middle
    seeds: int = Field(default=2, ge=1, le=16)  # each repeats the timing
    batch: int = Field(default=16, ge=2)  # of training, and samples drawn at once

    @property
    def takes(self) -> str:
        return f"images of at least {max(self.sides)} pixels a side"

    def fits(self, data: DatasetSpec) -> bool:
        return super().fits(data) and min(data.shape[1:]) >= max(self.sides)
