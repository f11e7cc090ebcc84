"""Importance bounds by hand and against a linear VAE; their meaning for a trained VAE is tested with the models."""

import math

import pytest
import torch

from genbench.likelihood.importance import importance_bounds


def test_bounds_by_hand():
    draws = iter([torch.tensor([0.0, 5.0]), torch.tensor([math.log(3.0), 5.0])])
    bounds = importance_bounds(lambda: next(draws), 2)
    assert bounds.elbo.tolist() == pytest.approx([math.log(3) / 2, 5])
    assert bounds.iwae.tolist() == pytest.approx([math.log(2), 5])
    assert bounds.ess.tolist() == pytest.approx([16 / 10, 2])
    assert bounds.iwae.dtype == torch.float64


def test_weights_far_out_do_not_overflow():
    draws = iter([torch.tensor([-3000.0]), torch.tensor([-3005.0])])
    bounds = importance_bounds(lambda: next(draws), 2)
    assert float(bounds.iwae) == pytest.approx(-3000 + math.log1p(math.exp(-5)) - math.log(2))
    assert 1 <= float(bounds.ess) < 1.02


def test_log_mean_of_weights_is_unbiased_for_a_known_integral():
    """E w = 1 for w = p(z) / q(z), so the bound approaches 0 from below."""
    generator = torch.Generator().manual_seed(0)

    def weights():
        z = 1.5 * torch.randn(2000, generator=generator)
        return -0.5 * z.square() + 0.5 * (z / 1.5).square() + math.log(1.5)

    one, many = importance_bounds(weights, 1), importance_bounds(weights, 200)
    assert float(one.iwae.mean()) < float(many.iwae.mean()) - 0.05
    assert float(many.iwae.mean()) == pytest.approx(0, abs=0.01)


def test_t10_every_weight_is_p_of_x_where_q_is_the_posterior(linear):
    """Uncorrelated columns of W make the posterior diagonal: each single weight has no variance."""
    model = linear()
    model.w = torch.linalg.qr(model.w).Q * torch.linspace(0.5, 3, 5).double()
    m = model.w.T @ model.w + model.s**2 * torch.eye(5).double()
    mean = ((model.simulate(200)[1] - model.mu) @ model.w) / m.diagonal()
    x, log_std = model.simulate(200)[1], (model.s / m.diagonal().sqrt()).log().expand(200, -1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        assert float((model.log_weights(x, mean, log_std, generator) - model.log_prob(x)).abs().max()) < 1e-10


def test_t10_the_elbo_lacks_the_divergence_of_q_from_the_posterior(linear):
    model = linear()
    _, x = model.simulate(200)
    mean, log_std = model.encode(x)
    q = torch.distributions.MultivariateNormal(mean, torch.diag_embed((2 * log_std).exp()))
    exact = model.log_prob(x) - torch.distributions.kl_divergence(q, model.posterior(x))
    generator = torch.Generator().manual_seed(0)
    bounds = importance_bounds(lambda: model.log_weights(x, mean, log_std, generator), 500)
    error = bounds.elbo - exact
    assert abs(float(error.mean())) < 3 * float(error.std()) / 200**0.5
    assert float((model.log_prob(x) - exact).mean()) > 0.3  # a divergence worth the name


def test_t10_the_importance_bound_rises_with_k_to_log_p(linear):
    model = linear()
    _, x = model.simulate(200)
    generator, exact = torch.Generator().manual_seed(0), model.log_prob(x)
    gaps = []
    for k in (1, 10, 100, 1000):
        bounds = importance_bounds(lambda: model.log_weights(x, *model.encode(x), generator), k)
        gaps.append(exact - bounds.iwae)
        assert bounds.ess.min() >= 1 and bounds.ess.max() <= k
    for loose, tight in zip(gaps, gaps[1:], strict=False):
        assert float((loose - tight).mean()) > -3 * float((loose - tight).std()) / 200**0.5
    assert float(gaps[0].mean()) > 0.3 and abs(float(gaps[-1].mean())) < 0.02
    assert float(gaps[-1].mean()) > -3 * float(gaps[-1].std()) / 200**0.5
