"""Whether a critic's loss tells how good the samples are (WGAN's figure 3)."""

from typing import Literal

from pydantic import Field

from genbench.questions.base import Training

__all__ = ["Settings"]

Adversary = Literal["mm_gan", "ns_gan", "lsgan", "wgan", "wgan_gp", "dragan", "sngan", "r1_gan", "hinge_gan"]


class Settings(Training):
    """Whether a critic's loss tells how good the samples are (WGAN's figure 3)."""

    datasets: tuple[Literal["ring8", "grid25", "swiss_roll", "digits"], ...] = Field(default=("ring8", "digits"), min_length=1)
    models: tuple[Adversary, ...] = Field(default=("wgan", "wgan_gp", "ns_gan", "lsgan"), min_length=1)
    updates: int = Field(default=400, ge=10)
    looks: int = Field(default=15, ge=5)  # at the samples during training
    samples: int = Field(default=1000, ge=50)  # at each look
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images

    @property
    def recipes(self) -> tuple[str, ...]:
        return self.models
