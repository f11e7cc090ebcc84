"""Normalizing flows in discrete time: what they share, and flows of couplings by Dinh et al."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.models.base import Model, chosen, normal
from genbench.models.outputs import standard_normal
from genbench.nets import MLP
from genbench.nets.coupling import Conv, ResidualConvNet, silent, squeeze, unsqueeze

__all__ = ["NICE", "Conditional", "Coupling", "Flow", "Layered", "RealNVP", "Sigmoid", "Squeeze", "halving"]

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


class Shift:
    """x + t; log-scale 0."""

    parts = 1

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return x + t, x.new_zeros(len(x))

    def inverse(self, y: Tensor, t: Tensor) -> Tensor:
        return y - t


class Bounded:
    """x exp(s') + t with s' = bound tanh(s / bound)."""

    parts = 2

    def __init__(self, bound: float):
        self.bound = bound

    def forward(self, x: Tensor, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        s = self.bound * torch.tanh(s / self.bound)
        return torch.addcmul(t, x, s.exp()), s.flatten(1).sum(-1)

    def inverse(self, y: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return (y - t) * (-self.bound * torch.tanh(s / self.bound)).exp()


class Sigmoid:
    """(x - t) sigmoid(s + 2), Glow's, but no smaller a factor than exp(-4): samples far out would overflow."""

    parts = 2

    def forward(self, x: Tensor, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        s = F.logsigmoid(s + 2).clamp(min=-4)
        return (x - t) * s.exp(), s.flatten(1).sum(-1)

    def inverse(self, y: Tensor, s: Tensor, t: Tensor) -> Tensor:
        return y * (-F.logsigmoid(s + 2).clamp(min=-4)).exp() + t


Map = Shift | Bounded | Sigmoid  # of an element x by numbers that a network predicts, with the sum of its log-scales (B,)


class Coupling(nn.Module):
    """Maps one half of the last axis with numbers predicted from the other half; an odd element belongs to the first.

    Arguments:
        channels: length of the axis. network: makes a conditioner from its numbers of inputs and outputs.
        flip: whether the first half is mapped, not the second.
    """

    def __init__(self, channels: int, network: Callable[[int, int], nn.Module], map: Map, flip: bool = False):
        super().__init__()
        if channels < 2:
            raise ValueError("a coupling needs at least 2 coordinates")
        inputs, outputs = (channels - channels // 2, channels // 2)[:: -1 if flip else 1]
        self.net, self.map, self.flip = network(inputs, map.parts * outputs), map, flip
        silent(self.net.layers[-1])

    def _halves(self, x: Tensor) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        """What is kept, what is mapped, the numbers."""
        kept, mapped = x.chunk(2, -1)[:: -1 if self.flip else 1]
        return kept, mapped, self.net(kept).chunk(self.map.parts, -1)

    def _whole(self, kept: Tensor, mapped: Tensor) -> Tensor:
        return torch.cat([mapped, kept] if self.flip else [kept, mapped], -1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, x, numbers = self._halves(x)
        y, log_det = self.map.forward(x, *numbers)
        return self._whole(kept, y), log_det

    def inverse(self, y: Tensor) -> Tensor:
        kept, y, numbers = self._halves(y)
        return self._whole(kept, self.map.inverse(y, *numbers))


class Checkerboard(nn.Module):
    """Maps every other pixel of (B, H, W, C) with numbers predicted from the others.

    Arguments:
        shape: (H, W, C). network: as Coupling's. flip: whether the pixels are mapped that the plain layer keeps.
    """

    def __init__(self, shape: tuple[int, int, int], network: Callable[[int, int], nn.Module], map: Map, flip: bool = False):
        super().__init__()
        row, column = torch.meshgrid(torch.arange(shape[0]), torch.arange(shape[1]), indexing="ij")
        self.register_buffer("mask", ((row + column + flip) % 2).float().unsqueeze(-1))  # 1: is kept
        self.net, self.map = network(shape[2], map.parts * shape[2]), map
        silent(self.net.layers[-1])

    def _numbers(self, x: Tensor) -> Sequence[Tensor]:
        return (self.net(x * self.mask) * (1 - self.mask)).chunk(self.map.parts, -1)  # zeros are the identity

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.map.forward(x, *self._numbers(x))

    def inverse(self, y: Tensor) -> Tensor:
        return self.map.inverse(y, *self._numbers(y))


class Permute(nn.Module):
    """A fixed order of coordinates, x (B, dim) -> x[:, order]."""

    def __init__(self, order: Tensor):
        super().__init__()
        self.register_buffer("order", order)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.index_select(1, self.order), x.new_zeros(())

    def inverse(self, y: Tensor) -> Tensor:
        return y.index_select(1, self.order.argsort())


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
    """Standardises latents z by a normal distribution given what stays: z, h (B, H, W, C) -> (z - mean(h)) exp(-log_std(h))."""

    def __init__(self, channels: int):
        super().__init__()
        self.net = Conv(channels, 2 * channels)
        silent(self.net)

    def mean_and_log_std(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log_std, each like z; the latter within 5: samples far out would overflow."""
        mean, log_std = self.net(h).chunk(2, -1)
        return mean, log_std.clamp(-5, 5)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.mean_and_log_std(h)
        return (z - mean) * (-log_std).exp(), -log_std.flatten(1).sum(-1)

    def inverse(self, z: Tensor, h: Tensor) -> Tensor:
        mean, log_std = self.mean_and_log_std(h)
        return z * log_std.exp() + mean


class Layered(Flow):
    """A flow of layers with `forward(x) -> (y, log |det dy/dx|)` and `inverse(y) -> x`, at one or several scales.

    Layers see points (B, dim) or images (B, H, W, C); a log-determinant is (B,), or () where it is the same for all. After each
    scale but the last, half of the channels leave as latents, and the other half goes on.
    """

    def build(self, scales: Sequence[Sequence[nn.Module]], priors: Sequence[Conditional] = (), flat: bool = False) -> None:
        """Set the layers of every scale.

        `priors`: for each scale but the last the distribution of what leaves, a standard normal one where there are none.
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


def couplings(dim: int, count: int, network: Callable[[int, int], nn.Module], map: Map) -> list[nn.Module]:
    """Couplings of x (B, dim) in pairs that map each other's halves: every other coordinate first, then random halves."""
    layers: list[nn.Module] = []
    for i in range(count):
        if dim > 2 and i % 2 == 0:
            random = torch.randperm(dim, generator=torch.Generator().manual_seed(i))
            layers.append(Permute(random if i else (torch.arange(dim) % 2).argsort(stable=True)))
        layers.append(Coupling(dim, network, map, flip=i % 2 == 1))
    return layers


class NICE(Layered):
    """Additive couplings, which keep volumes, then a scale per coordinate; for images on flat pixels.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv 1410.8516

    Arguments:
        layers: number of couplings. width, depth: of each conditioner.
    """

    name = "nice"

    def __init__(self, shape, levels=None, layers: int = 4, width: int = 64, depth: int = 4):
        super().__init__(shape, levels)
        network = partial(MLP, width=width, depth=depth, activation="relu")
        self.build([[*couplings(self.dim, layers, network, Shift()), Diagonal(self.dim)]], flat=True)


class RealNVP(Layered):
    """Affine couplings, with log-scales bounded by tanh.

    On points, or flat images ("mlp"), `layers` couplings of perceptrons. On images ("conv") at each of `scales` resolutions
    `layers` couplings by checkerboard, then, after squeezing 2x2 pixels to channels, as many by channels, after which half
    of the channels leave; at the last resolution only checkerboards, one more. Without the authors' batch normalisation.

    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv 1605.08803

    Arguments:
        layers: see above. width, depth: of each conditioner. bound: largest log-scale. network: one of NETWORKS.
        scales: resolutions of "conv".
    """

    name = "realnvp"

    def __init__(
        self, shape, levels=None, layers: int = 8, width: int = 64, depth: int = 2, bound: float = 2.0, network="mlp", scales=2
    ):  # fmt: skip
        super().__init__(shape, levels)
        if chosen("network", network, NETWORKS) == "mlp":
            perceptron = partial(MLP, width=width, depth=depth, activation="relu")
            self.build([couplings(self.dim, layers, perceptron, Bounded(bound))], flat=True)
            return
        net, (height, wide, channels), parts = (
            partial(ResidualConvNet, width=width, depth=depth),
            halving(self.shape, scales - 1),
            [],
        )

        def boards(count):
            return [Checkerboard((height, wide, channels), net, Bounded(bound), flip=i % 2 == 1) for i in range(count)]

        for _ in range(scales - 1):
            part = [*boards(layers), Squeeze()]
            height, wide, channels = height // 2, wide // 2, 2 * channels
            part += [Coupling(2 * channels, net, Bounded(bound), flip=i % 2 == 1) for i in range(layers)]
            parts.append(part)
        self.build([*parts, boards(layers + 1)])


def halving(shape: tuple[int, ...], times: int) -> tuple[int, int, int]:
    """(H, W, C) of images (C, H, W) whose sides can be halved so often; else ValueError."""
    if len(shape) != 3 or shape[1] % 2**times or shape[2] % 2**times:
        raise ValueError(f"scales: needs images (C, H, W) with sides divisible by {2**times}, not shape {tuple(shape)}")
    return *shape[1:], shape[0]
