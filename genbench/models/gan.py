"""Generative adversarial networks as points of one grid: a loss, a penalty, a normalisation, on shared networks."""

import math
from typing import ClassVar

import torch

from genbench.models.adversarial import Adversarial
from genbench.models.base import chosen
from genbench.models.gan_losses import LOSSES
from genbench.models.gan_penalties import PENALTIES
from genbench.nets import GENERATORS, Spectral, critic, generator

__all__ = ["DRAGAN", "GAN", "LSGAN", "MMGAN", "NSGAN", "R1GAN", "SNGAN", "WGAN", "WGANGP", "HingeGAN"]

NORMS = ("none", "batch", "layer", "spectral")
OUTPUTS = ("linear", "sigmoid")


def own_hp(loss: str, penalty: str) -> dict[str, float]:
    """The hyperparameters of a loss and a penalty, with their defaults."""
    return {**LOSSES[loss].hp, **PENALTIES[penalty].hp}


class GAN(Adversarial):
    """A generator and a critic of the same size. A subclass names a loss, a penalty and a norm; arguments can override each.

    Arguments:
        latent: dimension of z; a network that takes noise adds to it. width: of the generator and, unless critic_width says
            otherwise, of the critic. depth: of both, perceptrons only. network: a key of GENERATORS, the same for both.
        loss, penalty, norm: keys of LOSSES, PENALTIES and NORMS; "" is the method's own.
        critic_steps: updates of the critic for one of the generator; 0 is the method's own number.
        output: "linear", or "sigmoid": then the critic's value is a probability, as in Lucic et al.'s LSGAN (arXiv 1711.10337).
        lipschitz: bound on a spectral critic's Lipschitz constant; of each of the two terms of a class-conditional one. 1, the
            authors', is little where modes are narrow and dimensions few.
        classes: see Model; the generator is given the class, the critic projects its features on it.
    """

    loss: ClassVar[str] = "non_saturating"
    penalty: ClassVar[str] = "none"
    norm: ClassVar[str] = "none"

    def __init_subclass__(cls):
        cls.hp = own_hp(cls.loss, cls.penalty)

    def __init__(
        self, shape, levels=None, latent: int = 2, width: int = 128, depth: int = 3, network: str = "mlp", critic_width: int = 0,
        loss: str = "", penalty: str = "", norm: str = "", critic_steps: int = 0, output: str = "linear",
        lipschitz: float = 1.0, classes: int = 0,
    ):  # fmt: skip
        super().__init__(shape, levels, classes)
        self.loss = chosen("loss", loss or self.loss, LOSSES)
        self.penalty = chosen("penalty", penalty or self.penalty, PENALTIES)
        self.norm, self.output = chosen("norm", norm or self.norm, NORMS), chosen("output", output, OUTPUTS)
        self.hp = own_hp(self.loss, self.penalty)
        if critic_steps < 0:
            raise ValueError(f"critic_steps: must be at least 0, got {critic_steps}")
        self.players = self.players | ({"critic": critic_steps} if critic_steps else {})
        more = {"depth": depth} if chosen("network", network, GENERATORS) == "mlp" else {}
        inner = "none" if self.norm == "spectral" else self.norm
        net = critic(network, shape, critic_width or width, inner, classes, **more)
        self.critic = Spectral(net, lipschitz) if self.norm == "spectral" else net
        self.generator = generator(network, latent, shape, width, classes, **more)
        self.latent = self.generator.latent
        # the trainer calls what is there: these two only where they have something to do
        if self.norm == "spectral":
            self.state_critic = self._turn
        if self.penalty == "clipping":
            self.project_critic = self._clip

    def noise(self, shape, generator):
        return {**super().noise(shape, generator), **PENALTIES[self.penalty].noise(shape, self.dim, generator)}

    def score(self, x, label=None):
        value = self.critic(x) if label is None else self.critic(x, label)
        return torch.sigmoid(value) if self.output == "sigmoid" else value

    def boundary(self, real, fake, hp):
        return LOSSES[self.loss].boundary(real, fake, hp)

    def loss_critic(self, x, noise, hp):
        x, fake, score = self.flat(x), noise["fake"], self.scoring(noise)
        terms = LOSSES[self.loss].critic(score(x), score(fake), hp)
        return (terms + PENALTIES[self.penalty](score, x, fake, noise, hp)).mean()

    def loss_generator(self, x, noise, hp):
        fake = self.fakes(noise)
        return LOSSES[self.loss].generator(self.scoring(noise)(fake), hp).mean()

    def _turn(self, noise, hp):
        """The spectral norm's vectors after another step of power iteration."""
        return {f"critic.{name}": vector for name, vector in self.critic.turned().items()}

    def _clip(self, hp):
        """The critic's parameters, clipped."""
        return {f"critic.{name}": p.clamp(-hp["limit"], hp["limit"]) for name, p in self.critic.named_parameters()}

    def diagnose(self, x, noise, hp):
        """Adds js, for logistic losses: the lower bound on the Jensen-Shannon divergence of data and fakes that this critic
        shows, log 2 minus half its loss, in nats; it lies between -inf and log 2, and is tight for the best critic only."""
        out = super().diagnose(x, noise, hp)
        if LOSSES[self.loss].logistic:
            score, fake = self.scoring(noise), self.fakes(noise)
            out["js"] = math.log(2) - 0.5 * LOSSES[self.loss].critic(score(self.flat(x)), score(fake), hp).mean()
        return out


class MMGAN(GAN):
    """The GAN as a minimax game: the generator minimises what the critic maximises, log(1 - D(G(z))) included.

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), arXiv 1406.2661
    """

    name = "mm_gan"
    loss = "minimax"


class NSGAN(GAN):
    """The non-saturating GAN: logistic regression of real against fake; the generator maximises log D(G(z)).

    References:
        Generative Adversarial Networks (Goodfellow et al., 2014), arXiv 1406.2661
    """

    name = "ns_gan"
    loss = "non_saturating"


class LSGAN(GAN):
    """The least squares GAN: the critic regresses on b for real and a for fake; the generator wants c.

    References:
        Least Squares Generative Adversarial Networks (Mao et al., 2017), arXiv 1611.04076
    """

    name = "lsgan"
    loss = "least_squares"


class WGAN(GAN):
    """The Wasserstein GAN with weight clipping.

    References:
        Wasserstein GAN (Arjovsky et al., 2017), arXiv 1701.07875
    """

    name = "wgan"
    loss, penalty = "wasserstein", "clipping"
    players = {"critic": 5, "generator": 1}


class WGANGP(GAN):
    """The Wasserstein GAN with gradient penalty: the critic maximises E f(x) - E f(G(z)) minus gp E(|grad f(mix)| - 1)^2.

    References:
        Improved Training of Wasserstein GANs (Gulrajani et al., 2017), arXiv 1704.00028
    """

    name = "wgan_gp"
    loss, penalty = "wasserstein", "interpolates"
    players = {"critic": 5, "generator": 1}


class DRAGAN(GAN):
    """The non-saturating GAN whose critic has gradients of norm 1 around the data.

    References:
        On Convergence and Stability of GANs (Kodali et al., 2017), arXiv 1705.07215
    """

    name = "dragan"
    penalty = "dragan"


class SNGAN(GAN):
    """The non-saturating GAN with a spectrally normalised critic.

    References:
        Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), arXiv 1802.05957
    """

    name = "sngan"
    norm = "spectral"


class R1GAN(GAN):
    """The non-saturating GAN whose critic is flat at the data.

    References:
        Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), arXiv 1801.04406
    """

    name = "r1_gan"
    penalty = "r1"


class HingeGAN(GAN):
    """The GAN with the hinge loss, unregularised.

    References:
        Geometric GAN (Lim & Ye, 2017), arXiv 1705.02894
    """

    name = "hinge_gan"
    loss = "hinge"
