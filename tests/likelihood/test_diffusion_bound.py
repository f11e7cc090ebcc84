"""The variational bound of a diffusion chain, where everything in it is known exactly."""

import math

import numpy as np
import pytest
import torch

from genbench.data.points import ring8
from genbench.models import MODELS

MEAN, STD = 0.4, 0.6


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def normal_kl(v, w, difference2=0.0):
    """KL(N(a, v) || N(b, w)) in nats, with (a - b)^2 = difference2."""
    return 0.5 * ((v + difference2) / w - 1 - math.log(v / w))


def entropy(v):
    return 0.5 * math.log(2 * math.pi * math.e * v)


def gaussian_model(steps):
    """One-dimensional data N(MEAN, STD^2) and the velocity that is exact for them, in the dtype of its arguments."""
    model = MODELS["ddpm"]((1,), None, width=4, depth=1, steps=steps).requires_grad_(False)

    def velocity(x, t):
        phi = model.angle(t)
        cos, sin = phi.cos(), phi.sin()
        clean = MEAN + cos * STD**2 / (cos**2 * STD**2 + sin**2) * (x - cos * MEAN)
        return cos * (x - cos * clean) / sin - sin * clean

    model.velocity = velocity
    return model


def closed_bound(model, steps, true_kernel):
    """-E[bound] by its definition, term by term, with the true reverse kernels or with the chain's, and KL(q(x_1) || N(0, 1))."""
    angles = [model.first + (i / steps) ** 2 * (model.last - model.first) for i in range(steps + 1)]
    blurred = [math.cos(a) ** 2 * STD**2 + math.sin(a) ** 2 for a in angles]
    start = normal_kl(blurred[-1], 1.0, (math.cos(angles[-1]) * MEAN) ** 2)
    total = normal_kl(math.sin(angles[-1]) ** 2, 1.0, math.cos(angles[-1]) ** 2 * (STD**2 + MEAN**2))  # of q(x_1 | x), averaged
    for i in range(1, steps + 1):
        cos, low = math.cos(angles[i]) / math.cos(angles[i - 1]), angles[i - 1]
        noise = math.sin(angles[i]) ** 2 - cos**2 * math.sin(low) ** 2  # Var(x_t | x_s)
        posterior = math.sin(low) ** 2 * noise / math.sin(angles[i]) ** 2  # Var(x_s | x_t, x_0)
        true = blurred[i - 1] * noise / blurred[i]  # Var(x_s | x_t): what the means of the posteriors add
        total += normal_kl(posterior, true if true_kernel else posterior, true - posterior)
    cos, sin = math.cos(angles[0]), math.sin(angles[0])
    true = STD**2 * sin**2 / blurred[0]
    if true_kernel:
        return total + entropy(true), start
    tan2 = (sin / cos) ** 2  # the decoder N(x_0 / cos, tan^2): seen from the data, an error of variance tan^2
    return total + 0.5 * math.log(2 * math.pi * tan2) + 0.5, start


def signs(monkeypatch, sign):
    """Noise that is +1 or -1 throughout: with both, and data at mean +- std, averages of quadratics are exact."""
    monkeypatch.setattr("genbench.models.diffusion.normal", lambda shape, generator: torch.full(shape, sign, dtype=torch.float64))


@pytest.mark.parametrize("steps", [1, 10, 100, 1000])
def test_t15_bound_with_the_true_reverse_kernel_is_entropy_plus_the_start(steps):
    bound, start = closed_bound(gaussian_model(steps), steps, true_kernel=True)
    assert bound == pytest.approx(entropy(STD**2) + start, abs=1e-9)
    assert start > 1e-6


@pytest.mark.parametrize("steps", [1, 10, 100, 1000])
def test_t15_bound_of_the_chain(monkeypatch, steps):
    """Equal to its definition, and entropy + KL_T + what each kernel misses."""
    model = gaussian_model(20)
    x = torch.tensor([[MEAN + STD], [MEAN - STD]], dtype=torch.float64)
    found = 0.0
    for sign in (1.0, -1.0):
        signs(monkeypatch, sign)
        found -= float(model.elbo(x, None, steps).mean()) / 2
    expected, start = closed_bound(model, steps, true_kernel=False)
    assert found == pytest.approx(expected, abs=1e-9)
    assert found > entropy(STD**2) + start
    if steps == 1000:
        assert found == pytest.approx(entropy(STD**2), abs=0.06)


def test_bound_rises_with_the_length_of_the_chain():
    gaps = [closed_bound(gaussian_model(n), n, true_kernel=False)[0] - entropy(STD**2) for n in (10, 100, 1000)]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


def test_steps_default_to_the_samplers():
    model, x = gaussian_model(15), torch.randn(20, 1, generator=gen())
    assert torch.equal(model.elbo(x, gen(1)), model.elbo(x, gen(1), 15))
    assert not torch.equal(model.elbo(x, gen(1)), model.elbo(x, gen(1), 30))


def test_bound_with_random_noise_has_the_closed_mean():
    model, n = gaussian_model(30), 20000
    x = MEAN + STD * torch.randn(n, 1, generator=gen())
    value = model.elbo(x, gen(1))
    expected, _ = closed_bound(model, 30, true_kernel=False)
    assert -float(value.mean()) == pytest.approx(expected, abs=3 * float(value.std()) / n**0.5)


def test_exact_density_above_bounds_and_equal_to_the_ode():
    """Eight modes in the plane and their exact velocity."""
    density = ring8(1.4, 0.2)
    model = MODELS["ddpm"]((2,), None, width=4, depth=1).requires_grad_(False)

    def velocity(x, t):
        phi = model.angle(t).unsqueeze(-2)  # (B, 1, 1)
        cos, sin = phi.cos(), phi.sin()
        variance = cos**2 * density.std**2 + sin**2
        away = x.unsqueeze(-2) - cos * density.means.to(x.dtype)
        share = (-0.5 * away.square().sum(-1, keepdim=True) / variance).softmax(-2)
        clean = (share * (density.means.to(x.dtype) + cos * density.std**2 / variance * away)).sum(-2)
        cos, sin = cos.squeeze(-2), sin.squeeze(-2)
        return cos * (x - cos * clean) / sin - sin * clean

    model.velocity = velocity
    x = torch.as_tensor(density.sample(np.random.default_rng(0), 1000)).double()
    exact = density.log_prob(x)
    ode = model.log_prob(x) - exact
    assert abs(float(ode.mean())) < 5e-3
    gaps = {}
    for steps in (25, 100, 800):
        gap = exact - model.elbo(x, gen(1), steps)
        gaps[steps] = float(gap.mean())
        assert gaps[steps] > -3 * float(gap.std()) / len(x) ** 0.5
    assert gaps[25] > gaps[100] > gaps[800] and gaps[800] < 0.15


# ---- images


def test_bound_of_grey_values_approaches_their_entropy():
    """One pixel of three grey values whose frequencies, so also the exact predictor and the entropy, are known."""
    levels, p = 3, torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    grey = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    model = MODELS["ddpm"]((1, 1, 1), levels, width=4, depth=1).requires_grad_(False)

    def velocity(x, t):
        phi = model.angle(t)
        cos, sin = phi.cos(), phi.sin()
        share = (p.log() - 0.5 * ((x - cos * grey) / sin).square()).softmax(-1)
        clean = (share * grey).sum(-1, keepdim=True)
        return cos * (x - cos * clean) / sin - sin * clean

    model.velocity = velocity
    n = 4000
    k = torch.multinomial(p, n, replacement=True, generator=gen())
    exact = p[k].log()
    gaps = {}
    for steps in (30, 1000):
        gap = exact - model.elbo(grey[k].reshape(n, 1, 1, 1), gen(1), steps)
        gaps[steps], se = float(gap.mean()), float(gap.std()) / n**0.5
        assert gaps[steps] > -3 * se
    assert gaps[30] > gaps[1000] and gaps[1000] < 0.03 + 3 * se


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_last_step_is_a_distribution_over_the_grey_values(levels):
    model = MODELS["ddpm"]((1, 1, 1), levels, width=4, depth=1)
    grey = torch.linspace(-1, 1, levels, dtype=torch.float64).unsqueeze(1)
    for seen in (-1.3, -0.98, 0.1, 0.7):
        log_p = model._decoder(grey, torch.full_like(grey, seen), torch.tensor([math.tan(model.first)]).double())
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)


def test_large_images_are_decoded_in_parts():
    model = MODELS["ddpm"]((1, 28, 28), 256, width=4, depth=1)
    x = torch.randint(256, (50, 784), generator=gen()) / 127.5 - 1
    seen, std = x + 0.01 * torch.randn(50, 784, generator=gen(1)), torch.tensor([0.0125])
    whole = model._decoder(x, seen, std)
    torch.testing.assert_close(whole, torch.cat([model._decoder(x[i : i + 1], seen[i : i + 1], std) for i in range(50)]))
