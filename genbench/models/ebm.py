"""Energy-based models."""

import torch
from torch import Tensor

from genbench.models.base import Model, normal, uniform
from genbench.models.langevin import mala, ula
from genbench.nets import MLP

__all__ = ["EBM"]

CORRECTED = 1 / 20  # share of a fresh sample's steps that are Metropolis-corrected
ACCEPT = 0.574  # share of proposals accepted that mixes fastest (Roberts & Rosenthal, 1998)


class EBM(Model):
    """p(x) proportional to exp(-U(x)), trained by persistent contrastive divergence with a replay buffer.

    U = f/temperature + |x|^2 / (2 base^2) with f a network. The temperature makes the step-to-noise ratio of image recipes
    explicit: a step s on f with noise n is Langevin on f/T with T = n^2/(2s). Images live in the box [-1, 1]^d, whose walls
    reflect the chains. Chains are not clipped: clipped ones can't follow the slopes that the network learns, and long
    training then runs away. The loss is E f(data) - E f(chains) + reg (f(data)^2 + f(chains)^2).

    References:
        Training restricted Boltzmann machines using approximations to the likelihood gradient (Tieleman, 2008)
        Implicit Generation and Modeling with Energy-Based Models (Du & Mordatch, 2019), arXiv 1903.08689

    Arguments:
        width, depth: of f. steps: Langevin steps per update. step: their size. buffer: chains kept, a batch at least.
        restart: share of chains restarted from noise per update. base: standard deviation of the Gaussian base measure.
        sample_steps: Langevin steps of a fresh sample, the last twentieth Metropolis-corrected.
    """

    hp = {"reg": 0.0}
    likelihood = "estimate"
    space = {"points": "standard", "images": "uniform"}

    def __init__(
        self, shape, levels=None, width=128, depth=3, steps=20, step=0.01, temperature=1.0, buffer=10000,
        restart=0.05, base=3.0, sample_steps=500,
    ):  # fmt: skip
        super().__init__(shape, levels)
        self.steps, self.step, self.temperature, self.restart = steps, step, temperature, restart
        self.base, self.sample_steps = base, sample_steps
        self.net = MLP(self.dim, 1, width, depth)
        self.register_buffer("replay", self.spread(torch.rand(buffer, self.dim)))

    def spread(self, u: Tensor) -> Tensor:
        """Starts of chains from u uniform on [0, 1): the box of images, or [-3, 3]^d."""
        return (2 * u - 1) * (1 if self.levels else 3)

    def fold(self, x: Tensor) -> Tensor:
        """Reflect into [-1, 1]."""
        return 1 - (torch.remainder(x + 1, 4) - 2).abs()

    def noise(self, shape, generator):
        if shape[1] > len(self.replay):
            raise ValueError(f"ebm: buffer: {len(self.replay)} chains are fewer than the batch of {shape[1]}")
        return {
            "start": torch.randint(len(self.replay), (*shape, 1), generator=generator, device=generator.device),
            "restart": uniform((*shape, 1), generator),
            "fresh": uniform((*shape, self.dim), generator),
            "langevin": normal((*shape, self.steps, self.dim), generator),
        }

    def energy(self, x: Tensor) -> Tensor:
        """U(x) (B,) in nats; +inf outside the box for images."""
        x = self.flat(x)
        value = self.net(x).squeeze(-1) / self.temperature + x.square().sum(-1) / (2 * self.base**2)
        return torch.where((x.abs() <= 1).all(-1), value, torch.inf) if self.levels else value

    def slope(self, x: Tensor) -> Tensor:
        """Gradient of U (B, d)."""
        return self.net.slope(x)[1] / self.temperature + x / self.base**2

    def prepare_net(self, x, noise, hp):
        start = self.replay[self._rows(noise)]
        start = torch.where(noise["restart"] < self.restart, self.spread(noise["fresh"]), start)
        return {"chains": self._run(start, noise["langevin"])}

    def _rows(self, noise) -> Tensor:
        """Distinct rows of the buffer: a run from a random place."""
        start = noise["start"][:1, 0]
        return torch.remainder(start + torch.arange(noise["start"].shape[0], device=start.device), len(self.replay))

    def _run(self, x: Tensor, noise: Tensor) -> Tensor:
        return ula(x, self.slope, self.step, noise, self.fold if self.levels else None)

    def loss_net(self, x, noise, hp):
        real, fake = self.net(self.flat(x)).squeeze(-1), self.net(noise["chains"]).squeeze(-1)
        return (real - fake + hp["reg"] * (real.square() + fake.square())).mean()

    def state_net(self, noise, hp):
        rows = self._rows(noise).unsqueeze(-1).expand_as(noise["chains"])
        return {"replay": torch.scatter(self.replay, 0, rows, noise["chains"])}

    def sample(self, n, generator):
        """Fresh Langevin chains; their last steps are corrected, else samples would be wider than the density exp(-U)/Z."""
        x = self.spread(uniform((n, self.dim), generator))
        corrected = round(CORRECTED * self.sample_steps)
        for _ in range(self.sample_steps - corrected):
            x = self._run(x, normal((n, 1, self.dim), generator))
        step = self.step
        for i in range(corrected):
            x, rate = mala(x, self.energy, self.slope, step, 1, generator, 1.0 if self.levels else None)
            if i < corrected / 2:  # the other half has a fixed step, as a chain must for its law to be exact
                step *= 1.1 if rate > ACCEPT else 0.8
        return x.reshape(n, *self.shape)
