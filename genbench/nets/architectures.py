"""Generators and critics by name, the same for adversaries and for a decoder and encoder, and what they cost."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from genbench.nets.biggan import BigGANCritic, BigGANGenerator
from genbench.nets.dcgan import (
    DCGANCritic,
    DCGANGenerator,
    InfoGANCritic,
    InfoGANGenerator,
    SNDCGANCritic,
    SNDCGANGenerator,
)
from genbench.nets.mlp import MLP
from genbench.nets.resnet import ResNetCritic, ResNetGenerator
from genbench.nets.stylegan import StyleGANCritic, StyleGANGenerator

__all__ = ["AUTHORS", "CRITICS", "GENERATORS", "SMALL", "Cost", "MLPCritic", "MLPGenerator", "describe", "matched_width"]


class MLPGenerator(MLP):
    """A perceptron z (B, latent) -> examples (B, *shape) without a last squashing; see MLP."""

    def __init__(self, latent, shape, width: int = 128, norm: str = "none", depth: int = 3, activation: str = "leaky_relu"):
        super().__init__(latent, math.prod(shape), width, depth, activation, norm)
        self.latent, self.shape = latent, tuple(shape)

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z).unflatten(-1, self.shape)


class MLPCritic(MLP):
    """A perceptron of examples (B, *shape), or flat ones; gives (B,), or (B, outputs) where `outputs` is given; see MLP."""

    def __init__(
        self, shape, width: int = 128, norm: str = "none", outputs: int | None = None, depth: int = 3, activation="leaky_relu"
    ):
        super().__init__(math.prod(shape), outputs or 1, width, depth, activation, norm)
        self.outputs = outputs

    @property
    def head(self) -> nn.Linear:
        """The last layer."""
        return self.layers[-1]

    def features(self, x: Tensor) -> Tensor:
        return super().features(x.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out.squeeze(-1) if self.outputs is None else out


# Generators are called with (latent, shape, width, ...): z (B, net.latent) -> (B, *shape), to be squashed by the caller.
# net.latent is the requested latent, and more where the network takes noise; where there are classes, labels follow z.
# Convolutional ones have the authors' batch norm unless norm="layer" or "none", with which GANs collapse where the critic has
# no spectral norm either. With it an example depends on its batch in training; afterwards parts.settle frees it. What needs
# independent examples in training, a decoder's likelihood above all, takes "layer".
GENERATORS: dict[str, type[nn.Module]] = {
    "mlp": MLPGenerator,
    "infogan": InfoGANGenerator,
    "dcgan": DCGANGenerator,
    "sndcgan": SNDCGANGenerator,
    "resnet": ResNetGenerator,
    "stylegan": StyleGANGenerator,
    "biggan": BigGANGenerator,
}
# Critics are called with (shape, width, norm, outputs, ...): x (B, *shape) or flat -> (B,) or (B, outputs).
# An encoder is a critic with outputs=2 * latent. net.features(x) is what the last layer sees.
CRITICS: dict[str, type[nn.Module]] = {
    "mlp": MLPCritic,
    "infogan": InfoGANCritic,
    "dcgan": DCGANCritic,
    "sndcgan": SNDCGANCritic,
    "resnet": ResNetCritic,
    "stylegan": StyleGANCritic,
    "biggan": BigGANCritic,
}
# widths of generator and critic: the authors' for images of up to 32x32, the perceptron's that of Gulrajani et al. for points,
# StyleGAN's such that it has its 512 channels up to half size only ...
AUTHORS = {
    "mlp": (512, 512),
    "infogan": (64, 64),
    "dcgan": (64, 64),
    "sndcgan": (64, 64),
    "resnet": (256, 128),
    "stylegan": (128, 128),
    "biggan": (256, 256),
}
# ... and small ones: the widths whose nets for 28x28 grey pixels and 64 latent numbers have nearest to 100,000 parameters
SMALL = {
    "mlp": (95, 101),
    "infogan": (8, 8),
    "dcgan": (15, 25),
    "sndcgan": (8, 8),
    "resnet": (34, 39),
    "stylegan": (11, 11),
    "biggan": (37, 39),
}


@dataclass(frozen=True)
class Cost:
    """Size of one network at one width."""

    name: str
    role: str  # "generator" | "critic"
    width: int
    parameters: int
    flops: int  # of one forward pass of one example; multiply-adds count as two, matrix products and convolutions only


def _make(name: str, role: str, shape: tuple[int, ...], latent: int, width: int) -> nn.Module:
    return GENERATORS[name](latent, shape, width) if role == "generator" else CRITICS[name](shape, width)


def _parameters(name: str, role: str, shape: tuple[int, ...], latent: int, width: int) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in _make(name, role, shape, latent, width).parameters())


def cost(name: str, role: str, shape: tuple[int, ...], latent: int, width: int) -> Cost:
    """Parameters and operations of a network, counted without computing anything."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        net = _make(name, role, shape, latent, width)
        net(torch.empty(2, net.latent) if role == "generator" else torch.empty(2, *shape))
    return Cost(name, role, width, _parameters(name, role, shape, latent, width), counter.get_total_flops() // 2)


def matched_width(name: str, role: str, shape: tuple[int, ...], latent: int, parameters: int) -> int:
    """The width, of 1 to 1024, whose number of parameters has the smallest ratio to `parameters`."""
    low, high = 1, 1024
    while high - low > 1:  # parameters grow with the width
        middle = (low + high) // 2
        low, high = (middle, high) if _parameters(name, role, shape, latent, middle) <= parameters else (low, middle)
    return min(low, high, key=lambda w: abs(math.log(_parameters(name, role, shape, latent, w) / parameters)))


def describe(shape: tuple[int, ...], latent: int = 64, parameters: int | None = None) -> list[Cost]:
    """Costs of all generators and critics on images of a shape: small ones, or of widths that match `parameters`."""
    return [
        cost(name, role, shape, latent, matched_width(name, role, shape, latent, parameters) if parameters else SMALL[name][i])
        for i, role in enumerate(("generator", "critic"))
        for name in GENERATORS
    ]
