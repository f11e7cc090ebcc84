"""Energy-based models that learn from Langevin chains: one loss, and for each method where its chains start and what it keeps."""

import torch
from torch import Tensor

from genbench.models.base import Model, normal, uniform
from genbench.models.langevin import corrected, reflect, ula
from genbench.nets import MLP

__all__ = ["CDEBM", "EBM", "Energy", "LastBatchEBM", "ShortRunEBM"]


class Energy(Model):
    """p(x) proportional to exp(-U(x)), with U = f/temperature + |x|^2 / (2 base^2) and f a network; low U is likely.

    A network without bounds grows at most like |x|, so the Gaussian base measure makes the integral over R^d finite. Images live
    in the box [-1, 1]^d instead, whose walls reflect the chains. Chains are not clipped: clipped ones can't follow the gradients
    that the network learns, and long training then runs away. The temperature makes the step-to-noise ratio of image recipes
    explicit: a step s on f with noise n is Langevin on f/T with T = n^2/(2s).

    Arguments:
        width, depth: of f. step: size of Langevin steps. temperature: of f. base: standard deviation of the base measure.
        sample_steps: Langevin steps of a fresh sample, the last twentieth Metropolis-corrected.
    """

    likelihood = "estimate"
    space = {"points": "standard", "images": "uniform"}

    def __init__(self, shape, levels=None, width=128, depth=3, step=0.01, temperature=1.0, base=3.0, sample_steps=500):
        super().__init__(shape, levels)
        self.step, self.temperature, self.base, self.sample_steps = step, temperature, base, sample_steps
        self.net = MLP(self.dim, 1, width, depth)

    def spread(self, u: Tensor) -> Tensor:
        """Starts of chains from u uniform on [0, 1): the box of images, or [-3, 3]^d."""
        return (2 * u - 1) * (1 if self.levels else 3)

    def fold(self, x: Tensor) -> Tensor:
        """Reflect into the box of images; points stay."""
        return reflect(x) if self.levels else x

    def energy(self, x: Tensor) -> Tensor:
        """U(x) (B,) in nats; +inf outside the box for images."""
        x = self.flat(x)
        value = self.net(x).squeeze(-1) / self.temperature + x.square().sum(-1) / (2 * self.base**2)
        return torch.where((x.abs() <= 1).all(-1), value, torch.inf) if self.levels else value

    def gradient(self, x: Tensor) -> Tensor:
        """Gradient of U (B, d), itself differentiable; outside the box the network's own goes on."""
        return self.net.gradient(x)[1] / self.temperature + x / self.base**2

    def langevin(self, x: Tensor, noise: Tensor) -> Tensor:
        """Chains after K uncorrected steps from x (B, d) with noise (B, K, d)."""
        return ula(x, self.gradient, self.step, noise, self.fold)

    def sample(self, n, generator):
        """Fresh Langevin chains; their last steps are corrected, else samples would be wider than the density exp(-U)/Z."""
        x = self.spread(uniform((n, self.dim), generator))
        x = corrected(x, self.energy, self.gradient, self.step, self.sample_steps, generator, 1.0 if self.levels else None)
        return x.reshape(n, *self.shape)


class CDEBM(Energy):
    """Contrastive divergence, CD-k: chains of k steps start at the batch's data, for each update anew.

    The loss is E f(data) - E f(chains) + reg (f(data)^2 + f(chains)^2); chains are constants in it. Its gradient is, but for
    the temperature, that of the negative log-likelihood where chains are distributed as exp(-U)/Z. After k steps they are not:
    then it is the gradient of no likelihood, nor of the contrastive divergence, whose dependence on the chains' ends it drops.

    References:
        Training Products of Experts by Minimizing Contrastive Divergence (Hinton, 2002)
        Implicit Generation and Modeling with Energy-Based Models (Du & Mordatch, 2019), arXiv 1903.08689: reg

    Arguments:
        steps: k, Langevin steps per update. Others: see Energy.
    """

    name = "cd_ebm"
    hp = {"reg": 0.0}

    def __init__(self, shape, levels=None, steps=10, **energy):
        super().__init__(shape, levels, **energy)
        self.steps = steps

    def noise(self, shape, generator):
        return {"langevin": normal((*shape, self.steps, self.dim), generator)}

    def start(self, x: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """Where the chains of an update start (B, d)."""
        return self.flat(x)

    def prepare_net(self, x, noise, hp):
        return {"chains": self.langevin(self.start(x, noise), noise["langevin"])}

    def loss_net(self, x, noise, hp):
        real, fake = self.net(self.flat(x)).squeeze(-1), self.net(noise["chains"]).squeeze(-1)
        return (real - fake + hp["reg"] * (real.square() + fake.square())).mean()


class ShortRunEBM(CDEBM):
    """Short-run chains: K steps from noise, for each update anew; a sample is the end of such a chain.

    K steps do not forget their start, so samples do not have the density exp(-U)/Z whose likelihood is given.

    References:
        Learning Non-Convergent Non-Persistent Short-Run MCMC Toward Energy-Based Model (Nijkamp et al., 2019), arXiv 1904.09770

    Arguments:
        steps: K. Others: see Energy.
    """

    name = "short_run_ebm"

    def __init__(self, shape, levels=None, width=128, depth=3, steps=100, step=0.01, temperature=1.0, base=3.0):
        super().__init__(shape, levels, steps, width=width, depth=depth, step=step, temperature=temperature, base=base)

    def noise(self, shape, generator):
        return {"fresh": uniform((*shape, self.dim), generator), **super().noise(shape, generator)}

    def start(self, x, noise):
        return self.spread(noise["fresh"])

    def sample(self, n, generator):
        """Chains as training runs them."""
        noise = {name: value[0] for name, value in self.noise((1, n), generator).items()}
        return self.langevin(self.start(None, noise), noise["langevin"]).reshape(n, *self.shape)


class BufferedEBM(CDEBM):
    """Chains that are kept in a buffer, of which each update moves some rows.

    Arguments:
        buffer: rows, a batch at least. energy: see CDEBM.
    """

    def __init__(self, shape, levels, buffer, **energy):
        super().__init__(shape, levels, **energy)
        self.register_buffer("replay", self.spread(torch.rand(buffer, self.dim)))

    def noise(self, shape, generator):
        if shape[1] > len(self.replay):
            raise ValueError(f"buffer: {len(self.replay)} chains are fewer than the batch of {shape[1]}")
        return super().noise(shape, generator)

    def rows(self, noise: dict[str, Tensor]) -> Tensor:
        """Distinct rows (B,) of the buffer that an update moves."""
        raise NotImplementedError

    def state_net(self, noise, hp):
        rows = self.rows(noise).unsqueeze(-1).expand_as(noise["chains"])
        return {"replay": torch.scatter(self.replay, 0, rows, noise["chains"])}


class EBM(BufferedEBM):
    """Persistent contrastive divergence: chains go on from a replay buffer, a few of them restarted from noise.

    References:
        Training restricted Boltzmann machines using approximations to the likelihood gradient (Tieleman, 2008)
        Implicit Generation and Modeling with Energy-Based Models (Du & Mordatch, 2019), arXiv 1903.08689

    Arguments:
        buffer: chains kept, a batch at least. restart: share of an update's chains restarted from noise. Others: see CDEBM.
    """

    name = "ebm"

    def __init__(self, shape, levels=None, buffer=10000, restart=0.05, steps=20, **energy):
        super().__init__(shape, levels, buffer, steps=steps, **energy)
        self.restart = restart

    def noise(self, shape, generator):
        start = torch.randint(len(self.replay), (*shape, 1), generator=generator, device=generator.device)
        restart, fresh = uniform((*shape, 1), generator), uniform((*shape, self.dim), generator)
        return {"start": start, "restart": restart, "fresh": fresh, **super().noise(shape, generator)}

    def rows(self, noise):
        """A run of rows from a random place."""
        start = noise["start"][:1, 0]
        return torch.remainder(start + torch.arange(noise["start"].shape[0], device=start.device), len(self.replay))

    def start(self, x, noise):
        kept = self.replay[self.rows(noise)]
        return torch.where(noise["restart"] < self.restart, self.spread(noise["fresh"]), kept)


class LastBatchEBM(BufferedEBM):
    """Chains go on from the last batch: they start at (1 - alpha) B + alpha N(0, I), where B is all that is kept.

    The sum is one of values: every chain is drawn to the origin and blurred a little, none is restarted. As printed, the
    algorithm ascends f, for p proportional to exp(f), and adds the gradient of f(data) - f(chains) to the weights: its f is
    minus the energy, in both lines.

    References:
        Introduction to generative modeling (De Bortoli, 2022), algorithm 1

    Arguments:
        buffer: rows for B; more than a batch stay unused. alpha: weight of the noise. Others: see CDEBM.
    """

    name = "last_batch_ebm"

    def __init__(self, shape, levels=None, buffer=1024, alpha=0.05, steps=20, **energy):
        super().__init__(shape, levels, buffer, steps=steps, **energy)
        self.alpha = alpha

    def noise(self, shape, generator):
        return {"blur": normal((*shape, self.dim), generator), **super().noise(shape, generator)}

    def rows(self, noise):
        """The first rows."""
        return torch.arange(noise["blur"].shape[0], device=noise["blur"].device)

    def start(self, x, noise):
        return self.fold((1 - self.alpha) * self.replay[self.rows(noise)] + self.alpha * noise["blur"])
