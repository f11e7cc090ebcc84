"""Spaces: every transform between raw data and what a model sees, with its log-Jacobian."""

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from genbench.config.errors import UserError

if TYPE_CHECKING:
    from genbench.data.dataset import Dataset

__all__ = ["SPACES", "Logit", "Space", "Standard", "Symmetric", "Uniform", "bits_per_dim", "space"]

# dequantisation noise keeps this far from the borders of a level, where float32 could round into the next one
EDGE = 2**-12


@dataclass(frozen=True)
class Space:
    """A transform of raw data (..., *shape) to float32 model inputs of the same shape, on any device.

    `log_jacobian(y)` is what to ADD to log p(y) to get the log-density of the raw point, or log P of the
    image with values in 0..levels-1: for a space that dequantises a lower bound, by Jensen.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    dequantises: ClassVar[bool] = False  # encode needs noise u ~ U[0, 1)
    discrete: ClassVar[bool] = False  # the model returns log P of the levels itself

    shape: tuple[int, ...]
    levels: int | None = None

    @property
    def dim(self) -> int:
        """Number of entries of one example."""
        return math.prod(self.shape)

    def encode(self, x: Tensor, u: Tensor | None = None) -> Tensor:
        """Raw data (..., *shape) to float32 inputs; u ~ U[0, 1) of x's shape iff the space dequantises."""
        if tuple(x.shape[x.ndim - len(self.shape) :]) != self.shape:
            raise ValueError(f"expected (..., {', '.join(map(str, self.shape))}), got {tuple(x.shape)}")
        if not self.dequantises:
            return self._encode(x.to(torch.float32))
        if u is None or u.shape != x.shape:
            raise ValueError(f"space {self.name!r} dequantises: encode needs u ~ U[0, 1) of shape {tuple(x.shape)}")
        return self._encode(x.to(torch.float32) + u.to(torch.float32).clamp(EDGE, 1 - EDGE))

    def seen(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs as a model is trained on them, dequantised if the space is, and the nats (...) to add to log p(y)."""
        y = self.encode(x, torch.rand(x.shape, generator=generator, device=x.device) if self.dequantises else None)
        return y, self.log_jacobian(y)

    def continuous(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs for a density on the whole space, dequantised where x is discrete, and the nats (...) to add to log p(y)."""
        return self.seen(x, generator)

    def decode(self, y: Tensor) -> Tensor:
        """Inputs to raw data: points float32, images uint8 clipped to 0..levels-1 (NaN becomes 0)."""
        raise NotImplementedError

    def log_jacobian(self, y: Tensor) -> Tensor:
        """Nats (...) to add to log p(y), one value per example."""
        raise NotImplementedError

    def _encode(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def _constant(self, y: Tensor, value: float) -> Tensor:
        return torch.full(y.shape[: y.ndim - len(self.shape)], value, dtype=y.dtype, device=y.device)

    def _to_levels(self, k: Tensor) -> Tensor:
        # NaN must not reach the cast to uint8, whose result would depend on the machine
        return k.nan_to_num(0.0, self.levels - 1, 0.0).clamp(0, self.levels - 1).to(torch.uint8)


@dataclass(frozen=True)
class Standard(Space):
    """Points, y = (x - mean) / scale, with one scale for all dimensions."""

    name = "standard"
    kind = "points"

    mean: tuple[float, ...] = ()
    scale: float = 1.0

    def _encode(self, x: Tensor) -> Tensor:
        return (x - _tensor(self.mean, x.device, x.dtype)) / self.scale

    def decode(self, y: Tensor) -> Tensor:
        return (y * self.scale + _tensor(self.mean, y.device, y.dtype)).to(torch.float32)

    def log_jacobian(self, y: Tensor) -> Tensor:
        return self._constant(y, -self.dim * math.log(self.scale))


@dataclass(frozen=True)
class Symmetric(Space):
    """Images, y = 2k/(V-1) - 1 in [-1, 1]; the model is discrete or has no likelihood."""

    name = "symmetric"
    kind = "images"
    discrete = True

    def _encode(self, x: Tensor) -> Tensor:
        return x * (2 / (self.levels - 1)) - 1

    def decode(self, y: Tensor) -> Tensor:
        return self._to_levels(((y + 1) * ((self.levels - 1) / 2)).round())

    def continuous(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        u = torch.rand(x.shape, generator=generator, device=x.device).clamp(EDGE, 1 - EDGE)
        y = self._encode(x.to(torch.float32) + u - 0.5)  # each grey value spread over its cell
        return y, self._constant(y, self.dim * math.log(2 / (self.levels - 1)))

    def log_jacobian(self, y: Tensor) -> Tensor:
        return self._constant(y, 0.0)


@dataclass(frozen=True)
class Uniform(Space):
    """Images, y = 2(k+u)/V - 1 in [-1, 1)."""

    name = "uniform"
    kind = "images"
    dequantises = True

    def _encode(self, x: Tensor) -> Tensor:
        return x * (2 / self.levels) - 1

    def decode(self, y: Tensor) -> Tensor:
        return self._to_levels(((y + 1) * (self.levels / 2)).floor())

    def log_jacobian(self, y: Tensor) -> Tensor:
        return self._constant(y, self.dim * math.log(2 / self.levels))


@dataclass(frozen=True)
class Logit(Space):
    """Images, y = logit(a + (1-2a)(k+u)/V) on the whole line (Dinh et al. 2017)."""

    name = "logit"
    kind = "images"
    dequantises = True

    a: float = 0.02

    def _encode(self, x: Tensor) -> Tensor:
        return (self.a + (1 - 2 * self.a) / self.levels * x).logit()

    def decode(self, y: Tensor) -> Tensor:
        return self._to_levels(((y.sigmoid() - self.a) * (self.levels / (1 - 2 * self.a))).floor())

    def log_jacobian(self, y: Tensor) -> Tensor:
        # dy/dk = (1-2a) / (V s (1-s)) with s = sigmoid(y), and -log s(1-s) = softplus(y) + softplus(-y)
        each = softplus(y) + softplus(-y)
        return each.flatten(y.ndim - len(self.shape)).sum(-1) + self.dim * math.log((1 - 2 * self.a) / self.levels)


SPACES = {"standard": Standard, "symmetric": Symmetric, "uniform": Uniform, "logit": Logit}


def space(dataset: "Dataset", name: str, a: float = 0.02) -> Space:
    """A dataset's space: "standard" for points; "symmetric", "uniform", "logit" (with a) for images."""
    cls = SPACES.get(name)
    if cls is None or cls.kind != dataset.kind:
        raise UserError(
            f"{dataset.name}: no space {name!r} for {dataset.kind}; allowed: "
            + ", ".join(key for key, value in SPACES.items() if value.kind == dataset.kind)
        )
    if cls is Standard:
        return Standard(dataset.shape, None, tuple(dataset.meta["mean"]), dataset.meta["scale"])
    if cls is Logit:
        if not 0 < a < 0.5:
            raise UserError(f"{dataset.name}: space 'logit': a must lie in (0, 0.5), got {a}")
        return Logit(dataset.shape, dataset.levels, a)
    return cls(dataset.shape, dataset.levels)


def bits_per_dim(nats: Tensor, dim: int) -> Tensor:
    """Bits/dim, -nats / (dim ln 2), of log-likelihoods in nats per example that include the log-Jacobian."""
    return -nats / (dim * math.log(2))


@functools.cache
def _tensor(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.tensor(values, device=device, dtype=dtype)  # cached: a copy to a GPU in the inner loop would stall it
