"""Learned priors: densities by quadrature, draws against densities, and bounds that a diffusion gives."""

import math

import pytest
import tiny
import torch
from kit import gen

from genbench.data import Dataset, space
from genbench.likelihood.decoders import annealed_scores
from genbench.likelihood.importance import importance_bounds
from genbench.models import MODELS
from genbench.models.outputs import gaussian, standard_normal
from genbench.models.vae_posteriors import IAFVAE
from genbench.models.vae_priors import DiffusionPrior
from genbench.training.replicas import build

DENSITIES = ("flow_prior_vae", "mixture_vae", "vamp_vae")
PRIORS = (*DENSITIES, "diffusion_prior_vae")


def moved(name, mixin=None, **net):
    """A tiny model of points whose prior is far from where it starts."""
    cls = MODELS[name] if mixin is None else type("Both", (mixin, MODELS[name]), {})
    torch.manual_seed(0)
    model = cls((2,), **(tiny.NETS[name] | net)).requires_grad_(False)
    scale = 0.1 if name == "diffusion_prior_vae" else 0.3  # a path's weights soon vary too much
    model.begin(torch.randn(50, 2, generator=gen(7)), gen(8))
    for p in model.net["prior"].parameters():
        p.add_(scale * torch.randn(p.shape, generator=gen(9)))
    return model


def plane(half=8.0, count=321):
    axis = torch.linspace(-half, half, count)
    return torch.cartesian_prod(axis, axis), float(axis[1] - axis[0]) ** 2


@pytest.mark.parametrize("name", DENSITIES)
def test_priors_are_densities_and_their_draws_have_them(name):
    model = moved(name)
    z, area = plane()
    log_p = model.log_prior(z).double()
    assert float(log_p.exp().sum() * area) == pytest.approx(1, abs=2e-3)
    expected = float((log_p.exp() * log_p).sum() * area)
    own = model.log_prior(model.draw_prior(20000, gen(1)))
    assert float(own.mean()) == pytest.approx(expected, abs=4 * float(own.std()) / 20000**0.5)
    assert float((log_p - standard_normal(z)).std()) > 0.1 and not model.normal_prior


def test_a_flow_prior_starts_at_the_normal_distribution():
    model = MODELS["flow_prior_vae"]((2,), latent=3)
    z = torch.randn(20, 3, generator=gen())
    torch.testing.assert_close(model.log_prior(z), standard_normal(z))


def test_pseudo_inputs_start_as_examples_and_their_posteriors_make_the_prior():
    model = MODELS["vamp_vae"]((2,), latent=2, width=16, depth=1, components=4)
    x = torch.randn(100, 2, generator=gen())
    model.begin(x, gen(1))
    pseudo = model.net["prior"]["input"]
    assert all(bool((x == row).all(-1).any()) for row in pseudo)
    z = torch.randn(30, 2, generator=gen(2))
    mean, log_std = model.encode(pseudo)
    each = torch.stack([gaussian(z, m, s).sum(-1) for m, s in zip(mean, log_std, strict=True)])
    torch.testing.assert_close(model.log_prior(z), each.exp().mean(0).log(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "mixin"), [*((name, None) for name in PRIORS), ("mixture_vae", IAFVAE), ("diffusion_prior_vae", IAFVAE)]
)
def test_weights_average_to_the_likelihood(name, mixin):
    """E_q[w] = p(x): p(x) from many draws of the prior, whatever q and the diffusion's path are."""
    model = moved(name, mixin)
    model.net["encoder"].head.bias[2:] += 1.0  # a posterior wide enough for its weights to have a variance
    x = torch.randn(3, 2, generator=gen())
    z = model.draw_prior(100_000, gen(1))
    p = torch.stack([model.log_likelihood(one.expand(len(z), 2), z) for one in x]).exp()
    se = (p.std(1) / p.mean(1)) / len(z) ** 0.5
    generator = gen(2)
    bounds = importance_bounds(lambda: model.log_weights(x.repeat(500, 1), generator), 200)
    w = bounds.iwae.unflatten(0, (500, 3))
    found = w.logsumexp(0) - math.log(500)
    error = (w.exp().std(0) / w.exp().mean(0)) / 500**0.5
    assert float(error.max()) < 0.08 and float(se.max()) < 0.05
    assert bool(((found - p.mean(1).log()).abs() < 4 * (se + error)).all()), (found, p.mean(1).log(), error)
    assert bool((bounds.elbo.unflatten(0, (500, 3)).mean(0) < found).all())


def test_a_diffusion_whose_velocity_is_zero_is_the_normal_distribution():
    """Its path's weights are then all the same: with the variances that fit N(0, I), the reverse chain is exact in any steps."""
    prior = DiffusionPrior(3, steps=5).requires_grad_(False)
    prior.logit.fill_(30.0)
    z = 1.5 * torch.randn(6, 3, generator=gen())
    torch.testing.assert_close(prior.log_weights(z, gen(1)), standard_normal(z), rtol=0, atol=2e-3)
    steps = torch.arange(5).repeat_interleave(20000)
    one = z[:1].expand(len(steps), 3)
    bound = prior.bound(one, steps, torch.randn(len(steps), 3, generator=gen(2)))
    assert float(bound.mean()) == pytest.approx(float(standard_normal(z[0])), abs=5 * float(bound.std()) / len(steps) ** 0.5)
    assert float(prior.sample(20000, gen(3)).std()) == pytest.approx(1, abs=0.02)


def test_a_diffusions_bound_is_the_mean_of_its_paths_weights():
    """Two ways to the same bound: KLs in closed form at one random step, and log ratios along whole paths."""
    prior = DiffusionPrior(2, steps=6, width=16).requires_grad_(False)
    for value in (prior.net.outward.weight, prior.logit):
        value.copy_(0.5 * torch.randn(value.shape, generator=gen()))
    n = 20000
    z = torch.randn(3, 2, generator=gen(1)).repeat_interleave(n, 0)
    by_step = [prior.bound(z, torch.full((3 * n,), i), torch.randn(3 * n, 2, generator=gen(2 + i))) for i in range(6)]
    by_step = torch.stack(by_step).unflatten(1, (3, n))
    by_path = prior.log_weights(z, gen(9)).unflatten(0, (3, n))
    error = ((by_step.var(2).sum(0) / 36 + by_path.var(1)) / n).sqrt()
    assert float(error.max()) < 0.08
    assert bool(((by_step.mean((0, 2)) - by_path.mean(1)).abs() < 4 * error).all())
    assert bool((by_path.mean(1) < by_path.logsumexp(1) - math.log(n) - 0.1).all())  # and both lie below log p(z)


def test_a_diffusions_draws_have_its_density():
    """Importance weights of paths give p(z), whose integral is 1 and whose mass in a square is the share of draws there."""
    prior = DiffusionPrior(2, steps=6, width=16).requires_grad_(False)
    prior.net.outward.weight.copy_(0.3 * torch.randn(2, 16, generator=gen()))
    z, area = plane(6.0, 61)
    log_p = torch.stack([prior.log_weights(z, gen(i)) for i in range(30)]).logsumexp(0) - math.log(30)
    assert float(log_p.exp().sum() * area) == pytest.approx(1, abs=0.03)
    corner = (z > 0).all(-1)
    share = float((prior.sample(20000, gen(50)) > 0).all(-1).float().mean())
    assert float(log_p[corner].exp().sum() * area) == pytest.approx(share, abs=0.03)
    assert abs(share - 0.25) > 0.03  # another distribution than N(0, I)


def test_a_diffusion_prior_learns_two_modes():
    """z from two narrow modes: after training, the bound is near the entropy and draws lie in both."""
    prior = build(lambda: DiffusionPrior(1, steps=32, width=32), 0)
    adam, generator = torch.optim.Adam(prior.parameters(), 5e-3), gen()
    for _ in range(600):
        z = torch.randn(256, 1, generator=generator) * 0.2 + torch.randn(256, 1, generator=generator).sign()
        loss = -prior.bound(z, torch.randint(32, (256,), generator=generator), torch.randn(256, 1, generator=generator)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    prior.requires_grad_(False)
    z = torch.randn(4000, 1, generator=generator) * 0.2 + torch.randn(4000, 1, generator=generator).sign()
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.04) + math.log(2)
    assert -float(prior.log_weights(z, generator).mean()) == pytest.approx(entropy, abs=0.1)
    own = prior.sample(4000, generator)
    assert float((own > 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert float(((own.abs() - 1).abs() < 0.6).float().mean()) > 0.97


@pytest.mark.parametrize("name", ["flow_prior_vae", "mixture_vae", "vamp_vae", "iaf_vae", "ladder_vae"])
def test_annealing_finds_the_likelihood_under_any_prior(name):
    """Priors, encoders and draws, which annealing takes from a decoder, fit together: bounds near p(x) by quadrature."""
    torch.manual_seed(0)
    levels = {"top": 1, "bottom": 1} if name == "ladder_vae" else {}
    model = MODELS[name]((2,), **tiny.NETS[name], **levels)
    model.begin(torch.randn(50, 2, generator=gen(7)), gen(8))
    model.requires_grad_(False)
    if name == "ladder_vae":  # untrained, it is sure of a posterior that is wrong, and single chains then decide the gap
        for last in (model.net["encoder"].head, model.net["top"].layers[-1]):
            last.bias[1:] += 1.0
    test = torch.randn(8, 2, generator=gen())
    splits, meta = {"test": test, "validation": test}, {"mean": [0.0, 0.0], "scale": 1.0}
    data = Dataset("plane", "points", (2,), None, None, splits, {}, meta, "")
    seen = space(data, "standard")
    bound, gap = annealed_scores(model, data, seen, 8, 150, gen(1))
    y, jacobian = seen.seen(test, gen())
    z, area = plane(10.0, 401)
    log_p = torch.stack([(model.log_likelihood(one.expand(len(z), 2), z) + model.log_prior(z)).logsumexp(0) for one in y])
    exact = float((log_p + math.log(area) + jacobian).mean())
    assert exact - 0.1 < -bound.value < exact + 0.05
    assert -0.1 < gap.value < 0.3


def test_annealing_leaves_a_diffusion_prior_out():
    model = moved("diffusion_prior_vae")
    assert annealed_scores(model, None, None, 8, 10, gen()) == []
