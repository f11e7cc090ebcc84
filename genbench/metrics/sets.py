"""What metrics of samples see: one object for points, one for images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from torch import Tensor

from genbench.metrics.card import Card
from genbench.metrics.order import canonical

if TYPE_CHECKING:
    from genbench.data.points import PointDensity
    from genbench.metrics.references import Reference, Training

__all__ = ["Images", "Manifold", "Points"]

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False, kw_only=True)
class _Samples:
    """What several metrics need of the same samples is computed once, from samples in canonical order.

    `splits`: the dataset's own examples in raw units, by split, "train" among them: what samples should not repeat. None is
    not asked for.
    """

    seed: int = 0  # draws subsets of the samples
    splits: Mapping[str, Tensor] | None = None
    _kept: dict[Callable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, function: Callable[[Any], Value]) -> Value:
        """`function` of this object, called the first time only."""
        if function not in self._kept:
            self._kept[function] = function(self)
        return self._kept[function]

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def asks(self, card: Card) -> bool:
        """Whether these samples are asked for a metric at all."""
        return True


@dataclass(frozen=True, eq=False)
class Points(_Samples):
    """Generated points (n, d) in raw units, reference points (m, d) from the split named, and their true density."""

    kind: ClassVar[str] = "points"

    samples: Tensor
    reference: Tensor | None = None
    density: "PointDensity | None" = None
    split: str | None = None

    def __post_init__(self) -> None:
        self._set(samples=canonical(self.samples)[0])
        if self.reference is not None:
            self._set(reference=canonical(self.reference)[0])

    @property
    def about(self) -> dict[str, Any]:
        """Settings of what is compared with the reference."""
        return {} if self.split is None else {"reference": self.split}


@dataclass(frozen=True, eq=False)
class Manifold:
    """The known manifold of images, in 0..1: of a dataset, and how a model reaches it.

    `project` gives images' squared distances (n,) to it; `made` (n, C, H, W) are generated and `test` (m, C, H, W) real
    images, and `delta` is the largest such distance on the manifold (None: by the size of the images). `generate` maps
    latents (B, latent) ~ N(0, I) to images, differentiably, on the device of `generator`; None where a model has no such map.
    """

    project: Callable[[Tensor], Tensor]
    made: Tensor
    test: Tensor
    generate: Callable[[Tensor], Tensor] | None = None
    latent: int = 0
    generator: torch.Generator | None = None
    delta: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "made", canonical(self.made)[0])
        object.__setattr__(self, "test", canonical(self.test)[0])


@dataclass(frozen=True, eq=False)
class Images(_Samples):
    """Generated images as one encoder sees them, with the real ones that they are compared with.

    `features` (n, d) and `logits` (n, K) of the images; `reference`: real ones by the same encoder; `samples` (n, C, H, W):
    the images themselves, in raw units; `training`: the training split; `labels` (n,): the classes asked for;
    `manifold`: that of the data, where it is known. What is None is not asked for. `further`: seen by another encoder than the
    first of a study, which only shows whether a ranking depends on the encoder.
    """

    kind: ClassVar[str] = "images"

    features: Tensor
    logits: Tensor | None = None
    reference: "Reference | None" = None
    samples: Tensor | None = None
    training: "Training | None" = None
    labels: Tensor | None = None
    manifold: Manifold | None = None
    further: bool = False

    def __post_init__(self) -> None:
        # the images first: features of one image can differ in the last digits with the batch that it was in
        samples, features, logits, labels = canonical(self.samples, self.features, self.logits, self.labels)
        self._set(samples=samples, features=features, logits=logits, labels=labels)

    def asks(self, card: Card) -> bool:
        """Whether these samples are asked for a metric at all."""
        return card.encoders == "all" or not self.further

    @property
    def about(self) -> dict[str, Any]:
        """Settings of what is compared with the reference."""
        return {} if self.reference is None else {"encoder": self.reference.encoder, "reference": self.reference.split}
