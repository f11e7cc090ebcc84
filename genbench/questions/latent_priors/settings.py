"""Whether a better prior, or a better posterior, helps a VAE whose encoder and decoder stay the same."""

from typing import ClassVar, Literal, get_args

from pydantic import Field

from genbench.questions.base import Training

__all__ = ["Settings"]

Prior = Literal["normal", "mixture", "vamp", "flow", "diffusion"]
Posterior = Literal["normal", "iaf"]


class Settings(Training):
    """Whether a better prior, or a better posterior, helps a VAE whose encoder and decoder stay the same."""

    classified: ClassVar = True
    uses: ClassVar = ("vae", "iaf_vae", "mixture_vae", "vamp_vae", "flow_prior_vae", "diffusion_prior_vae")

    datasets: tuple[str, ...] = Field(default=("digits",), min_length=1)
    priors: tuple[Prior, ...] = Field(default=get_args(Prior), min_length=1)
    posteriors: tuple[Posterior, ...] = Field(default=get_args(Posterior), min_length=1)
    updates: int = Field(default=400, ge=10)
    batch: int = Field(default=64, ge=8)
    examples: int = Field(default=200, ge=10)  # of the test split, for the bounds
    importance: int = Field(default=50, ge=2)  # samples of the importance-weighted bound
    samples: int = Field(default=1000, ge=50)
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images
