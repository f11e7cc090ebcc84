"""Flows in continuous time."""

import torch
from torch import Tensor

from genbench.models.base import Model, normal
from genbench.models.outputs import standard_normal
from genbench.nets import MLP, rk4

__all__ = ["CNF"]


class CNF(Model):
    """A continuous normalizing flow (FFJORD): dx/dt = f(x, t) from data at t = 0 to N(0, I) at t = 1.

    log p(x) = log N(x(1)) + integral of tr(df/dx) dt along the path; trained by maximum likelihood through a fixed-step
    solver, plus `kinetic` times the integral of |f|^2/d: without it long training finds fields that are good only for the few
    steps of its own solver. Held-out losses, samples and likelihoods use `test_steps`. The trace is exact up to `exact`
    dimensions, else Hutchinson's estimate with one Rademacher vector per solve in training; log_prob has the exact trace.

    References:
        FFJORD (Grathwohl et al., 2018), arXiv 1810.01367; Neural ODEs (Chen et al., 2018), arXiv 1806.07366
        How to train your neural ODE (Finlay et al., 2020), arXiv 2002.02798 (the kinetic energy)

    Arguments:
        width, depth: of the tanh network f. steps: RK4 steps in training. test_steps: for samples and likelihood.
        exact: largest dimension whose trace is exact in training.
    """

    hp = {"kinetic": 0.01}
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

    def _solve(self, x: Tensor, steps: int, probe: Tensor | None) -> tuple[Tensor, Tensor]:
        """log p (B,) and the path's kinetic energy per dimension (B,)."""
        x = self.flat(x)
        if probe is None:  # the Jacobian's columns, all at once
            tangents = torch.eye(self.dim, self.dim + 1, device=x.device, dtype=x.dtype).unsqueeze(1)
        else:
            tangents = torch.cat([probe, torch.zeros_like(probe[..., :1])], -1).unsqueeze(0)

        def f(t, x, *_):
            value, pushed = self.net.push(torch.cat([x, torch.full_like(x[..., :1], t)], -1), tangents)
            trace = pushed.diagonal(dim1=0, dim2=-1).sum(-1) if probe is None else (pushed[0] * probe).sum(-1)
            return value, trace, value.square().mean(-1)

        zero = torch.zeros_like(x[..., 0])
        z, trace, energy = rk4(f, (x, zero, zero), 0.0, 1.0, steps)
        return standard_normal(z) + trace, energy

    def loss_net(self, x, noise, hp):
        if not self.training:
            return -self._solve(x, self.test_steps, noise.get("probe"))[0].mean()
        log_p, energy = self._solve(x, self.steps, noise.get("probe"))
        return (hp["kinetic"] * energy - log_p).mean()

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Log-density (B,) with the exact trace, to the accuracy of `test_steps`."""
        size = max(1, 2**22 // (self.dim * self.dim))  # the Jacobian of a batch is d times the batch
        return torch.cat([self._solve(part, self.test_steps, None)[0] for part in x.split(size)])

    def sample(self, n, generator):
        z = normal((n, self.dim), generator)
        (x,) = rk4(lambda t, x: (self.field(t, x),), (z,), 1.0, 0.0, self.test_steps)
        return x.reshape(n, *self.shape)
