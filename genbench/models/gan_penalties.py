"""Penalties of a critic, and weight clipping, besides its normalisation; each goes with any loss."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import grad

from genbench.models.base import uniform

__all__ = ["PENALTIES", "Penalty"]

Score = Callable[[Tensor], Tensor]


def gradient(score: Score, x: Tensor) -> Tensor:
    """Gradients (B, d) of the values at x (B, d); each is that of one example alone unless the critic mixes a batch."""
    return grad(lambda u: score(u).sum())(x)


def length(vectors: Tensor) -> Tensor:
    """Euclidean norms (B,), differentiable at 0."""
    return (vectors.square().sum(-1) + 1e-12).sqrt()


class Penalty:
    """`penalty(score, real, fake, noise, hp)`: terms (B,) added to the critic's loss, flat examples being (B, d); here none."""

    hp: ClassVar[dict[str, float]] = {}  # its own hyperparameters with their defaults
    gradients: ClassVar[bool] = False  # whether it needs gradients at single examples

    def noise(self, shape: tuple[int, ...], dim: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Randomness for (updates, batch) = shape."""
        return {}

    def __call__(self, score: Score, real: Tensor, fake: Tensor, noise: Mapping[str, Tensor], hp: Mapping[str, Tensor]) -> Tensor:
        return torch.zeros_like(real[:, 0])


class Clipping(Penalty):
    """Every parameter of the critic is cut to [-limit, limit] after each of its updates; nothing is added to the loss.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), arXiv 1701.07875
    """

    hp = {"limit": 0.01}


class Interpolates(Penalty):
    """gp (|grad f| - 1)^2 at points drawn uniformly between a real and a fake example.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), arXiv 1704.00028
    """

    hp = {"gp": 10.0}
    gradients = True

    def noise(self, shape, dim, generator):
        return {"mix": uniform((*shape, 1), generator)}

    def excess(self, norms: Tensor) -> Tensor:
        """How far gradient norms are from what they should be."""
        return norms - 1

    def __call__(self, score, real, fake, noise, hp):
        norms = length(gradient(score, fake + noise["mix"] * (real - fake)))
        return hp["gp"] * self.excess(norms).square()


class OneSided(Interpolates):
    """gp max(0, |grad f| - 1)^2 at the same points: gradient norms below 1 cost nothing.

    References:
        On the regularization of Wasserstein GANs (Petzka et al., 2018), arXiv 1709.08894
    """

    def excess(self, norms):
        return (norms - 1).clamp(min=0)


class Dragan(Penalty):
    """gp (|grad d| - 1)^2 at real examples moved by uniform noise as wide as the data's standard deviation s: x + s U(-1/2, 1/2).

    On the critic's value, with symmetric noise; the authors' code moves x one way only, by s/2 U(0, 1).

    References:
        On Convergence and Stability of GANs (Kodali et al., 2017), arXiv 1705.07215
    """

    hp = {"gp": 10.0}
    gradients = True

    def noise(self, shape, dim, generator):
        return {"jitter": uniform((*shape, dim), generator) - 0.5}

    def __call__(self, score, real, fake, noise, hp):
        moved = real + real.std(correction=0) * noise["jitter"]
        return hp["gp"] * (length(gradient(score, moved)) - 1).square()


class R1(Penalty):
    """gp/2 |grad d|^2 at real examples: where the generator is right, a critic should be flat.

    References:
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), arXiv 1801.04406
    """

    hp = {"gp": 1.0}
    gradients = True

    def __call__(self, score, real, fake, noise, hp):
        return 0.5 * hp["gp"] * gradient(score, real).square().sum(-1)


PENALTIES: dict[str, Penalty] = {
    "none": Penalty(),
    "clipping": Clipping(),
    "interpolates": Interpolates(),
    "one_sided": OneSided(),
    "dragan": Dragan(),
    "r1": R1(),
}
