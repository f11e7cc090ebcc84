"""Output distributions."""

import math

import pytest
import torch

from genbench.models.decoders import DISTRIBUTIONS, distribution_of
from genbench.models.outputs import (
    discretised_gaussian,
    discretised_logistic,
    gaussian,
    log_normal_cdf,
    sample_logistic,
    standard_normal,
)

DISCRETISED = [discretised_logistic, discretised_gaussian]


@pytest.mark.parametrize("distribution", DISCRETISED)
@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("log_scale", [-7.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0])
def test_discretised_distributions_sum_to_one(distribution, levels, log_scale):
    x = 2 * torch.arange(levels, dtype=torch.float64) / (levels - 1) - 1
    for mean in (-1.5, -1.0, -0.013, 0.3, 1.0, 4.0):
        log_p = distribution(x, torch.tensor(mean).double(), torch.tensor(log_scale).double(), levels)
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)
        assert bool((log_p <= 0).all())


@pytest.mark.parametrize("distribution", DISCRETISED)
def test_discretised_distributions_in_float32(distribution):
    x = 2 * torch.arange(256) / 255 - 1
    for log_scale in (-7.0, -3.0, 0.0, 2.0):
        p = distribution(x, torch.tensor(0.1), torch.tensor(log_scale), 256).exp()
        assert float(p.sum()) == pytest.approx(1, abs=1e-3)


def test_discretised_logistic_is_the_difference_of_its_cdf():
    x, mean, log_scale = (
        torch.tensor([-0.5, 0.0, 0.25]).double(),
        torch.tensor(0.1).double(),
        torch.tensor(-1.0).double(),
    )
    half = 1 / 16
    cdf = [torch.sigmoid((x + s * half - mean) / log_scale.exp()) for s in (-1, 1)]
    torch.testing.assert_close(discretised_logistic(x, mean, log_scale, 17), (cdf[1] - cdf[0]).log())


def test_discretised_gaussian_is_the_difference_of_its_cdf():
    x, mean, std = torch.tensor([-1.0, -0.5, 0.25, 1.0]).double(), 0.1, 0.4
    normal = torch.distributions.Normal(mean, std)
    cells = [normal.cdf(x + s / 16) for s in (-1, 1)]
    expected = torch.cat([cells[1][:1], (cells[1] - cells[0])[1:3], 1 - cells[0][3:]]).log()
    log_p = discretised_gaussian(x, torch.tensor(mean).double(), torch.tensor(std).double().log(), 17)
    torch.testing.assert_close(log_p, expected)


def test_log_normal_cdf_and_its_derivative_are_those_of_torch():
    x = torch.cat([torch.linspace(-40, 8, 97), torch.tensor([0.0, -1e-4])]).double().requires_grad_()
    for found, expected in zip(
        *((f(x), *torch.autograd.grad(f(x).sum(), x)) for f in (log_normal_cdf, torch.special.log_ndtr)), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distribution", DISCRETISED)
def test_discretised_distributions_are_finite_far_out_with_their_gradients(distribution):
    mean = torch.tensor([-3.0, 3.0, 3.0, 0.9], requires_grad=True)
    log_scale = torch.full((4,), -7.0, requires_grad=True)
    log_p = distribution(torch.tensor([0.0, 0.0, -1.0, -0.9]), mean, log_scale, 256)
    assert bool(log_p.isfinite().all()) and log_p.min().item() < -1000
    grads = torch.autograd.grad(log_p.sum(), [mean, log_scale])
    assert all(bool(g.isfinite().all()) for g in grads)


@pytest.mark.parametrize("name", DISTRIBUTIONS["images"])
def test_draws_of_an_image_distribution_have_its_probabilities_and_its_mean(name):
    levels = 2 if name == "bernoulli" else 9
    distribution, n = distribution_of(name, levels), 50000
    location, log_scale = torch.full((n,), 0.3), torch.full((n,), -1.0)
    drawn = distribution.draw(location, log_scale, torch.Generator().manual_seed(0)).clamp(-1, 1)
    seen = torch.bincount(torch.round((drawn + 1) / 2 * (levels - 1)).long(), minlength=levels) / n
    grid = 2 * torch.arange(levels) / (levels - 1) - 1
    expected = distribution.log_prob(grid, location[:levels], log_scale[:levels], levels).exp()
    assert float((seen - expected).abs().max()) < 0.01
    mean = float(distribution.mean(torch.tensor(0.3)))  # of the distribution without clipping to grey values
    assert mean == pytest.approx(float(expected @ grid) if name == "bernoulli" else 0.3, abs=1e-6)


@pytest.mark.parametrize("name", DISTRIBUTIONS["points"])
def test_draws_of_a_point_distribution_have_its_moments(name):
    drawn = distribution_of(name, None).draw(
        torch.full((50000,), 0.3), torch.full((50000,), -1.0), torch.Generator().manual_seed(0)
    )
    assert float(drawn.mean()) == pytest.approx(0.3, abs=0.01) and float(drawn.std()) == pytest.approx(math.exp(-1), abs=0.01)


def test_a_distribution_is_refused_where_it_has_no_meaning():
    with pytest.raises(ValueError, match="decoder: bernoulli is for images of 2 levels, these have 17; allowed: logistic, "):
        distribution_of("bernoulli", 17)
    with pytest.raises(ValueError, match="decoder: allowed: gaussian, gaussian_fixed; got 'logistic'"):
        distribution_of("logistic", None)


def test_logistic_draws_at_the_ends_of_u():
    y = sample_logistic(torch.zeros(3), torch.zeros(3), torch.tensor([0.0, 0.5, 1.0]))
    assert bool(y.isfinite().all()) and float(y[1]) == pytest.approx(0, abs=1e-6)


def test_gaussian():
    x, mean, std = torch.randn(5, 3), torch.randn(3), torch.tensor([0.1, 1.0, 7.0])
    expected = torch.distributions.Normal(mean, std).log_prob(x)
    torch.testing.assert_close(gaussian(x, mean, std.log()), expected, rtol=1e-4, atol=1e-4)
    assert float(standard_normal(torch.zeros(4))) == pytest.approx(-2 * math.log(2 * math.pi))
