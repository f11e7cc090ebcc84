"""A BigGAN-like generator and critic: residual, with self-attention, and conditional on z at every size and on a class."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.nets.parts import Critic, image, ladder, normaliser
from genbench.nets.resnet import DownBlock, UpBlock

__all__ = ["Attention", "BigGANCritic", "BigGANGenerator", "ConditionalNorm", "orthogonal"]


def orthogonal(module: nn.Module) -> nn.Module:
    """Make all weight matrices inside orthogonal, convolutions' as (outputs, inputs * taps); biases 0.

    References:
        Exact solutions to the nonlinear dynamics of learning in deep linear networks (Saxe et al., 2013), arXiv 1312.6120
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
            nn.init.orthogonal_(layer.weight)
            if getattr(layer, "bias", None) is not None:
                nn.init.zeros_(layer.bias)
    return module


class Attention(nn.Module):
    """Self-attention over pixels (B, C, H, W) -> same, added with a learned weight that starts at 0; H and W at least 2.

    Written out, because the gradient of PyTorch's fused attention can't be differentiated again, as penalties must.

    References:
        Self-Attention GANs (Zhang et al., 2018), arXiv 1805.08318; pooled keys and values as in BigGAN
    """

    def __init__(self, channels: int):
        super().__init__()
        inner = max(channels // 8, 1)
        self.query, self.key = nn.Conv2d(channels, inner, 1, bias=False), nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, max(channels // 2, 1), 1, bias=False)
        self.outward = nn.Conv2d(max(channels // 2, 1), channels, 1, bias=False)
        self.weight = nn.Parameter(torch.zeros(()))

    def attend(self, x: Tensor) -> Tensor:
        """The values that each pixel gathers (B, C / 2, H, W)."""
        query = self.query(x).flatten(-2)  # (B, inner, HW)
        key, value = (F.max_pool2d(f(x), 2).flatten(-2) for f in (self.key, self.value))  # (B, ., HW / 4)
        share = (query.transpose(-1, -2) @ key).softmax(-1)  # no scale, as the authors'
        return (value @ share.transpose(-1, -2)).unflatten(-1, x.shape[-2:])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight * self.outward(self.attend(x))


class ConditionalNorm(nn.Module):
    """A norm whose gains and shifts are linear in a condition: (B, C, H, W), (B, size) -> (B, C, H, W).

    References:
        Modulating early visual processing by language (de Vries et al., 2017), arXiv 1707.00683
        On Self Modulation for GANs (Chen et al., 2018), arXiv 1810.01365, for the condition z
    """

    def __init__(self, norm: str, channels: int, size: int):
        super().__init__()
        self.norm = normaliser(norm, channels, affine=False)
        self.gain, self.shift = nn.Linear(size, channels), nn.Linear(size, channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.norm(x)
        return h * (1 + self.gain(condition))[..., None, None] + self.shift(condition)[..., None, None]


class BigGANGenerator(nn.Module):
    """Residual blocks that each see their own part of z and the class; attention at half size: -> (B, *shape), not squashed.

    References:
        Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2018), arXiv 1809.11096

    Arguments:
        latent: dimension of z, cut into one part for the first layer and one per block. shape: (C, H, H).
        width: channels everywhere, as the authors' net for 32x32 (256 there). norm: one of NORMS.
        classes: 0, or number of classes; the net then takes labels y (B,). embedding: size of the class's embedding.
    """

    def __init__(self, latent, shape, width: int = 256, norm: str = "batch", classes: int = 0, embedding: int = 32):
        super().__init__()
        channels, size = image(shape)
        base, *sizes = ladder(size)
        parts = len(sizes) + 1
        if latent < parts:
            raise ValueError(f"latent must be at least {parts}, one for each part of the network, not {latent}")
        self.latent, self.start = latent, (width, base, base)
        self.parts = [latent // parts + (i < latent % parts) for i in range(parts)]
        self.embed = nn.Embedding(classes, embedding) if classes else None
        extra = embedding if classes else 0
        self.dense = nn.Linear(self.parts[0], width * base**2)
        self.blocks = nn.ModuleList(
            UpBlock(width, width, s, lambda c, part=part: ConditionalNorm(norm, c, part + extra))
            for s, part in zip(sizes, self.parts[1:], strict=True)
        )
        self.attention = Attention(width)
        self.norm, self.outward = normaliser(norm, width), nn.Conv2d(width, channels, 3, padding=1)
        orthogonal(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        first, *parts = z.split(self.parts, -1)
        if self.embed is not None:
            parts = [torch.cat([part, self.embed(y)], -1) for part in parts]
        h = self.dense(first).unflatten(-1, self.start)
        for i, (block, part) in enumerate(zip(self.blocks, parts, strict=True)):
            h = self.attention(h) if i == len(self.blocks) - 1 else h
            h = block(h, part)
        return self.outward(torch.relu(self.norm(h)))


class BigGANCritic(Critic):
    """Residual blocks down to 4 pixels with attention after the first, and a sum over pixels; see Critic.

    With classes, the embedding of y times the features is added to every output (projection).

    References:
        Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2018), arXiv 1809.11096
        cGANs with Projection Discriminator (Miyato & Koyama, 2018), arXiv 1802.05637

    Arguments:
        shape: (C, H, H). width: channels everywhere. norm: one of NORMS. outputs: see Critic.
        classes: 0, or number of classes; the net then takes labels y (B,).
    """

    def __init__(self, shape, width: int = 128, norm: str = "none", outputs: int | None = None, classes: int = 0):
        super().__init__(shape, width, outputs)
        channels, size = image(shape)
        halvings = len(ladder(size)) - 1
        self.blocks = nn.ModuleList([DownBlock(channels, width, True, norm, first=True)])
        self.blocks.extend(DownBlock(width, width, i < halvings, norm) for i in range(1, halvings + 1))
        self.attention = Attention(width)
        self.embed = nn.Embedding(classes, width) if classes else None
        orthogonal(self)

    def features(self, x: Tensor) -> Tensor:
        x = self.attention(self.blocks[0](x))
        for block in self.blocks[1:]:
            x = block(x)
        return torch.relu(x).sum((-1, -2))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.features(x.reshape(-1, *self.shape))
        out = self.head(h)
        if self.embed is not None:
            out = out + (self.embed(y) * h).sum(-1, keepdim=True)
        return out.squeeze(-1) if self.outputs is None else out
