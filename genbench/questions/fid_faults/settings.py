"""What the FID makes of small samples, lost classes, other encoders and copies."""

from typing import ClassVar

from pydantic import Field

from genbench.questions.base import Question

__all__ = ["Settings"]


class Settings(Question):
    """What the FID makes of small samples, lost classes, other encoders and copies."""

    kind: ClassVar = "images"
    grey: ClassVar = True
    classified: ClassVar = True

    datasets: tuple[str, ...] = Field(default=("digits", "mnist5k"), min_length=1)
    seeds: int = Field(default=5, ge=1, le=16)  # of classifiers
    redraws: int = Field(default=8, ge=3, le=100)  # of the images that stand for samples
    images: int = Field(default=400, ge=60)  # at most, of each sampler
    encoder_epochs: int = Field(default=5, ge=1)
