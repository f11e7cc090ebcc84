"""Hamiltonian Monte Carlo: one transition that keeps exp(-U) invariant, on R^d or inside a box."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["hmc_step", "leapfrog"]

Function = Callable[[Tensor], Tensor]


def leapfrog(
    x: Tensor, velocity: Tensor, slope: Function, step: float | Tensor, count: int, half: float | None = None
) -> tuple[Tensor, Tensor]:
    """Take `count` leapfrog steps for the energy whose gradient is `slope`; volume-preserving and reversible.

    Arguments:
        x, velocity: (n, d). slope: gradient (n, d) of U at (n, d). step: length, or (n, 1) lengths by chain.
        half: keep x in [-half, half]^d by bouncing off its walls; None: no walls.

    References:
        MCMC using Hamiltonian dynamics (Neal, 2011), arXiv 1206.1901
    """
    velocity = velocity - 0.5 * step * slope(x)
    for i in range(count):
        x = x + step * velocity
        if half is not None:
            turns = torch.floor((x + half) / (2 * half))
            x = half - (torch.remainder(x + half, 4 * half) - 2 * half).abs()
            velocity = torch.where(turns.remainder(2) == 1, -velocity, velocity)
        velocity = velocity - (1.0 if i < count - 1 else 0.5) * step * slope(x)
    return x, velocity


def hmc_step(
    x: Tensor, value: Tensor, energy: Function, slope: Function, step: float | Tensor, count: int,
    generator: torch.Generator, half: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Move each chain by one Metropolis-corrected trajectory; return the new x (n, d), U(x) (n,) and who moved (n,) bool.

    A trajectory that ends where U is not finite is refused. With `count=1` this is MALA.

    Arguments:
        x: (n, d). value: U(x) (n,), known from the last step. energy: U (n,) at (n, d). The others: see `leapfrog`.
    """
    velocity = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    new, end = leapfrog(x, velocity, slope, step, count, half)
    proposed = energy(new)
    gain = value - proposed + 0.5 * (velocity.square() - end.square()).sum(-1)
    accepted = torch.rand(len(x), generator=generator, device=x.device).log() < gain
    return torch.where(accepted.unsqueeze(-1), new, x), torch.where(accepted, proposed, value), accepted
