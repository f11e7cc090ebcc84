"""Plain convolutional generators and critics: InfoGAN's of Lucic et al., DCGAN's and SNDCGAN's."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genbench.nets.parts import LAST, Critic, dense, he, image, ladder, normaliser

__all__ = ["DCGANCritic", "DCGANGenerator", "InfoGANCritic", "InfoGANGenerator", "SNDCGANCritic", "SNDCGANGenerator"]


def lrelu(x: Tensor, slope: float = 0.2) -> Tensor:
    return F.leaky_relu(x, slope)


class Up(nn.Module):
    """Transposed convolution 4x4 with stride 2, cut to `size`, and a norm."""

    def __init__(self, inputs: int, outputs: int, size: int, norm: str):
        super().__init__()
        self.size = size
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=norm == "none")
        self.norm = normaliser(norm, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)[..., : self.size, : self.size])


class Down(nn.Module):
    """Convolution and a norm; 4x4 with stride 2 halves the size, rounded up by a row and column of zeros; 3x3 keeps it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, norm: str):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, kernel - 2, 1, bias=norm == "none")
        self.norm = normaliser(norm, outputs)

    def forward(self, x: Tensor) -> Tensor:
        odd = x.shape[-1] % 2 if self.conv.stride[0] == 2 else 0
        return self.norm(self.conv(F.pad(x, (0, odd, 0, odd))))


class InfoGANGenerator(nn.Module):
    """Two dense layers and two transposed convolutions: z (B, latent) -> images (B, *shape) without a last squashing.

    References:
        InfoGAN (Chen et al., 2016), arXiv 1606.03657; at width 64 the net of Lucic et al., 2017, arXiv 1711.10337

    Arguments:
        latent: dimension of z. shape: (C, H, H). width: channels before the last layer.
        norm: one of NORMS.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], width: int = 64, norm: str = "batch"):
        super().__init__()
        channels, size = image(shape)
        base, half, _ = ladder(size)[-3:]
        self.latent, self.start = latent, (2 * width, base, base)
        self.dense1 = he(dense(latent, 16 * width, norm))
        self.dense2 = he(dense(16 * width, 2 * width * base**2, norm))
        self.up = he(Up(2 * width, width, half, norm))
        self.outward = he(Up(width, channels, size, "none"), LAST)

    def forward(self, z: Tensor) -> Tensor:
        h = lrelu(self.dense2(lrelu(self.dense1(z)))).unflatten(-1, self.start)
        return self.outward(lrelu(self.up(h)))


class InfoGANCritic(Critic):
    """Two convolutions and a dense layer, with a norm on all but the first; see Critic.

    References:
        InfoGAN (Chen et al., 2016), arXiv 1606.03657; at width 64 the net of Lucic et al., 2017, arXiv 1711.10337

    Arguments:
        shape: (C, H, H). width: channels of the first layer. norm: one of NORMS. outputs: see Critic.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: str = "none", outputs: int | None = None):
        super().__init__(shape, 16 * width, outputs)
        channels, size = image(shape)
        base = ladder(size)[-3]
        self.down1, self.down2 = he(Down(channels, width, 4, "none")), he(Down(width, 2 * width, 4, norm))
        self.dense = he(dense(2 * width * base**2, 16 * width, norm))

    def features(self, x: Tensor) -> Tensor:
        return lrelu(self.dense(lrelu(self.down2(lrelu(self.down1(x)))).flatten(1)))


class DCGANGenerator(nn.Module):
    """A dense layer to 4x4 pixels and transposed convolutions that double the size and halve the channels; see InfoGANGenerator.

    References:
        DCGAN (Radford et al., 2015), arXiv 1511.06434

    Arguments:
        latent: dimension of z. shape: (C, H, H). width: channels before the last doubling of the size; the authors' is 64.
        norm: one of NORMS.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], width: int = 64, norm: str = "batch"):
        super().__init__()
        channels, size = image(shape)
        base, *sizes = ladder(size)
        self.latent, self.start = latent, (width * 2 ** (len(sizes) - 1), base, base)
        self.dense = he(nn.Linear(latent, self.start[0] * base**2, bias=norm == "none"))
        self.norm = normaliser(norm, self.start[0])
        wide = [self.start[0] // 2**i for i in range(len(sizes))]
        self.ups = he(nn.ModuleList(Up(a, b, s, norm) for a, b, s in zip(wide, wide[1:], sizes, strict=False)))
        self.outward = he(Up(width, channels, size, "none"), LAST)

    def forward(self, z: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.dense(z).unflatten(-1, self.start)))
        for up in self.ups:
            h = torch.relu(up(h))
        return self.outward(h)


class DCGANCritic(Critic):
    """Convolutions that halve the size and double the channels, with a norm on all but the first; see Critic.

    References:
        DCGAN (Radford et al., 2015), arXiv 1511.06434

    Arguments:
        shape: (C, H, H). width: channels of the first layer. norm: one of NORMS. outputs: see Critic.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: str = "none", outputs: int | None = None):
        channels, size = image(shape)
        base, *sizes = ladder(size)
        wide = [channels, *(width * 2**i for i in range(len(sizes)))]
        super().__init__(shape, wide[-1] * base**2, outputs)
        pairs = enumerate(zip(wide, wide[1:], strict=False))
        self.downs = he(nn.ModuleList(Down(a, b, 4, norm if i else "none") for i, (a, b) in pairs))

    def features(self, x: Tensor) -> Tensor:
        for down in self.downs:
            x = lrelu(down(x))
        return x.flatten(1)


class SNDCGANGenerator(nn.Module):
    """DCGAN's generator with all doublings of the size before a last 3x3 convolution; see InfoGANGenerator.

    References:
        Spectral Normalization for GANs (Miyato et al., 2018), arXiv 1802.05957, table 3

    Arguments:
        latent: dimension of z. shape: (C, H, H). width: channels at full size; the authors' is 64.
        norm: one of NORMS.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], width: int = 64, norm: str = "batch"):
        super().__init__()
        channels, size = image(shape)
        base, *sizes = ladder(size)
        wide = [width * 2 ** (len(sizes) - i) for i in range(len(sizes) + 1)]
        self.latent, self.start = latent, (wide[0], base, base)
        self.dense = he(nn.Linear(latent, wide[0] * base**2, bias=norm == "none"))
        self.norm = normaliser(norm, wide[0])
        self.ups = he(nn.ModuleList(Up(a, b, s, norm) for a, b, s in zip(wide, wide[1:], sizes, strict=False)))
        self.outward = he(nn.Conv2d(width, channels, 3, padding=1), LAST)

    def forward(self, z: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.dense(z).unflatten(-1, self.start)))
        for up in self.ups:
            h = torch.relu(up(h))
        return self.outward(h)


class SNDCGANCritic(Critic):
    """At every size a 3x3 convolution, then a 4x4 one that halves it and doubles the channels; see Critic.

    References:
        Spectral Normalization for GANs (Miyato et al., 2018), arXiv 1802.05957, table 3

    Arguments:
        shape: (C, H, H). width: channels of the first layer. norm: one of NORMS, on all but the first layer. outputs: see Critic.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64, norm: str = "none", outputs: int | None = None):
        channels, size = image(shape)
        base, *sizes = ladder(size)
        top = width * 2 ** len(sizes)
        super().__init__(shape, top * base**2, outputs)
        layers = [Down(channels, width, 3, "none")]
        for i in range(len(sizes)):
            layers += [Down(width * 2**i, width * 2 ** (i + 1), 4, norm)]
            layers += [Down(width * 2 ** (i + 1), width * 2 ** (i + 1), 3, norm)]
        self.downs = he(nn.ModuleList(layers))

    def features(self, x: Tensor) -> Tensor:
        for down in self.downs:
            x = lrelu(down(x), 0.1)
        return x.flatten(1)
