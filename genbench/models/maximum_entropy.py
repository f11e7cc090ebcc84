"""Maximum-entropy models of one image: the distribution nearest to a Gaussian among those with the image's mean statistics."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad
from torch.nn import functional as F

from genbench.models.base import normal
from genbench.models.langevin import ula

__all__ = ["Field", "Fit", "Moduli", "soul"]

Statistics = Callable[[Tensor], Tensor]  # images (B, H, W) -> means over their pixels (B, J)

DRAWS = 400  # of the base measure, for the covariance of the statistics
RIDGE = 0.1  # of that covariance, relative to its diagonal
KNOTS, SHARPNESS = torch.linspace(-1.6, 1.6, 9), 4.0  # of the smoothed histogram of pixels, in their standard deviations


class Field:
    """A stationary Gaussian field on a torus: an image x (B, H, W) as a function of coordinates v (B, H * W).

    Each frequency of x is scaled by the root of 1 / (1 / power + stiffness), the variance that it has left where an energy of
    that curvature is added: neither the field's narrow directions nor the energy's then ask for short steps.

    References:
        Random phase textures: theory and synthesis (Galerne, Gousseau & Morel, 2011)

    Arguments:
        power: variance of each frequency (B, H, W), the orthonormal periodogram of an image, say. stiffness: see above.
    """

    def __init__(self, power: Tensor, stiffness: float = 1.0):
        self.shape = power.shape[-2:]
        self.share = 1 / (1 + stiffness * power)  # of a frequency's precision in v that is the field's own
        self.scale = (power * self.share).sqrt()

    def image(self, v: Tensor) -> Tensor:
        """x (B, H, W) at v (B, H * W)."""
        return self._filter(v, self.scale)

    def energy(self, v: Tensor) -> Tensor:
        """Minus the log-density (B,) at v, up to a constant."""
        return 0.5 * (v * self._filter(v, self.share).flatten(1)).sum(-1)

    def draw(self, generator: torch.Generator) -> Tensor:
        """v (B, H * W) of one image of each field."""
        noise = normal((len(self.scale), math.prod(self.shape)), generator)
        return self._filter(noise, self.share.rsqrt()).flatten(1)

    def _filter(self, v: Tensor, gain: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(v.unflatten(1, self.shape)) * gain).real


class Moduli:
    """Statistics of wavelet moduli, standardised by an example: mean roots of products m_j m_k, and a smoothed histogram.

    m_j = sqrt(|x * psi_j|^2 / s_j^2 + eps), psi_j a wavelet of one scale and direction, s_j its root mean square over the
    example. All of them grow linearly in x, so a Gaussian base measure times exp(-<theta, f>) is a distribution for any theta.

    References:
        Multiscale sparse microcanonical models (Bruna & Mallat, 2018), arXiv 1801.02013

    Arguments:
        x: examples (B, H, W), square. scales: octaves, from the finest. angles: directions of each.
    """

    def __init__(self, x: Tensor, scales: int = 3, angles: int = 4):
        f = torch.fft.fftfreq(x.shape[-1])
        bank = []
        for centre in (0.35 / 2**j for j in range(scales)):
            for angle in (math.pi * a / angles for a in range(angles)):
                along = f * math.cos(angle) + f[:, None] * math.sin(angle)
                across = f[:, None] * math.cos(angle) - f * math.sin(angle)
                bank.append(torch.exp(-((along - centre).square() + across.square()) / (2 * (0.4 * centre) ** 2)))
        self.bank, self.pairs = torch.stack(bank).to(x.device), torch.triu_indices(len(bank), len(bank), device=x.device)
        self.scale = self._responses(x).abs().square().mean((-1, -2), keepdim=True).sqrt()
        self.knots = KNOTS.unsqueeze(-1).to(x.device) * x.flatten(1).std(1)[:, None, None]

    def __call__(self, x: Tensor) -> Tensor:
        response = torch.view_as_real(self._responses(x) / self.scale)
        root = (response.square().sum(-1) + 0.05).sqrt().sqrt().flatten(2)
        products = (root @ root.mT / root.shape[-1])[:, *self.pairs]
        levels = F.softplus(SHARPNESS * (x.flatten(1).unsqueeze(1) - self.knots)).mean(-1) / SHARPNESS
        return torch.cat([products, levels], 1)

    def _responses(self, x: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(x).unsqueeze(1) * self.bank)


@dataclass(frozen=True)
class Fit:
    """What came of `soul`."""

    v: Tensor  # (B, d) where the chains ended
    theta: Tensor  # (B, J), mean over the second half of the updates
    statistics: Tensor  # (updates, B, J) of the chains
    spread: Tensor  # (B, J) standard deviation of the statistics under the base measure
    kept: Tensor  # (m, B, H, W) images at even distances in the last quarter


def soul(
    statistics: Statistics, target: Tensor, field: Field, generator: torch.Generator, *,
    updates: int, step: float = 0.1, rate: float = 0.1, keep: int = 8,
) -> Fit:  # fmt: skip
    """Fit p(x) proportional to exp(-d <theta, f(x) - target>) times a Gaussian field, so that E f(x) = target.

    That is maximum likelihood of theta where target = f(x0), d the number of pixels: the gradient of log p(x0) is
    d (E f(x) - f(x0)). Each update takes one step of an unadjusted Langevin chain, whose f(x) stands for E f(x), and at once
    one of theta uphill, preconditioned by the covariance of f under the base measure, with a rate that falls to a tenth. The
    chains are wider than the distribution by their step, so theta is the one that makes theirs right.

    References:
        Maximum entropy methods for texture synthesis: theory and practice (De Bortoli et al., 2021), arXiv 1912.01691

    Arguments:
        statistics: f. target: (B, J). field: the base measure, one for each example. generator: of starts and steps.
        updates: of theta. step: of the chain in the field's coordinates; where it is too long for the energy's curvature, the
            chain overshoots, which raises theta and so the curvature: both run away. rate: of theta. keep: images.
    """
    draws = torch.stack([statistics(field.image(field.draw(generator))) for _ in range(DRAWS)])
    d, spread = math.prod(field.shape), draws.std(0)
    centred = (draws - draws.mean(0)).transpose(0, 1)
    covariance = d * centred.mT @ centred / DRAWS + RIDGE * d * torch.diag_embed(spread.square())
    inverse = torch.linalg.inv(covariance)
    theta, total, seen, kept = torch.zeros_like(target), torch.zeros_like(target), [], []

    def energy(v: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        f = statistics(field.image(v))
        return (field.energy(v) + d * (theta * f).sum(-1)).sum(), f

    def gradient(v: Tensor) -> Tensor:
        value, f = grad(energy, has_aux=True)(v, theta)
        seen.append(f)
        return value

    v = field.draw(generator)
    marks = {round(updates * (0.75 + 0.25 * i / keep)) for i in range(1, keep + 1)}
    for i in range(updates):
        v = ula(v, gradient, step, normal((len(v), 1, d), generator))
        theta = theta + rate / (1 + 9 * i / updates) * torch.einsum("bij,bj->bi", inverse, seen[-1] - target)
        total = total + theta * (i >= updates // 2)
        if i + 1 in marks:
            kept.append(field.image(v))
    return Fit(v, total / (updates - updates // 2), torch.stack(seen), spread, torch.stack(kept))
