"""Settings of the experiments on adversaries, their critics and the metrics of their samples."""

from typing import Literal, get_args

from pydantic import Field, FiniteFloat, model_validator

from genbench.config.experiments.base import Asked, Settings

__all__ = [
    "BatchWasserstein",
    "CriticGradients",
    "CriticQuality",
    "CriticSurfaces",
    "FidFaults",
    "GeneratorGradients",
    "PixelDistance",
    "WassersteinEstimates",
    "WassersteinTraining",
]

Planar = Literal["ring8", "grid25", "moons", "swiss_roll", "checkerboard", "pinwheel"]
Adversary = Literal["mm_gan", "ns_gan", "lsgan", "wgan", "wgan_gp", "dragan", "sngan", "r1_gan", "hinge_gan"]

Restraint = Literal["clipping", "gradient penalty", "one-sided penalty", "spectral norm", "c-transform", "no restraint"]
RESTRAINTS: tuple[Restraint, ...] = get_args(Restraint)


class CriticQuality(Settings):
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


class CriticSurfaces(Settings):
    """What critics look like under different restraints, near their optimum (WGAN-GP's figure 1b)."""

    datasets: tuple[Planar, ...] = Field(default=("ring8", "swiss_roll", "grid25"), min_length=1)
    updates: int = Field(default=600, ge=10)
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=3, ge=1)
    lr: FiniteFloat = Field(default=1e-3, gt=0)
    limit: FiniteFloat = Field(default=0.01, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=10.0, gt=0)
    points: int = Field(default=2000, ge=50)  # of data and of fakes, between which the exact distance is computed
    cells: int = Field(default=60, ge=10)  # of the map per axis


class CriticGradients(Settings):
    """How gradients pass a deep critic, and where its weights end (WGAN-GP's figure 2)."""

    datasets: tuple[Planar, ...] = Field(default=("swiss_roll",), min_length=1)
    updates: int = Field(default=300, ge=10)
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=12, ge=2)
    lr: FiniteFloat = Field(default=2e-4, gt=0)
    limits: tuple[FiniteFloat, ...] = Field(default=(0.001, 0.01, 0.1), min_length=1)
    gp: FiniteFloat = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _positive(self) -> "CriticGradients":
        if min(self.limits) <= 0:
            raise ValueError(f"limits must be > 0, got {', '.join(f'{limit:g}' for limit in self.limits)}")
        return self


class GeneratorGradients(Settings):
    """What a generator learns from a critic that is far ahead of it (Arjovsky & Bottou's vanishing gradient)."""

    datasets: tuple[Literal["ring8", "grid25", "swiss_roll", "digits"], ...] = Field(default=("ring8", "digits"), min_length=1)
    gp: FiniteFloat = Field(default=10.0, gt=0)  # of the Wasserstein critic
    lr: FiniteFloat = Field(default=1e-3, gt=0)

    @property
    def recipes(self) -> tuple[str, ...]:
        return ("ns_gan",)  # all losses meet its networks


class WassersteinEstimates(Settings):
    """Whether Wasserstein critics of fixed pairs know their distance (Stanczuk et al. 2021)."""

    datasets: tuple[Literal["ring8", "grid25", "digits", "polygons", "triangles"], ...] = Field(
        default=("ring8", "digits"), min_length=1
    )
    updates: int = Field(default=600, ge=10)
    batch: int = Field(default=64, ge=8)
    critics: tuple[Restraint, ...] = Field(default=RESTRAINTS, min_length=1)
    dims: tuple[int, ...] = (2, 16, 64)  # of pairs of laws whose distance is known
    points: int = Field(default=500, ge=20)  # of each of two sets
    draws: int = Field(default=20, ge=2)  # of batches
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=2, ge=1)
    lr: FiniteFloat = Field(default=1e-3, gt=0)
    limit: FiniteFloat = Field(default=0.01, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _in_space(self) -> "WassersteinEstimates":
        if any(dim < 1 for dim in self.dims):
            raise ValueError(f"dims must be >= 1, got {', '.join(map(str, self.dims))}")
        return self


class WassersteinTraining(Settings):
    """Whether generators whose critics know the distance better are better (Stanczuk et al. 2021)."""

    datasets: tuple[Literal["ring8", "grid25", "digits", "polygons", "triangles"], ...] = Field(
        default=("ring8", "digits"), min_length=1
    )
    updates: int = Field(default=400, ge=10)  # of the generator
    batch: int = Field(default=64, ge=8)
    critics: tuple[Restraint, ...] = Field(default=RESTRAINTS[:-1], min_length=1)
    looks: int = Field(default=5, ge=1)  # during training
    samples: int = Field(default=1000, ge=50)  # at each look
    draws: int = Field(default=10, ge=2)  # of batches at each look
    encoder_epochs: int = Field(default=10, ge=1)  # of the classifier whose features score images
    shown: int = Field(default=10, ge=1)  # images that are kept of each kind
    width: int = Field(default=64, ge=4)
    depth: int = Field(default=2, ge=1)
    lr: FiniteFloat = Field(default=1e-3, gt=0)
    limit: FiniteFloat = Field(default=0.1, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=1.0, gt=0)  # at 10, that of both sides keeps a generator from learning a ring


class BatchWasserstein(Asked):
    """Whether the distance of batches prefers centres of clusters to real data (Stanczuk et al. 2021); nothing is trained."""

    datasets: tuple[Literal["ring8", "grid25", "digits", "polygons", "triangles"], ...] = Field(
        default=("digits", "polygons"), min_length=1
    )
    dims: tuple[int, ...] = (2, 8, 32, 128)  # of standard normals
    sizes: tuple[int, ...] = Field(default=(64, 256, 900), min_length=1)  # of batches
    centres: tuple[int, ...] = (10, 50)
    draws: int = Field(default=20, ge=2)
    points: int = Field(default=4000, ge=100)  # most of a dataset that are used

    @model_validator(mode="after")
    def _positive_sizes(self) -> "BatchWasserstein":
        if min((*self.dims, *self.centres, *self.sizes), default=1) < 1:
            raise ValueError("dims, centres and sizes must be >= 1")
        return self


Classified = Literal["digits", "mnist5k", "polygons", "triangles", "mnist", "fashion_mnist"]


class PixelDistance(Asked):
    """Whether what is equally far in pixels is equally different (Stanczuk et al.'s figure 26)."""

    datasets: tuple[Classified, ...] = Field(default=("digits", "mnist5k"), min_length=1)
    images: int = Field(default=200, ge=20)  # of the test split
    shift: FiniteFloat = Field(default=0.036, gt=0, le=0.5)  # of the side, whose median L2 distance all changes have
    encoder_epochs: int = Field(default=5, ge=1)
    shown: int = Field(default=3, ge=1, le=8)  # images in the figure


class FidFaults(Asked):
    """What the FID makes of small samples, lost classes, other encoders and copies."""

    datasets: tuple[Classified, ...] = Field(default=("digits", "mnist5k"), min_length=1)
    seeds: int = Field(default=5, ge=1, le=16)  # of classifiers
    redraws: int = Field(default=8, ge=3, le=100)  # of the images that stand for samples
    images: int = Field(default=400, ge=60)  # at most, of each sampler
    encoder_epochs: int = Field(default=5, ge=1)
