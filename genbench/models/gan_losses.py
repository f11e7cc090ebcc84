"""Losses of adversarial models, side by side: what each player minimises, as a function of the critic's values alone."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["LOSSES", "Loss"]

HP = Mapping[str, Tensor]


class Loss:
    """`critic(real, fake, hp)` and `generator(fake, hp)`: values (B,) -> terms (B,) whose means the players minimise."""

    hp: ClassVar[dict[str, float]] = {}  # its own hyperparameters with their defaults
    logistic: ClassVar[bool] = False  # whether the critic's loss is that of a logistic regression of real against fake

    def critic(self, real: Tensor, fake: Tensor, hp: HP) -> Tensor:
        raise NotImplementedError

    def generator(self, fake: Tensor, hp: HP) -> Tensor:
        raise NotImplementedError

    def boundary(self, real: Tensor, fake: Tensor, hp: HP) -> Tensor:
        """The value () above which the critic takes an example for real."""
        return torch.zeros_like(real[0])


class Minimax(Loss):
    """-log D(x) - log(1 - D(G(z))), which the generator maximises; D is the logistic function of the critic's value.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), arXiv 1406.2661, equation 1
    """

    logistic = True

    def critic(self, real, fake, hp):
        return F.softplus(-real) + F.softplus(fake)

    def generator(self, fake, hp):
        return -F.softplus(fake)


class NonSaturating(Minimax):
    """The critic's loss of Minimax; the generator minimises -log D(G(z)), whose gradient doesn't vanish where D rejects.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), arXiv 1406.2661, section 3
    """

    def generator(self, fake, hp):
        return F.softplus(-fake)


class LeastSquares(Loss):
    """(d(x) - b)^2 / 2 + (d(G(z)) - a)^2 / 2 against (d(G(z)) - c)^2 / 2, where d is any real number.

    b - c = 1 and b - a = 2 make the generator minimise Pearson's chi^2(2 p_G | p + p_G).

    References:
        Least Squares Generative Adversarial Networks (Mao et al., 2017), arXiv 1611.04076
    """

    hp = {"a": -1.0, "b": 1.0, "c": 0.0}

    def critic(self, real, fake, hp):
        return 0.5 * (real - hp["b"]).square() + 0.5 * (fake - hp["a"]).square()

    def generator(self, fake, hp):
        return 0.5 * (fake - hp["c"]).square()

    def boundary(self, real, fake, hp):
        return 0.5 * (hp["a"] + hp["b"])


class Wasserstein(Loss):
    """f(G(z)) - f(x) against -f(G(z)): the dual of W1 where f is 1-Lipschitz.

    Values have no zero: the boundary lies midway between the means of real and fake.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), arXiv 1701.07875
    """

    def critic(self, real, fake, hp):
        return fake - real

    def generator(self, fake, hp):
        return -fake

    def boundary(self, real, fake, hp):
        return 0.5 * (real.mean() + fake.mean())


class Hinge(Loss):
    """max(0, 1 - d(x)) + max(0, 1 + d(G(z))) against -d(G(z)): examples beyond the margin teach the critic nothing.

    References:
        Geometric GAN (Lim & Ye, 2017), arXiv 1705.02894
    """

    def critic(self, real, fake, hp):
        return F.relu(1 - real) + F.relu(1 + fake)

    def generator(self, fake, hp):
        return -fake


LOSSES: dict[str, Loss] = {
    "minimax": Minimax(),
    "non_saturating": NonSaturating(),
    "least_squares": LeastSquares(),
    "wasserstein": Wasserstein(),
    "hinge": Hinge(),
}
