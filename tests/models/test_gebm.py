"""Generalised EBMs against closed forms: KALE, its gradients, the tilted distribution and its constant."""

import math

import pytest
import torch
from kit import gen
from torch import nn

from genbench.models.gebm import GEBM


class Quadratic(nn.Module):
    """score(x) = c - k |x - m|^2 / 2."""

    def __init__(self, k, m, c):
        super().__init__()
        self.k, self.m, self.c = k, torch.tensor(m), c

    def forward(self, x):
        return self.c - 0.5 * self.k * (x - self.m).square().sum(-1)


def closed(k=3.0, m=(1.0, -0.5), c=0.7, **net):
    """A base that is N(0, 4 I) and a quadratic energy: z is normal with precision 1 + 4k around 2 k m / (1 + 4k)."""
    model = GEBM((2,), latent=2, width=4, depth=1, **net)
    model.generator = nn.Linear(2, 2, bias=False)
    model.generator.weight.data = 2 * torch.eye(2)
    model.critic = Quadratic(k, m, c)
    return model.requires_grad_(False)


def test_samples_follow_the_tilted_distribution():
    """exp(-k |x - m|^2 / 2) N(x; 0, 4 I) is normal with precision k + 1/4 around k m / (k + 1/4)."""
    n, k = 4000, 3.0
    x = closed(k, step=0.02, sample_steps=300).sample(n, gen())
    mean = k / (k + 0.25) * torch.tensor([1.0, -0.5])
    torch.testing.assert_close(x.mean(0), mean, rtol=0, atol=4 * (k + 0.25) ** -0.5 / n**0.5)
    torch.testing.assert_close(x.std(0), torch.full((2,), (k + 0.25) ** -0.5), rtol=0.05, atol=0)


def test_log_prior_is_normalised_after_training():
    model = closed()
    before = model.log_prior(torch.zeros(1, 2))
    model.finish(torch.zeros(1, 2), gen())
    axis = torch.linspace(-5, 5, 301)
    z = torch.cartesian_prod(axis, axis)
    mass = (model.log_prior(z).double().logsumexp(0) + 2 * math.log(10 / 300)).exp()
    assert float(mass) == pytest.approx(1, abs=0.05)
    # E exp(score) = exp(c) prod_i (1 + 4k)^(-1/2) exp(-k m_i^2 / (2 (1 + 4k)))
    exact = 0.7 - math.log(13) - 3 * 1.25 / 26
    assert float(model.log_z) == pytest.approx(exact, abs=0.05) and not torch.equal(before, model.log_prior(torch.zeros(1, 2)))


def test_kale_is_the_divergence_at_the_best_critic_and_below_it_elsewhere():
    """KL(N(1, 1) | N(0, 1)) = 1/2, reached at log(p / q) = x - 1/2."""
    n = 400_000
    real, fake = torch.randn(n, generator=gen(), dtype=torch.float64) + 1, torch.randn(n, generator=gen(1), dtype=torch.float64)
    best = float(GEBM.kale(real - 0.5, fake - 0.5))
    assert best == pytest.approx(0.5, abs=0.02)
    for slope, offset in ((1.0, 0.0), (1.0, -1.0), (0.7, -0.5), (1.2, -0.5), (0.0, 0.0)):
        assert float(GEBM.kale(slope * real + offset, slope * fake + offset)) < best - 0.01


def test_the_generators_loss_is_kale_at_a_fixed_critic():
    """Up to what does not depend on the generator: both have one gradient, and a step down it lowers KALE."""
    model = GEBM((2,), latent=2, width=16, depth=2).double()
    x, z = torch.randn(64, 2, generator=gen()).double(), {"z": torch.randn(64, 2, generator=gen(1)).double()}
    weights = list(model.generator.parameters())
    own = torch.autograd.grad(model.loss_generator(x, z, {}), weights)
    kale = torch.autograd.grad(model.kale(model.score(x), model.score(model.fakes(z))), weights)
    for a, b in zip(own, kale, strict=True):
        torch.testing.assert_close(a, b)


def test_the_critic_ascends_kale():
    model = GEBM((2,), latent=2, width=16, depth=2, penalty="none").double()
    x, z = torch.randn(64, 2, generator=gen()).double() + 1, {"z": torch.randn(64, 2, generator=gen(1)).double()}
    noise = z | model.prepare_critic(x, z, {})
    loss = model.loss_critic(x, noise, {})
    expected = model.kale(model.score(x), model.score(noise["fake"]))
    torch.testing.assert_close(loss, -expected)
    grads = torch.autograd.grad(loss, list(model.critic.parameters()))
    with torch.no_grad():
        for p, g in zip(model.critic.parameters(), grads, strict=True):
            p -= 1e-3 * g
    assert float(model.loss_critic(x, noise, {})) < float(loss)


def test_the_energy_corrects_a_base_that_cannot_fit():
    """Two modes and a base that is N(0, I) whatever comes: tilted by a critic that has learned KALE, samples find the modes."""
    torch.manual_seed(0)
    model = GEBM((2,), latent=2, width=32, depth=2, step=0.02, sample_steps=300)
    model.generator = nn.Linear(2, 2, bias=False)
    model.generator.weight.data = torch.eye(2)
    adam, hp = torch.optim.Adam(model.critic.parameters(), 0.005), {"gp": torch.tensor(0.01)}

    def draw(n, seed):
        side = torch.randint(2, (n, 1), generator=gen(seed)) * 2 - 1
        return side * torch.tensor([1.0, 0.0]) + 0.3 * torch.randn(n, 2, generator=gen(seed + 10_000))

    for i in range(300):
        noise = {"z": torch.randn(256, 2, generator=gen(i))}
        loss = model.loss_critic(draw(256, i), noise | {"fake": model.generate(noise["z"]).detach()}, hp)
        adam.zero_grad()
        loss.backward()
        adam.step()
    model.requires_grad_(False)
    test, base, made = draw(1000, 77), model.generate(torch.randn(1000, 2, generator=gen(78))), model.sample(1000, gen(79))

    def energy_distance(a, b):
        return float(2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean())

    assert energy_distance(made, test) < 0.3 * energy_distance(base, test)
