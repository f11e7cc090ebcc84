"""Langevin chains down a known energy, plain and Metropolis-corrected."""

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.models.hmc import hmc_step

__all__ = ["corrected", "mala", "reflect", "ula"]

Function = Callable[[Tensor], Tensor]

CORRECTED = 1 / 20  # share of a sample's steps that are Metropolis-corrected
ACCEPT = 0.574  # share of proposals accepted that mixes fastest (Roberts & Rosenthal, 1998)


def reflect(x: Tensor, half: float = 1.0) -> Tensor:
    """Fold R^d into the box [-half, half]^d, as by mirrors at its walls."""
    return half - (torch.remainder(x + half, 4 * half) - 2 * half).abs()


def ula(x: Tensor, gradient: Function, step: float, noise: Tensor, fold: Function | None = None) -> Tensor:
    """Unadjusted Langevin steps down an energy: x <- x - step * gradient(x) + sqrt(2 step) * xi.

    The stationary distribution is wider than exp(-U): N(m, s^2) becomes N(m, s^2 / (1 - step / (2 s^2))).

    References:
        Exponential convergence of Langevin distributions and their discrete approximations (Roberts & Tweedie, 1996)

    Arguments:
        x: start (B, d). gradient: of the energy, (B, d) -> (B, d). noise: xi (B, K, d) for K steps.
        fold: applied after each step, to keep chains in a bounded support.
    """
    for xi in noise.unbind(-2):
        x = x - step * gradient(x) + (2 * step) ** 0.5 * xi
        x = fold(x) if fold is not None else x
    return x


def mala(
    x: Tensor, energy: Function, gradient: Function, step: float, steps: int, generator: torch.Generator,
    half: float | None = None,
) -> tuple[Tensor, float]:  # fmt: skip
    """Metropolis-adjusted Langevin steps: ula's proposals, accepted so that exp(-U) is stationary exactly.

    Returns the chains (B, d) and the share of proposals accepted. A step is one leapfrog step of length sqrt(2 step), which
    bounces off the walls of [-half, half]^d where `half` is given.

    References:
        Exponential convergence of Langevin distributions and their discrete approximations (Roberts & Tweedie, 1996)
        Optimal scaling of discrete approximations to Langevin diffusions (Roberts & Rosenthal, 1998): accept .574

    Arguments:
        x: start (B, d). energy, gradient: U (B,) and its gradient (B, d) at (B, d). step: as ula's. steps: how many.
    """
    value, accepted = energy(x), torch.zeros((), device=x.device)
    for _ in range(steps):
        x, value, moved = hmc_step(x, value, energy, gradient, (2 * step) ** 0.5, 1, generator, half)
        accepted = accepted + moved.float().mean()
    return x, float(accepted) / max(steps, 1)


def corrected(
    x: Tensor, energy: Function, gradient: Function, step: float, steps: int, generator: torch.Generator,
    half: float | None = None,
) -> Tensor:  # fmt: skip
    """Samples of exp(-U) (B, d): Langevin chains from x whose last steps are Metropolis-corrected.

    The corrected steps first adapt their size; the second half of them keeps it: then exp(-U) is stationary exactly.

    Arguments:
        as mala's; steps: in all. half: of the box whose walls reflect the chains, if there is one.
    """
    fold = None if half is None else lambda x: reflect(x, half)
    last = round(CORRECTED * steps)
    for _ in range(steps - last):
        x = ula(x, gradient, step, torch.randn(len(x), 1, x.shape[1], generator=generator, device=x.device, dtype=x.dtype), fold)
    for i in range(last):
        x, rate = mala(x, energy, gradient, step, 1, generator, half)
        if i < last / 2:
            step *= 1.1 if rate > ACCEPT else 0.8
    return x
