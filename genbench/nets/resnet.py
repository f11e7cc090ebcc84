"""Residual generators and critics of Miyato et al. and of Kurach et al."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genbench.nets.parts import LAST, Critic, grow, he, image, ladder, normaliser, shrink

__all__ = ["DownBlock", "ResNetCritic", "ResNetGenerator", "UpBlock"]


class UpBlock(nn.Module):
    """A residual block that doubles the size: (B, inputs, s, s), *condition -> (B, outputs, size, size).

    Arguments:
        norm: makes a layer of that many channels, called with (x, *condition).
    """

    def __init__(self, inputs: int, outputs: int, size: int, norm: Callable[[int], nn.Module]):
        super().__init__()
        self.size, self.norm1, self.norm2 = size, norm(inputs), norm(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=isinstance(self.norm2, nn.Identity))
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)
        he(self)
        he(self.skip, 1.0)

    def forward(self, x: Tensor, *condition: Tensor) -> Tensor:
        h = self.conv1(grow(torch.relu(self.norm1(x, *condition)), self.size))
        h = self.conv2(torch.relu(self.norm2(h, *condition)))
        return grow(self.skip(x), self.size) + h  # a 1x1 convolution before the doubling is the same at a quarter of the cost


class DownBlock(nn.Module):
    """A residual block (B, inputs, s, s) -> (B, outputs, s or s/2 rounded up, ...).

    Arguments:
        halve: whether it halves the size. norm: one of NORMS. first: it sees images, which are not rectified beforehand.
    """

    def __init__(self, inputs: int, outputs: int, halve: bool, norm: str, first: bool = False):
        super().__init__()
        self.halve, self.first = halve, first
        self.norm1, self.norm2 = normaliser("none" if first else norm, inputs), normaliser(norm, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm == "none")
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if halve or inputs != outputs else nn.Identity()
        he(self)
        he(self.skip, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else torch.relu(self.norm1(x)))
        h = self.conv2(torch.relu(self.norm2(h)))
        return self.skip(shrink(x)) + shrink(h) if self.halve else self.skip(x) + h


class ResNetGenerator(nn.Module):
    """A dense layer to 4x4 pixels and residual blocks that double the size: z (B, latent) -> (B, *shape), no last squashing.

    References:
        Spectral Normalization for GANs (Miyato et al., 2018), arXiv 1802.05957, table 4
        A Large-Scale Study on Regularization and Normalization in GANs (Kurach et al., 2018), arXiv 1807.04720

    Arguments:
        latent: dimension of z. shape: (C, H, H). width: channels everywhere; the authors' is 256.
        norm: one of NORMS.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], width: int = 256, norm: str = "batch"):
        super().__init__()
        channels, size = image(shape)
        base, *sizes = ladder(size)
        self.latent, self.start = latent, (width, base, base)
        self.dense = he(nn.Linear(latent, width * base**2), 1.0)
        self.blocks = nn.ModuleList(UpBlock(width, width, s, lambda c: normaliser(norm, c)) for s in sizes)
        self.norm, self.outward = normaliser(norm, width), he(nn.Conv2d(width, channels, 3, padding=1), LAST)

    def forward(self, z: Tensor) -> Tensor:
        h = self.dense(z).unflatten(-1, self.start)
        for block in self.blocks:
            h = block(h)
        return self.outward(torch.relu(self.norm(h)))


class ResNetCritic(Critic):
    """Residual blocks that halve the size down to 7 or 8 pixels, two more, and a mean over pixels; see Critic.

    Miyato et al. take the sum, which makes values and codes of an unnormalised net start fifty times too large.

    References:
        Spectral Normalization for GANs (Miyato et al., 2018), arXiv 1802.05957, table 4
        A Large-Scale Study on Regularization and Normalization in GANs (Kurach et al., 2018), arXiv 1807.04720 (the mean)

    Arguments:
        shape: (C, H, H). width: channels everywhere; the authors' is 128. norm: one of NORMS. outputs: see Critic.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 128, norm: str = "none", outputs: int | None = None):
        super().__init__(shape, width, outputs)
        channels, size = image(shape)
        halvings = max(len(ladder(size)) - 2, 1)
        self.blocks = nn.ModuleList([DownBlock(channels, width, True, norm, first=True)])
        self.blocks.extend(DownBlock(width, width, i < halvings, norm) for i in range(1, halvings + 2))

    def features(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return torch.relu(x).mean((-1, -2))
