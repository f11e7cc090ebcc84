"""Bits per dimension of known distributions, through the spaces that the models see."""

import math
from types import SimpleNamespace

import pytest
import torch
from numpy.polynomial.legendre import leggauss
from torch.nn.functional import logsigmoid, softplus

from genbench.data import bits_per_dim, space
from genbench.models.outputs import discretised_logistic


def images(levels, shape=(1, 2, 3)):
    return SimpleNamespace(name="i", kind="images", shape=shape, levels=levels, meta={})


# ---- uniform


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("name", ["symmetric", "uniform", "logit"])
def test_t08_uniform_density_has_log2_levels_bits(levels, name):
    """8 for 256, whatever the space: the density of the encoded noise is what autograd says."""
    seen = space(images(levels), name)
    k = torch.randint(levels, (20, 1, 2, 3), generator=torch.Generator().manual_seed(0))
    if name == "symmetric":  # the model gives probabilities itself
        y, log_p = seen.encode(k), torch.full((20,), -6 * math.log(levels), dtype=torch.float64)
    else:
        x = k + torch.rand(k.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        y = seen._encode(x)
        (slope,) = torch.autograd.grad(seen._encode(x.requires_grad_()).sum(), x)  # each entry of its own
        log_p = -(levels * slope).log().flatten(1).sum(1)  # x is uniform on (0, levels)
    bits = bits_per_dim(log_p + seen.log_jacobian(y), seen.dim)
    torch.testing.assert_close(bits, torch.full_like(bits, math.log2(levels)), rtol=0, atol=1e-9)


def test_t08_eight_bits_in_float32():
    seen = space(images(256, (3, 32, 32)), "uniform")
    y = seen.encode(torch.zeros(2, 3, 32, 32), torch.full((2, 3, 32, 32), 0.5))
    log_p = torch.full((2,), -seen.dim * math.log(2.0))
    torch.testing.assert_close(bits_per_dim(log_p + seen.log_jacobian(y), seen.dim), torch.full((2,), 8.0), rtol=0, atol=1e-5)


# ---- discretised logistic


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("log_scale", [-3.0, -1.0, 0.0, 2.0, 4.0])
def test_t09_discretised_logistic_sums_to_one(levels, log_scale):
    x = torch.linspace(-1, 1, levels, dtype=torch.float64)
    for mean in (-2.0, -0.3, 0.0, 1.0):
        log_p = discretised_logistic(x, torch.tensor(mean).double(), torch.tensor(log_scale).double(), levels)
        assert float(log_p.logsumexp(0)) == pytest.approx(0, abs=1e-10)


def test_t09_discretised_logistic_is_finite_where_the_naive_difference_is_not():
    levels, log_scale = 256, torch.tensor(-7.0).double()
    mean = torch.tensor(-1.8251).double()  # thousands of scales away
    x = torch.linspace(-1, 1, levels, dtype=torch.float64)
    log_p = discretised_logistic(x, mean, log_scale, levels)
    naive = torch.sigmoid((x + 1 / 255 - mean) / log_scale.exp()) - torch.sigmoid((x - 1 / 255 - mean) / log_scale.exp())
    assert bool(log_p.isfinite().all()) and float(log_p.min()) < -3000
    assert bool((naive[1:-1].log() == -math.inf).any())
    # far up the tail, one level more costs its width in scales
    torch.testing.assert_close(log_p[100] - log_p[101], (x[101] - x[100]) / log_scale.exp(), rtol=1e-6, atol=0)


# ---- dequantisation


@pytest.mark.parametrize("name", ["uniform", "logit"])
@pytest.mark.parametrize(("scale", "gap"), [(0.3, None), (1.0, None), (3.0, 0.0015)])
def test_dequantisation_gap_is_positive_and_small_for_smooth_densities(name, scale, gap):
    """log P(k) - E_u log p(k + u) for a logistic distribution of given scale: never negative, and by how much known."""
    levels, mean = 65, 32.5
    seen = space(images(levels, (1,)), name)
    nodes, weights = (torch.as_tensor(a) for a in leggauss(64))
    u, weights = (nodes + 1) / 2, weights / 2
    x = (torch.arange(levels) + u.unsqueeze(1)).reshape(-1, 1).requires_grad_()  # every noise with every grey value
    z = (x - mean) / scale
    y = seen._encode(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    log_p = (-z - 2 * softplus(-z) - math.log(scale) - slope.log())[:, 0]  # the density in the model's space
    bound = (weights.unsqueeze(1) * (log_p + seen.log_jacobian(y)).reshape(-1, levels)).sum(0).detach()
    low = (torch.arange(levels).double() - mean) / scale
    up = low + 1 / scale
    log_mass = logsigmoid(up) + logsigmoid(-low) + (-torch.expm1(low - up)).log()
    gaps = log_mass - bound
    assert float(gaps.min()) > -1e-12
    average = float((log_mass.exp() * gaps).sum())
    assert average > 1e-4
    if gap is not None:
        assert average == pytest.approx(gap, abs=1e-4)


def test_dequantisation_gap_vanishes_only_where_the_density_is_constant_on_each_level():
    seen = space(images(4, (1,)), "uniform")
    p = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)
    k = torch.arange(4).repeat(50)
    y = seen._encode(k.unsqueeze(1) + torch.rand(200, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    log_p = (p[seen.decode(y)[:, 0].long()] * 2).log()  # levels are half a unit wide in [-1, 1)
    torch.testing.assert_close(log_p + seen.log_jacobian(y), p[k].log(), rtol=0, atol=1e-12)
