"""Diffusion recovery likelihood on data whose every conditional distribution is known: N(0, s^2 I)."""

import math

import pytest
import torch
from kit import gen
from torch import nn

from genbench.likelihood.partition import quadrature_log_z
from genbench.models.recovery import RecoveryEBM

STD = 0.5


class Exact(nn.Module):
    """In place of the network: with it U(y, t) is |y|^2 / 2v_t, v_t the variance of y_t for data N(0, STD^2 I)."""

    def __init__(self, model):
        super().__init__()
        variance = model.scale.square() * (model.kept.square() * STD**2 + 1 - model.kept.square())
        self.excess, self.dim = 1 / variance[:, 0] - 1 / model.base**2, model.dim

    def forward(self, seen):
        y, level = seen[..., : self.dim], seen[..., self.dim :].argmax(-1)
        return (0.5 * self.excess[level] * y.square().sum(-1)).unsqueeze(-1)

    def gradient(self, seen):
        y, level = seen[..., : self.dim], seen[..., self.dim :].argmax(-1)
        return None, torch.cat([self.excess[level].unsqueeze(-1) * y, torch.zeros_like(seen[..., self.dim :])], -1)


def exact(**net):
    model = RecoveryEBM((2,), None, width=4, depth=1, **{"detail": STD, "steps": 150, "step": 0.04} | net)
    model.net = Exact(model)
    return model


def test_levels_keep_the_variance_and_end_in_noise():
    model = RecoveryEBM((2,), None, width=4, depth=1)
    variance = 1 / model.pull[:-1]  # of what is added
    torch.testing.assert_close(model.scale[:-1].square() + variance, torch.ones(5, 1))
    torch.testing.assert_close(model.kept[1:], model.kept[:-1] * model.scale[:-1])
    assert float(model.kept[0]) == 1 and float(model.scale[-1]) == 1 and float(model.pull[-1]) == 0


@pytest.mark.parametrize("levels", [None, 17])
def test_the_gradient_is_that_of_the_energy(levels):
    model = RecoveryEBM((3,), levels, width=16, depth=2, temperature=0.3, base=2.0).double()
    x = (torch.rand(40, 3, generator=gen(), dtype=torch.float64) - 0.5).requires_grad_()
    level = torch.arange(40) % 6
    (expected,) = torch.autograd.grad(model.potential(x, level).sum(), x)
    torch.testing.assert_close(model.force(x, level), expected, rtol=1e-10, atol=1e-12)
    (expected,) = torch.autograd.grad(model.energy(x).sum(), x)
    torch.testing.assert_close(model.gradient(x), expected, rtol=1e-10, atol=1e-12)


def test_chains_recover_the_posterior():
    """y_t given x_{t+1} is normal with precision 1/v_t + 1/s_t^2; chains from x_{t+1} reach it at every level."""
    model, n = exact(), 5000
    for t in range(model.noises):
        noisy, level = torch.full((n, 2), 0.8), torch.full((n,), t)
        y = model.recover(noisy, level, torch.randn(n, model.steps, 2, generator=gen(t)))
        variance = float(model.scale[t] ** 2 * (model.kept[t] ** 2 * STD**2 + 1 - model.kept[t] ** 2))
        precision = 1 / variance + float(model.pull[t])
        std = (precision * (1 - float(model.size[t]) * precision / 2)) ** -0.5  # the chain's own
        assert float(y.mean()) == pytest.approx(0.8 * float(model.pull[t]) / precision, abs=4 * std / (2 * n) ** 0.5 + 0.005)
        assert float(y.std()) == pytest.approx(std, rel=0.03)


def test_what_is_recovered_has_the_distribution_of_what_was_clean():
    """With the right energies the two means of the loss agree: maximum likelihood has arrived."""
    model, n = exact(), 6000
    noise = {name: value[0] for name, value in model.noise((1, n), gen()).items()}
    both = model.prepare_net(STD * torch.randn(n, 2, generator=gen(1)), noise, {})
    for t in range(model.noises):
        at = noise["level"] == t
        clean, recovered = both["clean"][at].std(), both["recovered"][at].std()
        assert float(recovered / clean) == pytest.approx(1, abs=0.06), t


def test_samples_from_noise_have_the_distribution_of_the_data():
    x = exact().sample(5000, gen())
    torch.testing.assert_close(x.std(0), torch.full((2,), STD), rtol=0.04, atol=0)
    torch.testing.assert_close(x.mean(0), torch.zeros(2), rtol=0, atol=4 * STD / 5000**0.5)


def test_energy_is_a_density_of_the_data_not_of_its_scaled_copy():
    """p(x) = exp(-energy) / Z with Z by quadrature over x is N(0, STD^2 I): the scale a_0 of y_0 is in Z."""
    model = exact()
    x = torch.randn(100, 2, generator=gen())
    log_p = -model.energy(x).double() - quadrature_log_z(model.energy).value
    expected = torch.distributions.Normal(0.0, STD).log_prob(x).sum(-1).double()
    torch.testing.assert_close(log_p, expected, rtol=0, atol=1e-4)


def test_training_finds_the_density():
    """Of two modes that the first level joins: nats above the entropy, and the share of each; short chains exaggerate it."""
    torch.manual_seed(0)
    model = RecoveryEBM((2,), None, width=32, depth=2, noises=3, steps=40, step=0.2, detail=0.3)
    adam = torch.optim.Adam(model.parameters(), 0.01)
    rule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 250)

    def draw(n, seed):
        right = torch.rand(n, 1, generator=gen(seed)) < 0.7
        return torch.where(right, 1.0, -1.0) * torch.tensor([0.6, 0.0]) + 0.3 * torch.randn(n, 2, generator=gen(seed + 10_000))

    for i in range(250):
        noise = {name: value[0] for name, value in model.noise((1, 128), gen(i)).items()}
        x = draw(128, i)
        with torch.no_grad():
            noise |= model.prepare_net(x, noise, {})
        adam.zero_grad()
        model.loss_net(x, noise, {}).backward()
        adam.step()
        rule.step()
    model.requires_grad_(False)
    log_z, x = quadrature_log_z(model.energy), draw(4000, 99_999)
    nll = float(model.energy(x).mean()) + log_z.value
    shares = torch.stack([torch.distributions.Normal(m, 0.3).log_prob(x[:, 0]) for m in (0.6, -0.6)], 1)
    log_p = (shares + torch.tensor([0.7, 0.3]).log()).logsumexp(1) + torch.distributions.Normal(0.0, 0.3).log_prob(x[:, 1])
    assert log_z.error < 1e-3
    assert -0.01 < nll + float(log_p.mean()) < 0.12  # a Gaussian lacks 0.18
    grid = torch.cartesian_prod(*[torch.linspace(-3, 3, 151)] * 2)
    mass = (-model.energy(grid) - log_z.value).exp() * (6 / 150) ** 2
    assert float(mass.sum()) == pytest.approx(1, abs=0.01)
    assert float(mass[grid[:, 0] > 0].sum()) == pytest.approx(0.69, abs=0.09)


def test_images_stay_in_their_box():
    model = RecoveryEBM((1, 2, 2), 17, width=8, depth=1, steps=5).requires_grad_(False)
    assert float(model.sample(200, gen()).abs().max()) <= 1 + 1e-6
    inside, outside = model.energy(torch.tensor([[[[0.5, 0.0], [0.0, 0.0]]], [[[1.5, 0.0], [0.0, 0.0]]]]))
    assert math.isfinite(inside) and math.isinf(outside)
