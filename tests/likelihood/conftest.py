"""A linear VAE, for which all that a likelihood estimator bounds is known, as a fixture."""

import math

import pytest
import torch
from torch import Tensor

from genbench.models.outputs import gaussian, standard_normal


class Linear:
    """p(z) = N(0, I), p(x|z) = N(Wz + mu, s^2 I), in float64."""

    def __init__(self, dim: int = 20, latent: int = 5, s: float = 0.3, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        self.w, self.mu, self.s = (*(torch.randn(shape, generator=generator).double() for shape in ((dim, latent), (dim,))), s)
        self.latent = latent
        m = self.w.T @ self.w + s**2 * torch.eye(latent).double()
        self.gain, self.covariance = torch.linalg.solve(m, self.w.T), s**2 * torch.linalg.inv(m)  # of p(z|x)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        log_s = torch.full((), math.log(self.s), dtype=z.dtype)
        return gaussian(x, z @ self.w.to(z).T + self.mu.to(z), log_s).sum(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        c = self.w @ self.w.T + self.s**2 * torch.eye(len(self.mu)).double()
        return torch.distributions.MultivariateNormal(self.mu, c).log_prob(x)

    def posterior(self, x: Tensor) -> torch.distributions.MultivariateNormal:
        return torch.distributions.MultivariateNormal((x - self.mu) @ self.gain.T, self.covariance)

    def simulate(self, n: int, seed: int = 1) -> tuple[Tensor, Tensor]:
        """n pairs z, x."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(n, self.latent, generator=generator).double()
        return z, z @ self.w.T + self.mu + self.s * torch.randn(n, len(self.mu), generator=generator).double()

    def encode(self, x: Tensor, widen: float = 1.3) -> tuple[Tensor, Tensor]:
        """A diagonal q(z|x), as a trained encoder's: wrong in mean, scale and correlation."""
        std = torch.linalg.inv(torch.linalg.inv(self.covariance).diagonal().diag()).diagonal().sqrt()
        return self.posterior(x).mean + 0.5 * std, (widen * std).log().expand(len(x), -1)

    def log_weights(self, x: Tensor, mean: Tensor, log_std: Tensor, generator: torch.Generator) -> Tensor:
        z = mean + log_std.exp() * torch.randn(mean.shape, generator=generator).double()
        return self.log_likelihood(x, z) + standard_normal(z) - gaussian(z, mean, log_std).sum(-1)


@pytest.fixture
def linear() -> type[Linear]:
    return Linear
