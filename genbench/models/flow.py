"""Normalizing flows in discrete time: what they share, and those of masked couplings."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genbench.models.base import Model, chosen, normal
from genbench.models.outputs import standard_normal
from genbench.nets import MLP
from genbench.nets.coupling import Conv, ResidualConvNet, silent, squeeze, unsqueeze

__all__ = ["NICE", "Conditional", "Flow", "Layered", "RealNVP", "Squeeze", "halving"]

NETWORKS = ("mlp", "conv")


class Flow(Model):
    """A bijection f between data x and latents z ~ N(0, I), trained by maximum likelihood.

    log p(x) = log N(f(x); 0, I) + log |det df/dx|. A subclass writes `net`, `forward` and `inverse`, on flat data (B, dim).
    """

    likelihood = "exact"
    selects = True
    space = {"points": "standard", "images": "logit"}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Data (B, dim) -> latents (B, dim) and log |det dz/dx| (B,) in nats."""
        raise NotImplementedError

    def inverse(self, z: Tensor) -> Tensor:
        """Latents (B, dim) -> data (B, dim)."""
        raise NotImplementedError

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact log-density (B,) in nats of x (B, *shape)."""
        z, log_det = self.forward(self.flat(x))
        return standard_normal(z) + log_det

    def loss_net(self, x, noise, hp):
        return -self.log_prob(x).mean()

    def sample(self, n, generator, temperature: float = 1.0):
        """n examples (n, *shape), from latents with standard deviation `temperature`: 1 is the model."""
        return self.inverse(temperature * normal((n, self.dim), generator)).unflatten(-1, self.shape)


class Additive(nn.Module):
    """A coupling that adds to the coordinates outside of a mask a function of those inside; it keeps volumes.

    Arguments:
        mask: ones and zeros in the shape of an example. net: (B, *shape) -> (B, *shape).
    """

    def __init__(self, mask: Tensor, net: nn.Module):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = net
        silent(net.layers[-1])

    def shift(self, kept: Tensor) -> Tensor:
        return self.net(kept) * (1 - self.mask)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + self.shift(x * self.mask), x.new_zeros(())

    def inverse(self, y: Tensor) -> Tensor:
        return y - self.shift(y * self.mask)


class Affine(nn.Module):
    """A coupling x -> x exp(s) + t outside of a mask, s and t functions of what is inside, s bounded by tanh.

    Arguments:
        mask: ones and zeros in the shape of an example. net: to s and t in turn, twice the numbers on the last axis.
        bound: largest |s|.
    """

    def __init__(self, mask: Tensor, net: nn.Module, bound: float):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net, self.bound = net, bound
        silent(net.layers[-1])

    def _affine(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.net(kept).chunk(2, -1)
        free = 1 - self.mask
        return self.bound * torch.tanh(scale / self.bound) * free, shift * free

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self._affine(x * self.mask)
        return torch.addcmul(shift, x, scale.exp()), scale.flatten(1).sum(-1)

    def inverse(self, y: Tensor) -> Tensor:
        scale, shift = self._affine(y * self.mask)
        return (y - shift) * (-scale).exp()


class Diagonal(nn.Module):
    """A learned scale per coordinate: x -> x exp(log_scale), for x (B, dim)."""

    def __init__(self, dim: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.log_scale.exp(), self.log_scale.sum()

    def inverse(self, y: Tensor) -> Tensor:
        return y * (-self.log_scale).exp()


class Squeeze(nn.Module):
    """Blocks of 2x2 pixels to channels, (B, H, W, C) -> (B, H/2, W/2, 4 C)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return squeeze(x), x.new_zeros(())

    def inverse(self, y: Tensor) -> Tensor:
        return unsqueeze(y)


class Conditional(nn.Module):
    """Standardises latents z by a normal law given what stays: z, h (B, H, W, C) -> (z - mean(h)) exp(-log_std(h))."""

    def __init__(self, channels: int):
        super().__init__()
        self.net = Conv(channels, 2 * channels)
        silent(self.net)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.net(h).chunk(2, -1)
        return (z - mean) * (-log_std).exp(), -log_std.flatten(1).sum(-1)

    def inverse(self, z: Tensor, h: Tensor) -> Tensor:
        mean, log_std = self.net(h).chunk(2, -1)
        return z * log_std.exp() + mean


class Layered(Flow):
    """A flow of layers on points (B, dim) or images (B, H, W, C), each with

    `forward(x) -> (y, log |det dy/dx|)`, the latter (B,), or () where it is the same for all, and `inverse(y) -> x`. Layers are
    grouped into scales: after each but the last, half of the channels leave as latents, and the other half goes on.
    """

    def build(self, scales: Sequence[Sequence[nn.Module]], priors: Sequence[Conditional] = (), flat: bool = False) -> None:
        """Set the layers of every scale.

        `priors`: for each scale but the last the law of what leaves, a standard normal one where there are none.
        `flat`: whether layers see images as (B, dim).
        """
        self.net = nn.ModuleDict(
            {"scales": nn.ModuleList(nn.ModuleList(layers) for layers in scales), "priors": nn.ModuleList(priors)}
        )
        self.spatial = len(self.shape) == 3 and not flat
        shape = (*self.shape[1:], self.shape[0]) if self.spatial else (self.dim,)
        self.latents = []  # shapes of what leaves
        for i, layers in enumerate(scales):
            for layer in layers:
                if isinstance(layer, Squeeze):
                    shape = (shape[0] // 2, shape[1] // 2, 4 * shape[2])
            if i < len(scales) - 1:
                shape = (*shape[:-1], shape[-1] // 2)
            self.latents.append(shape)

    def forward(self, x):
        h = x.unflatten(-1, self.shape).permute(0, 2, 3, 1) if self.spatial else x
        total, out = x.new_zeros(len(x)), []
        for i, layers in enumerate(self.net["scales"]):
            for layer in layers:
                h, log_det = layer(h)
                total = total + log_det
            if i < len(self.latents) - 1:
                h, z = h.chunk(2, -1)
                if self.net["priors"]:
                    z, log_det = self.net["priors"][i](z, h)
                    total = total + log_det
                out.append(z.flatten(1))
        return torch.cat([*out, h.flatten(1)], -1), total

    def inverse(self, z):
        parts = z.split([math.prod(shape) for shape in self.latents], -1)
        *out, h = [part.unflatten(-1, shape) for part, shape in zip(parts, self.latents, strict=True)]
        for i, layers in reversed(list(enumerate(self.net["scales"]))):
            if i < len(out):
                own = self.net["priors"][i].inverse(out[i], h) if self.net["priors"] else out[i]
                h = torch.cat([h, own], -1)
            for layer in reversed(layers):
                h = layer.inverse(h)
        return h.permute(0, 3, 1, 2).flatten(1) if self.spatial else h


def halves(dim: int, layer: int) -> Tensor:
    """Mask (dim,) of a layer: for two in turn every other coordinate, for the next two a fixed random half: all pixels meet."""
    if dim == 2 or layer % 4 < 2:
        mask = torch.arange(dim) % 2
    else:
        order = torch.randperm(dim, generator=torch.Generator().manual_seed(layer // 2))
        mask = (order < dim // 2).long()
    return (mask if layer % 2 == 0 else 1 - mask).float()


def checkerboard(shape: tuple[int, int, int], layer: int) -> Tensor:
    """Mask (H, W, C) of every other pixel, the others in the next layer."""
    row, column, _ = torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    return ((row + column + layer) % 2).float()


def channels(shape: tuple[int, int, int], layer: int) -> Tensor:
    """Mask (H, W, C) of half of the channels, the others in the next layer."""
    return (torch.arange(shape[2]) * 2 // shape[2] == layer % 2).float().expand(shape).clone()


class NICE(Layered):
    """Additive couplings, which keep volumes, then a scale per coordinate; for images on flat pixels.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv 1410.8516

    Arguments:
        layers: number of couplings. width, depth: of each conditioner.
    """

    def __init__(self, shape, levels=None, layers: int = 4, width: int = 64, depth: int = 4):
        super().__init__(shape, levels)
        nets = [MLP(self.dim, self.dim, width, depth, "relu") for _ in range(layers)]
        couplings = [Additive(halves(self.dim, i), net) for i, net in enumerate(nets)]
        self.build([[*couplings, Diagonal(self.dim)]], flat=True)


class RealNVP(Layered):
    """Affine couplings with alternating masks.

    On points, or flat images ("mlp"), `layers` couplings of perceptrons. On images ("conv") at each of `scales` resolutions
    `layers` couplings by checkerboard, then, after squeezing 2x2 pixels to channels, as many by channels, after which half
    of the channels leave; at the last resolution only checkerboards, one more. Without the authors' batch normalisation.

    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv 1605.08803

    Arguments:
        layers: see above. width, depth: of each conditioner. bound: largest |s|. network: one of NETWORKS. scales: of "conv".
    """

    def __init__(
        self, shape, levels=None, layers: int = 8, width: int = 64, depth: int = 2, bound: float = 2.0, network="mlp", scales=2
    ):  # fmt: skip
        super().__init__(shape, levels)
        if chosen("network", network, NETWORKS) == "mlp":
            nets = [MLP(self.dim, 2 * self.dim, width, depth, "relu") for _ in range(layers)]
            self.build([[Affine(halves(self.dim, i), net, bound) for i, net in enumerate(nets)]], flat=True)
            return

        def couplings(mask, shape, count):
            nets = [ResidualConvNet(shape[2], 2 * shape[2], width, depth) for _ in range(count)]
            return [Affine(mask(shape, i), net, bound) for i, net in enumerate(nets)]

        size, parts = halving(self.shape, scales - 1), []
        for _ in range(scales - 1):
            small = (size[0] // 2, size[1] // 2, 4 * size[2])
            parts.append([*couplings(checkerboard, size, layers), Squeeze(), *couplings(channels, small, layers)])
            size = (*small[:2], small[2] // 2)
        self.build([*parts, couplings(checkerboard, size, layers + 1)])


def halving(shape: tuple[int, ...], times: int) -> tuple[int, int, int]:
    """(H, W, C) of images (C, H, W) whose sides can be halved so often; else ValueError."""
    if len(shape) != 3 or shape[1] % 2**times or shape[2] % 2**times:
        raise ValueError(f"scales: needs images (C, H, W) with sides divisible by {2**times}, not shape {tuple(shape)}")
    return *shape[1:], shape[0]
