"""The probability-flow ODE's log-density, where the score is known exactly or the density can be summed."""

import math

import pytest
import torch

from genbench.models import MODELS


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


class Gaussian:
    """N(mean, Q diag(variance) Q') in float64, and a diffusion whose velocity is the exact one for such data."""

    def __init__(self, d, low=0.05, high=1.5):
        self.d, self.mean = d, torch.linspace(-0.5, 0.7, d, dtype=torch.float64)
        self.variance = torch.linspace(low, high, d, dtype=torch.float64)
        self.axes = torch.linalg.qr(torch.randn(d, d, generator=gen(9), dtype=torch.float64))[0]
        covariance = self.axes @ self.variance.diag() @ self.axes.T
        self.distribution = torch.distributions.MultivariateNormal(self.mean, covariance)

    def sample(self, n, seed=0):
        y = torch.randn(n, self.d, generator=gen(seed), dtype=torch.float64) * self.variance.sqrt()
        return self.mean + y @ self.axes.T

    def model(self, **net):
        model = MODELS["ddpm"]((self.d,), None, width=4, depth=1, **net).requires_grad_(False)

        def velocity(x, t):
            """cos(phi) E[eps | x] - sin(phi) E[x_0 | x]."""
            phi = model.angle(t)
            cos, sin = phi.cos(), phi.sin()
            gain = cos * self.variance / (cos**2 * self.variance + sin**2)
            clean = self.mean + (gain * ((x - cos * self.mean) @ self.axes)) @ self.axes.T
            return cos * (x - cos * clean) / sin - sin * clean

        model.velocity = velocity
        return model

    def log_stretch(self, model):
        """The matrix log of the flow map, data to noise: M with trace equal to the log-determinant."""
        first, last = (cos2 * self.variance + 1 - cos2 for cos2 in (math.cos(model.first) ** 2, math.cos(model.last) ** 2))
        return self.axes @ (0.5 * (last / first).log()).diag() @ self.axes.T


# ---- exact score


@pytest.mark.parametrize("d", [1, 2, 8])
def test_t14_ode_with_the_exact_score_is_the_density(d):
    data = Gaussian(d)
    x = data.sample(500)
    error = data.model().log_prob(x) - data.distribution.log_prob(x)
    assert abs(float(error.mean())) < 1e-3
    assert float(error.abs().max()) < 0.05


def test_t14_hutchinson_is_unbiased_with_the_variance_of_rademacher_probes():
    """Along a linear flow the estimate is e'Me, M the log of the flow map, if one probe e is kept all the way."""
    data, n = Gaussian(8), 3000
    model, x = data.model(), data.sample(n)
    exact = model.log_prob(x)
    model.exact_trace = 7
    error = model.log_prob(x, gen(1)) - exact
    stretch = data.log_stretch(model)
    off = stretch - stretch.diagonal().diag()
    rademacher, normal = math.sqrt(2) * float(off.norm()), math.sqrt(2) * float(stretch.norm())
    assert abs(float(error.mean())) < 3 * rademacher / n**0.5
    assert float(error.std()) == pytest.approx(rademacher, rel=0.05)
    assert rademacher < 0.8 * normal  # why the probe's entries are signs


def test_narrow_data_need_no_more_steps():
    """Modes as narrow as those of the 5 x 5 grid: the first steps have to be as short as the least noise."""
    data = Gaussian(2, 0.0177**2, 0.0177**2)
    model, x = data.model(), data.sample(500)
    blurred = torch.distributions.Normal(data.mean, math.sqrt(0.0177**2 + math.tan(model.first) ** 2))
    error = model.log_prob(x) - blurred.log_prob(x).sum(-1)
    assert abs(float(error.mean())) < 1e-2 and float(error.abs().max()) < 0.05


# ---- any network


def scattered(shape, levels=None, scale=0.5, **net):
    """A diffusion with random weights in float64."""
    torch.manual_seed(0)
    model = MODELS["ddpm"](shape, levels, **net).double().requires_grad_(False)
    for p in model.parameters():
        p += scale * torch.randn(p.shape, generator=gen(p.numel()), dtype=p.dtype) / max(p.shape[-1], 1) ** 0.5
    return model


@pytest.mark.parametrize(("shape", "levels"), [((2,), None), ((1, 1, 2), 2)], ids=["points", "images"])
def test_density_of_any_network_integrates_to_one(shape, levels):
    """Of two grey values the least noise is far from none, and shrinks the data by a sixth on their way in."""
    model = scattered(shape, levels, width=8, depth=1)
    axis = torch.linspace(-15, 15, 91, dtype=torch.float64)
    log_p = model.log_prob(torch.cartesian_prod(axis, axis).reshape(-1, *shape), steps=16)
    assert float(log_p.exp().sum() / 9) == pytest.approx(1, abs=1e-3)


def test_dequantised_density_bounds_the_probability_of_the_image():
    """With the offset and Jacobian of the docstring: below log P of every image, whose sum is the mass of the levels."""
    levels, points = 3, 12
    model = scattered((1, 1, 2), levels, width=8, depth=1)
    u = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    u = torch.cartesian_prod(u, u)
    k = torch.cartesian_prod(*[torch.arange(levels)] * 2).unsqueeze(1)
    x = (2 * (k + u) - 1) / (levels - 1) - 1  # (images, noises, 2)
    log_p = model.log_prob(x.reshape(-1, 1, 1, 2), steps=12).reshape(len(k), -1) + 2 * math.log(2 / (levels - 1))
    log_mass = log_p.logsumexp(1) - math.log(len(u))
    assert bool((log_p.mean(1) < log_mass).all())
    edge = 1 + 1 / (levels - 1)
    axis = torch.linspace(-edge, edge, 2 * levels * points + 1, dtype=torch.float64)
    axis = (axis[1:] + axis[:-1]) / 2
    box = model.log_prob(torch.cartesian_prod(axis, axis).reshape(-1, 1, 1, 2), steps=12).exp().mean() * (2 * edge) ** 2
    assert float(log_mass.exp().sum()) == pytest.approx(float(box), rel=2e-3)
    assert 0.1 < float(box) < 1


@pytest.mark.parametrize("network", ["mlp", "unet"])
def test_hutchinson_averages_to_the_exact_trace_for_images(network):
    model, n = scattered((1, 4, 4), 17, network=network, width=8, depth=1), 600
    x = torch.rand(1, 1, 4, 4, generator=gen(), dtype=torch.float64) * 2 - 1
    exact = model.log_prob(x, steps=3)
    model.exact_trace = 0
    draws = model.log_prob(x.expand(n, 1, 4, 4), gen(1), steps=3)
    se = float(draws.std()) / n**0.5
    assert se > 1e-3
    assert abs(float(draws.mean() - exact)) < 3 * se


def test_probes_come_from_the_generator():
    model, x = scattered((30,), width=8, depth=1), torch.randn(5, 30, generator=gen(), dtype=torch.float64)
    first = model.log_prob(x, gen(1), steps=2)
    assert first.shape == (5,) and first.dtype == torch.float64
    assert torch.equal(model.log_prob(x, gen(1), steps=2), first)
    assert not torch.equal(model.log_prob(x, gen(2), steps=2), first)


@pytest.mark.parametrize(("d", "n"), [(20, 1000), (300, 1200)])
def test_batches_are_split_without_a_trace(d, n):
    """More examples than go through at once: as if they had."""
    data = Gaussian(d, 0.5, 1.5)
    model, x = data.model(), data.sample(n)
    found = model.log_prob(x, gen(1), steps=2)
    if d <= 20:
        probes = torch.eye(d, dtype=torch.float64).unsqueeze(1).expand(-1, n, -1)
    else:
        probes = torch.randn(n, d, generator=gen(1)).sign().double().unsqueeze(0)
    torch.testing.assert_close(found, model._flow(x, probes, 2), rtol=0, atol=1e-9)
