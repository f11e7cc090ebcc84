"""What a generator learns from a critic that is far ahead of it (Arjovsky & Bottou's vanishing gradient)."""

from typing import ClassVar

from pydantic import Field, FiniteFloat

from genbench.questions.base import Training

__all__ = ["Settings"]


class Settings(Training):
    """What a generator learns from a critic that is far ahead of it (Arjovsky & Bottou's vanishing gradient)."""

    uses: ClassVar = ("ns_gan",)  # all losses meet its networks

    datasets: tuple[str, ...] = Field(default=("ring8", "digits"), min_length=1)
    gp: FiniteFloat = Field(default=10.0, gt=0)  # of the Wasserstein critic
    lr: FiniteFloat = Field(default=1e-3, gt=0)
