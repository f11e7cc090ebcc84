"""Convolutional conditioners of couplings; images are (B, H, W, C), so that a 1x1 convolution is a linear layer."""

from torch import Tensor, nn
from torch.nn import functional as F

from genbench.nets.parts import he

__all__ = ["Conv", "ConvNet", "ResidualConvNet", "silent", "squeeze", "unsqueeze"]


def silent(layer: nn.Linear | nn.Conv2d) -> None:
    """Set a layer to zero: as the last one of a conditioner it lets a coupling start as a map that is the same for all."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def squeeze(x: Tensor) -> Tensor:
    """Blocks of 2x2 pixels to channels: (B, H, W, C) -> (B, H/2, W/2, 4 C)."""
    return x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).permute(0, 1, 3, 5, 2, 4).flatten(3)


def unsqueeze(x: Tensor) -> Tensor:
    """The inverse of `squeeze`."""
    return x.unflatten(3, (-1, 2, 2)).permute(0, 1, 4, 2, 5, 3).flatten(3, 4).flatten(1, 2)


class Conv(nn.Conv2d):
    """A 3x3 convolution (B, H, W, inputs) -> (B, H, W, outputs), padded with zeros.

    Permuted axes are what PyTorch calls channels_last: nothing is copied.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ConvNet(nn.Module):
    """3x3 convolution, pixel-wise layers, 3x3 convolution, rectifiers between: (B, H, W, inputs) -> (B, H, W, outputs).

    References:
        Glow (Kingma & Dhariwal, 2018), arXiv 1807.03039, section 3.3

    Arguments:
        width: hidden channels. depth: number of pixel-wise layers; the authors' is 1.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int):
        super().__init__()
        pixelwise = [nn.Linear(width, width) for _ in range(depth)]
        self.layers = he(nn.ModuleList([Conv(inputs, width), *pixelwise, Conv(width, outputs)]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class ResidualConvNet(nn.Module):
    """3x3 convolution, residual blocks of a 3x3 and a pixel-wise layer, pixel-wise output; shapes as ConvNet's.

    Without batch normalisation, which would make the density of an image depend on others.

    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv 1605.08803, section 4.1

    Arguments:
        width: hidden channels. depth: number of blocks.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int):
        super().__init__()
        blocks = [layer for _ in range(depth) for layer in (Conv(width, width), nn.Linear(width, width))]
        self.layers = he(nn.ModuleList([Conv(inputs, width), *blocks, nn.Linear(width, outputs)]))

    def forward(self, x: Tensor) -> Tensor:
        inward, *blocks, outward = self.layers
        h = inward(x)
        for spatial, pixelwise in zip(blocks[::2], blocks[1::2], strict=True):
            h = h + pixelwise(F.relu(spatial(F.relu(h))))
        return outward(F.relu(h))
