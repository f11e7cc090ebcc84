"""A StyleGAN-like generator (mapping network, modulated convolutions, noise inputs) and its residual critic."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.nets.mlp import MLP
from genbench.nets.parts import HIDDEN, LAST, Critic, dense, he, image, ladder, normaliser, shrink

__all__ = ["ModulatedConv", "StyleGANCritic", "StyleGANGenerator"]


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled per example by a style: (B, inputs, H, W), (B, style) -> (B, outputs, H, W).

    With w' = s_i w_oik and w'' = w' / sqrt(sum_ik w'^2) per output o ("demodulation"). Scaling the inputs by s and the outputs
    by 1 / sqrt(...) is the same as a convolution per example, and is one convolution for all.

    References:
        Analyzing and Improving the Image Quality of StyleGAN (Karras et al., 2019), arXiv 1912.04958, section 2.2

    Arguments:
        style: size of the style w. kernel: odd. demodulate: whether outputs keep unit scale.
    """

    def __init__(self, inputs: int, outputs: int, style: int, kernel: int = 3, demodulate: bool = True):
        super().__init__()
        self.demodulate = demodulate
        self.conv = he(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), 1.0 if demodulate else LAST)
        self.style = he(nn.Linear(style, inputs), 1.0)
        nn.init.ones_(self.style.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale = self.style(w)
        y = self.conv(x * scale[..., None, None])
        if not self.demodulate:
            return y
        power = scale.square() @ self.conv.weight.square().sum((-1, -2)).T
        return y * (power + 1e-8).rsqrt()[..., None, None]


class StyledConv(nn.Module):
    """Modulated convolution, where there is noise one value of it per pixel with a learned strength, bias and rectifier."""

    def __init__(self, inputs: int, outputs: int, style: int, noise: bool):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, style)
        self.bias, self.strength = nn.Parameter(torch.zeros(outputs)), nn.Parameter(torch.zeros(())) if noise else None

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        h = self.conv(x, w)
        h = h if noise is None else h + self.strength * noise
        return HIDDEN * F.leaky_relu(h + self.bias[:, None, None], 0.2)


class StyleGANGenerator(nn.Module):
    """z -> style w -> images (B, *shape) without a last squashing, grown from a learned constant.

    All randomness comes in through z, which is (B, self.latent): with noise inputs the first `latent` numbers are mapped to
    the style and the others, one per pixel of every layer, are the noise: self.latent = latent + self.pixels.
    Left out of the original: the blur of its resampling, style mixing, equalised learning rates.

    References:
        A Style-Based Generator Architecture for GANs (Karras et al., 2018), arXiv 1812.04948
        Analyzing and Improving the Image Quality of StyleGAN (Karras et al., 2019), arXiv 1912.04958 (skip connections)

    Arguments:
        latent: numbers that the style depends on. shape: (C, H, H).
        width: channels at full size; twice at half of it, four times below; the style has 4 * width numbers.
        depth: layers of the mapping network. noise: whether there are noise inputs.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], width: int = 64, depth: int = 4, noise: bool = True):
        super().__init__()
        channels, size = image(shape)
        self.sizes = ladder(size)
        wide = [width * min(2**i, 4) for i in reversed(range(len(self.sizes)))]
        style = 4 * width
        self.pixels = sum(s**2 * (1 if i == 0 else 2) for i, s in enumerate(self.sizes)) if noise else 0
        self.split, self.latent = [latent, self.pixels], latent + self.pixels
        self.mapping = MLP(latent, style, style, depth - 1, "leaky_relu")
        self.constant = nn.Parameter(torch.randn(wide[0], self.sizes[0], self.sizes[0]))
        pairs = [(wide[0], wide[0]), *(p for a, b in zip(wide, wide[1:], strict=False) for p in ((a, b), (b, b)))]
        self.convs = nn.ModuleList(StyledConv(a, b, style, noise) for a, b in pairs)
        self.colours = nn.ModuleList(ModulatedConv(c, channels, style, 1, demodulate=False) for c in wide)
        self.bias = nn.Parameter(torch.zeros(channels))

    def style(self, z: Tensor) -> Tensor:
        """The style w (B, 4 * width) of the first numbers of z (B, latent), which are scaled to mean square 1 first."""
        return self.mapping(z * (z.square().mean(-1, keepdim=True) + 1e-8).rsqrt())

    def render(self, w: Tensor, noise: Tensor | None = None) -> Tensor:
        """Images of styles w (B, 4 * width) and noise (B, self.pixels), of none if None."""
        layers = [None] * len(self.convs)
        if noise is not None:
            sides = [s for i, s in enumerate(self.sizes) for _ in range(2 if i else 1)]
            layers = [n.unflatten(-1, (1, s, s)) for n, s in zip(noise.split([s**2 for s in sides], -1), sides, strict=True)]
        h = self.convs[0](self.constant.expand(len(w), -1, -1, -1), w, layers[0])
        picture = self.colours[0](h, w)
        for i, size in enumerate(self.sizes[1:], 1):
            h, picture = (F.interpolate(t, size=(size, size), mode="bilinear", align_corners=False) for t in (h, picture))
            for j in (2 * i - 1, 2 * i):
                h = self.convs[j](h, w, layers[j])
            picture = picture + self.colours[i](h, w)
        return picture + self.bias[:, None, None]

    def forward(self, z: Tensor) -> Tensor:
        z, noise = z.split(self.split, -1)
        return self.render(self.style(z), noise if self.pixels else None)


class Residual(nn.Module):
    """Two convolutions and a 1x1 shortcut, at half the size: (B, inputs, s, s) -> (B, outputs, s/2 rounded up, ...)."""

    def __init__(self, inputs: int, outputs: int, norm: str):
        super().__init__()
        self.conv1 = he(nn.Conv2d(inputs, inputs, 3, padding=1, bias=norm == "none"))
        self.conv2 = he(nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm == "none"))
        self.norm1, self.norm2 = normaliser(norm, inputs), normaliser(norm, outputs)
        self.skip = he(nn.Conv2d(inputs, outputs, 1, bias=False), 1.0)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
        h = shrink(F.leaky_relu(self.norm2(self.conv2(h)), 0.2))
        return (self.skip(shrink(x)) + h) * 0.5**0.5


class StyleGANCritic(Critic):
    """StyleGAN2's residual critic without its statistic of the batch, so that it judges single images; see Critic.

    References:
        Analyzing and Improving the Image Quality of StyleGAN (Karras et al., 2019), arXiv 1912.04958

    Arguments:
        shape: (C, H, H). width: channels at full size; twice at half of it, four times below. norm: one of NORMS.
        outputs: see Critic.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: str = "none", outputs: int | None = None):
        channels, size = image(shape)
        base, *sizes = ladder(size)
        wide = [width * min(2**i, 4) for i in range(len(sizes) + 1)]
        super().__init__(shape, wide[-1], outputs)
        self.inward = he(nn.Conv2d(channels, width, 1))
        self.blocks = nn.ModuleList(Residual(a, b, norm) for a, b in zip(wide, wide[1:], strict=False))
        self.conv = he(nn.Conv2d(wide[-1], wide[-1], 3, padding=1, bias=norm == "none"))
        self.norm, self.dense = normaliser(norm, wide[-1]), he(dense(wide[-1] * base**2, wide[-1], norm))

    def features(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.inward(x), 0.2)
        for block in self.blocks:
            x = block(x)
        x = F.leaky_relu(self.norm(self.conv(x)), 0.2).flatten(1)
        return F.leaky_relu(self.dense(x), 0.2)
