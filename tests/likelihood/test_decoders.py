"""Annealed bounds of whole models on a dataset."""

import functools

import numpy as np
import pytest
import torch

from genbench.data import Dataset, space
from genbench.likelihood import annealed, decoders
from genbench.likelihood.decoders import annealed_scores
from genbench.models import MODELS


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Sigma is searched with a quarter of the temperatures."""
    monkeypatch.setattr(decoders, "fit_sigma", functools.partial(annealed.fit_sigma, temperatures=25))


def dataset(kind):
    rng = np.random.default_rng(0)
    if kind == "points":
        splits = {name: torch.from_numpy(rng.normal(size=(40, 2)).astype(np.float32)) for name in ("train", "validation", "test")}
        splits["validation"] *= 3  # sigma is to be chosen there
        meta = {"mean": [0.5, -0.5], "scale": 2.5}
        return Dataset("plane", "points", (2,), None, None, splits, {}, meta, "0")
    splits = {
        name: torch.from_numpy(rng.integers(0, 17, (40, 1, 4, 4)).astype(np.uint8)) for name in ("train", "validation", "test")
    }
    return Dataset("squares", "images", (1, 4, 4), 17, None, splits, {}, {}, "0")


def scores(name, data, temperatures=60, **net):
    torch.manual_seed(0)
    model = MODELS[name](data.shape, data.levels, width=16, depth=1, **net).requires_grad_(False)
    found = annealed_scores(model, data, space(data, model.space[data.kind]), 12, temperatures, torch.Generator().manual_seed(1))
    return model, {score.metric: score for score in found}


@pytest.mark.parametrize("kind", ["points", "images"])
def test_a_vae_gets_a_bound_beside_its_importance_weighted_one(kind):
    _, found = scores("vae", dataset(kind), latent=3)
    bound, gap = found["ais_nll"], found["bdmc_gap"]
    assert set(found) == {"ais_nll", "bdmc_gap"} and bound.kind == "lower_bound" and bound.n == 12
    # an untrained encoder is poor: annealing must be at least as tight, but for noise
    assert bound.value <= bound.settings["iwae"] + 0.1
    # an untrained encoder of points is sure of itself where it is wrong, which the gap must tell
    assert -0.1 < gap.value < 1 if kind == "images" else gap.value > 1
    assert bound.settings["gap"] == gap.value and bound.se > 0


@pytest.mark.parametrize("kind", ["points", "images"])
def test_a_gan_gets_a_surrogate_that_names_its_noise(kind):
    _, found = scores("ns_gan", dataset(kind), temperatures=20, latent=2)
    assert set(found) == {"surrogate_nll", "bdmc_gap"}
    assert found["surrogate_nll"].settings["sigma"] > 0 and found["surrogate_nll"].kind == "lower_bound"


def linear(weight, mean):
    """A generator without hidden layers, whose surrogate is a Gaussian."""
    data = dataset("points")
    torch.manual_seed(0)
    model = MODELS["ns_gan"](data.shape, data.levels, width=8, depth=1, latent=2).requires_grad_(False)
    model.generate = lambda z: z @ weight.T + mean
    return data, model


def test_the_surrogate_of_a_linear_generator_is_a_gaussian():
    weight, mean = torch.tensor([[0.9, 0.3], [0.0, 0.7]]), torch.tensor([0.1, -0.2])
    data, model = linear(weight, mean)
    standard = space(data, "standard")
    found = annealed_scores(model, data, standard, 40, 100, torch.Generator().manual_seed(1))
    sigma = found[0].settings["sigma"]
    cov = standard.scale**2 * (weight @ weight.T + sigma**2 * torch.eye(2))
    distribution = torch.distributions.MultivariateNormal(torch.tensor(standard.mean) + standard.scale * mean, cov)
    assert found[0].value == pytest.approx(float(-distribution.log_prob(data.splits["test"]).mean()), abs=0.02)
    at_best = float(-distribution.log_prob(data.splits["validation"]).mean())
    assert all(at_best < _least(distribution, data, weight, standard, other) for other in (sigma / 1.4, sigma * 1.4))


def _least(distribution, data, weight, standard, sigma):
    cov = standard.scale**2 * (weight @ weight.T + sigma**2 * torch.eye(2))
    other = torch.distributions.MultivariateNormal(distribution.mean, cov)
    return float(-other.log_prob(data.splits["validation"]).mean())


def test_annealing_starts_at_a_prior_that_is_far_from_standard(monkeypatch):
    """The same distribution of examples, by latents N(30, 0.01): from N(0, I) twenty temperatures don't lead there."""
    weight, mean = torch.tensor([[0.9, 0.3], [0.0, 0.7]]), torch.tensor([0.1, -0.2])
    data, model = linear(weight, mean)
    prior = torch.distributions.Normal(30.0, 0.1)
    model.normal_prior, model.generate = False, lambda z: (z - 30) / 0.1 @ weight.T + mean
    model.log_prior = lambda z: prior.log_prob(z).sum(-1)
    model.draw_prior = lambda n, generator: 30 + 0.1 * torch.randn(n, 2, generator=generator)
    starts = []
    original = annealed.decoder_ais
    monkeypatch.setattr(annealed, "decoder_ais", lambda *args, **more: starts.append(more["start"]) or original(*args, **more))
    standard = space(data, "standard")
    bound, gap = annealed_scores(model, data, standard, 40, 20, torch.Generator().manual_seed(1))
    cov = standard.scale**2 * (weight @ weight.T + bound.settings["sigma"] ** 2 * torch.eye(2))
    distribution = torch.distributions.MultivariateNormal(torch.tensor(standard.mean) + standard.scale * mean, cov)
    assert bound.value == pytest.approx(float(-distribution.log_prob(data.splits["test"]).mean()), abs=0.05)
    assert gap.value < 0.1 and starts and all(float((each[0] - 30).abs().max()) < 0.1 for each in starts)  # of sigma's search


def test_the_noise_of_a_collapsed_generator_reaches_the_data():
    data, model = linear(torch.zeros(2, 2), torch.full((2,), 6.0))
    standard = space(data, "standard")
    found = annealed_scores(model, data, standard, 40, 20, torch.Generator().manual_seed(1))
    best = (standard.encode(data.splits["validation"]) - 6).square().mean().sqrt()
    assert found[0].settings["sigma"] == pytest.approx(float(best), rel=0.1)


def test_a_flow_has_no_latent_to_anneal():
    data = dataset("points")
    model = MODELS["realnvp"](data.shape, data.levels, width=8, depth=1, layers=2)
    assert annealed_scores(model, data, space(data, "standard"), 5, 20, torch.Generator()) == []
