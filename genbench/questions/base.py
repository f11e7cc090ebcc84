"""What the settings of questions have in common, and what they need of datasets and models."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, FiniteFloat, model_validator

from genbench.config.budget import Frozen
from genbench.config.schema import DatasetSpec

__all__ = [
    "REGULARISATIONS",
    "Chains",
    "Count",
    "Planar",
    "Positive",
    "Question",
    "Regularisation",
    "Training",
    "WassersteinCritics",
]

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[FiniteFloat, Field(gt=0)]

# of Wasserstein critics; "c-transform" is a loss that needs none
Regularisation = Literal["clipping", "gradient penalty", "one-sided penalty", "spectral norm", "c-transform", "no restraint"]
REGULARISATIONS: tuple[Regularisation, ...] = get_args(Regularisation)


class Question(Frozen):
    """What all questions have: datasets, and seeds of whatever is trained.

    Class variables say what it takes. Of datasets: `kind` (points or images, "" for both), `planar` (points of the plane),
    `grey` (images of one channel), `classified` (images have class labels). Of models: `families` of those in `models`, where
    the settings have such; `uses`: models whose recipes it takes, where they have not.
    """

    kind: ClassVar[Literal["", "points", "images"]] = ""
    planar: ClassVar[bool] = False
    grey: ClassVar[bool] = False
    classified: ClassVar[bool] = False
    families: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[tuple[str, ...]] = ()

    datasets: tuple[str, ...] = Field(default=(), min_length=1)
    seeds: int = Field(default=3, ge=1, le=16)

    @property
    def recipes(self) -> tuple[str, ...]:
        """Models whose recipes the question takes."""
        return getattr(self, "models", self.uses)

    @property
    def takes(self) -> str:
        """The datasets that it takes, in words."""
        images = f"{'grey ' * self.grey}images{' with class labels' * self.classified}"
        points = f"points{' of the plane' * self.planar}"
        return {"points": points, "images": images}.get(self.kind, f"{points} or {images}")

    def fits(self, data: DatasetSpec) -> bool:
        """Whether it takes a dataset."""
        if self.kind not in ("", data.kind):
            return False
        if data.kind == "points":
            return not self.planar or data.shape == (2,)
        return not (self.grey and data.shape[0] > 1) and not (self.classified and data.classes is None)

    @model_validator(mode="after")
    def _distinct(self) -> "Question":
        for key, value in self:
            if isinstance(value, tuple) and len(set(value)) < len(value):
                raise ValueError(f"{key}: values must be distinct, got {', '.join(map(str, value))}")
        return self


class Training(Question):
    """What questions on models have besides: the length of trainings that differ in their seeds alone."""

    updates: int = Field(default=500, ge=10)
    batch: int = Field(default=128, ge=8)


class Planar(Training):
    """Questions that look at the plane."""

    kind: ClassVar = "points"
    planar: ClassVar = True


class Chains(Planar):
    """Questions on energies that learn from Langevin chains."""

    datasets: tuple[str, ...] = Field(default=("ring8",), min_length=1)
    width: int = Field(default=64, ge=4)
    depth: int = Field(default=2, ge=1)
    steps: int = Field(default=20, ge=1)  # of the chains per update
    step: FiniteFloat = Field(default=0.01, gt=0)  # their size
    lr: FiniteFloat = Field(default=1e-3, gt=0)


class WassersteinCritics(Training):
    """Questions on Wasserstein critics, by what keeps them Lipschitz."""

    planar: ClassVar = True
    classified: ClassVar = True

    datasets: tuple[str, ...] = Field(default=("ring8", "digits"), min_length=1)
    batch: int = Field(default=64, ge=8)
    critics: tuple[Regularisation, ...] = Field(default=REGULARISATIONS, min_length=1)
    draws: int = Field(default=20, ge=2)  # of batches
    width: int = Field(default=128, ge=4)
    depth: int = Field(default=2, ge=1)
    lr: FiniteFloat = Field(default=1e-3, gt=0)
    limit: FiniteFloat = Field(default=0.01, gt=0)  # of clipped weights
    gp: FiniteFloat = Field(default=10.0, gt=0)
