"""Flows and autoregressive densities: log-determinants, samples and an affine fit against closed forms."""

import itertools
import math

import pytest
import torch
from kit import gen
from scipy import stats

from genbench.models import MODELS
from genbench.models.outputs import discretised_logistic
from genbench.training.replicas import build


def scattered(name, shape, levels=None, scale=1.0, **net):
    """A model with random weights in float64: an initialisation that is the identity proves nothing."""
    torch.manual_seed(0)
    model = MODELS[name](shape, levels, **net).double().requires_grad_(False)
    for i, p in enumerate(model.parameters()):
        p += scale * torch.randn(p.shape, generator=gen(i), dtype=p.dtype) / max(p.shape[-1], 1) ** 0.5
    return model


# ---- an affine model fitted to a Gaussian gives its entropy


@pytest.mark.parametrize(
    ("name", "net"),
    [
        ("realnvp", {"layers": 4, "depth": 0}),
        ("made", {"mixture": 1, "depth": 0}),
        ("cnf", {"depth": 0, "test_steps": 8}),
    ],
)
def test_affine_model_fitted_to_a_gaussian_has_its_entropy(name, net):
    """Its mean log-density is minus the entropy of the sample's Gaussian: maximum likelihood finds mean and covariance."""
    mean, root = torch.tensor([0.7, -0.4]).double(), torch.tensor([[0.9, 0.0], [0.6, 0.4]]).double()
    n = 2000
    x = mean + torch.randn(n, 2, generator=gen(), dtype=torch.float64) @ root.T
    torch.manual_seed(0)
    model = MODELS[name]((2,), None, **net).double()
    fit = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss():
        fit.zero_grad()
        value = -model.log_prob(x).mean()
        value.backward()
        return value

    fit.step(loss)
    model.requires_grad_(False)
    flat = 0.5 * float(torch.linalg.slogdet(2 * math.pi * math.e * torch.cov(x.T, correction=0))[1])
    # coupling and conditional scales may also lean on the other coordinate: a parameter gains 1 / (2n) by chance
    assert flat - 8 / n < -float(model.log_prob(x).mean()) < flat + 1e-4
    entropy = 0.5 * float(torch.linalg.slogdet(2 * math.pi * math.e * root @ root.T)[1])
    fresh = mean + torch.randn(20000, 2, generator=gen(1), dtype=torch.float64) @ root.T
    assert -float(model.log_prob(fresh).mean()) == pytest.approx(entropy, abs=4 / n + 3 / len(fresh) ** 0.5)


# ---- autoregressive


def test_made_conditionals_turn_its_samples_into_uniform_numbers():
    """u_i = F(x_i | x_<i) is uniform and independent over coordinates if samples follow the density."""
    model, n = scattered("made", (3,), width=24, depth=1, mixture=3, scale=0.7).float(), 5000
    x = model.sample(n, gen(2))
    logits, mean, log_scale = model.net(x).unflatten(-1, (3, 3)).unbind(-2)
    cdf = torch.special.ndtr((x.unsqueeze(-1) - mean) / log_scale.clamp(-7, 3).exp())
    u = (logits.softmax(-1) * cdf).sum(-1)
    for coordinate in u.T:
        assert stats.kstest(coordinate.numpy(), "uniform").statistic < 1.95 / n**0.5
    correlation = torch.corrcoef(u.T) - torch.eye(3)
    assert float(correlation.abs().max()) < 4 / n**0.5
    assert float((torch.corrcoef(x.T) - torch.eye(3)).abs().max()) > 0.05  # the coordinates themselves are not independent


def test_made_images_of_many_grey_values_follow_their_probabilities():
    levels, n = 33, 30000
    model = scattered("made", (1, 1, 2), levels, width=24, depth=1, mixture=2).float()
    grey = torch.linspace(-1, 1, levels)
    expected = n * model.log_prob(torch.cartesian_prod(grey, grey).reshape(-1, 1, 1, 2)).double().exp()
    assert float(expected.sum()) == pytest.approx(n, rel=1e-4)
    index = torch.round((model.sample(n, gen(3)).reshape(n, 2) + 1) / 2 * (levels - 1)).long()
    seen = torch.bincount(index[:, 0] * levels + index[:, 1], minlength=levels**2).double()
    often = expected > 5
    df = int(often.sum())
    assert df > 100
    chi2 = float(((seen - expected).square() / expected)[often].sum())
    assert abs(chi2 - df) < 4 * (2 * df) ** 0.5


def test_discretised_logistic_is_what_made_sums():
    """A single component: the model's probability is the output distribution's."""
    model = scattered("made", (1, 1, 2), 40, width=8, depth=1, mixture=1)
    x = 2 * torch.randint(40, (50, 2), generator=gen()).double() / 39 - 1
    _, mean, log_scale = model.net(x).unflatten(-1, (3, 1)).unbind(-2)
    expected = discretised_logistic(x, mean[..., 0], log_scale[..., 0].clamp(-7, 2), 40).sum(-1)
    torch.testing.assert_close(model.log_prob(x.reshape(-1, 1, 1, 2)), expected)


# ---- each against what defines it: enumeration, Jacobians, another solver


def scatter(model, scale=0.5, seed=0):
    """Random weights in place of an initialisation that starts as the identity."""
    g = gen(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(scale * torch.randn(p.shape, generator=g) / max(p.shape[-1], 1) ** 0.5)
    return model


@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 2), 3), ((1, 1, 2), 40)], ids=["softmax", "logistic"])
def test_made_probabilities_of_all_images_sum_to_one(shape, levels):
    model = build(lambda: MODELS["made"](shape, levels, width=16, depth=2, mixture=3), 0).double()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=gen(), dtype=p.dtype)
    grey = [2 * k / (levels - 1) - 1 for k in range(levels)]
    images = torch.tensor(list(itertools.product(grey, repeat=math.prod(shape))), dtype=torch.float64)
    total = model.log_prob(images.reshape(-1, *shape)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-5)


def test_made_sees_only_earlier_coordinates():
    d, x = 5, torch.randn(5, generator=gen())
    model = scatter(MODELS["made"]((d,), None, width=40, depth=2, mixture=2), 2.0)
    jacobian = torch.func.jacrev(lambda x: model.net(x.unsqueeze(0))[0])(x)  # (d, outputs, d)
    depends = jacobian.abs().amax(1) > 0
    assert torch.equal(depends, torch.ones(d, d).tril(-1).bool())


def test_made_samples_follow_its_probabilities():
    levels = 3
    model = build(lambda: MODELS["made"]((1, 1, 2), levels, width=16, depth=1), 0)
    scatter(model, 2.0).requires_grad_(False)
    grey = torch.tensor([-1.0, 0.0, 1.0])
    expected = model.log_prob(torch.cartesian_prod(grey, grey).reshape(-1, 1, 1, 2)).exp()
    y = model.sample(20000, gen()).reshape(-1, 2)
    index = ((y[:, 0] + 1) * levels + y[:, 1] + 1).long()
    seen = torch.bincount(index, minlength=9) / len(y)
    assert float((seen - expected).abs().max()) < 0.015


@pytest.mark.parametrize("d", [2, 6])
def test_realnvp_inverts_and_its_log_det_is_the_jacobians(d):
    model = scatter(MODELS["realnvp"]((d,), None, layers=6, width=16, depth=1)).double().requires_grad_(False)
    x = torch.randn(20, d, generator=gen(), dtype=torch.float64)
    z, log_det = model.forward(x)
    assert float((z - x).abs().max()) > 0.1  # not the identity
    torch.testing.assert_close(model.inverse(z), x, rtol=0, atol=1e-10)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: model.forward(x.unsqueeze(0))[0][0]))(x)
    torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian)[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("d", [2, 5, 64])
@pytest.mark.parametrize("name", ["nice", "realnvp"])
def test_couplings_map_every_coordinate_with_the_others(name, d):
    """After a pair each coordinate has moved; after two pairs each latent depends on every coordinate."""
    model = scatter(MODELS[name]((d,), None, layers=4, width=64, depth=1), 2.0)
    jacobian = torch.func.jacrev(lambda x: model.forward(x.unsqueeze(0))[0][0])(torch.randn(d, generator=gen()))
    assert bool((jacobian != 0).float().mean() > 0.9)
    model = scatter(MODELS[name]((d,), None, layers=2, width=64, depth=1), 2.0)
    x = torch.randn(1, d, generator=gen())
    assert not set(model.forward(x)[0][0].tolist()) & set(x[0].tolist())


def test_realnvp_samples_are_inverses_of_the_latent():
    model = scatter(MODELS["realnvp"]((2,), None, layers=4, width=16, depth=1)).requires_grad_(False)
    x = model.sample(30, gen(1))
    z = torch.randn(30, 2, generator=gen(1))
    torch.testing.assert_close(model.forward(x)[0], z, rtol=0, atol=1e-4)
