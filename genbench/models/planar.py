"""Planar and radial flows: layers with cheap log-determinants, run from noise to data only."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["Planar", "Radial"]


class Planar(nn.Module):
    """Layers z -> z + u tanh(w.z + b), each of which stretches or squeezes space along u around a plane.

    Constrained to w.u > -1, where a layer is invertible. The inverse has no closed form (one monotone equation of a number gives
    it), and the flow is run from noise to data only: the density is at hand in one pass for its own samples, not for given
    data, which suits reverse KL, as in a variational posterior.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), arXiv 1505.05770

    Arguments:
        dim: size d of z. layers: number K of layers. scale: standard deviation of the initial u and w.
    """

    def __init__(self, dim: int, layers: int, scale: float = 1.0):
        super().__init__()
        self.u = nn.Parameter(scale * torch.randn(layers, dim))
        self.w = nn.Parameter(scale * torch.randn(layers, dim))
        self.b = nn.Parameter(torch.zeros(layers))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, d) -> y (B, d) and log |det dy/dz| (B,) in nats."""
        inner = (self.u * self.w).sum(-1)
        stretch = softplus(inner) - 1  # the constrained w.u
        u = self.u + ((stretch - inner) / self.w.square().sum(-1)).unsqueeze(-1) * self.w
        derivatives = []
        for k in range(len(self.b)):
            h = torch.tanh(z @ self.w[k] + self.b[k])
            z = z + h.unsqueeze(-1) * u[k]
            derivatives.append(1 - h * h)
        return z, torch.log1p(torch.stack(derivatives, -1) * stretch).sum(-1)


class Radial(nn.Module):
    """Layers z -> z + b (z - c) / (a + |z - c|), each of which draws space to a centre c or drives it away.

    Constrained to b > -a, where a layer is invertible: r = |z - c| solves r^2 + (a + b - s) r - a s = 0, s that of the image.
    It is run from noise to data only, as Planar.

    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), arXiv 1505.05770

    Arguments:
        dim: size d of z. layers: number K of layers. scale: standard deviation of the initial centres and strengths.
    """

    def __init__(self, dim: int, layers: int, scale: float = 1.0):
        super().__init__()
        self.centre = nn.Parameter(scale * torch.randn(layers, dim))
        self.log_a = nn.Parameter(torch.zeros(layers))
        self.strength = nn.Parameter(scale * torch.randn(layers))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, d) -> y (B, d) and log |det dy/dz| (B,) in nats."""
        a = self.log_a.exp()
        b = softplus(self.strength) - a
        radii = []
        for k in range(len(a)):
            away = z - self.centre[k]
            # the root of a sum of squares has no gradient at 0
            r = (away.square().sum(-1) + 1e-12).sqrt()
            z = z + (b[k] / (a[k] + r)).unsqueeze(-1) * away
            radii.append(r)
        reach = a + torch.stack(radii, -1)
        across, along = b / reach, a * b / reach.square()  # stretch of a layer, less 1
        return z, ((z.shape[-1] - 1) * torch.log1p(across) + torch.log1p(along)).sum(-1)
