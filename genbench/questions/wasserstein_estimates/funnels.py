"""Pairs of distributions in any dimension whose Wasserstein-1 distance, optimal plan and optimal critic are known."""

from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Funnels", "Known", "Shift"]

REACH = 0.1  # funnels start at most this high
MANY = 200_000  # examples behind the mean length of the transport


class Known(Protocol):
    """Distributions P and Q of vectors (d,), float64, with their distance in closed form or as a mean over a large sample."""

    dim: int

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n examples (n, d) of P."""

    def transport(self, x: Tensor) -> Tensor:
        """The optimal map: examples (n, d) of P to examples of Q."""

    def potential(self, x: Tensor) -> Tensor:
        """An optimal critic (n,): E u(P) - E u(Q) is the distance, and its gradient norm is at most 1 everywhere."""

    def gradient(self, x: Tensor) -> Tensor:
        """The critic's gradient (n, d), of length 1: the same at x and at transport(x)."""

    def distance(self) -> float:
        """Wasserstein-1 distance of P and Q, Euclidean cost."""


class Funnels:
    """P = N(0, I), each point of which is drawn down the steepest of several funnels: Q.

    The critic u(x) = min_n |x - a_n| + b_n falls with gradient norm 1 along the segment from x to the apex a_n of the funnel
    that x is in. The map x -> a_n + keep (x - a_n) moves along it: |x - T(x)| = u(x) - u(T(x)) for every x, so that no plan is
    cheaper and no 1-Lipschitz critic is better.

    Arguments:
        dim: dimension d. count: number of funnels, apexes of norm sqrt(d) in random directions. keep: share of its way to the
            apex that a point is left with, in [0, 1).

    References:
        Kantorovich Strikes Back! Wasserstein GANs are not Optimal Transport? (Korotin et al., 2022), arXiv 2206.07767
    """

    def __init__(self, dim: int, count: int = 4, keep: float = 0.5, seed: int = 0):
        if not 0 <= keep < 1:
            raise ValueError(f"keep: must lie in [0, 1), got {keep}")
        generator = torch.Generator().manual_seed(seed)
        directions = torch.randn(count, dim, generator=generator, dtype=torch.float64)
        self.dim, self.keep = dim, keep
        self.apexes = directions * dim**0.5 / directions.norm(dim=1, keepdim=True)
        self.heights = REACH * torch.rand(count, generator=generator, dtype=torch.float64)

    def sample(self, n, generator):
        return torch.randn(n, self.dim, generator=generator, dtype=torch.float64)

    def transport(self, x):
        apex = self.apexes[self._values(x).argmin(1)]
        return apex + self.keep * (x - apex)

    def potential(self, x):
        return self._values(x).min(1).values

    def gradient(self, x):
        way = x - self.apexes[self._values(x).argmin(1)]
        return way / way.norm(dim=1, keepdim=True)

    def distance(self):
        x = self.sample(MANY, torch.Generator().manual_seed(1))
        return float((x - self.transport(x)).norm(dim=1).mean())

    def _values(self, x: Tensor) -> Tensor:
        return torch.cdist(x, self.apexes, compute_mode="donot_use_mm_for_euclid_dist") + self.heights


class Shift:
    """P = N(m, I) with |m| = `length` along the diagonal, Q = N(0, I): their distance is `length`."""

    def __init__(self, dim: int, length: float = 3.0):
        self.dim, self.length = dim, length
        self.way = torch.full((dim,), dim**-0.5, dtype=torch.float64)

    def sample(self, n, generator):
        return torch.randn(n, self.dim, generator=generator, dtype=torch.float64) + self.length * self.way

    def transport(self, x):
        return x - self.length * self.way

    def potential(self, x):
        return x @ self.way

    def gradient(self, x):
        return self.way.expand_as(x)

    def distance(self):
        return self.length
