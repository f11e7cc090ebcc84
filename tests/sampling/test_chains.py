"""Chains whose exact law is known: a normal generator, normal data, and the true log density ratio as the critic."""

import math

import pytest
import torch

from genbench.sampling.latent import arcs, ddls, slerp, truncated_normal
from genbench.sampling.metropolis import metropolis

MEAN, STD = 1.0, 0.5  # data N(1, 0.5^2) against a generator N(0, 1)


def ratio(x, mean=MEAN, std=STD):
    """log p_data - log p_generator of scalars."""
    return 0.5 * x.square() - 0.5 * ((x - mean) / std).square() - math.log(std)


def normal_generator(seed):
    generator = torch.Generator().manual_seed(seed)

    def propose(n):
        x = torch.randn(n, 1, generator=generator)
        return x, ratio(x[:, 0])

    return propose, generator


def assert_normal(x, mean, std, z=4.0):
    """Mean and variance of n independent draws of N(mean, std^2), within z standard errors."""
    n = len(x)
    assert abs(float(x.mean()) - mean) < z * std / math.sqrt(n)
    assert abs(float(x.var()) - std**2) < z * std**2 * math.sqrt(2 / n)


def test_metropolis_reaches_the_datas_law_from_real_starts():
    propose, generator = normal_generator(0)
    real = MEAN + STD * torch.randn(20_000, generator=generator)
    chains = metropolis(propose, ratio(real), 30, generator)
    assert_normal(chains.x[:, 0], MEAN, STD)
    assert chains.restarted < 0.02 and chains.proposals == 30 * (20_000 + round(chains.restarted * 20_000))


def test_metropolis_forgets_wrong_starts():
    propose, generator = normal_generator(1)
    chains = metropolis(propose, torch.full((20_000,), -50.0), 40, generator)
    assert chains.restarted == 0
    assert_normal(chains.x[:, 0], MEAN, STD)


def test_the_acceptance_is_that_of_the_exact_chain():
    propose, generator = normal_generator(2)
    chains = metropolis(propose, ratio(MEAN + STD * torch.randn(20_000, generator=generator)), 20, generator)
    x, new = MEAN + STD * torch.randn(400_000, generator=generator), torch.randn(400_000, generator=generator)
    expected = float((ratio(new) - ratio(x)).exp().clamp(max=1).mean())
    assert chains.acceptance == pytest.approx(expected, abs=0.005)


def test_a_start_beyond_all_proposals_begins_again_and_is_not_returned():
    propose, generator = normal_generator(3)
    start = torch.cat([torch.full((3000,), 1e9), torch.zeros(1000)])
    chains = metropolis(propose, start, 30, generator)
    assert chains.restarted == 0.75 and chains.proposals == 30 * 7000
    assert_normal(chains.x[:, 0], MEAN, STD)
    assert (chains.x != 0).all()


def test_an_uninformative_critic_changes_nothing():
    _, generator = normal_generator(4)
    seen = []

    def propose(n):
        seen.append(torch.randn(n, 2, generator=generator))
        return seen[-1], torch.full((n,), 0.3)

    chains = metropolis(propose, torch.full((50,), 0.3), 7, generator)
    assert torch.equal(chains.x, seen[-1]) and chains.acceptance == 1


def test_ddls_reaches_the_datas_law():
    generator = torch.Generator().manual_seed(5)
    z, acceptance, length = ddls(lambda z: ratio(z[:, 0]), torch.randn(8000, 1, generator=generator), 100, generator)
    assert_normal(z[:, 0], MEAN, STD)
    assert acceptance == pytest.approx(0.574, abs=0.08) and 0 < length <= math.pi / 2


def test_ddls_reaches_a_correlated_law_through_a_generator():
    generator = torch.Generator().manual_seed(6)
    mixing, mean = torch.tensor([[1.0, 0.5], [0.0, 0.8]]), torch.tensor([0.5, -0.5])
    factor = torch.tensor([[0.6, 0.0], [0.3, 0.4]])
    law = torch.distributions.MultivariateNormal
    data, made = law(mean, scale_tril=factor), law(torch.zeros(2), mixing @ mixing.T)

    def logit(z):
        x = z @ mixing.T
        return data.log_prob(x) - made.log_prob(x) + 3.0  # a constant changes nothing

    z, _, _ = ddls(logit, torch.randn(8000, 2, generator=generator), 150, generator)
    x = z @ mixing.T
    covariance = factor @ factor.T
    assert (x.mean(0) - mean).abs().max() < 4 * 0.6 / math.sqrt(8000)
    variances = covariance.diag()[:, None] * covariance.diag() + covariance.square()
    assert ((torch.cov(x.T) - covariance).abs() < 4 * (variances / 8000).sqrt()).all()


def test_ddls_with_a_perfect_critic_keeps_the_law_of_a_prior_that_is_not_standard():
    """Of data whose latents are N(2, 1/4), as the prior: nothing is left to correct."""
    generator = torch.Generator().manual_seed(11)
    prior = torch.distributions.Normal(2.0, 0.5)
    start = 2 + 0.5 * torch.randn(8000, 1, generator=generator)
    z, _, _ = ddls(lambda z: 0 * z[:, 0], start, 60, generator, lambda z: prior.log_prob(z).sum(-1))
    assert_normal(z[:, 0], 2.0, 0.5)


def test_chains_repeat_themselves_with_their_seed():
    def run():
        generator = torch.Generator().manual_seed(7)
        return ddls(lambda z: ratio(z[:, 0]), torch.randn(5, 1, generator=generator), 10, generator)

    assert torch.equal(run()[0], run()[0])


@pytest.mark.parametrize("threshold", [0.25, 1.0, 2.0])
def test_truncated_normals_have_their_range_and_variance(threshold):
    n = 200_000
    z = truncated_normal((n,), threshold, torch.Generator().manual_seed(8)).double()
    density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * threshold * density / math.erf(threshold / math.sqrt(2))
    assert z.abs().max() <= threshold * (1 + 1e-6) and z.abs().max() > 0.99 * threshold
    assert abs(float(z.mean())) < 4 * math.sqrt(variance / n)
    assert float(z.var()) == pytest.approx(variance, rel=0.02)


def test_truncation_is_the_law_of_redrawing():
    generator = torch.Generator().manual_seed(9)
    redrawn = torch.randn(200_000, generator=generator)
    redrawn = redrawn[redrawn.abs() <= 1.5].sort().values
    own = truncated_normal((len(redrawn),), 1.5, generator).sort().values
    assert (own - redrawn).abs().mean() < 0.006  # the distance W1; two samples of one law: about 0.003
    whole = truncated_normal((50_000,), math.inf, generator)
    assert whole.abs().max() > 3.5 and float(whole.var()) == pytest.approx(1, abs=0.03)


def test_slerp_ends_at_its_ends_keeps_norms_and_angles():
    generator = torch.Generator().manual_seed(10)
    a, b = torch.randn(2, 6, 32, generator=generator, dtype=torch.float64)
    b = b / b.norm(dim=-1, keepdim=True) * a.norm(dim=-1, keepdim=True)
    t = torch.linspace(0, 1, 9, dtype=torch.float64)
    path = slerp(a, b, t)
    assert path.shape == (9, 6, 32)
    assert torch.allclose(path[0], a) and torch.allclose(path[-1], b)
    assert torch.allclose(path.norm(dim=-1), a.norm(dim=-1).expand(9, 6))
    steps = torch.nn.functional.cosine_similarity(path[1:], path[:-1], dim=-1).acos()
    assert torch.allclose(steps, steps[0].expand_as(steps))


def test_slerp_joins_vectors_along_a_line_straight():
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[2.0, 0.0], [-1.0, 0.0]])
    path = slerp(a, b, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.allclose(path[1], torch.tensor([[1.25, 0.0], [0.5, 0.0]])) and torch.equal(path[2], b)


def test_arcs_keep_between_the_norms_of_their_ends():
    """Even between almost opposite vectors of unequal norms."""
    a, b, t = torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([[-1.0, 0.01], [0.0, 3.0]]), torch.linspace(0, 1, 9)
    path = arcs(a, b, t)
    torch.testing.assert_close(path.norm(dim=-1), torch.lerp(a.norm(dim=-1), b.norm(dim=-1), t[:, None]), rtol=0, atol=2e-3)
    torch.testing.assert_close(path[0], a)
    torch.testing.assert_close(path[-1], b)
