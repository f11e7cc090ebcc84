"""Generative adversarial networks: losses side by side on shared networks."""

import torch
from torch import Tensor
from torch.func import grad
from torch.nn import functional as F

from genbench.models.base import Model, normal, uniform
from genbench.nets import MLP

__all__ = ["NSGAN", "WGANGP"]


class GAN(Model):
    """What adversarial models share: a generator of z ~ N(0, I) and a critic, both perceptrons of the same size.

    Arguments:
        latent: dimension of z. width, depth: of generator and critic.
    """

    blind = ("generator",)

    def __init__(self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 3):
        super().__init__(shape, levels)
        self.latent = latent
        self.critic = MLP(self.dim, 1, width, depth, "leaky_relu")
        self.generator = MLP(latent, self.dim, width, depth, "leaky_relu")

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.latent), generator)}

    def generate(self, z: Tensor) -> Tensor:
        """z (B, latent) -> flat examples (B, dim); images end in a tanh."""
        x = self.generator(z)
        return torch.tanh(x) if self.levels else x

    def score(self, x: Tensor) -> Tensor:
        """The critic's value (B,) of flat examples."""
        return self.critic(x).squeeze(-1)

    def prepare_critic(self, x, noise, hp):
        return {"fake": self.generate(noise["z"])}

    def sample(self, n, generator):
        return self.generate(normal((n, self.latent), generator)).reshape(n, *self.shape)


class NSGAN(GAN):
    """The non-saturating GAN: logistic regression of real against fake; the generator maximises log D(G(z)).

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), arXiv 1406.2661
    """

    players = {"critic": 1, "generator": 1}

    def loss_critic(self, x, noise, hp):
        return (F.softplus(-self.score(self.flat(x))) + F.softplus(self.score(noise["fake"]))).mean()

    def loss_generator(self, x, noise, hp):
        return F.softplus(-self.score(self.generate(noise["z"]))).mean()


class WGANGP(GAN):
    """The Wasserstein GAN with gradient penalty: the critic maximises E f(x) - E f(G(z)) minus gp E(|grad f(mix)| - 1)^2.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), arXiv 1704.00028
    """

    players = {"critic": 5, "generator": 1}
    hp = {"gp": 10.0}  # weight of the penalty

    def noise(self, shape, generator):
        return {**super().noise(shape, generator), "mix": uniform((*shape, 1), generator)}

    def loss_critic(self, x, noise, hp):
        x, fake = self.flat(x), noise["fake"]
        slope = grad(lambda u: self.score(u).sum())(fake + noise["mix"] * (x - fake))
        penalty = ((slope.square().sum(-1) + 1e-12).sqrt() - 1).square()
        return (self.score(fake) - self.score(x) + hp["gp"] * penalty).mean()

    def loss_generator(self, x, noise, hp):
        return -self.score(self.generate(noise["z"])).mean()
