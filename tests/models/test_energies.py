"""Energies: where their chains start, and the losses that match scores against closed forms."""

import copy

import pytest
import torch
from kit import gen

from genbench.likelihood.partition import quadrature_log_z
from genbench.models import MODELS
from genbench.models.score_matching import denoising, exact, sliced

CHAINED = ("ebm", "cd_ebm", "short_run_ebm", "last_batch_ebm")
ENERGIES = (*CHAINED, "dsm_ebm", "ssm_ebm")
SMALL = {name: {"steps": 10} for name in CHAINED}
SMALL |= {name: {"steps": 10, "buffer": 64} for name in ("ebm", "last_batch_ebm")}


def made(name, shape=(2,), levels=None, **net):
    torch.manual_seed(0)
    return MODELS[name](shape, levels, **{"width": 16, "depth": 2, **SMALL.get(name, {}), **net})


def bare(name, **net):
    """A network that is zero: the Gaussian base measure alone."""
    model = made(name, **net).requires_grad_(False)
    for p in model.parameters():
        p.zero_()
    return model


def draw(model, n, seed=0):
    return {name: value[0] for name, value in model.noise((1, n), gen(seed)).items()}


def fitted(name, reg=0.0, updates=50, **net):
    """Briefly trained on two clusters."""
    model = made(name, **net)
    adam = torch.optim.Adam(model.net.parameters(), 0.01)
    hp = {"reg": torch.tensor(reg)}
    for i in range(updates):
        x = 0.3 * torch.randn(64, 2, generator=gen(i)) + torch.tensor([1.0, 0.0]) * (torch.arange(64) % 2 * 2 - 1).unsqueeze(1)
        noise = draw(model, 64, i)
        if name in CHAINED:
            with torch.no_grad():
                noise |= model.prepare_net(x, noise, hp)
        adam.zero_grad()
        model.loss_net(x, noise, hp).backward()
        adam.step()
        if hasattr(model, "replay"):
            model.replay.copy_(model.state_net(noise, hp)["replay"])
    return model.requires_grad_(False)


# ---- densities


@pytest.mark.parametrize("name", ENERGIES)
@pytest.mark.parametrize("reg", [0.0, 0.1])
def test_two_domains_of_integration_agree(name, reg):
    """The base measure holds the mass of a trained energy, also under the penalty, which flattens tails."""
    if reg and name not in CHAINED:
        pytest.skip("no penalty")
    model = fitted(name, reg)
    near, far = quadrature_log_z(model.energy, 8.0, 101), quadrature_log_z(model.energy, 24.0, 301)
    assert near.value == pytest.approx(far.value, abs=1e-3) and far.error < 1e-3


def test_without_a_base_measure_they_do_not():
    model = fitted("ebm", reg=1.0, updates=100, base=1e4)
    near, far = quadrature_log_z(model.energy, 8.0, 201), quadrature_log_z(model.energy, 30.0, 601)
    assert far.value > near.value + 1 and near.error > 1


@pytest.mark.parametrize("name", [name for name in ENERGIES if "images" in MODELS[name].space])
def test_images_have_no_mass_outside_their_box(name):
    model = made(name, (1, 2, 2), 17).requires_grad_(False)
    x = torch.tensor([0.0, 0.99, -1.0, 1.01]).view(4, 1, 1, 1).expand(4, 1, 2, 2)
    assert model.energy(x).isinf().tolist() == [False, False, False, True]
    assert float(model.sample(8, gen()).abs().max()) <= 1


@pytest.mark.parametrize("name", ENERGIES)
def test_the_energys_gradient_can_be_differentiated(name):
    """By the weights, against autograd differentiated twice."""
    model = made(name, temperature=0.5).double()
    x = torch.randn(30, 2, generator=gen(), dtype=torch.float64).requires_grad_()
    weights = [p for n, p in model.net.named_parameters() if n != "layers.2.bias"]
    (gradient,) = torch.autograd.grad(model.energy(x).sum(), x, create_graph=True)
    expected = torch.autograd.grad(gradient.square().sum(), weights, allow_unused=True)
    found = torch.autograd.grad(model.gradient(x).square().sum(), weights)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


# ---- chains


@pytest.mark.parametrize("k", [1, 10, 40])
def test_contrastive_divergence_starts_at_the_data_and_keeps_their_distribution_where_the_model_is_right(k):
    model = bare("cd_ebm", steps=k, step=0.05, base=0.5)
    n, stationary = 20000, 0.5 / (1 - 0.05 / (2 * 0.25)) ** 0.5
    x = stationary * torch.randn(n, 2, generator=gen())
    noise = draw(model, n, 1)
    assert torch.equal(model.start(x, noise), x)
    chains = model.prepare_net(x, noise, {})["chains"]
    assert not torch.equal(chains, x)
    assert float(chains.std()) == pytest.approx(stationary, rel=4 / (4 * n) ** 0.5)
    a = 1 - 0.05 / 0.25  # of x_k given x_0
    assert float((chains * x).mean() / x.square().mean()) == pytest.approx(a**k, abs=4 / (2 * n) ** 0.5)


def test_short_runs_do_not_reach_the_density():
    """K steps from U[-3, 3] on |x|^2 / (2 base^2), in training as in sampling: variances by the recursion v <- a^2 v + 2 step."""
    model, n = bare("short_run_ebm", steps=15, step=0.05), 20000
    variance = 3.0
    for _ in range(15):
        variance = (1 - 0.05 / 9) ** 2 * variance + 2 * 0.05
    assert variance < 6  # far from the density's 9
    error = 4 * (2 / (2 * n)) ** 0.5
    assert float(model.sample(n, gen()).var()) == pytest.approx(variance, rel=error)
    assert float(model.prepare_net(None, draw(model, n, 1), {})["chains"].var()) == pytest.approx(variance, rel=error)


def test_last_batch_ebm_keeps_one_batch_and_mixes_values():
    model = made("last_batch_ebm", steps=3, alpha=0.2)
    before, noise = model.replay.clone(), draw(model, 8)
    start = model.start(None, noise)
    torch.testing.assert_close(start, 0.8 * before[:8] + 0.2 * noise["blur"])
    noise |= model.prepare_net(None, noise, {})
    torch.testing.assert_close(noise["chains"], model.langevin(start, noise["langevin"]))
    after = model.state_net(noise, {})["replay"]
    assert torch.equal(after[:8], noise["chains"]) and torch.equal(after[8:], before[8:])
    model.replay.copy_(after)
    again = draw(model, 8, 1)
    torch.testing.assert_close(model.start(None, again), 0.8 * noise["chains"] + 0.2 * again["blur"])


def test_last_batch_ebm_needs_a_buffer_of_a_batch():
    with pytest.raises(ValueError, match="buffer: 64 chains are fewer than the batch of 65"):
        made("last_batch_ebm").noise((1, 65), gen())


@pytest.mark.parametrize("name", CHAINED)
def test_loss_is_the_gap_and_the_penalty(name):
    model = made(name).requires_grad_(False)
    x, chains = torch.randn(10, 2, generator=gen()), torch.randn(10, 2, generator=gen(1))
    real, fake = model.net(x)[:, 0], model.net(chains)[:, 0]
    gap, squares = float((real - fake).mean()), float((real.square() + fake.square()).mean())
    for reg in (0.0, 0.3):
        loss = model.loss_net(x, {"chains": chains}, {"reg": torch.tensor(reg)})
        assert float(loss) == pytest.approx(gap + reg * squares, abs=1e-5)


# ---- score matching


DATA = torch.randn(50, 2, generator=gen(7), dtype=torch.float64) @ torch.tensor([[1.0, 0.5], [0.0, 0.4]], dtype=torch.float64)
SIGNS = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
PRECISION = torch.tensor([[2.0, 0.3], [0.3, 1.5]], dtype=torch.float64)


def gaussian_loss(loss, precision):
    """A loss and its gradient at the energy x^T P x / 2."""
    p = precision.clone().requires_grad_()
    value = loss(lambda x: x @ p)
    return value.detach(), torch.autograd.grad(value, p)[0]


def each_sign(gradient, x):
    """Sliced, averaged over projections with E v v^T = I exactly."""
    return torch.stack([sliced(gradient, x, v.expand_as(x)) for v in SIGNS]).mean()


def noised(x, sigma):
    """Points and noises whose mean is 0 and whose covariance is I exactly, crossed."""
    noise = torch.cat([torch.eye(2), -torch.eye(2)]).double() * 2**0.5
    return x.repeat_interleave(4, 0), noise.repeat(len(x), 1), (x[:, None] + sigma * noise).flatten(0, 1)


def test_minimisers_on_gaussian_data():
    """S^-1 for the exact and the sliced loss, (S + sigma^2 I)^-1 for the denoising one, S = E x x^T; no minimum elsewhere."""
    second, sigma = DATA.T @ DATA / len(DATA), 0.3
    x, noise, _ = noised(DATA, sigma)
    wide = second + sigma**2 * torch.eye(2, dtype=torch.float64)
    for loss, best in (
        (lambda gradient: exact(gradient, DATA), second.inverse()),
        (lambda gradient: each_sign(gradient, DATA), second.inverse()),
        (lambda gradient: denoising(gradient, x, noise, sigma), wide.inverse()),
    ):
        low, gradient = gaussian_loss(loss, best)
        torch.testing.assert_close(gradient, torch.zeros(2, 2).double(), rtol=0, atol=1e-10)
        value, gradient = gaussian_loss(loss, PRECISION)
        assert value > low and float(gradient.abs().max()) > 0.01


def test_exact_loss_of_a_gaussian_energy():
    second = DATA.T @ DATA / len(DATA)
    expected = 0.5 * (PRECISION @ second @ PRECISION).trace() - PRECISION.trace()
    torch.testing.assert_close(gaussian_loss(lambda gradient: exact(gradient, DATA), PRECISION)[0], expected)


def test_denoising_is_exact_matching_of_the_noised_distribution_for_a_gaussian_energy():
    """The same gradient; the losses differ by a constant of the data."""
    sigma, differences = 0.3, []
    x, noise, y = noised(DATA, sigma)
    for precision in (PRECISION, 3 * PRECISION):
        value, gradient = gaussian_loss(lambda gradient: denoising(gradient, x, noise, sigma), precision)
        other, expected = gaussian_loss(lambda gradient: exact(gradient, y), precision)
        torch.testing.assert_close(gradient, expected)
        differences.append(value - other)
    torch.testing.assert_close(*differences)
    torch.testing.assert_close(differences[0], torch.tensor(1 / sigma**2).double())  # d / (2 sigma^2)


def test_sliced_in_expectation_is_exact_for_a_network():
    model = made("ssm_ebm").double().requires_grad_(False)
    torch.testing.assert_close(each_sign(model.gradient, DATA), exact(model.gradient, DATA))
    one = [float(sliced(model.gradient, DATA, v.expand_as(DATA))) for v in SIGNS]
    assert one[0] != pytest.approx(one[1], rel=1e-3)


def test_exact_has_the_trace_of_the_hessian():
    model = made("ssm_ebm", (3,)).double()
    x = torch.randn(5, 3, generator=gen(), dtype=torch.float64)
    hessians = torch.stack([torch.autograd.functional.hessian(lambda y: model.energy(y.unsqueeze(0)).sum(), each) for each in x])
    gradients = torch.stack(
        [torch.autograd.functional.jacobian(lambda y: model.energy(y.unsqueeze(0)).sum(), each) for each in x]
    )
    expected = (0.5 * gradients.square().sum(1) - hessians.diagonal(dim1=1, dim2=2).sum(1)).mean()
    torch.testing.assert_close(exact(model.gradient, x), expected)


def test_denoising_is_exact_matching_of_the_noised_distribution_for_networks():
    """On the line, with noise at equal quantiles: losses of two networks differ by the same as their exact ones."""
    sigma = 0.4
    quantiles = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(4000, dtype=torch.float64) + 0.5) / 4000)
    points = torch.tensor([-1.0, 0.2, 1.3], dtype=torch.float64)
    x, noise = points.repeat_interleave(4000).unsqueeze(1), quantiles.repeat(3).unsqueeze(1)
    model = made("dsm_ebm", (1,)).double().requires_grad_(False)
    other = copy.deepcopy(model)
    for p in other.parameters():
        p.mul_(1.5)
    gap = denoising(model.gradient, x, noise, sigma) - denoising(other.gradient, x, noise, sigma)
    y = x + sigma * noise
    expected = exact(model.gradient, y) - exact(other.gradient, y)
    assert abs(float(expected)) > 0.05
    assert float(gap) == pytest.approx(float(expected), abs=1e-3)


def test_denoising_models_loss_is_weighted_by_the_noise():
    model, x = made("dsm_ebm", sigma=0.3).requires_grad_(False), torch.randn(7, 2, generator=gen(1))
    noise = draw(model, 7)
    expected = 0.3**2 * denoising(model.gradient, x, noise["noise"], 0.3)
    torch.testing.assert_close(model.loss_net(x, noise, {}), expected)


def test_denoising_model_learns_the_distribution_with_its_noise():
    """Two clusters of standard deviation 0.3, noised by 0.5: across them the density is N(0, 0.34)."""
    model = fitted("dsm_ebm", updates=300, sigma=0.5)
    axis = torch.linspace(-4, 4, 161)
    p = (-model.energy(torch.cartesian_prod(axis, axis))).softmax(0).unflatten(0, (161, 161)).sum(0)
    assert float((p * axis.square()).sum()) == pytest.approx(0.34, abs=0.1)


def test_noise_must_be_positive():
    with pytest.raises(ValueError, match=r"sigma: must be > 0, got 0"):
        made("dsm_ebm", sigma=0.0)
