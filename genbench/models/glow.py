"""Glow: a flow of actnorm, invertible 1x1 convolutions and affine couplings."""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.models.base import chosen
from genbench.models.flow import Conditional, Coupling, Layered, Sigmoid, Squeeze, halving
from genbench.nets import MLP
from genbench.nets.coupling import ConvNet

__all__ = ["Glow"]

SHOWN = 512  # examples that set the first scales
PRIORS = ("learned", "standard")


class Mix(nn.Module):
    """Actnorm, (x - mean) exp(-log_std) per channel, then an invertible 1x1 convolution, on (B, ..., C); one linear map.

    The convolution's matrix is P L (U + diag(sign exp(d))) with a fixed permutation P and signs, L lower triangular with ones
    and U strictly upper triangular, so its log |det| is the sum of d. L, U and d are the parts of one matrix `lu`.
    `begin` sets mean and log_std to those of its input.

    Arguments:
        channels: C. The first matrix is a random rotation.
    """

    def __init__(self, channels: int):
        super().__init__()
        permutation, lower, upper = torch.linalg.lu(torch.linalg.qr(torch.randn(channels, channels))[0])
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", upper.diagonal().sign())
        self.lu = nn.Parameter(lower.tril(-1) + upper.triu(1) + upper.diagonal().abs().log().diag())
        self.mean, self.log_std = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def triangles(self) -> tuple[Tensor, Tensor]:
        """L and U with its diagonal."""
        ones = torch.ones_like(self.sign).diag()
        return self.lu.tril(-1) + ones, self.lu.triu(1) + (self.sign * self.lu.diagonal().exp()).diag()

    @torch.no_grad()
    def begin(self, x: Tensor) -> None:
        x = x.flatten(0, -2)
        self.mean.copy_(x.mean(0))
        self.log_std.copy_((x.std(0) + 1e-6).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lower, upper = self.triangles()
        weight = (self.permutation @ lower @ upper) * (-self.log_std).exp()
        pixels = math.prod(x.shape[1:-1])
        return F.linear(x, weight, -(weight @ self.mean)), pixels * (self.lu.diagonal() - self.log_std).sum()

    def inverse(self, y: Tensor) -> Tensor:
        lower, upper = (part.double() for part in self.triangles())
        eye = torch.ones_like(self.sign, dtype=torch.double).diag()
        half = torch.linalg.solve_triangular(lower, eye, upper=False, unitriangular=True)
        back = torch.linalg.solve_triangular(upper, half, upper=True) @ self.permutation.double().T
        return F.linear(y, back.to(y.dtype)) * self.log_std.exp() + self.mean


class Glow(Layered):
    """Steps of actnorm, an invertible 1x1 convolution and an affine coupling; images at several scales.

    Each scale squeezes 2x2 pixels to channels and takes `steps` steps; then half of the channels leave as latents, normal given
    the other half. For points coordinates are the channels, and conditioners perceptrons. Needs `begin`.

    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018), arXiv 1807.03039

    Arguments:
        scales: of images; sides must be divisible by 2^scales. steps: per scale. width, depth: of each conditioner, see ConvNet.
        prior: of latents that leave before the last scale: "learned", or "standard" normal.
    """

    name = "glow"

    def __init__(self, shape, levels=None, scales: int = 2, steps: int = 8, width: int = 32, depth: int = 1, prior="learned"):
        super().__init__(shape, levels)
        learned = chosen("prior", prior, PRIORS) == "learned"
        points = len(self.shape) == 1
        net = partial(MLP if points else ConvNet, width=width, depth=depth)

        def chain(channels):
            return [layer for _ in range(steps) for layer in (Mix(channels), Coupling(channels, net, Sigmoid()))]

        if points:
            self.build([chain(self.dim)])
            return
        _, _, channels = halving(self.shape, scales)
        sizes = [channels * 2**scale for scale in range(1, scales + 1)]  # of what stays
        priors = [Conditional(size) for size in sizes[:-1] if learned]
        self.build([[Squeeze(), *chain(2 * size)] for size in sizes], priors)

    def begin(self, x, generator):
        mixes = [layer for layer in self.modules() if isinstance(layer, Mix)]
        handles = [mix.register_forward_pre_hook(lambda layer, args: layer.begin(args[0])) for mix in mixes]
        self.forward(self.flat(x[:SHOWN]))
        for handle in handles:
            handle.remove()
