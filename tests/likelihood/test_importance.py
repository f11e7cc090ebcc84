"""Importance bounds by hand; their meaning for a VAE is tested with the models."""

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
