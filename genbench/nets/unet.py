"""A small time-conditioned convolutional network for images."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.nets.mlp import MLP, time_features

__all__ = ["PatchUNet"]


class Block(nn.Module):
    """A residual block: two 3x3 convolutions with group norm, shifted by the time embedding."""

    def __init__(self, inputs: int, outputs: int, time: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(min(8, inputs), inputs), nn.GroupNorm(min(8, outputs), outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.time = nn.Linear(time, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.time(emb)[..., None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class PatchUNet(nn.Module):
    """A U-Net of two resolutions over 2x2 patches: (B, C, H, W), (B,) -> (B, C, H, W); H and W divisible by 4.

    Working on patches (a pixel-unshuffle) costs a quarter of the same channels at full resolution. A condition (B, time_size),
    of a class, say, is added to the time's features.

    References:
        U-Net (Ronneberger et al., 2015), arXiv 1505.04597; as a noise predictor: Ho et al., 2020, arXiv 2006.11239

    Arguments:
        channels: C. width: channels at half resolution, twice that at a quarter. depth: blocks per resolution.
    """

    def __init__(self, channels: int, width: int = 32, depth: int = 1, time_size: int = 32):
        super().__init__()
        self.time_size = time_size
        self.time = MLP(time_size, width * 2, width * 2, 1)
        self.inward = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.down = nn.ModuleList(Block(width, width, width * 2) for _ in range(depth))
        self.shrink = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(Block(2 * width, 2 * width, width * 2) for _ in range(2 * depth))
        self.grow = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.up = nn.ModuleList(Block(2 * width if i == 0 else width, width, width * 2) for i in range(depth))
        self.outward = nn.Conv2d(width, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        features = time_features(t, self.time_size)
        emb = F.silu(self.time(features if condition is None else features + condition))
        h = self.inward(F.pixel_unshuffle(x, 2))
        for block in self.down:
            h = block(h, emb)
        low = self.shrink(h)
        for block in self.middle:
            low = block(low, emb)
        h = torch.cat([h, self.grow(low)], 1)
        for block in self.up:
            h = block(h, emb)
        return F.pixel_shuffle(self.outward(F.silu(h)), 2)
