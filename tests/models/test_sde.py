"""Diffusions as stochastic and ordinary differential equations: densities in time, equal marginals, and gradients of solvers.

Data are a mixture of two Gaussians on the line, so that every marginal of the noising SDE and its score are known. In the
angle phi of the diffusion's schedule that SDE is dx = -tan(phi) x dphi + sqrt(2 tan(phi)) dW: an Ornstein-Uhlenbeck process in
the time -log cos(phi).
"""

import math

import numpy as np
import pytest
import torch
from kit import gen
from scipy import stats

from genbench.models import MODELS
from genbench.nets import rk4

WEIGHTS, MEANS, STD = torch.tensor([0.3, 0.7]).double(), torch.tensor([-1.0, 0.8]).double(), 0.3
KS = 1.95  # critical value times sqrt(n) of the Kolmogorov-Smirnov test at level .001


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=gen(seed), dtype=torch.float64)


def data(n, seed=0):
    k = torch.multinomial(WEIGHTS, n, replacement=True, generator=gen(seed))
    return MEANS[k] + STD * noise(n, seed=seed + 1)


def marginal(phi):
    """Means and standard deviation of the noised mixture at an angle."""
    phi = torch.as_tensor(phi, dtype=torch.float64)
    return phi.cos() * MEANS, (phi.cos() ** 2 * STD**2 + phi.sin() ** 2).sqrt()


def log_density(x, phi):
    means, std = marginal(phi)
    return torch.logsumexp(WEIGHTS.log() + torch.distributions.Normal(means, std).log_prob(x.unsqueeze(-1)), -1)


def cdf(phi):
    means, std = marginal(phi)
    return lambda x: (WEIGHTS * torch.special.ndtr((torch.as_tensor(x).unsqueeze(-1) - means) / std)).sum(-1).numpy()


def distance(x, phi):
    return stats.kstest(x.numpy(), cdf(phi)).statistic


def exact_model(steps=100):
    """A diffusion of these data with the exact velocity, cos(phi) E[eps | x] - sin(phi) E[x_0 | x]."""
    model = MODELS["ddpm"]((1,), None, width=4, depth=1, steps=steps).requires_grad_(False)

    def velocity(x, t):
        phi = model.angle(t).double()
        cos, sin = phi.cos(), phi.sin()
        variance = cos**2 * STD**2 + sin**2
        away = x - cos * MEANS
        share = (WEIGHTS.log() - 0.5 * away.square() / variance).softmax(-1)
        clean = (share * (MEANS + cos * STD**2 / variance * away)).sum(-1, keepdim=True)
        return cos * (x - cos * clean) / sin - sin * clean

    model.velocity = velocity
    return model


def time_of(model, phi):
    return (phi - model.first) / (model.last - model.first)


def ode(model, x, start, stop, steps):
    """The probability-flow ODE dx / dphi = velocity between two angles."""

    def f(phi, x):
        return (model.velocity(x, torch.full_like(x[:, 0], time_of(model, phi))),)

    return rk4(f, (x.unsqueeze(1),), start, stop, steps)[0][:, 0]


def sde(x, stop, steps, seed):
    """Euler-Maruyama from angle 0."""
    h = stop / steps
    for i, step in enumerate(noise(steps, len(x), seed=seed)):
        tan = math.tan((i + 0.5) * h)
        x = x - h * tan * x + math.sqrt(2 * tan * h) * step
    return x


# ---- Fokker-Planck


def test_closed_form_solves_the_fokker_planck_equation():
    """d p / d phi = d (tan(phi) x p) / dx + tan(phi) d^2 p / dx^2, by autograd."""
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)

    def density(x, phi):
        return log_density(x, phi).exp()

    for angle in (0.1, 0.7, 1.3):
        phi = torch.tensor(angle, dtype=torch.float64)
        in_time = torch.func.vmap(torch.func.grad(density, 1), (0, None))(x, phi)
        drift = torch.func.vmap(torch.func.grad(lambda x, phi: phi.tan() * x * density(x, phi)), (0, None))(x, phi)
        spread = torch.func.vmap(torch.func.grad(torch.func.grad(density)), (0, None))(x, phi)
        assert float(in_time.abs().max()) > 0.05
        torch.testing.assert_close(in_time, drift + phi.tan() * spread, rtol=0, atol=1e-12)


@pytest.mark.parametrize("phi", [0.3, 0.8, 1.3])
def test_simulated_sde_has_the_closed_density(phi):
    n = 10000
    x = sde(data(n), phi, 200, seed=5)
    assert distance(x, phi) < KS / n**0.5
    assert distance(x, phi / 2) > KS / n**0.5  # another time's would be recognised


# ---- equal marginals of the SDE and its probability-flow ODE


def test_velocity_is_drift_minus_half_the_squared_diffusion_times_the_score():
    model, x = exact_model(), torch.linspace(-3, 3, 41, dtype=torch.float64)
    for phi in (0.05, 0.6, 1.4):
        score = torch.func.vmap(torch.func.grad(lambda x: log_density(x, phi)))(x)  # noqa: B023
        t = torch.full_like(x, time_of(model, phi))
        expected = -math.tan(phi) * x - 0.5 * (2 * math.tan(phi)) * score
        torch.testing.assert_close(model.velocity(x.unsqueeze(1), t)[:, 0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("phi", [0.3, 0.8, 1.3])
def test_sde_and_ode_have_equal_marginals(phi):
    n = 10000
    model = exact_model()
    start = math.cos(model.first) * data(n) + math.sin(model.first) * noise(n, seed=8)
    flowed, diffused = ode(model, start, model.first, phi, 30), sde(data(n, 20), phi, 200, seed=6)
    assert distance(flowed, phi) < KS / n**0.5
    assert stats.ks_2samp(flowed.numpy(), diffused.numpy()).statistic < KS * (2 / n) ** 0.5
    # paths differ all the same: the ODE's keep their order, the SDE's forget where they began
    assert bool((flowed[start.argsort()].diff() > 0).all())


def test_both_run_backwards_to_the_data():
    n = 10000
    model = exact_model(steps=300)
    flowed = ode(model, noise(n, seed=9), model.last, model.first, 60)
    assert distance(flowed, model.first) < KS / n**0.5
    assert distance(model.sample(n, gen(10))[:, 0].double(), 0.0) < KS / n**0.5


# ---- instantaneous change of variables


class Field:
    """dx/dt = V tanh(W x + b + t c) with its own trace of the Jacobian."""

    def __init__(self, d, width=12):
        self.inward, self.outward = noise(width, d, seed=d), noise(d, width, seed=d + 1) / width**0.5
        self.bias, self.drift = noise(width, seed=d + 2), noise(width, seed=d + 3)

    def __call__(self, t, x):
        return torch.tanh(x @ self.inward.T + self.bias + t * self.drift) @ self.outward.T

    def divergence(self, t, x):
        slope = 1 - torch.tanh(x @ self.inward.T + self.bias + t * self.drift).square()
        return slope @ (self.outward.T * self.inward).sum(1)


@pytest.mark.parametrize("stop", [0.2, 1.0])
@pytest.mark.parametrize("d", [1, 3, 6])
def test_integral_of_the_divergence_is_the_log_det_of_the_flow_map(d, stop):
    """d log p(x(t)) / dt = -div f."""
    field, x = Field(d), noise(8, d)

    def flow(x):
        return rk4(lambda t, x: (field(t, x),), (x,), 0.0, stop, 40)[0]

    def both(t, x, _):
        return field(t, x), field.divergence(t, x)

    _, integral = rk4(both, (x, torch.zeros(8, dtype=torch.float64)), 0.0, stop, 40)
    log_det = torch.linalg.slogdet(torch.func.vmap(torch.func.jacrev(flow))(x))[1]
    assert float(log_det.abs().max()) > 0.05
    torch.testing.assert_close(integral, log_det, rtol=0, atol=1e-6)


def test_rk4_is_of_fourth_order():
    field, x = Field(3), noise(5, 3)

    def solve(steps):
        return rk4(lambda t, x: (field(t, x),), (x,), 0.0, 1.0, steps)[0]

    exact = solve(320)
    errors = [float((solve(n) - exact).norm()) for n in (10, 20, 40)]
    assert errors[0] / errors[1] == pytest.approx(16, rel=0.25) and errors[1] / errors[2] == pytest.approx(16, rel=0.25)


# ---- the adjoint: J = integral of h(z, theta) dt + Phi(z(1)) with dz/dt = f(z, theta), gradient in theta


THETA = torch.tensor([[0.4, -1.1], [0.9, 0.3]]).double()
START = torch.tensor([0.8, -0.5]).double()


def f(z, theta):
    return torch.tanh(theta @ z) + 0.3 * z


def h(z, theta):
    return 0.5 * z.square().sum() + (theta @ z).sin().sum()


def phi_end(z):
    return (z - 1).square().sum()


def objective(theta, steps=100):
    z, cost = rk4(lambda t, z, _: (f(z, theta), h(z, theta)), (START, torch.zeros(()).double()), 0.0, 1.0, steps)
    return cost + phi_end(z)


def adjoint(end, in_h, in_f, grad_f, steps=100):
    """J' = integral of d_theta h + grad_f lambda d_theta f, with lambda' = in_h d_z h + in_f lambda d_z f from end d Phi at 1."""
    (z,) = rk4(lambda t, z: (f(z, THETA),), (START,), 0.0, 1.0, steps)

    def backward(t, z, a, _):
        f_z, f_theta = torch.func.vjp(f, z, THETA)[1](a)
        h_z, h_theta = torch.func.grad(h, (0, 1))(z, THETA)
        return f(z, THETA), in_h * h_z + in_f * f_z, -(h_theta + grad_f * f_theta)

    state = (z, end * torch.func.grad(phi_end)(z), torch.zeros_like(THETA))
    return rk4(backward, state, 1.0, 0.0, steps)[2]


def finite_difference(size=1e-5):
    out = torch.zeros_like(THETA)
    for i, j in np.ndindex(2, 2):
        step = torch.zeros_like(THETA)
        step[i, j] = size
        out[i, j] = (objective(THETA + step) - objective(THETA - step)) / (2 * size)
    return out


def test_adjoint_is_backpropagation_through_the_solver_is_the_finite_difference():
    """With L = J - integral of lambda (z' - f) as a stationary point: lambda' = d_z h - lambda d_z f, lambda(1) = -d Phi,
    J' = integral of d_theta h - lambda d_theta f; with a = -lambda every sign of lambda turns."""
    exact = torch.func.grad(objective)(THETA)
    torch.testing.assert_close(finite_difference(), exact, rtol=0, atol=1e-8)
    torch.testing.assert_close(adjoint(-1, 1, -1, -1), exact, rtol=0, atol=1e-7)
    torch.testing.assert_close(adjoint(1, -1, -1, 1), exact, rtol=0, atol=1e-7)  # a = -lambda


def test_adjoint_as_the_course_prints_it_is_wrong():
    """lambda' = -d_z h + lambda d_z f from lambda(1) = +d Phi, J' = integral of d_theta h - lambda d_theta f."""
    exact, printed = torch.func.grad(objective)(THETA), adjoint(1, -1, 1, -1)
    assert float((printed - exact).norm() / exact.norm()) > 0.5
    assert float((printed * exact).sum()) < 0  # it points up the hill


def test_adjoint_differs_from_backpropagation_by_the_solvers_error():
    """Optimise then discretise against discretise then optimise: the gap falls with the step's fourth power."""
    gaps = [float((adjoint(-1, 1, -1, -1, n) - torch.func.grad(objective)(THETA, n)).norm()) for n in (5, 10)]
    assert gaps[0] > 1e-7 and gaps[0] / gaps[1] > 8
