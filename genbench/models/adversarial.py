"""What all adversarial models share: a generator, a critic, and what is watched while they train."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from genbench.models.base import Model, normal
from genbench.nets import largest_singular_value, settle

__all__ = ["Adversarial", "mean_distance"]

STANDING = 1024  # samples whose moments a trained generator's batch norms keep


def mean_distance(x: Tensor) -> Tensor:
    """Mean Euclidean distance () of two different examples of x (B, d)."""
    return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))


class Adversarial(Model):
    """A `generator` of z ~ N(0, I) (B, latent) against a `critic`; `score(x) -> (B,)` is high where that takes x for real."""

    players = {"critic": 1, "generator": 1}
    blind = ("generator",)

    def noise(self, shape, generator):
        return {"z": normal((*shape, self.latent), generator)}

    def generate(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """z (B, latent) -> flat examples (B, dim), of these classes where there are any; images end in a tanh."""
        x = (self.generator(z) if label is None else self.generator(z, label)).flatten(1)
        return torch.tanh(x) if self.levels else x

    def fakes(self, noise: Mapping[str, Tensor]) -> Tensor:
        """Flat examples (B, dim) of a batch's z, and of its classes if the model is class-conditional."""
        return self.generate(noise["z"], noise["label"]) if self.classes else self.generate(noise["z"])

    def score(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """The critic's value (B,) of flat examples, as ones of these classes where there are any."""
        raise NotImplementedError

    def scoring(self, noise: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
        """`score` as a function of x alone: for the classes of a batch, if the model is class-conditional."""
        return partial(self.score, label=noise["label"]) if self.classes else self.score

    def boundary(self, real: Tensor, fake: Tensor, hp) -> Tensor:
        """The value () above which the critic takes an example for real, given the values of real and fake examples."""
        return 0.5 * (real.mean() + fake.mean())

    def prepare_critic(self, x, noise, hp):
        return {"fake": self.fakes(noise)}

    def diagnose(self, x, noise, hp) -> dict[str, Tensor]:
        """What tells a healthy game from a lost one, on examples x that nothing was trained on; scalars by name.

        accuracy_real, accuracy_fake: shares of examples that the critic takes for what they are.
        spectral_norm: the largest singular value of the critic's weight matrices, as it uses them.
        diversity: mean distance of two fakes over that of two real examples; near 0 where the generator has collapsed.
        """
        x, fake, score = self.flat(x), self.fakes(noise), self.scoring(noise)
        real, false = score(x), score(fake)
        boundary = self.boundary(real, false, hp)
        return {
            "accuracy_real": (real > boundary).to(x.dtype).mean(),
            "accuracy_fake": (false < boundary).to(x.dtype).mean(),
            "spectral_norm": largest_singular_value(self.critic),
            "diversity": mean_distance(fake) / mean_distance(x),
        }

    def finish(self, x, generator):
        """Fix the moments of the generator's batch norms, if it has any: samples must not depend on the chunks they come in."""
        z = normal((STANDING, self.latent), generator).to(next(self.generator.parameters()))
        settle(self.generator, lambda: self.generate(z, self.draw_labels(STANDING, generator)))

    def sample(self, n, generator, label=None):
        label = self.draw_labels(n, generator) if label is None else label
        return self.generate(normal((n, self.latent), generator), label).reshape(n, *self.shape)
