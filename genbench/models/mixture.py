"""Mixtures: the baseline that needs no gradient, and the bound that its fitting raises."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from genbench.models.base import Model, normal
from genbench.models.outputs import standard_normal

__all__ = ["GMM", "HalfStep", "expectation_maximisation"]


def log_joint(x: Tensor, weights: Tensor, means: Tensor, factors: Tensor) -> Tensor:
    """log p(x, k) (K, n) in nats of flat x (n, d), for weights (K,), means (K, d), Cholesky factors of covariances (K, d, d)."""
    parts = []  # component by component: all at once would hold n * K * d numbers
    for weight, mean, factor in zip(weights, means, factors, strict=True):
        white = torch.linalg.solve_triangular(factor, (x - mean).T, upper=False).T
        parts.append(weight.log() + standard_normal(white) - factor.diagonal().log().sum())
    return torch.stack(parts)


def maximise(x: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and factors that maximise the mean of sum_k q_k(x) log p(x, k), for responsibilities q (K, n)."""
    count = q.sum(1, keepdim=True)
    means = q @ x / count
    centred = x - means.unsqueeze(1)  # (K, n, d)
    covariances = (q.unsqueeze(-1) * centred).mT @ centred / count.unsqueeze(-1)
    return count[:, 0] / len(x), means, torch.linalg.cholesky(covariances)


@dataclass(frozen=True)
class HalfStep:
    """Where EM is after an E-step or an M-step; each value is computed by itself, in nats per example."""

    step: str  # "E" or "M"
    elbo: float  # E_q log p(x, k) - E_q log q(k | x)
    log_likelihood: float
    kl: float  # KL(q | p(k | x))


def expectation_maximisation(x: Tensor, weights: Tensor, means: Tensor, factors: Tensor, iterations: int) -> Iterator[HalfStep]:
    """Fit a mixture of Gaussians to x (n, d) from a start, by ascent of one bound in turns over q and the parameters.

    log p(x) = elbo + KL(q | posterior) for any q: the E-step sets q to the posterior, so that the bound touches the likelihood,
    and the M-step raises the bound, and with it the likelihood, at a fixed q.

    References:
        A view of the EM algorithm that justifies incremental, sparse, and other variants (Neal & Hinton, 1998)

    Arguments:
        as log_joint's. iterations: of an E-step and an M-step each.
    """

    def look(step: str) -> HalfStep:
        log_p = joint.logsumexp(0)
        elbo, kl = (q * (joint - log_q)).sum(0).mean(), (q * (log_q - joint + log_p)).sum(0).mean()
        return HalfStep(step, float(elbo), float(log_p.mean()), float(kl))

    joint = log_joint(x, weights, means, factors)
    for _ in range(iterations):
        log_q = joint.log_softmax(0)
        q = log_q.exp()
        yield look("E")
        joint = log_joint(x, *maximise(x, q))
        yield look("M")


class GMM(Model):
    """A mixture of full-covariance Gaussians fitted by expectation maximisation (scikit-learn's).

    References:
        Maximum likelihood from incomplete data via the EM algorithm (Dempster, Laird & Rubin, 1977)

    Arguments:
        components: number of Gaussians. ridge: added to the diagonal of each covariance. restarts: EM runs, the best is kept.
    """

    name = "gmm"
    players = {}
    likelihood = "exact"
    space = {"points": "standard", "images": "uniform"}

    def __init__(self, shape, levels=None, components: int = 16, ridge: float = 1e-4, restarts: int = 1):
        super().__init__(shape, levels)
        self.components, self.ridge, self.restarts = components, ridge, restarts
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, self.dim))
        self.register_buffer("factors", torch.eye(self.dim).repeat(components, 1, 1))  # Cholesky, lower

    def fit(self, x: Tensor, updates: int, generator: torch.Generator) -> int:
        """Run EM on x (n, *shape) for at most `updates` iterations; returns how many it took."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        seed = int(torch.randint(2**31 - 1, (1,), generator=generator, device=generator.device))
        mixture = GaussianMixture(
            self.components, reg_covar=self.ridge, n_init=self.restarts, max_iter=updates, random_state=seed, tol=1e-4
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a budget may end EM early
            mixture.fit(self.flat(x).double().cpu().numpy())
        covariances = torch.from_numpy(mixture.covariances_)
        self.weights.copy_(torch.from_numpy(mixture.weights_))
        self.means.copy_(torch.from_numpy(mixture.means_))
        self.factors.copy_(torch.linalg.cholesky(covariances))
        return int(mixture.n_iter_)

    def fit_flops(self, n: int) -> int:
        """Arithmetic of one EM iteration on n examples: squared distances, then weighted covariances."""
        return 4 * n * self.components * self.dim**2

    def size(self) -> int:
        """Free parameters."""
        return self.components * (1 + self.dim + self.dim * (self.dim + 1) // 2) - 1

    def contains(self, density) -> bool:
        return 0 < density.gaussians <= self.components

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact log-density (B,)."""
        return log_joint(self.flat(x), self.weights, self.means, self.factors).logsumexp(0)

    def sample(self, n, generator):
        index = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = normal((n, self.dim), generator)
        x = torch.empty_like(noise)
        for k in range(self.components):  # component by component: a gather of factors would be n * d * d numbers
            x[index == k] = self.means[k] + noise[index == k] @ self.factors[k].T
        return x.reshape(n, *self.shape)
