"""Flows in continuous time, dx/dt = f(x, t) from data at t = 0 to N(0, I) at t = 1."""

import functools

import torch
from torch import Tensor
from torch.func import functional_call

from genbench.models.base import Model, chosen, normal
from genbench.models.outputs import standard_normal
from genbench.nets import VelocityField, adjoint, dopri5, rk4, runge_kutta
from genbench.nets.ode import SOLVERS

__all__ = ["CNF", "FFJORD"]


class CNF(Model):
    """A continuous normalizing flow: log p(x) = log N(x(1); 0, I) + integral of tr(df/dx) dt along the path from x.

    Trained by maximum likelihood, plus `kinetic` times the integral of |f|^2/d: without it long training finds fields that are
    good only for the few steps of its own solver. Held-out losses, samples and likelihoods are by `test_steps` of RK4 whatever
    the solver in training: they are of the ODE.

    References:
        Neural ODEs (Chen et al., 2018), arXiv 1806.07366
        How to train your neural ODE (Finlay et al., 2020), arXiv 2002.02798 (the kinetic energy)

    Arguments:
        width, depth: of the tanh network f, whose trace is cheap with two hidden layers and else costs d evaluations.
        solver: of training, "euler", "midpoint" or "rk4" in equal `steps`, or the adaptive "dopri5" to a `tolerance`.
        gradient: "backprop" through the solver, or "adjoint", a second solve in place of stored activations.
        test_steps: steps for held-out losses, samples and likelihood.
    """

    name = "cnf"
    hp = {"kinetic": 0.01}
    likelihood = "exact"
    selects = True
    space = {"points": "standard", "images": "logit"}

    def __init__(
        self,
        shape: tuple[int, ...],
        levels: int | None = None,
        width: int = 64,
        depth: int = 3,
        solver: str = "rk4",
        steps: int = 4,
        tolerance: float = 1e-3,
        gradient: str = "backprop",
        test_steps: int = 16,
    ):
        super().__init__(shape, levels)
        if min(steps, test_steps) < 1 or not tolerance > 0:
            raise ValueError(f"needs steps >= 1, test_steps >= 1, tolerance > 0; got {steps}, {test_steps}, {tolerance}")
        self.solver, self.steps = chosen("solver", solver, [*SOLVERS, "dopri5"]), steps
        self.gradient = chosen("gradient", gradient, ["backprop", "adjoint"])
        self.tolerance, self.test_steps = tolerance, test_steps
        self.liftable = solver in SOLVERS and gradient == "backprop"  # steps that depend on data can't be lifted
        self.evaluations = 0  # of the field, in solves with costs
        self.net = VelocityField(self.dim, width, depth)

    def forward(self, t: float | Tensor, x: Tensor, probe: Tensor | None = None) -> tuple[Tensor, ...]:
        """dx/dt (B, d), d log-det/dt (B,), and the rate (B,) of each cost of `hp`."""
        self.evaluations += 1
        velocity, trace = self.net.divergence(t, x)
        return velocity, trace, velocity.square().mean(-1)

    def loss_net(self, x, noise, hp):
        integrate = self._integrate if self.training else functools.partial(runge_kutta, steps=self.test_steps)
        log_p, costs = self.solve(x, noise.get("probe"), integrate)
        if self.training:
            log_p = log_p - sum(hp[name] * cost for name, cost in zip(self.hp, costs, strict=True))
        return -log_p.mean()

    def solve(self, x: Tensor, probe: Tensor | None, integrate) -> tuple[Tensor, tuple[Tensor, ...]]:
        """log p (B,), and the integral (B,) of each cost along the path."""
        x = self.flat(x)
        state = (x, *[torch.zeros_like(x[..., 0])] * (1 + len(self.hp)))
        if self.gradient == "adjoint" and torch.is_grad_enabled():
            own = dict(self.named_parameters())  # by name: backward runs when the trainer's weights are no longer in place

            def f(t, x, *_):
                return functional_call(self, own, (t, x, probe))

            z, log_det, *costs = adjoint(f, state, tuple(own.values()), 0.0, 1.0, integrate)
        else:
            z, log_det, *costs = integrate(lambda t, x, *_: self(t, x, probe), state, 0.0, 1.0)
        return standard_normal(z) + log_det, tuple(costs)

    def _integrate(self, f, state, start, stop):
        """The solver of training."""
        if self.solver == "dopri5":
            return dopri5(f, state, start, stop, self.tolerance)
        return runge_kutta(f, state, start, stop, self.steps, self.solver)

    def diagnose(self, x, noise, hp):
        """evaluations: of the field in one solve of training; kinetic: the path's energy per dimension."""
        before = self.evaluations
        _, costs = self.solve(x, noise.get("probe"), self._integrate)
        return {"evaluations": x.new_tensor(float(self.evaluations - before)), "kinetic": costs[0].mean()}

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None, time: float = 0.0) -> Tensor:
        """Log-density (B,) of x(time), by default of data, with the exact trace, to the accuracy of `test_steps`."""
        tangents = 1 if self.net.closed_trace else self.dim
        parts = self.flat(x).split(max(1, 2**22 // (tangents * self.net.width)))
        return torch.cat([self._log_prob(part, time) for part in parts])

    def _log_prob(self, x: Tensor, time: float) -> Tensor:
        state = (x, torch.zeros_like(x[..., 0]))
        z, log_det = rk4(lambda t, x, _: self.net.divergence(t, x), state, time, 1.0, self.test_steps)
        return standard_normal(z) + log_det

    def sample(self, n, generator):
        (x,) = rk4(lambda t, x: (self.net(t, x),), (normal((n, self.dim), generator),), 1.0, 0.0, self.test_steps)
        return x.reshape(n, *self.shape)


class FFJORD(CNF):
    """A continuous flow whose trace is Hutchinson's estimate in training: e^T (df/dx) e with E[e e^T] = I, one e per path.

    That is one derivative of f whatever the dimension; the likelihood of a trained model has the exact trace. `jacobian` weighs
    the integral of |(df/dx) e|^2/d, the squared Frobenius norm on average, which keeps the estimate's variance low.

    References:
        FFJORD (Grathwohl et al., 2018), arXiv 1810.01367
        How to train your neural ODE (Finlay et al., 2020), arXiv 2002.02798 (kinetic energy and Jacobian, RNODE)

    Arguments:
        probe: distribution of e, "rademacher" or "gaussian". net: CNF's other arguments.
    """

    name = "ffjord"
    hp = {"kinetic": 0.01, "jacobian": 0.0}

    def __init__(self, shape: tuple[int, ...], levels: int | None = None, probe: str = "rademacher", **net):
        super().__init__(shape, levels, **net)
        self.probe = chosen("probe", probe, ["rademacher", "gaussian"])

    def noise(self, shape, generator):
        probe = normal((*shape, self.dim), generator)
        return {"probe": probe.sign() if self.probe == "rademacher" else probe}

    def forward(self, t, x, probe):
        self.evaluations += 1
        velocity, pushed = self.net.push(t, x, probe)
        return velocity, (pushed * probe).sum(-1), velocity.square().mean(-1), pushed.square().mean(-1)
