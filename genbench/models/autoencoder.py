"""Autoencoders without a distribution of the latents, which gets one after training."""

import torch
from torch import Tensor

from genbench.models.base import Model
from genbench.models.decoders import coders
from genbench.models.mixture import GMM

__all__ = ["AE"]

EM = 200  # most iterations


class AE(Model):
    """An autoencoder that learns to reconstruct and nothing else; a density fitted to its codes afterwards makes it a sampler.

    References:
        From Variational to Deterministic Autoencoders (Ghosh et al., 2020), arXiv 1903.12436

    Arguments:
        latent: dimension of z. width, depth, network, encoder_width: see `coders`.
        components: Gaussians of the density of codes, of full covariance; 1 is a single Gaussian.
    """

    name = "ae"
    likelihood = "none"
    selects = True
    normal_prior = False

    def __init__(
        self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 2, network: str = "mlp", encoder_width: int = 0,
        components: int = 10,
    ):  # fmt: skip
        super().__init__(shape, levels)
        self.latent = latent
        self.net = coders(shape, latent, latent, shape, width, depth, network, encoder_width)
        self.density = GMM((latent,), components=components)

    def code(self, x: Tensor) -> Tensor:
        """z (B, latent) of examples."""
        return self.net["encoder"](self.flat(x))

    def generate(self, z: Tensor) -> Tensor:
        """Example (B, dim) of a code."""
        return self.flat(self.net["decoder"](z))

    def loss_net(self, x, noise, hp):
        return (self.generate(self.code(x)) - self.flat(x)).square().sum(-1).mean()

    def finish(self, x, generator):
        self.density.fit(torch.cat([self.code(part) for part in x.split(1024)]), EM, generator)

    def draw_prior(self, n, generator):
        return self.density.sample(n, generator)

    def log_prior(self, z):
        return self.density.log_prob(z)

    def sample(self, n, generator):
        return self.generate(self.draw_prior(n, generator)).reshape(n, *self.shape)
