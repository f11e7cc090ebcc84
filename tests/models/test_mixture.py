"""EM: the bound's identity, its ascent, and the closed forms of its two steps."""

import pytest
import torch
from kit import gen

from genbench.models.mixture import expectation_maximisation, log_joint, maximise


def mixture(components=3, dim=2, seed=0):
    """Weights, means and factors of a random mixture, in float64."""
    g = gen(seed)
    weights = torch.rand(components, generator=g).double() + 0.2
    means = 2 * torch.randn(components, dim, generator=g).double()
    roots = torch.randn(components, dim, dim, generator=g).double()
    factors = torch.linalg.cholesky(roots @ roots.mT + 0.1 * torch.eye(dim))
    return weights / weights.sum(), means, factors


def points(n=400, seed=1):
    g = gen(seed)
    centres = torch.tensor([[0.0, 0.0], [3.0, 1.0], [-2.0, 2.0]])
    return (centres[torch.randint(3, (n,), generator=g)] + 0.6 * torch.randn(n, 2, generator=g)).double()


def test_log_joint_is_that_of_torch():
    weights, means, factors = mixture()
    x = points(50)
    distribution = torch.distributions.MultivariateNormal(means, scale_tril=factors)
    expected = weights.log() + distribution.log_prob(x.unsqueeze(1))
    torch.testing.assert_close(log_joint(x, weights, means, factors), expected.T)


def test_bound_and_divergence_make_up_the_likelihood():
    """log p(x) = elbo + KL(q | posterior) after every half-step (Neal & Hinton), with the KL computed by itself."""
    steps = list(expectation_maximisation(points(), *mixture(), 25))
    assert [each.step for each in steps] == ["E", "M"] * 25
    for each in steps:
        assert each.log_likelihood == pytest.approx(each.elbo + each.kl, abs=1e-12)
    assert max(each.kl for each in steps if each.step == "M") > 1e-3  # else there would be nothing to see


def test_the_bound_touches_the_likelihood_after_each_e_step():
    for each in expectation_maximisation(points(), *mixture(), 25):
        if each.step == "E":
            assert each.elbo == pytest.approx(each.log_likelihood, abs=1e-12)


def test_the_bound_and_the_likelihood_never_fall():
    steps = list(expectation_maximisation(points(), *mixture(), 60))
    for name in ("elbo", "log_likelihood"):
        values = torch.tensor([getattr(each, name) for each in steps], dtype=torch.float64)
        assert float(values.diff().min()) > -1e-12 and float(values[-1] - values[0]) > 0.5


def test_the_m_step_is_a_maximum():
    """At the new parameters the gradient of E_q log p(x, k) vanishes, and does not at the old ones."""
    x, old = points(), mixture()
    q = log_joint(x, *old).softmax(0)

    def gradient(weights, means, factors):
        logits, means, factors = (each.clone().requires_grad_() for each in (weights.log(), means, factors))
        value = (q * log_joint(x, logits.softmax(0), means, factors)).sum(0).mean()
        grads = torch.autograd.grad(value, (logits, means, factors))
        return max(float(each.abs().max()) for each in (*grads[:2], grads[2].tril()))

    assert gradient(*maximise(x, q)) < 1e-10 < 1e-2 < gradient(*old)


def test_agrees_with_scikit_learn_from_the_same_start():
    from sklearn.mixture import GaussianMixture

    x, (weights, means, factors) = points(), mixture()
    steps = list(expectation_maximisation(x, weights, means, factors, 7))
    other = GaussianMixture(
        3, reg_covar=0, max_iter=7, tol=0, weights_init=weights.numpy(), means_init=means.numpy(),
        precisions_init=torch.cholesky_inverse(factors).numpy(),
    )  # fmt: skip
    with pytest.warns(match="did not converge"):
        other.fit(x.numpy())
    assert other.n_iter_ == 7
    assert steps[-1].log_likelihood == pytest.approx(other.score(x.numpy()), abs=1e-9)
