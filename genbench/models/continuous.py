"""Flows in continuous time."""

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.models.base import Model, normal
from genbench.models.outputs import standard_normal
from genbench.nets import MLP

__all__ = ["CNF", "rk4"]


def rk4(f: Callable, state: tuple[Tensor, ...], start: float, stop: float, steps: int) -> tuple[Tensor, ...]:
    """Integrate d state/dt = f(t, *state) by classical Runge-Kutta of order 4 with equal steps.

    By hand because torchdiffeq's in-place sums can't be lifted by vmap; it is the oracle of the test.
    """
    h = (stop - start) / steps

    def shift(k, size):
        return tuple(s + size * d for s, d in zip(state, k, strict=True))

    for i in range(steps):
        t = start + i * h
        k1 = f(t, *state)
        k2 = f(t + h / 2, *shift(k1, h / 2))
        k3 = f(t + h / 2, *shift(k2, h / 2))
        k4 = f(t + h, *shift(k3, h))
        slopes = zip(state, k1, k2, k3, k4, strict=True)
        state = tuple(s + h / 6 * (a + 2 * b + 2 * c + d) for s, a, b, c, d in slopes)
    return state


class CNF(Model):
    """A continuous normalizing flow (FFJORD): dx/dt = f(x, t) from data at t = 0 to N(0, I) at t = 1.

    log p(x) = log N(x(1)) + integral of tr(df/dx) dt along the path; trained by maximum likelihood through a fixed-step
    solver. The trace is exact up to `exact` dimensions, else Hutchinson's estimate with one Rademacher vector per solve
    in training; log_prob is always with the exact trace.

    References:
        FFJORD (Grathwohl et al., 2018), arXiv 1810.01367; Neural ODEs (Chen et al., 2018), arXiv 1806.07366

    Arguments:
        width, depth: of the tanh network f. steps: RK4 steps in training. test_steps: for samples and likelihood.
        exact: largest dimension whose trace is exact in training.
    """

    likelihood = "exact"
    selects = True
    space = {"points": "standard", "images": "logit"}

    def __init__(self, shape, levels=None, width=64, depth=3, steps: int = 4, test_steps: int = 16, exact: int = 3):
        super().__init__(shape, levels)
        self.steps, self.test_steps, self.exact = steps, test_steps, self.dim <= exact
        self.net = MLP(self.dim + 1, self.dim, width, depth, "tanh")
        torch.nn.init.zeros_(self.net.layers[-1].weight)
        torch.nn.init.zeros_(self.net.layers[-1].bias)

    def noise(self, shape, generator):
        if self.exact:
            return {}
        return {"probe": normal((*shape, self.dim), generator).sign()}

    def field(self, t: float, x: Tensor) -> Tensor:
        """Velocity (B, d) at time t."""
        return self.net(torch.cat([x, torch.full_like(x[..., :1], t)], -1))

    def _with_trace(self, x: Tensor, steps: int, probe: Tensor | None) -> Tensor:
        x = self.flat(x)
        if probe is None:  # the Jacobian's columns, all at once
            tangents = torch.eye(self.dim, self.dim + 1, device=x.device, dtype=x.dtype).unsqueeze(1)
        else:
            tangents = torch.cat([probe, torch.zeros_like(probe[..., :1])], -1).unsqueeze(0)

        def f(t, x, _):
            value, pushed = self.net.push(torch.cat([x, torch.full_like(x[..., :1], t)], -1), tangents)
            if probe is None:
                return value, pushed.diagonal(dim1=0, dim2=-1).sum(-1)
            return value, (pushed[0] * probe).sum(-1)

        z, trace = rk4(f, (x, torch.zeros_like(x[..., 0])), 0.0, 1.0, steps)
        return standard_normal(z) + trace

    def loss_net(self, x, noise, hp):
        return -self._with_trace(x, self.steps, noise.get("probe")).mean()

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Log-density (B,) with the exact trace, to the accuracy of `test_steps`."""
        size = max(1, 2**22 // (self.dim * self.dim))  # the Jacobian of a batch is d times the batch
        return torch.cat([self._with_trace(part, self.test_steps, None) for part in x.split(size)])

    def sample(self, n, generator):
        z = normal((n, self.dim), generator)
        (x,) = rk4(lambda t, x: (self.field(t, x),), (z,), 1.0, 0.0, self.test_steps)
        return x.reshape(n, *self.shape)
