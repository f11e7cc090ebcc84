"""Solvers against torchdiffeq and their orders, gradients by the adjoint, and the divergence of a velocity field."""

import functools

import pytest
import torch
from kit import gen
from torchdiffeq import odeint, odeint_adjoint

from genbench.nets import VelocityField, adjoint, dopri5, rk4, runge_kutta
from genbench.nets.ode import SOLVERS


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=gen(seed), dtype=torch.float64)


def wild(dim, depth, width=12):
    """A field with random weights: one that starts at zero proves nothing."""
    net = VelocityField(dim, width, depth).double()
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(1.2 * noise(*p.shape, seed=i) / p.shape[-1] ** 0.5)
    return net


# ---- solvers


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (1.0, 0.2)])
def test_fixed_steps_are_torchdiffeqs(solver, start, stop):
    net, x = wild(3, 2), noise(5, 3)

    def f(t, x, z):
        return net(t, x), x.square().sum(-1) * t

    got = runge_kutta(f, (x, noise(5)), start, stop, 4, solver)
    times = torch.linspace(start, stop, 5, dtype=torch.float64)
    # its "rk4" is the 3/8 rule: the classical one is under another name or is checked by its order alone
    if solver != "rk4":
        expected = odeint(lambda t, s: f(t, *s), (x, noise(5)), times, method=solver)
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a, b[-1], rtol=0, atol=1e-12)
    else:
        assert all(torch.equal(a, b) for a, b in zip(got, rk4(f, (x, noise(5)), start, stop, 4), strict=True))


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_order_of_a_solver(solver, order):
    net, x = wild(3, 2), noise(5, 3)
    (exact,) = rk4(lambda t, x: (net(t, x),), (x,), 0.0, 1.0, 400)
    errors = [
        float((runge_kutta(lambda t, x: (net(t, x),), (x,), 0.0, 1.0, n, solver)[0] - exact).detach().norm()) for n in (40, 80)
    ]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


def test_adaptive_steps_keep_the_tolerance():
    net, x = wild(3, 2), noise(5, 3)
    (exact,) = rk4(lambda t, x: (net(t, x),), (x,), 0.0, 1.0, 400)
    calls, errors = [], []
    for tolerance in (1e-3, 1e-6):
        seen = []
        (got,) = dopri5(lambda t, x: (seen.append(t), net(t, x))[1:], (x,), 0.0, 1.0, tolerance)  # noqa: B023
        calls.append(len(seen))
        errors.append(float((got - exact).detach().abs().max()))
        assert errors[-1] < 10 * tolerance
    assert calls[0] < calls[1] and errors[1] < errors[0] / 30


# ---- gradients by the adjoint (E12: a = dL/dz, da/dt = -a df/dz, dL/dtheta = integral of a df/dtheta)


def objective(net, x, integrate, by_adjoint):
    """A scalar of the end and of an integral along the path, and its gradients by the start and the weights."""
    x, parameters = x.clone().requires_grad_(), tuple(net.parameters())

    def f(t, x, _):
        v, trace = net.divergence(t, x)
        return v, trace + v.square().sum(-1)

    state = (x, torch.zeros(len(x), dtype=x.dtype))
    run = functools.partial(adjoint, f, state, parameters) if by_adjoint else functools.partial(integrate, f, state)
    z, cost = run(0.0, 1.0, integrate) if by_adjoint else run(0.0, 1.0)
    loss = (z.square().sum(-1) * cost.sin()).sum()
    return loss.detach(), torch.autograd.grad(loss, [x, *parameters])


def gap(a, b):
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("solver", SOLVERS)
def test_adjoint_is_backprop_as_steps_grow(solver):
    """They differ by the solver's error, of its own order: the adjoint's gradient is that of the ODE."""
    net, x, gaps = wild(2, 2), noise(4, 2), []
    for steps in (20, 40):
        integrate = functools.partial(runge_kutta, steps=steps, solver=solver)
        value, through = objective(net, x, integrate, False)
        same, by_adjoint = objective(net, x, integrate, True)
        assert value == same
        gaps.append(gap(through, by_adjoint))
    assert gaps[0] / gaps[1] > {"euler": 1.7, "midpoint": 3.4, "rk4": 12}[solver]
    assert gaps[1] < {"euler": 0.5, "midpoint": 2e-2, "rk4": 1e-5}[solver]


def test_adjoint_is_the_finite_difference():
    net, x, size = wild(2, 1, width=4), noise(3, 2), 1e-5
    integrate = functools.partial(rk4, steps=30)
    _, (_, *grads) = objective(net, x, integrate, True)
    for p, grad in zip(net.parameters(), grads, strict=True):
        for i in range(0, p.numel(), 5):
            ends = []
            for sign in (1, -1):
                with torch.no_grad():
                    p.view(-1)[i] += sign * size
                ends.append(float(objective(net, x, integrate, False)[0]))
                with torch.no_grad():
                    p.view(-1)[i] -= sign * size
            assert (ends[0] - ends[1]) / (2 * size) == pytest.approx(float(grad.view(-1)[i]), abs=1e-6)


def test_adjoint_with_adaptive_steps_is_torchdiffeqs():
    net, x = wild(2, 2), noise(4, 2)
    _, got = objective(net, x, functools.partial(dopri5, tolerance=1e-9), True)

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, t, state):
            v, trace = self.net.divergence(t, state[0])
            return v, trace + v.square().sum(-1)

    start = x.clone().requires_grad_()
    times = torch.tensor([0.0, 1.0], dtype=torch.float64)
    z, cost = odeint_adjoint(Whole(), (start, torch.zeros(4, dtype=torch.float64)), times, rtol=1e-9, atol=1e-9, method="dopri5")
    loss = (z[-1].square().sum(-1) * cost[-1].sin()).sum()
    assert gap(got, torch.autograd.grad(loss, [start, *net.parameters()])) < 1e-6


# ---- the field


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("dim", [1, 5])
def test_divergence_and_push_are_autograds(depth, dim):
    net, x, e = wild(dim, depth), noise(9, dim), noise(9, dim, seed=5)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: net(0.3, x.unsqueeze(0))[0]))(x)
    assert float(jacobian.abs().max()) > 0.1
    velocity, trace = net.divergence(0.3, x)
    torch.testing.assert_close(velocity, net(0.3, x))
    torch.testing.assert_close(trace, jacobian.diagonal(dim1=1, dim2=2).sum(-1), rtol=0, atol=1e-12)
    velocity, pushed = net.push(0.3, x, e)
    torch.testing.assert_close(velocity, net(0.3, x))
    torch.testing.assert_close(pushed, (jacobian @ e.unsqueeze(-1))[..., 0], rtol=0, atol=1e-12)


def test_field_starts_at_zero_and_depends_on_time():
    assert float(VelocityField(2, 8, 2)(0.5, torch.randn(4, 2, generator=gen())).abs().max()) == 0
    net, x = wild(2, 2), noise(4, 2)
    assert float((net(0.1, x) - net(0.9, x)).abs().max()) > 0.05
