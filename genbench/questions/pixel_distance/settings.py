"""Whether what is equally far in pixels is equally different (Stanczuk et al.'s figure 26)."""

from typing import ClassVar

from pydantic import Field, FiniteFloat

from genbench.questions.base import Question

__all__ = ["Settings"]


class Settings(Question):
    """Whether what is equally far in pixels is equally different (Stanczuk et al.'s figure 26)."""

    kind: ClassVar = "images"
    grey: ClassVar = True
    classified: ClassVar = True

    datasets: tuple[str, ...] = Field(default=("digits", "mnist5k"), min_length=1)
    images: int = Field(default=200, ge=20)  # of the test split
    shift: FiniteFloat = Field(default=0.036, gt=0, le=0.5)  # of the side, whose median L2 distance all changes have
    encoder_epochs: int = Field(default=5, ge=1)
    shown: int = Field(default=3, ge=1, le=8)  # images in the figure
