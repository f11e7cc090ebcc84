"""Whether a critic's loss tells how good the samples are (WGAN's figure 3)."""

from typing import ClassVar

from pydantic import Field

from genbench.questions.base import Training

__all__ = ["Settings"]


class Settings(Training):
    """Whether a critic's loss tells how good the samples are (WGAN's figure 3)."""

    classified: ClassVar = True
    families: ClassVar = ("gan",)

    datasets: tuple[str, ...] = Field(default=("ring8", "digits"), min_length=1)
    models: tuple[str, ...] = Field(default=("wgan", "wgan_gp", "ns_gan", "lsgan"), min_length=1)
    updates: int = Field(default=400, ge=10)
    looks: int = Field(default=15, ge=5)  # at the samples during training
    samples: int = Field(default=1000, ge=50)  # at each look
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images
