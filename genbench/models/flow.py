"""Normalizing flows in discrete time."""

import torch
from torch import Tensor

from genbench.models.base import Model, normal
from genbench.models.outputs import standard_normal
from genbench.nets import MLP

__all__ = ["Flow", "RealNVP"]


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


class RealNVP(Flow):
    """Affine couplings with alternating masks, trained by maximum likelihood.

    Layer l keeps the coordinates of its mask and maps the rest by x -> x exp(s) + t with s, t networks of the kept ones;
    log-scales are bounded by tanh, and each layer starts as the identity.

    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv 1605.08803

    Arguments:
        layers: number of couplings. width, depth: of each conditioner. bound: largest |s|.
    """

    def __init__(self, shape, levels=None, layers: int = 8, width: int = 64, depth: int = 2, bound: float = 2.0):
        super().__init__(shape, levels)
        self.bound = bound
        self.net = torch.nn.ModuleList(MLP(self.dim, 2 * self.dim, width, depth, "relu") for _ in range(layers))
        for conditioner in self.net:
            torch.nn.init.zeros_(conditioner.layers[-1].weight)
            torch.nn.init.zeros_(conditioner.layers[-1].bias)
        # pairs of layers alternate every other coordinate, then a fixed random half: every pixel meets every other
        masks = torch.stack([self._mask(i) for i in range(layers)])
        self.register_buffer("masks", masks)

    def _mask(self, layer: int) -> Tensor:
        if self.dim == 2 or layer % 4 < 2:
            mask = torch.arange(self.dim) % 2
        else:
            order = torch.randperm(self.dim, generator=torch.Generator().manual_seed(layer // 2))
            mask = (order < self.dim // 2).long()
        return (mask if layer % 2 == 0 else 1 - mask).float()

    def _affine(self, layer: int, kept: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.net[layer](kept).chunk(2, -1)
        free = 1 - self.masks[layer]
        return self.bound * torch.tanh(scale / self.bound) * free, shift * free

    def forward(self, x):
        total = x.new_zeros(x.shape[:-1])
        for layer in range(len(self.net)):
            scale, shift = self._affine(layer, x * self.masks[layer])
            x = x * scale.exp() + shift
            total = total + scale.sum(-1)
        return x, total

    def inverse(self, z):
        for layer in reversed(range(len(self.net))):
            scale, shift = self._affine(layer, z * self.masks[layer])
            z = (z - shift) * (-scale).exp()
        return z
