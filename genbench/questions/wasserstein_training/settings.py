"""Whether generators whose critics know the distance better are better (Stanczuk et al. 2021)."""

from pydantic import Field, FiniteFloat

from genbench.questions.base import REGULARISATIONS, Regularisation, WassersteinCritics

__all__ = ["Settings"]


class Settings(WassersteinCritics):
    """Whether generators whose critics know the distance better are better (Stanczuk et al. 2021)."""

    updates: int = Field(default=400, ge=10)  # of the generator
    critics: tuple[Regularisation, ...] = Field(default=REGULARISATIONS[:-1], min_length=1)
    looks: int = Field(default=5, ge=1)  # during training
    samples: int = Field(default=1000, ge=50)  # at each look
    draws: int = Field(default=10, ge=2)  # of batches at each look
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images
    shown: int = Field(default=10, ge=1)  # images that are kept of each kind
    width: int = Field(default=64, ge=4)
    limit: FiniteFloat = Field(default=0.1, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=1.0, gt=0)  # at 10, that of both sides keeps a generator from learning a ring
