"""Spaces: round trips, log-Jacobians against autograd, and the uniform model's bits per dimension."""

import math
from types import SimpleNamespace

import pytest
import torch

from genbench.config.errors import UserError
from genbench.data import bits_per_dim, space

POINTS = SimpleNamespace(name="p", kind="points", shape=(2,), levels=None, meta={"mean": [1.0, -3.0], "scale": 2.5})


def images(levels, shape=(1, 4, 4)):
    return SimpleNamespace(name="i", kind="images", shape=shape, levels=levels, meta={})


@pytest.mark.parametrize("levels", [17, 256])
@pytest.mark.parametrize("name", ["uniform", "logit"])
def test_uniform_density_has_log2_levels_bits(levels, name):
    data = space(images(levels), name)
    k = torch.randint(levels, (50, 1, 4, 4))
    y = data.encode(k, torch.rand(k.shape)).double()
    if name == "uniform":  # uniform on [-1, 1]
        log_p = torch.full((50,), -data.dim * math.log(2), dtype=torch.float64)
    else:  # the distribution of logit(a + (1-2a) x), x ~ U[0, 1]
        s = y.sigmoid()
        log_p = (s * (1 - s) / (1 - 2 * data.a)).log().flatten(1).sum(-1)
    bits = bits_per_dim(log_p + data.log_jacobian(y), data.dim)
    torch.testing.assert_close(bits, torch.full_like(bits, math.log2(levels)), atol=1e-9, rtol=0)


def test_discrete_uniform_has_log2_levels_bits():
    data = space(images(256), "symmetric")
    log_p = -data.dim * math.log(256) + data.log_jacobian(torch.zeros(3, 1, 4, 4))
    assert data.discrete and bits_per_dim(log_p, data.dim).tolist() == pytest.approx([8.0] * 3)


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("name", ["symmetric", "uniform", "logit"])
@pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2**-24])
def test_round_trip_of_all_levels(levels, name, u):
    data = space(images(levels, (1, 1, levels)), name)
    k = torch.arange(levels, dtype=torch.uint8).reshape(1, 1, 1, levels)
    y = data.encode(k, torch.full(k.shape, u))
    assert y.dtype == torch.float32 and y.isfinite().all()
    assert torch.equal(data.decode(y), k)


@pytest.mark.parametrize("name", ["uniform", "logit"])
def test_round_trip_of_random_noise(name):
    data = space(images(256, (1, 100, 256)), name)
    k = torch.arange(256, dtype=torch.uint8).expand(20, 1, 100, 256)
    assert torch.equal(data.decode(data.encode(k, torch.rand(k.shape))), k)


@pytest.mark.parametrize("name", ["uniform", "logit"])
@pytest.mark.parametrize("levels", [17, 256])
def test_log_jacobian_against_autograd(name, levels):
    data = space(images(levels, (1, 2, 2)), name)
    x = (torch.rand(1, 2, 2, dtype=torch.float64) * levels).requires_grad_()  # k + u
    y = data._encode(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: data._encode(v).flatten(), x).reshape(4, 4)
    torch.testing.assert_close(data.log_jacobian(y), torch.linalg.slogdet(jacobian).logabsdet)


def test_standard_points():
    data = space(POINTS, "standard")
    x = torch.randn(7, 3, 2)
    y = data.encode(x)
    torch.testing.assert_close(data.decode(y), x)
    torch.testing.assert_close(y, (x - torch.tensor([1.0, -3.0])) / 2.5)
    torch.testing.assert_close(data.log_jacobian(y), torch.full((7, 3), -2 * math.log(2.5)))


@pytest.mark.parametrize("name", ["symmetric", "uniform", "logit"])
def test_any_leading_dimensions(name):
    data = space(images(256), name)
    k = torch.randint(256, (2, 3, 1, 4, 4), dtype=torch.uint8)
    u = torch.rand(k.shape)
    y = data.encode(k, u)
    assert data.decode(y).shape == k.shape and data.log_jacobian(y).shape == (2, 3)
    assert data.log_jacobian(y[0, 0]).shape == ()
    torch.testing.assert_close(torch.vmap(data.encode)(k, u), y)
    torch.testing.assert_close(torch.vmap(data.log_jacobian)(y), data.log_jacobian(y))


def test_decode_clips_and_survives_nonfinite():
    for name in ["symmetric", "uniform", "logit"]:
        data = space(images(17, (1, 1, 5)), name)
        y = torch.tensor([[[-1e9, 1e9, math.inf, -math.inf, math.nan]]])
        assert data.decode(y).flatten().tolist() == [0, 16, 16, 0, 0]


def test_misuse():
    data = space(images(256), "uniform")
    with pytest.raises(ValueError, match="dequantises"):
        data.encode(torch.zeros(2, 1, 4, 4))
    with pytest.raises(ValueError, match="expected"):
        data.encode(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))
    for dataset, name in [(POINTS, "logit"), (images(256), "standard"), (images(256), "nonsense")]:
        with pytest.raises(UserError, match="allowed") as error:
            space(dataset, name)
        assert "\n" not in str(error.value)
