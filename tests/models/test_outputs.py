"""Output distributions."""

import math

import pytest
import torch

from genbench.models.outputs import discretised_logistic, gaussian, sample_logistic, standard_normal


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("log_scale", [-7.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0])
def test_discretised_logistic_sums_to_one(levels, log_scale):
    x = 2 * torch.arange(levels, dtype=torch.float64) / (levels - 1) - 1
    for mean in (-1.5, -1.0, -0.013, 0.3, 1.0, 4.0):
        log_p = discretised_logistic(x, torch.tensor(mean).double(), torch.tensor(log_scale).double(), levels)
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)
        assert bool((log_p <= 0).all())


def test_discretised_logistic_in_float32():
    x = 2 * torch.arange(256) / 255 - 1
    for log_scale in (-7.0, -3.0, 0.0, 2.0):
        p = discretised_logistic(x, torch.tensor(0.1), torch.tensor(log_scale), 256).exp()
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


def test_discretised_logistic_is_finite_far_out_with_its_gradient():
    mean = torch.tensor([-3.0, 3.0, 3.0, 0.9], requires_grad=True)
    log_scale = torch.full((4,), -7.0, requires_grad=True)
    log_p = discretised_logistic(torch.tensor([0.0, 0.0, -1.0, -0.9]), mean, log_scale, 256)
    assert bool(log_p.isfinite().all()) and log_p.min().item() < -1000
    grads = torch.autograd.grad(log_p.sum(), [mean, log_scale])
    assert all(bool(g.isfinite().all()) for g in grads)


def test_logistic_draws_have_the_discretised_law():
    levels, mean, log_scale = 9, torch.tensor(0.3), torch.tensor(-1.0)
    u = torch.rand(50000, generator=torch.Generator().manual_seed(0))
    index = torch.round((sample_logistic(mean, log_scale, u) + 1) / 2 * (levels - 1)).long()
    seen = torch.bincount(index, minlength=levels) / len(u)
    expected = discretised_logistic(2 * torch.arange(levels) / (levels - 1) - 1, mean, log_scale, levels).exp()
    assert float((seen - expected).abs().max()) < 0.01


def test_logistic_draws_at_the_ends_of_u():
    y = sample_logistic(torch.zeros(3), torch.zeros(3), torch.tensor([0.0, 0.5, 1.0]))
    assert bool(y.isfinite().all()) and float(y[1]) == pytest.approx(0, abs=1e-6)


def test_gaussian():
    x, mean, std = torch.randn(5, 3), torch.randn(3), torch.tensor([0.1, 1.0, 7.0])
    expected = torch.distributions.Normal(mean, std).log_prob(x)
    torch.testing.assert_close(gaussian(x, mean, std.log()), expected, rtol=1e-4, atol=1e-4)
    assert float(standard_normal(torch.zeros(4))) == pytest.approx(-2 * math.log(2 * math.pi))
