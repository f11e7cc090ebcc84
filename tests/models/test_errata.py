"""Formulas that the course's slides misprint, tested in the corrected form (E1 to E20), and closed forms of bounds."""

import math

import pytest
import torch
from kit import gen

from genbench.likelihood.importance import importance_bounds
from genbench.models import MODELS
from genbench.models.langevin import ula
from genbench.models.outputs import gaussian

# ---- E1: Langevin steps go down the energy, and so does the energy of data in training


def test_langevin_descends_energy():
    """Without noise each step lowers a Gaussian energy; with noise the chains have the distribution exp(-U)."""
    mean, precision, step = torch.tensor([1.0, -2.0]), torch.tensor([1.0, 4.0]), 0.05

    def gradient(x):
        return precision * (x - mean)

    def energy(x):
        return 0.5 * (precision * (x - mean).square()).sum(-1)

    x = 5 * torch.randn(100, 2, generator=gen())
    still = ula(x, gradient, step, torch.zeros(100, 10, 2))
    assert bool((energy(still) < energy(x)).all())

    n = 20000
    x = ula(torch.zeros(n, 2), gradient, step, torch.randn(n, 150, 2, generator=gen()))
    # the chain's own stationary distribution: N(mean, 1 / (a (1 - step a / 2)))
    expected = (precision * (1 - step * precision / 2)).rsqrt()
    torch.testing.assert_close(x.std(0), expected, rtol=0.02, atol=0)
    torch.testing.assert_close(x.mean(0), mean, rtol=0, atol=4 / n**0.5)


def test_ebm_loss_lowers_the_energy_of_data():
    """The gradient step moves U down where data lie and up where chains do, not the other way round."""
    model = MODELS["ebm"]((2,), None, width=16, depth=1, buffer=50)
    x, chains = torch.randn(64, 2, generator=gen()) + 2, torch.randn(64, 2, generator=gen(1)) - 2
    hp = {"reg": torch.tensor(0.0)}
    before = (model.energy(x).mean() - model.energy(chains).mean()).item()
    torch.autograd.backward(model.loss_net(x, {"chains": chains}, hp))
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.01 * p.grad
    assert (model.energy(x).mean() - model.energy(chains).mean()).item() < before


def test_the_gradient_of_an_ebm_is_that_of_its_energy():
    for levels, net in ((None, {}), (17, {"temperature": 0.3, "base": 2.0})):
        model = MODELS["ebm"]((3,), levels, width=16, depth=2, buffer=50, **net).double()
        x = (torch.rand(40, 3, generator=gen(), dtype=torch.float64) - 0.5).requires_grad_()
        (expected,) = torch.autograd.grad(model.energy(x).sum(), x)
        torch.testing.assert_close(model.gradient(x), expected, rtol=1e-10, atol=1e-12)


def test_ebm_fold_reflects_at_the_walls():
    model = MODELS["ebm"]((1,), 17, width=4, depth=1, buffer=10)
    x = torch.tensor([-1.0, -0.5, 0.0, 1.0, 1.25, 2.0, 3.0, 3.5, -1.25, -3.0])
    expected = torch.tensor([-1.0, -0.5, 0.0, 1.0, 0.75, 0.0, -1.0, -0.5, -0.75, 1.0])
    torch.testing.assert_close(model.fold(x), expected)


def test_ebm_chains_return_to_the_rows_they_left():
    model = MODELS["ebm"]((2,), None, width=8, depth=1, buffer=20, steps=3, restart=0.0)
    noise = {name: value[0] for name, value in model.noise((1, 6), gen()).items()}
    noise["start"][0] = 17  # wraps round the end
    start = model.replay.clone()
    noise |= model.prepare_net(None, noise, {})
    replay = model.state_net(noise, {})["replay"]
    rows = [17, 18, 19, 0, 1, 2]
    assert torch.equal(replay[rows], noise["chains"])
    rest = [i for i in range(20) if i not in rows]
    assert torch.equal(replay[rest], start[rest]) and torch.equal(model.replay, start)
    expected = ula(start[rows], model.gradient, model.step, noise["langevin"])
    torch.testing.assert_close(noise["chains"], expected)


# ---- E5: the variational bound lies below the exact log-likelihood


@pytest.fixture(scope="module")
def linear_vae():
    """A VAE with linear networks and orthogonal loadings: p(x) is Gaussian and the true posterior diagonal."""
    d, latent, log_std = 6, 2, -0.5
    model = MODELS["vae"]((d,), None, latent=latent, depth=0).double().requires_grad_(False)
    loadings = torch.linalg.qr(torch.randn(d, latent, generator=gen(), dtype=torch.float64))[0] * torch.tensor([2.0, 1.0])
    mean, variance = torch.randn(d, generator=gen(1), dtype=torch.float64), math.exp(2 * log_std)
    decoder, encoder = model.net["decoder"].layers[0], model.net["encoder"].layers[0]
    decoder.weight.copy_(torch.cat([loadings, torch.zeros_like(loadings)]))
    decoder.bias.copy_(torch.cat([mean, torch.full_like(mean, log_std)]))
    precision = loadings.T @ loadings + variance * torch.eye(latent, dtype=torch.float64)
    back = torch.linalg.solve(precision, loadings.T)
    encoder.weight.copy_(torch.cat([back, torch.zeros_like(back)]))
    spread = 0.5 * (variance / precision.diagonal()).log()
    encoder.bias.copy_(torch.cat([-back @ mean, spread]))
    covariance = loadings @ loadings.T + variance * torch.eye(d, dtype=torch.float64)
    exact = torch.distributions.MultivariateNormal(mean, covariance)
    return model, exact


def double_noise(monkeypatch):
    """Draws in float64, so that identities hold to its rounding."""

    def normal(shape, generator):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    monkeypatch.setattr("genbench.models.vae.normal", normal)


def test_vae_with_the_true_posterior_has_weights_without_variance(linear_vae, monkeypatch):
    double_noise(monkeypatch)
    model, exact = linear_vae
    x = exact.sample((50,))
    generator = gen(1)
    bounds = importance_bounds(lambda: model.log_weights(x, generator), 5)
    torch.testing.assert_close(bounds.elbo, exact.log_prob(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(bounds.iwae, exact.log_prob(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(bounds.ess, torch.full_like(bounds.ess, 5), rtol=0, atol=1e-8)


def test_vae_elbo_below_exact(linear_vae, monkeypatch):
    """With a wrong posterior: ELBO = log p - KL(q | posterior), the bounds rise with k, and meet log p."""
    double_noise(monkeypatch)
    model, exact = linear_vae
    encoder = model.net["encoder"].layers[0]
    bias, shift, stretch = encoder.bias.clone(), torch.tensor([0.3, -0.2]).double(), 0.3
    spread = encoder.bias[2:].exp().clone()
    encoder.bias += torch.cat([shift, torch.full((2,), stretch, dtype=torch.float64)])
    try:
        torch.manual_seed(0)
        x, generator = exact.sample((300,)), gen(2)
        log_p = exact.log_prob(x)
        found = {k: importance_bounds(lambda: model.log_weights(x, generator), k) for k in (1, 10, 100, 400)}
        hp, noise = {"beta": torch.tensor(1.0)}, {"z": torch.randn(300, 2, generator=gen(3), dtype=torch.float64)}
        closed = -model.loss_net(x, noise, hp)  # with the closed-form KL
    finally:
        encoder.bias.copy_(bias)
    ratio = math.exp(2 * stretch)
    kl = float(0.5 * ((shift / spread).square() + ratio - 1 - math.log(ratio)).sum())
    assert kl > 0.1
    gap = log_p - found[400].elbo
    assert float(gap.mean()) == pytest.approx(kl, abs=3 * float(gap.std()) / 300**0.5 + 1e-3)
    assert float(log_p.mean() - closed) == pytest.approx(kl, abs=0.3)
    for low, high in ((1, 10), (10, 100), (100, 400)):
        rise = found[high].iwae - found[low].iwae
        assert float(rise.mean()) > -3 * float(rise.std()) / 300**0.5
    last = log_p - found[400].iwae
    assert abs(float(last.mean())) < 0.02
    assert float(found[1].iwae.mean()) < float(log_p.mean()) - kl / 2
    assert torch.equal(found[1].iwae, found[1].elbo)
    assert bool((found[400].iwae >= found[400].elbo).all()) and bool((found[400].ess <= 400 + 1e-6).all())


# ---- E8: log p(x) = log p0(g^-1(x)) - log |det J_g|


def test_change_of_variables_sign():
    """A flow that is an affine map has the density of that Gaussian: a wide one is low, a narrow one high."""
    model = MODELS["realnvp"]((2,), None, layers=2, width=4, depth=1).requires_grad_(False)
    scale, shift = 0.7, torch.tensor([0.5, -1.0])
    for i, layer in enumerate(model.net["scales"][0]):  # the first maps the second coordinate
        bound = layer.map.bound
        layer.net.layers[-1].bias.copy_(torch.stack([torch.tensor(bound * math.atanh(scale / bound)), shift[1 - i]]))
    # z = x exp(scale) + shift, so x ~ N(-shift exp(-scale), exp(-2 scale))
    mean, std = -shift * math.exp(-scale), math.exp(-scale)
    x = torch.randn(100, 2, generator=gen())
    torch.testing.assert_close(model.log_prob(x), gaussian(x, mean, torch.tensor(-scale)).sum(-1))
    y = model.sample(20000, gen())
    torch.testing.assert_close(y.std(0), torch.full((2,), std), rtol=0.02, atol=0)
    torch.testing.assert_close(y.mean(0), mean, rtol=0, atol=0.02)


def test_sampling_direction_of_the_density():
    """The mean log-density of a model's own samples is minus the entropy, which a wrong sign of the Jacobian breaks."""
    model = MODELS["realnvp"]((2,), None, layers=4, width=8, depth=1).requires_grad_(False)
    for p in model.parameters():
        p.copy_(0.5 * torch.randn(p.shape, generator=gen(p.numel())))
    x, z = model.sample(4000, gen(1)), torch.randn(4000, 2, generator=gen(1))
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: model.inverse(z.unsqueeze(0))[0]))(z)
    expected = gaussian(z, torch.zeros(2), torch.zeros(2)).sum(-1) - torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(model.log_prob(x), expected, rtol=0, atol=1e-3)


# ---- E15: the critic minimises f(fake) - f(real) + gp (|grad f| - 1)^2, at points between


def test_wgan_gp_penalty_hand_computed():
    model = MODELS["wgan_gp"]((2,), None, latent=2, depth=0).requires_grad_(False)
    critic = model.critic.layers[0]
    x, fake = torch.randn(16, 2, generator=gen()), torch.randn(16, 2, generator=gen(1)) + 3
    noise = {"fake": fake, "mix": torch.rand(16, 1, generator=gen(2))}
    for weight in ([3.0, 4.0], [0.6, 0.8], [0.0, 0.1]):
        critic.weight.copy_(torch.tensor([weight]))
        difference = float(((fake - x) @ torch.tensor(weight)).mean())
        for gp in (0.0, 0.1, 10.0):
            loss = model.loss_critic(x, noise, {"gp": torch.tensor(gp)})
            assert float(loss) == pytest.approx(difference + gp * (math.hypot(*weight) - 1) ** 2, abs=1e-4)


def test_wgan_gp_penalty_is_taken_between_real_and_fake():
    """A critic that bends: its gradient depends on where it is asked."""
    model = MODELS["wgan_gp"]((2,), None, latent=2, width=8, depth=2).double().requires_grad_(False)
    x = torch.randn(10, 2, generator=gen(), dtype=torch.float64)
    fake = torch.randn(10, 2, generator=gen(1), dtype=torch.float64) + 2
    mix = torch.rand(10, 1, generator=gen(2), dtype=torch.float64)
    between = (mix * x + (1 - mix) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(model.score(between).sum(), between)
    penalty = (gradient.norm(dim=-1) - 1).square().mean()
    noise = {"fake": fake, "mix": mix}
    at = {gp: model.loss_critic(x, noise, {"gp": torch.tensor(gp)}) for gp in (0.0, 1.0)}
    assert float(at[1.0] - at[0.0]) == pytest.approx(float(penalty), abs=1e-9)
    assert float(at[0.0]) == pytest.approx(float(model.score(fake).mean() - model.score(x).mean()), abs=1e-12)


def test_gan_losses_hand_computed():
    """A critic that knows nothing: both players of the non-saturating GAN lose log 2 per term."""
    model = MODELS["ns_gan"]((2,), None, latent=2, depth=0).requires_grad_(False)
    for p in model.critic.parameters():
        p.zero_()
    x, z = torch.randn(8, 2, generator=gen()), torch.randn(8, 2, generator=gen(1))
    noise = {"z": z, **model.prepare_critic(x, {"z": z}, {})}
    assert float(model.loss_critic(x, noise, {})) == pytest.approx(2 * math.log(2))
    assert float(model.loss_generator(x, noise, {})) == pytest.approx(math.log(2))
    model.critic.layers[0].bias.fill_(3.0)  # says "real" with p = sigmoid(3): good for the generator
    p = 1 / (1 + math.exp(-3))
    assert float(model.loss_generator(x, noise, {})) == pytest.approx(-math.log(p), rel=1e-4)
    assert float(model.loss_critic(x, noise, {})) == pytest.approx(-math.log(p) - math.log(1 - p), rel=1e-4)


# ---- diffusion: with the exact predictor of a Gaussian distribution everything is known


MEAN, STD = torch.tensor([0.5, -0.3]), 0.5


def gaussian_ddpm(monkeypatch, steps):
    model = MODELS["ddpm"]((2,), None, width=4, depth=1, steps=steps).requires_grad_(False)

    def velocity(x, t):
        """cos(phi) E[eps | x] - sin(phi) E[x_0 | x] for x_0 ~ N(MEAN, STD^2 I)."""
        phi = model.angle(t)
        cos, sin = phi.cos(), phi.sin()
        clean = MEAN + cos * STD**2 / (cos**2 * STD**2 + sin**2) * (x - cos * MEAN)
        return cos * (x - cos * clean) / sin - sin * clean

    monkeypatch.setattr(model, "velocity", velocity)
    return model


def distribution(n, seed=0):
    x = MEAN + STD * torch.randn(n, 2, generator=gen(seed))
    return x, gaussian(x, MEAN, torch.tensor(math.log(STD))).sum(-1)


def test_diffusion_ode_equals_the_exact_density(monkeypatch):
    model, (x, exact) = gaussian_ddpm(monkeypatch, 10), distribution(300)
    error = model.log_prob(x) - exact
    assert abs(float(error.mean())) < 1e-2 and float(error.abs().max()) < 0.1


def test_diffusion_elbo_is_below_the_exact_density_and_approaches_it(monkeypatch):
    gaps = {}
    for steps in (20, 100, 1000):
        x, exact = distribution(1000, seed=3)
        gap = exact - gaussian_ddpm(monkeypatch, steps).elbo(x, gen(4))
        gaps[steps] = float(gap.mean())
        assert gaps[steps] > -3 * float(gap.std()) / 1000**0.5
    assert gaps[20] > 2 * gaps[100] > 4 * gaps[1000]
    assert 0 < gaps[100] < 1 and abs(gaps[1000]) < 0.12  # the step in log SNR squared / 4, summed, for each dimension


def test_diffusion_samples_have_the_distribution_of_the_data(monkeypatch):
    y = gaussian_ddpm(monkeypatch, 200).sample(20000, gen(5))
    torch.testing.assert_close(y.mean(0), MEAN, rtol=0, atol=0.015)
    torch.testing.assert_close(y.std(0), torch.full((2,), STD), rtol=0.03, atol=0)


def test_diffusion_loss_is_the_error_of_the_predicted_noise(monkeypatch):
    """The exact predictor beats any other, and its loss is E Var[eps | x]."""
    model, (x, _) = gaussian_ddpm(monkeypatch, 10), distribution(20000, 6)
    noise = {name: value[0] for name, value in model.noise((1, 20000), gen(7)).items()}
    sin2, cos2 = model.angle(noise["t"]).sin().square(), model.angle(noise["t"]).cos().square()
    expected = float((cos2 * STD**2 / (cos2 * STD**2 + sin2)).mean())
    best = float(model.loss_net(x, noise, {}))
    assert best == pytest.approx(expected, rel=0.03)
    exact = model.velocity
    monkeypatch.setattr(model, "velocity", lambda x, t: 1.1 * exact(x, t))
    assert float(model.loss_net(x, noise, {})) > best


def test_diffusion_bound_of_images_is_below_zero():
    """A probability of grey values: also without training its logarithm is a negative, finite number."""
    model = MODELS["ddpm"]((1, 4, 4), 5, width=8, depth=1, steps=20).requires_grad_(False)
    x = torch.randint(5, (30, 1, 4, 4), generator=gen()) / 2 - 1
    bound = model.elbo(x, gen(1))
    assert bool(bound.isfinite().all()) and bool((bound < 0).all())
