"""Generalised energy-based models: an energy on the support of a generator."""

import math

import torch
from torch import Tensor
from torch.func import grad

from genbench.models.adversarial import STANDING, Adversarial
from genbench.models.base import chosen, normal
from genbench.models.gan_penalties import PENALTIES
from genbench.models.langevin import corrected
from genbench.models.outputs import standard_normal
from genbench.nets import GENERATORS, critic, generator

__all__ = ["GEBM"]

ADDED = tuple(name for name in PENALTIES if name != "clipping")  # which is no term of a loss


class GEBM(Adversarial):
    """The distribution of a generator, tilted: g(z) with z from p(z) proportional to N(z; 0, I) exp(-E(g(z))).

    It has no density in the space of the data where the generator, the base, has none, so maximum likelihood is that of
    the tilt relative to the base. The critic's value is its logarithm, `score` = -(E + c) with c for log Z, and maximises
    E_data score - E_base exp(score) + 1. Over all functions that is KL(data | base), reached at log(data / base); over the
    critic's, the KL's approximate lower bound estimator, KALE. The generator minimises it in turn, so that the energy only has
    to correct what it gets wrong. Samples are decoded Langevin chains in z, the last steps Metropolis-corrected.

    References:
        Generalized Energy Based Models (Arbel, Zhou & Gretton, 2020), arXiv 2003.05033

    Arguments:
        latent: dimension of z. width, depth: of both networks, depth of perceptrons only. network: a key of GENERATORS.
        base_width: of the generator alone, 0 for `width`.
        penalty: one of ADDED, on the critic. critic_steps: its updates for one of the generator.
        sample_steps, step: Langevin steps in z of a sample, and their size.
    """

    name = "gebm"
    normal_prior = False
    hp = PENALTIES["r1"].hp

    def __init__(
        self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 3, network: str = "mlp",
        base_width: int = 0, penalty: str = "r1", critic_steps: int = 1, sample_steps: int = 200, step: float = 0.05,
    ):  # fmt: skip
        super().__init__(shape, levels)
        if critic_steps < 1:
            raise ValueError(f"critic_steps: must be at least 1, got {critic_steps}")
        self.penalty = PENALTIES[chosen("penalty", penalty, ADDED)]
        self.hp, self.players = self.penalty.hp, self.players | {"critic": critic_steps}
        self.sample_steps, self.step = sample_steps, step
        more = {"depth": depth} if chosen("network", network, GENERATORS) == "mlp" else {}
        self.critic = critic(network, shape, width, **more)
        self.generator = generator(network, latent, shape, base_width or width, **more)
        self.latent = self.generator.latent
        self.register_buffer("log_z", torch.zeros(()))  # of exp(score), beyond what the critic's own c says

    def noise(self, shape, generator):
        return {**super().noise(shape, generator), **self.penalty.noise(shape, self.dim, generator)}

    def score(self, x, label=None):
        return self.critic(x)

    def boundary(self, real, fake, hp):
        return torch.zeros_like(real[0])  # where data and base are equally likely

    def loss_critic(self, x, noise, hp):
        x, fake = self.flat(x), noise["fake"]
        return self.penalty(self.score, x, fake, noise, hp).mean() - self.kale(self.score(x), self.score(fake))

    def loss_generator(self, x, noise, hp):
        return -self.score(self.fakes(noise)).exp().mean()

    @staticmethod
    def kale(real: Tensor, fake: Tensor) -> Tensor:
        """The bound () on KL(data | base) in nats that scores of both show."""
        return real.mean() - fake.exp().mean() + 1

    def diagnose(self, x, noise, hp):
        """Adds kale, what the critic shows of KL(data | base), in nats."""
        return super().diagnose(x, noise, hp) | {"kale": self.kale(self.score(self.flat(x)), self.score(self.fakes(noise)))}

    def finish(self, x, generator):
        super().finish(x, generator)
        score = self.score(self.generate(normal((16 * STANDING, self.latent), generator).to(self.log_z)))
        self.log_z.copy_(score.logsumexp(0) - math.log(len(score)))

    def potential(self, z: Tensor) -> Tensor:
        """|z|^2 / 2 + E(g(z)) + c (B,) in nats."""
        return 0.5 * z.square().sum(-1) - self.score(self.generate(z))

    def log_prior(self, z):
        """log p(z) (B,) in nats, its constant estimated after training."""
        return standard_normal(z) + self.score(self.generate(z)) - self.log_z

    def draw_prior(self, n, generator):
        z = normal((n, self.latent), generator)
        return corrected(z, self.potential, grad(lambda z: self.potential(z).sum()), self.step, self.sample_steps, generator)

    def sample(self, n, generator, label=None):
        return self.generate(self.draw_prior(n, generator)).reshape(n, *self.shape)
