"""What all adversarial models share: a generator, a critic, and what is watched while they train."""

import torch
from torch import Tensor

from genbench.models.base import Model, normal
from genbench.nets import largest_singular_value

__all__ = ["Adversarial", "mean_distance"]


def mean_distance(x: Tensor) -> Tensor:
    """Mean Euclidean distance () of two different examples of x (B, d)."""
    return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))


class Adversarial(Model):
    """A `generator` of z ~ N(0, I) (B, latent) against a `critic`; `score(x) -> (B,)` is high where that takes x for real."""

    players = {"critic": 1, "generator": 1}
    blind = ("generator",)

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.latent), generator)}

    def generate(self, z: Tensor) -> Tensor:
        """z (B, latent) -> flat examples (B, dim); images end in a tanh."""
        x = self.generator(z).flatten(1)
        return torch.tanh(x) if self.levels else x

    def score(self, x: Tensor) -> Tensor:
        """The critic's value (B,) of flat examples."""
        raise NotImplementedError

    def boundary(self, real: Tensor, fake: Tensor, hp) -> Tensor:
        """The value () above which the critic takes an example for real, given the values of real and fake examples."""
        return 0.5 * (real.mean() + fake.mean())

    def prepare_critic(self, x, noise, hp):
        return {"fake": self.generate(noise["z"])}

    def diagnose(self, x, noise, hp) -> dict[str, Tensor]:
        """What tells a healthy game from a lost one, on examples x that nothing was trained on; scalars by name.

        accuracy_real, accuracy_fake: shares of examples that the critic takes for what they are.
        spectral_norm: the largest singular value of the critic's weight matrices, as it uses them.
        diversity: mean distance of two fakes over that of two real examples; near 0 where the generator has collapsed.
        """
        x, fake = self.flat(x), self.generate(noise["z"])
        real, false = self.score(x), self.score(fake)
        boundary = self.boundary(real, false, hp)
        return {
            "accuracy_real": (real > boundary).to(x.dtype).mean(),
            "accuracy_fake": (false < boundary).to(x.dtype).mean(),
            "spectral_norm": largest_singular_value(self.critic),
            "diversity": mean_distance(fake) / mean_distance(x),
        }

    def sample(self, n, generator):
        return self.generate(normal((n, self.latent), generator)).reshape(n, *self.shape)
