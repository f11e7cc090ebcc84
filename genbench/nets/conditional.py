"""Any generator and critic given a class."""

import torch
from torch import Tensor, nn

from genbench.nets.architectures import CRITICS, GENERATORS

__all__ = ["Labelled", "Projection", "critic", "generator", "indicator"]

OWN = ("biggan",)  # networks that take labels by themselves


def indicator(label: Tensor, classes: int, like: Tensor) -> Tensor:
    """Labels (B,) as rows (B, classes) of zeros and one sqrt(classes), so that numbers are of size 1, as those of z."""
    return (label.unsqueeze(-1) == torch.arange(classes, device=label.device)).to(like) * classes**0.5


class Labelled(nn.Module):
    """A network of z (B, latent) and labels (B,): the indicator of the class stands before z.

    Before, not behind: a StyleGAN takes its style from the first numbers and pixels' noise from the others.

    References:
        Conditional Generative Adversarial Nets (Mirza & Osindero, 2014), arXiv 1411.1784

    Arguments:
        net: takes (B, classes + latent). classes: number of classes.
    """

    def __init__(self, net: nn.Module, classes: int):
        super().__init__()
        self.net, self.classes = net, classes

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.net(torch.cat([indicator(label, self.classes, z), z], -1))


class Projection(nn.Module):
    """A critic of examples (B, *shape), or flat ones, and labels (B,): its own value plus a class's vector times its features.

    References:
        cGANs with Projection Discriminator (Miyato & Koyama, 2018), arXiv 1802.05637

    Arguments:
        net: a critic of CRITICS with a single output. classes: number of classes.
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...], classes: int):
        super().__init__()
        self.net, self.shape = net, tuple(shape)
        self.embed = nn.Embedding(classes, net.head.in_features)
        nn.init.normal_(self.embed.weight, std=net.head.in_features**-0.5)  # else its sum would drown the critic's own value

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        h = self.net.features(x.reshape(-1, *self.shape))
        return self.net.head(h).squeeze(-1) + (self.embed(label) * h).sum(-1)


def generator(name: str, latent: int, shape: tuple[int, ...], width: int, classes: int = 0, **more) -> nn.Module:
    """A generator of GENERATORS with `latent`; with classes it is called with (z, label)."""
    if not classes or name in OWN:
        return GENERATORS[name](latent, shape, width, **more, **({"classes": classes} if classes else {}))
    net = Labelled(GENERATORS[name](latent + classes, shape, width, **more), classes)
    net.latent = net.net.latent - classes
    return net


def critic(name: str, shape: tuple[int, ...], width: int, norm: str = "none", classes: int = 0, **more) -> nn.Module:
    """A critic of CRITICS with one output; with classes it is called with (x, label)."""
    if not classes or name in OWN:
        return CRITICS[name](shape, width, norm, **more, **({"classes": classes} if classes else {}))
    return Projection(CRITICS[name](shape, width, norm, **more), shape, classes)
