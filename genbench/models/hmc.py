"""Hamiltonian Monte Carlo: one transition that keeps exp(-U) invariant, on R^d or inside a box."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["LastLook", "hmc_step", "leapfrog"]

Function = Callable[[Tensor], Tensor]


class LastLook:
    """A function x (n, d) -> value (n,), gradient (n, d) that is not computed again where it is asked of one tensor in a row.

    Energies and gradients made of it cost one computation at each point of a trajectory.

    Arguments:
        look: the function. point, seen: where it was computed last, and what it gave there.
    """

    def __init__(self, look: Callable[[Tensor], tuple[Tensor, Tensor]], point: Tensor, seen: tuple[Tensor, Tensor]):
        self.look, self.point, self.start, self.seen = look, point, seen, seen

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x is not self.point:
            self.point, self.seen = x, self.look(x)
        return self.seen

    def kept(self, accepted: Tensor) -> tuple[Tensor, Tensor]:
        """What holds after a step that looked at its proposal last: there for chains that moved (n,), else at the start."""
        new, old = self.seen, self.start
        return torch.where(accepted, new[0], old[0]), torch.where(accepted.unsqueeze(-1), new[1], old[1])


def leapfrog(
    x: Tensor, velocity: Tensor, gradient: Function, step: float | Tensor, count: int, half: float | None = None
) -> tuple[Tensor, Tensor]:
    """Take `count` leapfrog steps for an energy of known gradient; volume-preserving and reversible.

    Arguments:
        x, velocity: (n, d). gradient: of U, (n, d) at (n, d). step: length, or (n, 1) lengths by chain.
        half: keep x in [-half, half]^d by bouncing off its walls; None: no walls.

    References:
        MCMC using Hamiltonian dynamics (Neal, 2011), arXiv 1206.1901
    """
    velocity = velocity - 0.5 * step * gradient(x)
    for i in range(count):
        x = x + step * velocity
        if half is not None:
            turns = torch.floor((x + half) / (2 * half))
            x = half - (torch.remainder(x + half, 4 * half) - 2 * half).abs()
            velocity = torch.where(turns.remainder(2) == 1, -velocity, velocity)
        velocity = velocity - (1.0 if i < count - 1 else 0.5) * step * gradient(x)
    return x, velocity


def hmc_step(
    x: Tensor, value: Tensor, energy: Function, gradient: Function, step: float | Tensor, count: int,
    generator: torch.Generator, half: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Move each chain by one Metropolis-corrected trajectory; return the new x (n, d), U(x) (n,) and who moved (n,) bool.

    A trajectory that ends where U is not finite is refused. With `count=1` this is MALA.

    Arguments:
        x: (n, d). value: U(x) (n,), known from the last step. energy: U (n,) at (n, d). The others: see `leapfrog`.
    """
    velocity = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    new, end = leapfrog(x, velocity, gradient, step, count, half)
    proposed = energy(new)
    gain = value - proposed + 0.5 * (velocity.square() - end.square()).sum(-1)
    accepted = torch.rand(len(x), generator=generator, device=x.device).log() < gain
    return torch.where(accepted.unsqueeze(-1), new, x), torch.where(accepted, proposed, value), accepted
