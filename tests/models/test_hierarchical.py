"""Hierarchies of latent variables: precision weighting, residual posteriors, levels' KLs, and bounds on known likelihoods."""

import math

import pytest
import torch
from kit import gen
from torch.distributions import Normal, kl_divergence

from genbench.likelihood.importance import importance_bounds
from genbench.models import MODELS
from genbench.models.hierarchical import precision_weighted
from genbench.models.outputs import gaussian

LADDER = ("ladder_vae", (2,), None, {"top": 2, "bottom": 3, "width": 16, "depth": 1})
NVAE = ("nvae", (1, 8, 8), 17, {"channels": 2, "groups": 2, "width": 8})
both = pytest.mark.parametrize(("name", "shape", "levels", "net"), [LADDER, NVAE], ids=["ladder", "nvae"])


def made(name, shape, levels, net):
    torch.manual_seed(0)
    model = MODELS[name](shape, levels, **net).requires_grad_(False)
    x = torch.randn(6, *shape, generator=gen())
    return model, (((x.clamp(-1, 1) + 1) * 8).round() / 8 - 1 if levels else x)


def test_precision_weighting_is_the_product_of_two_normal_distributions():
    encoded = (torch.tensor([1.5]), torch.tensor([-0.4]))
    prior = (torch.tensor([-0.7]), torch.tensor([0.6]))
    shift, log_ratio = precision_weighted(encoded, prior)
    z = torch.linspace(-8, 8, 4001)
    log_p = gaussian(z, *encoded) + gaussian(z, *prior)
    p = log_p.softmax(0)
    mean = (p * z).sum()
    std = (p * (z - mean).square()).sum().sqrt()
    torch.testing.assert_close(prior[0] + prior[1].exp() * shift, mean.reshape(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(prior[1] + log_ratio, std.log().reshape(1), rtol=1e-4, atol=1e-4)


def test_the_ladder_weights_what_x_says_by_what_the_upper_level_says():
    """The lower posterior is the product of the encoder's distribution and the prior's, and the decoder sees z, not u."""
    model, x = made(*LADDER)
    eps = torch.randn(6, 5, generator=gen(1))
    state, u, _ = model.descend(eps, x)
    (top_mean, top_log_std), encoded = model.up(x)
    z1 = top_mean + top_log_std.exp() * eps[:, :2]
    prior = model.conditional_prior(1, z1)
    a, b = (-2 * encoded[1]).exp(), (-2 * prior[1]).exp()
    mean, std = (a * encoded[0] + b * prior[0]) / (a + b), (a + b).rsqrt()
    torch.testing.assert_close(u[:, :2], z1)
    torch.testing.assert_close(state, mean + std * eps[:, 2:])
    torch.testing.assert_close(prior[0] + prior[1].exp() * u[:, 2:], state)


@both
def test_kl_of_each_level_is_that_of_its_distributions(name, shape, levels, net):
    """KL(q(z_l | x, above) || p(z_l | above)) in the coordinates of z, not of u."""
    model, x = made(name, shape, levels, net)
    eps = torch.randn(6, model.latent, generator=gen(1))
    _, u, q = model.descend(eps, x)
    found = model.kl(q)
    encoded, state = model.up(x), model.start(eps)
    assert found.shape == (6, len(model.sizes)) and sum(model.sizes) == model.latent
    for level, (own, noise) in enumerate(zip(u.split(model.sizes, -1), eps.split(model.sizes, -1), strict=True)):
        mean, log_std = model.conditional_prior(level, state) if level else (torch.zeros_like(own), torch.zeros_like(own))
        shift, log_ratio = model.residual(level, state, encoded[level], (mean, log_std))
        posterior = Normal(mean + log_std.exp() * shift, (log_std + log_ratio).exp())
        expected = kl_divergence(posterior, Normal(mean, log_std.exp())).sum(-1)
        torch.testing.assert_close(found[:, level], expected, rtol=1e-4, atol=1e-4)
        z = posterior.mean + posterior.stddev * noise
        torch.testing.assert_close(mean + log_std.exp() * own, z, rtol=1e-4, atol=1e-4)
        state = model.down(level, state, z)


@both
def test_the_loss_is_the_mean_of_the_weights(name, shape, levels, net):
    """Closed-form KLs given the levels above, and log ratios of whole draws: two estimates of one bound."""
    model, x = made(name, shape, levels, net)
    x, n = x[:2].repeat_interleave(3000, 0), 3000
    eps = torch.randn(len(x), model.latent, generator=gen(1))
    closed = torch.cat([log_p - kl for log_p, kl in (model.terms(*part) for part in chunks(x, eps))]).unflatten(0, (2, n))
    drawn = model.log_weights(x, gen(2)).unflatten(0, (2, n))
    error = ((closed.var(1) + drawn.var(1)) / n).sqrt()
    assert bool(((closed.mean(1) - drawn.mean(1)).abs() < 4 * error).all())


def chunks(x, eps):
    return ((part, {"z": noise}) for part, noise in zip(x.split(1000), eps.split(1000), strict=True))


@both
def test_the_decoder_sees_standard_normal_numbers(name, shape, levels, net):
    """What a posterior's descent decodes is what the contract's u decodes; so u ~ N(0, I) is all that sampling needs."""
    model, x = made(name, shape, levels, net)
    state, u, _ = model.descend(torch.randn(6, model.latent, generator=gen(1)), x)
    torch.testing.assert_close(model.descend(u)[0], state, rtol=1e-4, atol=1e-4)
    u = model.draw_prior(40000 if name == "ladder_vae" else 500, gen(2))
    assert abs(float(u.mean())) < 0.02 and float(u.std()) == pytest.approx(1, abs=0.02) and model.normal_prior
    if name == "ladder_vae":  # its lower level given one upper one has the prior's moments
        u[:, :2] = u[:1, :2]
        mean, log_std = model.conditional_prior(1, u[:1, :2])
        z = model.descend(u)[0]
        torch.testing.assert_close(z.mean(0), mean[0], rtol=0, atol=5 * float(log_std.exp().max()) / 200)
        torch.testing.assert_close(z.std(0).log(), log_std[0], rtol=0, atol=0.02)


def linear(top_to_bottom=0.8, spread=0.5):
    """A ladder of one number per level whose decoder and prior are linear, and the mean and variance of its normal x."""
    model = MODELS["ladder_vae"]((1,), top=1, bottom=1, width=4, depth=0)
    net = model.net
    net["decoder"].layers[0].weight.data = torch.tensor([[1.0], [0.0]])
    net["decoder"].layers[0].bias.data = torch.tensor([0.2, -0.5])
    prior = net["prior"] = torch.nn.Linear(1, 2)
    prior.weight.data = torch.tensor([[top_to_bottom], [0.0]])
    prior.bias.data = torch.tensor([0.0, 5 * math.atanh(math.log(spread) / 5)])
    return model.requires_grad_(False), 0.2, top_to_bottom**2 + spread**2 + math.exp(-1.0)


def test_bounds_of_a_linear_hierarchy_rise_to_its_likelihood():
    model, mean, variance = linear()
    for part in (model.net["top"].layers[-1], model.net["encoder"].layers[-1]):
        part.bias.data[1] = 0.0  # wide posteriors
    x = torch.tensor([[-1.0], [0.3], [1.5]])
    exact = gaussian(x[:, 0], torch.tensor(mean), torch.tensor(0.5 * math.log(variance)))
    generator = gen(3)

    def bounds(k, repeats):
        return importance_bounds(lambda: model.log_weights(x.repeat(repeats, 1), generator), k)

    few, many = bounds(10, 2000), bounds(4000, 5)
    elbo, iwae, best = (each.unflatten(0, (-1, 3)).mean(0) for each in (few.elbo, few.iwae, many.iwae))
    torch.testing.assert_close(best.float(), exact, rtol=0, atol=0.02)
    assert bool((elbo < iwae).all() and (iwae < exact).all())


def test_nvaes_bounds_rise_with_the_number_of_weights():
    model, x = made(*NVAE)
    generator = gen(1)
    few, many = (importance_bounds(lambda: model.log_weights(x, generator), k) for k in (10, 300))
    assert float(few.elbo.mean()) < float(few.iwae.mean()) < float(many.iwae.mean())


@pytest.mark.parametrize(("size", "sides"), [(8, [2, 4, 8]), (28, [7, 14, 28]), (32, [8, 16, 32])])
def test_nvaes_scales(size, sides):
    model = MODELS["nvae"]((3, size, size), 256, channels=2, groups=2, width=4)
    assert model.sizes == tuple(2 * side**2 for side in (sides[0], sides[0], sides[1], sides[1]))
    assert model.generate(torch.randn(2, model.latent)).shape == (2, 3 * size**2)
