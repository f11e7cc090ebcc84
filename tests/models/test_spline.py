"""Spline flows: log-determinants by autograd, inverses, and the domain of the splines."""

import pytest
import torch
from kit import gen
from torch.func import jacrev, vmap

from genbench.config.read import dataset_spec, names
from genbench.data.space import Logit
from genbench.models import MODELS
from genbench.models.outputs import standard_normal
from genbench.training.replicas import build


def scattered(shape, levels=None, **net):
    model = build(lambda: MODELS["nsf"](shape, levels, width=16, depth=1, **net), 0).double().requires_grad_(False)
    for i, p in enumerate(model.parameters()):
        p += torch.randn(p.shape, generator=gen(i), dtype=p.dtype) / p.shape[-1] ** 0.5
    return model


@pytest.mark.parametrize("d", [2, 5])
def test_nsf_inverts_and_its_density_is_that_of_the_jacobian(d):
    model, x = scattered((d,)), 2 * torch.randn(20, d, generator=gen(), dtype=torch.float64)
    z, log_det = model.forward(x)
    assert float((z - x).abs().max()) > 0.3 and float(log_det.abs().max()) > 0.3
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=1e-8)
    jacobian = vmap(jacrev(lambda x: model.forward(x.unsqueeze(0))[0][0]))(x)
    expected = torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(log_det, expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(model.log_prob(x), standard_normal(z) + expected, rtol=0, atol=1e-8)


def test_nsf_leaves_alone_what_is_beyond_its_splines():
    model = scattered((2,))
    x = torch.tensor([[5.5, -7.0], [-5.1, 20.0]], dtype=torch.float64)
    z, log_det = model.forward(x)
    assert torch.equal(z, x) and not bool(log_det.any())
    inside = 10 * torch.rand(1000, 2, generator=gen(), dtype=torch.float64) - 5
    assert float(model.forward(inside)[0].abs().max()) <= 5


@pytest.mark.parametrize("dataset", [name for name in names("datasets") if dataset_spec(name).kind == "images"])
def test_logits_of_images_lie_on_the_splines(dataset):
    space = Logit((1, 1, 2), dataset_spec(dataset).levels)
    darkest_and_lightest = torch.tensor([[[[0, space.levels - 1]]]])
    for u in (0.0, 1.0):
        assert float(space.encode(darkest_and_lightest, torch.full((1, 1, 1, 2), u)).abs().max()) < 5
