"""The logarithm of an energy model's normalising constant."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from genbench.models.hmc import hmc_step

__all__ = ["HMCPath", "LogZ", "Path", "ais_log_z", "quadrature_log_z", "walk"]

Function = Callable[[Tensor], Tensor]

MIN_ESS = 0.1  # effective share of the chains below which annealed importance sampling has not found the mass
MAX_CHANGE = 1.0  # nats by which twice the temperatures may change log Z


@dataclass(frozen=True)
class LogZ:
    """log of the integral of exp(-U), in nats, with what is known of its error."""

    value: float
    se: float | None = None  # standard error, from the spread of the chains' weights
    ess: float | None = None  # effective share of the chains, 0..1
    error: float | None = None  # quadrature only: nats that a shifted grid and the ring outside the box change
    gap: float | None = None  # upper bound from exact samples minus `value`: log Z lies between, both in expectation
    reason: str = ""  # why the value is not to be used; empty if it is

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against the value."""
        return not self.reason


def quadrature_log_z(energy: Function, radius: float = 8.0, points: int = 601, device="cpu") -> LogZ:
    """Grid quadrature of a 2-D energy on [-radius, radius]^2.

    `error` adds what a grid shifted by half a step changes (detail that the step does not resolve) to what the ring around
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
    return LogZ(value, error=abs(integral(radius, 0.5) - value) + outside)


class Path(Protocol):
    """Unnormalised distributions f_0, ..., f_K from a known one to exp(-U), with moves among them; states are its own affair."""

    count: int  # K, an even number
    log_z0: float  # log of the integral of f_0

    def start(self, n: int) -> Any:
        """State of n chains drawn from f_0."""

    def at(self, x: Tensor) -> Any:
        """State of chains at x (n, d)."""

    def log_target(self, state: Any) -> Tensor:
        """log f_K (n,), float64."""

    def ratio(self, state: Any, i: int) -> Tensor:
        """log f_i - log f_(i-1) (n,), float64."""

    def move(self, state: Any, i: int) -> Any:
        """One transition that is reversible with respect to f_i."""

    def coarser(self) -> "Path":
        """Every second distribution of this path."""


def walk(path: Path, state: Any, back: bool = False) -> Tensor:
    """Log-weights (n,) of chains taken from f_0 to f_K, or `back` from f_K to f_0.

    From exact samples of f_0 the mean weight is Z_K/Z_0, and back from exact samples of f_K it is Z_0/Z_K, without bias.
    """
    log_w = torch.zeros((), dtype=torch.float64)
    for i in range(path.count, 0, -1) if back else range(1, path.count + 1):
        if back:
            state = path.move(state, i)
            log_w = log_w - path.ratio(state, i)
        else:
            log_w = log_w + path.ratio(state, i)
            state = path.move(state, i)
    return log_w


def ais_log_z(path: Path, chains: int = 128, exact: Tensor | None = None) -> LogZ:
    """Annealed importance sampling along a path, by `chains` chains.

    log Z is underestimated in expectation, so a likelihood that uses it is optimistic: an estimate, no bound. Chains that
    run back from samples `exact` (m, d) of the target itself overestimate it: the `gap` encloses the truth. The value is
    not usable if few chains carry the weight or if half the temperatures give another one.

    References:
        Annealed importance sampling (Neal, 2001), arXiv physics/9803008
        Sandwiching the marginal likelihood using bidirectional Monte Carlo (Grosse et al., 2015), arXiv 1511.02543
    """
    coarse = path.coarser()
    fewer = walk(coarse, coarse.start(chains)).logsumexp(0)
    log_w = walk(path, path.start(chains))
    total = log_w.logsumexp(0)
    change = abs(float(total - fewer))
    ess = math.exp(2 * float(total) - float((2 * log_w).logsumexp(0))) / chains
    value = path.log_z0 + float(total) - math.log(chains)
    reasons = []
    if not ess >= MIN_ESS:
        reasons.append(f"an effective share of {ess:.2g} of the chains, below {MIN_ESS:g}")
    if not change <= MAX_CHANGE:
        reasons.append(f"half the temperatures change log Z by {change:.2g} nats, more than {MAX_CHANGE:g}")
    gap = None
    if exact is not None:
        upper = path.log_z0 - float(walk(path, path.at(exact), back=True).logsumexp(0)) + math.log(len(exact))
        gap = upper - value
    # of the weights over their mean, which is 1 / ess - 1 but never below 0 by rounding
    spread = float(((log_w - total).exp() * chains - 1).square().mean())
    return LogZ(value, math.sqrt(spread / chains), ess, gap=gap, reason="; ".join(reasons))


class HMCPath:
    """f_b = exp(-(1 - b) U_0 - b U) moved by HMC, from a uniform or a Gaussian distribution, with b on a cubic grid from 0 to 1.

    Step sizes are tuned on pilot chains when the path is made and then frozen, as a function of b only: tuning on the run
    that counts is biased. Each chain's step is drawn between a fifth and six fifths of the tuned one: short steps are
    accepted where the distribution is narrow, and no trajectory is a whole period each time.

    References:
        Annealed importance sampling (Neal, 2001), arXiv physics/9803008
        MCMC using Hamiltonian dynamics (Neal, 2011), arXiv 1206.1901

    Arguments:
        energy, gradient: U (n,) and its gradient (n, dim) at x (n, dim). generator: of all randomness, here and in the runs.
        gaussian: mean and std, each (dim,) or a number, of U_0's distribution on R^dim; None: uniform on [-half, half]^dim, whose
        walls reflect all chains, and log Z is that of exp(-U) on the box.
        temperatures: K, even. leapfrog: steps per trajectory. pilot: chains of the tuning.
    """

    def __init__(
        self, energy: Function, gradient: Function, dim: int, generator: torch.Generator, *, half: float = 1.0,
        gaussian: tuple[Tensor | float, Tensor | float] | None = None, temperatures: int = 200, leapfrog: int = 4,
        pilot: int = 32,
    ):  # fmt: skip
        if temperatures % 2:
            raise ValueError(f"temperatures: {temperatures} is odd; their number must be even")
        self.energy, self.gradient, self.dim, self.generator, self.leapfrog = energy, gradient, dim, generator, leapfrog
        self.grid = torch.linspace(0, 1, temperatures + 1, dtype=torch.float64).pow(3).tolist()
        self.half = None if gaussian else half
        if gaussian:
            self.mean, self.std = (torch.as_tensor(v, device=generator.device).expand(dim) for v in gaussian)
            self.log_z0 = float(self.std.double().log().sum()) + 0.5 * dim * math.log(2 * math.pi)
        else:
            self.log_z0 = dim * math.log(2 * half)
        self.steps = [math.nan]  # by temperature; nothing moves at the first
        self._tune(pilot)

    @property
    def count(self) -> int:
        """K."""
        return len(self.grid) - 1

    def start(self, n: int) -> tuple[Tensor, Tensor]:
        """State of n chains drawn from exp(-U_0)."""
        shape, device = (n, self.dim), self.generator.device
        if self.half is None:
            return self.at(self.mean + self.std * torch.randn(shape, generator=self.generator, device=device))
        return self.at((2 * torch.rand(shape, generator=self.generator, device=device) - 1) * self.half)

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """State of chains at x (n, dim)."""
        return x, self.energy(x)

    def log_target(self, state: tuple[Tensor, Tensor]) -> Tensor:
        """-U (n,)."""
        return -state[1].double()

    def ratio(self, state: tuple[Tensor, Tensor], i: int) -> Tensor:
        """log f_i - log f_(i-1) (n,)."""
        x, value = state
        return (self.grid[i] - self.grid[i - 1]) * (self._energy0(x).double() - value.double())

    def move(self, state: tuple[Tensor, Tensor], i: int) -> tuple[Tensor, Tensor]:
        """One trajectory of HMC for f_i."""
        return self._move(state, i)[0]

    def coarser(self) -> "HMCPath":
        """Every second temperature, with its step size."""
        path = copy.copy(self)
        path.grid, path.steps = self.grid[::2], self.steps[::2]
        return path

    def _energy0(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x)) if self.half is not None else 0.5 * ((x - self.mean) / self.std).square().sum(-1)

    def _gradient0(self, x: Tensor) -> Tensor | float:
        return 0.0 if self.half is not None else (x - self.mean) / self.std**2

    def _move(self, state: tuple[Tensor, Tensor], i: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        (x, value), b = state, self.grid[i]
        proposed = value

        def energy(y: Tensor) -> Tensor:
            nonlocal proposed
            proposed = self.energy(y)
            return b * proposed + (1 - b) * self._energy0(y)

        jitter = 0.2 + torch.rand(len(x), 1, generator=self.generator, device=x.device)
        before = b * value + (1 - b) * self._energy0(x)
        x, _, moved = hmc_step(
            x, before, energy, lambda y: b * self.gradient(y) + (1 - b) * self._gradient0(y),
            self.steps[i] * jitter, self.leapfrog, self.generator, self.half,
        )  # fmt: skip
        return (x, torch.where(moved, proposed, value)), moved

    def _tune(self, pilot: int) -> None:
        state, step = self.start(pilot), 0.2 * self.half if self.half is not None else 0.5 * float(self.std.min())
        for i in range(1, self.count + 1):
            self.steps.append(step)
            state, moved = self._move(state, i)
            step *= 1.1 if float(moved.float().mean()) > 0.65 else 0.8
