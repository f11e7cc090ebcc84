"""The logarithm of an energy model's normalising constant."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LogZ", "ais_log_z", "quadrature_log_z"]

Energy = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LogZ:
    """log of the integral of exp(-U), in nats, with what is known of its error."""

    value: float
    se: float | None  # standard error, from the spread of the chains' weights
    ess: float | None  # effective share of the chains, 0..1
    check: float | None  # quadrature: bound on what resolution and domain leave out


def quadrature_log_z(energy: Energy, radius: float = 8.0, points: int = 601, device="cpu") -> LogZ:
    """Grid quadrature of a 2-D energy on [-radius, radius]^2.

    `check` adds what a grid shifted by half a step changes (detail that the step does not resolve) to what the ring around
    the box up to twice its width would add (mass outside). Where it is large, the value is no normalising constant.
    """

    def integral(half: float, shift: float = 0.0, hole: float = 0.0) -> float:
        step = 2 * half / (points - 1)
        axis = torch.linspace(-half, half, points, device=device) + shift * step
        total = []
        for rows in torch.cartesian_prod(axis, axis).split(2**17):
            value = -energy(rows).double()
            total.append(value[(rows.abs() > hole).any(-1)].logsumexp(0) if hole else value.logsumexp(0))
        return float(torch.stack(total).logsumexp(0)) + 2 * math.log(step)

    value = integral(radius)
    outside = math.log1p(math.exp(min(integral(2 * radius, hole=radius) - value, 50.0)))
    return LogZ(value, None, None, abs(integral(radius, 0.5) - value) + outside)


def _leapfrog(x, velocity, slope, scale: float, step: float, count: int, half: float):
    """Leapfrog steps for exp(-scale * U) in the box [-half, half]^d, bouncing off its walls (volume-preserving)."""
    velocity = velocity - 0.5 * step * scale * slope(x)
    for i in range(count):
        x = x + step * velocity
        turns = torch.floor((x + half) / (2 * half))
        x = half - (torch.remainder(x + half, 4 * half) - 2 * half).abs()
        velocity = torch.where(turns.remainder(2) == 1, -velocity, velocity)
        velocity = velocity - (1.0 if i < count - 1 else 0.5) * step * scale * slope(x)
    return x, velocity


def ais_log_z(
    energy: Energy, slope: Energy, dim: int, generator: torch.Generator, *,
    half: float = 1.0, chains: int = 128, temperatures: int = 200, leapfrog: int = 4, pilot: int = 32,
) -> LogZ:  # fmt: skip
    """Annealed importance sampling from the uniform law on [-half, half]^dim to exp(-U) on the same box, by HMC.

    log Z is underestimated in expectation, so a likelihood that uses it is optimistic: an estimate, no bound. Step sizes
    are tuned on pilot chains and then frozen, as a function of the temperature only: tuning on the run itself is biased.

    References:
        Annealed importance sampling (Neal, 2001); MCMC using Hamiltonian dynamics (Neal, 2011)

    Arguments:
        energy, slope: U (n,) and its gradient (n, dim) at x (n, dim). chains: of the run that counts; pilot: of the tuning.
        temperatures: intermediate laws exp(-b U), b on a cubic grid. leapfrog: steps per trajectory.
    """
    device = generator.device
    grid = torch.linspace(0, 1, temperatures + 1, dtype=torch.float64).pow(3).tolist()

    def run(count: int, steps: list[float] | None) -> tuple[Tensor, list[float]]:
        x = (2 * torch.rand(count, dim, generator=generator, device=device) - 1) * half
        log_w, used, step, value = torch.zeros(count, dtype=torch.float64, device=device), [], 0.2 * half, energy(x)
        for i in range(1, temperatures + 1):
            log_w -= (grid[i] - grid[i - 1]) * value.double()
            step = steps[i - 1] if steps else step
            velocity = torch.randn(x.shape, generator=generator, device=device)
            new, end = _leapfrog(x, velocity, slope, grid[i], step, leapfrog, half)
            proposed = energy(new)
            gain = grid[i] * (value - proposed) + 0.5 * (velocity.square() - end.square()).sum(-1)
            accept = torch.rand(count, generator=generator, device=device).log() < gain
            x, value = torch.where(accept.unsqueeze(-1), new, x), torch.where(accept, proposed, value)
            used.append(step)
            step *= 1.1 if float(accept.float().mean()) > 0.65 else 0.8
        return log_w, used

    _, steps = run(pilot, None)
    log_w, _ = run(chains, steps)
    total, square = float(log_w.logsumexp(0)), float((2 * log_w).logsumexp(0))
    ess = math.exp(2 * total - square) / chains
    relative = max(1 / ess - 1, 0.0)  # variance of the normalised weights
    return LogZ(dim * math.log(2 * half) + total - math.log(chains), math.sqrt(relative / chains), ess, None)
