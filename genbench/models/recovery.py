"""Energies learned from noise level to noise level."""

import math

import torch
from torch import Tensor

from genbench.models.base import Model, normal
from genbench.models.langevin import reflect, ula
from genbench.nets import MLP, indicator

__all__ = ["RecoveryEBM"]


class RecoveryEBM(Model):
    """Diffusion recovery likelihood: at each of T noise levels an energy of the cleaner example, given the noisier one.

    Level 0 is the data, x_{t+1} = y_t + s_t eps with y_t = a_t x_t, a_t^2 + s_t^2 = 1. The distribution of y_t given x_{t+1} is
    proportional to exp(-U(y_t, t) - |x_{t+1} - y_t|^2 / (2 s_t^2)): it has few modes, so that short chains from x_{t+1}
    reach it, in training as in sampling. Of x_T = N(0, I) nothing is to be recovered, so U(., T - 1) stands alone, with
    a_t = 1. Since p(x_{t+1} | y_t) is known, exp(-U(., t)) is the distribution of y_t itself up to a constant: `energy` is
    x -> U(a_0 x, 0), normalised over x. U = f/temperature + |y|^2 / (2 base^2) with f a network that sees the level.
    Images live in the box [-1, 1]^d at level 0, whose walls reflect the chains. Samples follow the chains from level to
    level. They follow exp(-`energy`) only as far as all chains have converged. Where they have not, in training, the energy
    makes up for where they start: it exaggerates which of two modes is the larger.

    The noise is that of a cosine schedule, x_t = cos(phi) x_0 + sin(phi) eps with phi = pi t / 2T: for T = 6 .26, .52, .79,
    1.05, 1.31 and 1.57, where the authors' linear betas give .33, .63, .89, 1.12, 1.29 and 1.56.

    References:
        Learning Energy-Based Models by Diffusion Recovery Likelihood (Gao et al., 2020), arXiv 2012.08125

    Arguments:
        width, depth: of f. noises: T, the number of levels. steps: of the Langevin chain at each level.
        step: of the chains, in units of the variance of y_t given x_{t+1} where the data's distribution is N(., detail^2).
        detail: standard deviation of the finest detail. base: standard deviation of the Gaussian base measure.
    """

    name = "recovery_ebm"
    likelihood = "estimate"
    space = {"points": "standard", "images": "uniform"}

    def __init__(
        self, shape, levels=None, width=128, depth=3, noises: int = 6, steps: int = 30, step: float = 0.1,
        detail: float = 0.15, temperature: float = 1.0, base: float = 3.0,
    ):  # fmt: skip
        super().__init__(shape, levels)
        if noises < 2:
            raise ValueError(f"noises: must be at least 2, got {noises}")
        self.noises, self.steps, self.temperature, self.base = noises, steps, temperature, base
        self.net = MLP(self.dim + noises, 1, width, depth)
        phi = math.pi / 2 / noises * torch.arange(noises + 1, dtype=torch.float64)
        kept = phi.cos()  # share of x_0 in x_t
        scale = torch.cat([kept[1:-1] / kept[:-2], kept.new_ones(1)])
        pull = torch.cat([1 / (1 - scale[:-1].square()), kept.new_zeros(1)])
        own = scale.square() * (phi[:-1].sin().square() + (kept[:-1] * detail).square())  # variance of y_t around a point
        for name, values in {"kept": kept[:-1], "scale": scale, "pull": pull, "size": step / (1 / own + pull)}.items():
            self.register_buffer(name, values.float().unsqueeze(-1))

    def noise(self, shape, generator):
        return {
            "level": torch.randint(self.noises, shape, generator=generator, device=generator.device),
            "now": normal((*shape, self.dim), generator),
            "next": normal((*shape, self.dim), generator),
            "langevin": normal((*shape, self.steps, self.dim), generator),
        }

    def potential(self, y: Tensor, level: Tensor) -> Tensor:
        """U (B,) in nats of flat y (B, d) at levels (B,)."""
        value = self.net(self._seen(y, level)).squeeze(-1)
        return value / self.temperature + y.square().sum(-1) / (2 * self.base**2)

    def force(self, y: Tensor, level: Tensor) -> Tensor:
        """Gradient of U in y (B, d)."""
        return self.net.gradient(self._seen(y, level))[1][..., : self.dim] / self.temperature + y / self.base**2

    def _seen(self, y: Tensor, level: Tensor) -> Tensor:
        return torch.cat([y, indicator(level, self.noises, y)], -1)

    def recover(self, noisy: Tensor, level: Tensor, noise: Tensor) -> Tensor:
        """A chain from x_{t+1} (B, d) to y_t (B, d); noise: (B, K, d)."""
        pull, first = self.pull[level], (level == 0).unsqueeze(-1)

        def gradient(y):
            return self.force(y, level) + pull * (y - noisy)

        def fold(y):
            return torch.where(first, reflect(y, self.scale[0]), y)

        return ula(noisy, gradient, self.size[level], noise, fold if self.levels else None)

    def prepare_net(self, x, noise, hp):
        level, kept = noise["level"], self.kept[noise["level"]]
        clean = self.scale[level] * (kept * self.flat(x) + (1 - kept.square()).sqrt() * noise["now"])
        pull = self.pull[level]
        noisy = torch.where(pull > 0, clean + pull.clamp(min=1).rsqrt() * noise["next"], noise["next"])
        return {"clean": clean, "recovered": self.recover(noisy, level, noise["langevin"])}

    def loss_net(self, x, noise, hp):
        real, fake = (self.net(self._seen(noise[name], noise["level"])).squeeze(-1) for name in ("clean", "recovered"))
        return (real - fake).mean()

    def energy(self, x: Tensor) -> Tensor:
        """U(a_0 x, 0) (B,) in nats; +inf outside the box for images."""
        x = self.flat(x)
        value = self.potential(self.scale[0] * x, self._first(x))
        return torch.where((x.abs() <= 1).all(-1), value, torch.inf) if self.levels else value

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient of `energy` (B, d) at flat x (B, d)."""
        return self.scale[0] * self.force(self.scale[0] * x, self._first(x))

    @staticmethod
    def _first(x: Tensor) -> Tensor:
        return torch.zeros_like(x[..., 0], dtype=torch.long)

    def sample(self, n, generator):
        x = normal((n, self.dim), generator)
        for t in reversed(range(self.noises)):
            level = torch.full((n,), t, device=x.device)
            x = self.recover(x, level, normal((n, self.steps, self.dim), generator)) / self.scale[t]
        return x.reshape(n, *self.shape)
