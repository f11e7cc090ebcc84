"""Variational autoencoders."""

import torch
from torch import Tensor

from genbench.models.base import Model, normal, uniform
from genbench.models.outputs import discretised_logistic, gaussian, sample_logistic, standard_normal
from genbench.nets import MLP

__all__ = ["VAE"]


class VAE(Model):
    """A Gaussian encoder and a decoder trained on the evidence lower bound with closed-form KL.

    Points have a Gaussian decoder with learned variances; images a discretised logistic with one learned scale per pixel,
    so that the bound is on the probability of the 8-bit image. Image samples are the decoder's means, as the field shows them.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2013), arXiv 1312.6114
        Importance Weighted Autoencoders (Burda et al., 2015), arXiv 1509.00519

    Arguments:
        latent: dimension of z. width, depth: of encoder and decoder.
    """

    hp = {"beta": 1.0}  # weight of the KL; anything but 1 is no bound
    likelihood = "lower_bound"
    selects = True

    def __init__(self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 2):
        super().__init__(shape, levels)
        self.latent = latent
        outputs = self.dim if levels else 2 * self.dim
        self.net = torch.nn.ModuleDict(
            {"encoder": MLP(self.dim, 2 * latent, width, depth), "decoder": MLP(latent, outputs, width, depth)}
        )
        if levels:
            self.net.register_parameter("log_scale", torch.nn.Parameter(torch.full((self.dim,), -2.0)))

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.latent), generator)}

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation (B, latent) of q(z|x)."""
        mean, log_std = self.net["encoder"](self.flat(x)).chunk(2, -1)
        return mean, log_std.clamp(-8, 8)

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Location and log scale (B, dim) of p(x|z)."""
        out = self.net["decoder"](z)
        if self.levels:
            return out, self.net.log_scale.clamp(-7, 2).expand_as(out)
        mean, log_std = out.chunk(2, -1)
        return mean, log_std.clamp(-5, 3)

    def generate(self, z: Tensor) -> Tensor:
        """Mean (B, dim) of p(x|z)."""
        return self.decode(z)[0]

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z) (B,)."""
        location, log_scale = self.decode(z)
        if self.levels:
            return discretised_logistic(self.flat(x), location, log_scale, self.levels).sum(-1)
        return gaussian(self.flat(x), location, log_scale).sum(-1)

    def loss_net(self, x, noise, hp):
        mean, log_std = self.encode(x)
        z = mean + log_std.exp() * noise["z"]
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 1 - 2 * log_std).sum(-1)
        return (hp["beta"] * kl - self.log_likelihood(x, z)).mean()

    def log_weights(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """log p(x, z) - log q(z|x) (B,) for one z ~ q; its mean is the ELBO, the log-mean-exp of k the IWAE bound."""
        mean, log_std = self.encode(x)
        z = mean + log_std.exp() * normal(mean.shape, generator)
        return self.log_likelihood(x, z) + standard_normal(z) - gaussian(z, mean, log_std).sum(-1)

    def draw(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """x ~ p(x|z) (B, *shape), with all of the decoder's noise; images in the symmetric space's grey values."""
        location, log_scale = self.decode(z)
        if self.levels:
            half = (self.levels - 1) / 2
            x = sample_logistic(location, log_scale, uniform(location.shape, generator))
            x = ((x + 1) * half).round() / half - 1
        else:
            x = location + log_scale.exp() * normal(location.shape, generator)
        return x.reshape(len(z), *self.shape)

    def sample(self, n, generator):
        z = normal((n, self.latent), generator)
        return self.generate(z).reshape(n, *self.shape) if self.levels else self.draw(z, generator)
