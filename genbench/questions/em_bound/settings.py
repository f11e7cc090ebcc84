"""Whether the bound that EM raises touches the likelihood (Neal & Hinton 1998)."""

from typing import ClassVar

from pydantic import Field

from genbench.questions.base import Question

__all__ = ["Settings"]


class Settings(Question):
    """Whether the bound that EM raises touches the likelihood (Neal & Hinton 1998)."""

    kind: ClassVar = "points"

    datasets: tuple[str, ...] = Field(default=("ring8",), min_length=1)
    components: int = Field(default=8, ge=2)
    points: int = Field(default=2000, ge=100)  # of the training split
    iterations: int = Field(default=60, ge=2)
