"""Settings of the experiments on autoencoders."""

from typing import Literal

from pydantic import Field, model_validator

from genbench.config.experiments.base import Settings

__all__ = ["LatentSizes", "VAEGradients", "VAETerms"]

Images = Literal["digits", "mnist5k", "mnist", "fashion_mnist"]


class OfVAEs(Settings):
    """Experiments on the VAE by its recipe."""

    @property
    def recipes(self) -> tuple[str, ...]:
        return ("vae",)


class VAEGradients(OfVAEs):
    """How noisy the estimators of a VAE's gradient are (Roeder et al. 2017)."""

    datasets: tuple[Literal["ring8", "grid25", "moons", "digits", "mnist5k"], ...] = Field(
        default=("ring8", "digits"), min_length=1
    )
    updates: int = Field(default=1000, ge=10)
    draws: int = Field(default=100, ge=10)  # of noise, over which a gradient varies
    examples: int = Field(default=32, ge=2)  # behind a gradient


class VAETerms(OfVAEs):
    """What each term of a VAE's objective does to its latents."""

    datasets: tuple[Images, ...] = Field(default=("digits",), min_length=1)
    updates: int = Field(default=1000, ge=10)
    examples: int = Field(default=1000, ge=50)  # most of a split that are looked at
    side: int = Field(default=20, ge=2, le=40)  # images of the grid per axis
    pairs: int = Field(default=4, ge=1, le=9)  # of test examples with a path between them
    steps: int = Field(default=11, ge=3, le=25)  # images of a path


class LatentSizes(OfVAEs):
    """How many latent numbers a VAE uses, and what more of them bring."""

    datasets: tuple[Images, ...] = Field(default=("digits",), min_length=1)
    updates: int = Field(default=1000, ge=10)
    sizes: tuple[int, ...] = Field(default=(2, 8, 16, 32), min_length=1)
    weights: int = Field(default=200, ge=2)  # of the importance-weighted bound
    examples: int = Field(default=1000, ge=50)  # most of the test split that bounds are of
    samples: int = Field(default=1000, ge=50)
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images

    @model_validator(mode="after")
    def _positive(self) -> "LatentSizes":
        if min(self.sizes) < 1:
            raise ValueError(f"sizes must be >= 1, got {', '.join(map(str, self.sizes))}")
        return self
