"""Annealed bounds against a linear VAE's exact likelihood, the surrogate's noise scale, and the validity of the tuning."""

import math

import pytest
import torch

from genbench.likelihood.annealed import bdmc, decoder_ais, fit_sigma, surrogate

N = 60


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def above(values, sign=1):
    """Mean over the examples in standard errors."""
    return float(sign * values.mean() / (values.std() / len(values) ** 0.5))


def test_t10_exact_is_between_forward_and_reverse_and_the_gap_shrinks(linear):
    model = linear()
    z, x = model.simulate(N)
    exact, gaps = model.log_prob(x), []
    for temperatures in (15, 50, 150):
        found = bdmc(model.log_likelihood, z, x, gen(), temperatures=temperatures)
        assert above(exact - found.lower) > -3 and above(found.upper - exact) > -3
        assert found.value == pytest.approx(float((found.upper - found.lower).mean()))
        assert float(found.ess.min()) >= 1 and float(found.ess.max()) <= 16
        gaps.append(found.value)
    assert gaps[0] > 3 * gaps[1] and gaps[1] > gaps[2]
    assert gaps[2] < 0.4 and abs(float((exact - found.lower).mean())) < 0.2 and float(found.ess.mean()) > 5


def test_t10_annealing_from_the_prior_bounds_real_data(linear):
    """x far from what the model makes: the posterior's mean is several standard deviations from the prior's."""
    model = linear(s=0.1)
    x = 2 * model.simulate(N)[1] + 0.3
    found = decoder_ais(model.log_likelihood, 5, x, gen(), temperatures=300)
    lack = model.log_prob(x) - found.lower
    assert -3 * float(lack.std()) / N**0.5 < float(lack.mean()) < 0.5
    assert 0.5 < found.acceptance < 1


def test_t10_another_prior_than_the_standard_normal(linear):
    """z ~ N(m, s^2 I) is z = m + s u with u ~ N(0, I): a linear model of u, whose likelihood is known."""
    model, of_u = linear(), linear()
    m, s = 1.5, 0.6
    of_u.w, of_u.mu = s * model.w, model.mu + m * model.w.sum(1)
    u, x = of_u.simulate(N)
    prior = torch.distributions.Normal(torch.tensor(m).double(), s)
    found = bdmc(model.log_likelihood, m + s * u, x, gen(), temperatures=200, log_prior=lambda z: prior.log_prob(z).sum(-1))
    exact = of_u.log_prob(x)
    assert above(exact - found.lower) > -3 and above(found.upper - exact) > -3 and found.value < 0.4


@pytest.mark.parametrize("temperatures", [1, 7])
def test_t10_the_exact_posterior_as_a_start_has_no_variance(linear, temperatures):
    """Every weight is p(x) then, wherever the chains go and however few the temperatures; backwards, too."""
    model = linear()
    model.w = torch.linalg.qr(model.w).Q * torch.linspace(0.5, 3, 5).double()
    z, x = model.simulate(N)
    m = model.w.T @ model.w + model.s**2 * torch.eye(5).double()
    start = (x - model.mu) @ model.w / m.diagonal(), (model.s / m.diagonal().sqrt()).log().expand(N, -1)
    found = bdmc(model.log_likelihood, z, x, gen(), start=start, temperatures=temperatures)
    assert torch.allclose(found.lower, model.log_prob(x), atol=1e-10)
    assert torch.allclose(found.upper, model.log_prob(x), atol=1e-10)
    assert torch.allclose(found.ess, torch.full((N,), 16.0).double()) and found.value == pytest.approx(0, abs=1e-10)


def test_t10_an_encoder_saves_temperatures(linear):
    model = linear()
    z, x = model.simulate(N)
    exact, start = model.log_prob(x), model.encode(x)
    few = bdmc(model.log_likelihood, z, x, gen(), start=start, temperatures=10)
    assert above(exact - few.lower) > -3 and above(few.upper - exact) > -3
    assert few.value < 0.1 * bdmc(model.log_likelihood, z, x, gen(), temperatures=10).value
    assert few.value < 0.5


def test_without_transitions_annealing_is_importance_sampling_from_the_prior(linear):
    """One temperature: the log of the mean of p(x|z) over z ~ N(0, I), which is unbiased for p(x)."""
    model = linear(dim=2, latent=2, s=1.0)
    _, x = model.simulate(20)
    found = decoder_ais(model.log_likelihood, 2, x, gen(), chains=20_000, temperatures=1)
    assert torch.allclose(found.lower, model.log_prob(x), atol=0.1)


def test_the_mean_weight_is_p_of_x_although_steps_are_tuned(linear):
    """exp(lower - log p) has mean 1: the property that makes the bound one, for few temperatures and chains."""
    model = linear(dim=4, latent=2, s=0.7)
    _, x = model.simulate(1)
    x = x.expand(3000, -1)
    found = decoder_ais(model.log_likelihood, 2, x, gen(4), chains=1, temperatures=8)
    weight = (found.lower - model.log_prob(x)).exp()
    assert abs(above(weight - 1)) < 3
    assert float(weight.std()) > 0.3 and float(found.lower.mean() - model.log_prob(x).mean()) < -0.05
    z = model.posterior(x).sample()
    upper = bdmc(model.log_likelihood, z, x, gen(5), chains=1, temperatures=8).upper
    assert abs(above((model.log_prob(x) - upper).exp() - 1)) < 3


def test_chances_of_an_excess_are_exponentially_small(linear):
    model = linear(dim=4, latent=2, s=0.7)
    _, x = model.simulate(2000)
    excess = decoder_ais(model.log_likelihood, 2, x, gen(1), chains=2, temperatures=5).lower - model.log_prob(x)
    for c in (0.5, 1.0, 2.0):
        assert float((excess > c).double().mean()) < math.exp(-c)


def test_single_precision_and_repetition(linear):
    model = linear()
    z, x = model.simulate(20)
    first, second = (decoder_ais(model.log_likelihood, 5, x.float(), gen(2), temperatures=60) for _ in range(2))
    assert torch.equal(first.lower, second.lower) and first.lower.dtype == torch.float64
    assert float((model.log_prob(x) - first.lower).mean()) == pytest.approx(0.5, abs=0.5)


def test_parameters_get_no_gradients_and_no_grad_is_no_obstacle():
    net = torch.nn.Linear(2, 3)
    with torch.no_grad():
        decoder_ais(surrogate(net, 0.5), 2, torch.randn(4, 3, generator=gen()), gen(), temperatures=3)
    assert net.weight.grad is None


def test_a_likelihood_that_is_not_finite_is_an_error():
    with pytest.raises(ValueError, match="not finite"):
        decoder_ais(lambda x, z: z.sum(-1) * torch.nan, 2, torch.zeros(3, 2), gen(), temperatures=3)


def test_the_surrogate_is_a_normal_density(linear):
    model = linear()
    z, x = model.simulate(30)
    generate = lambda z: (z @ model.w.T + model.mu).reshape(-1, 4, 5)  # noqa: E731
    density = torch.distributions.Normal(generate(z).flatten(1), 0.3).log_prob(x).sum(-1)
    assert torch.allclose(surrogate(generate, 0.3)(x.reshape(-1, 4, 5), z), density)


def test_sigma_is_that_of_greatest_exact_likelihood(linear):
    model = linear(dim=12, latent=2, s=0.3)
    _, x = model.simulate(N)
    found = fit_sigma(lambda z: z @ model.w.T + model.mu, 2, x, gen(), temperatures=50)

    def exact(sigma):
        other = linear(dim=12, latent=2, s=sigma)
        return float(other.log_prob(x).mean())

    best = max((0.2 + 0.001 * i for i in range(200)), key=exact)
    assert found.value == pytest.approx(best, rel=0.05)
    assert exact(best) - exact(found.value) < 0.05
    assert found.lower == max(lower for _, lower in found.tried) and len(found.tried) <= 14
    assert found.lower == pytest.approx(exact(found.value), abs=0.3)


@pytest.mark.slow
def test_t10_at_the_size_of_the_literature(linear):
    """A thousand temperatures: the lower bound lacks less than .05 nats."""
    model = linear()
    z, x = model.simulate(100)
    found = bdmc(model.log_likelihood, z, x, gen(), temperatures=1000)
    exact = model.log_prob(x)
    assert abs(float((exact - found.lower).mean())) < 0.05 and abs(float((found.upper - exact).mean())) < 0.1
    assert abs(found.value) < 0.1 and float(found.ess.mean()) > 10


@pytest.mark.slow
def test_t10_a_narrow_decoder_needs_the_grid_made_for_it(linear):
    """64 dimensions, 20 latent ones, s = 0.1: fifty nats were lacking with a sigmoid grid of as many temperatures."""
    model = linear(dim=64, latent=20, s=0.1)
    z, x = model.simulate(40)
    found = bdmc(model.log_likelihood, z, x, gen(), temperatures=300)
    exact = model.log_prob(x)
    assert 0 < float((exact - found.lower).mean()) < 5 and 0 < float((found.upper - exact).mean()) < 5
