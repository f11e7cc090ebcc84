"""Denoising diffusion."""

import math

import torch
from torch import Tensor, nn

from genbench.models.base import Model, normal, uniform
from genbench.models.outputs import gaussian, standard_normal
from genbench.nets import PatchUNet, TimeMLP, rk4

__all__ = ["DDPM"]


class DDPM(Model):
    """A variance-preserving diffusion with cosine schedule; the noise is predicted, uniformly weighted over time,
    through the velocity of the angle, whose scale does not depend on the time.

    Trained at continuous times; sampling is ancestral over `steps` steps of the same schedule, at times that grow
    quadratically (Song et al., 2020, arXiv 2010.02502), and `elbo` is the bound of exactly that chain (posterior
    variances). `log_prob` is the density of the probability-flow ODE: an estimate, of the ODE's distribution, not the chain's.

    References:
        Denoising Diffusion Probabilistic Models (Ho et al., 2020), arXiv 2006.11239
        Improved DDPM (Nichol & Dhariwal, 2021), arXiv 2102.09672 (cosine schedule)
        Variational Diffusion Models (Kingma et al., 2021), arXiv 2107.00630 (the bound in terms of the SNR)
        Progressive distillation (Salimans & Ho, 2022), arXiv 2202.00512 (the velocity)
        Score-based generative modeling through SDEs (Song et al., 2021), arXiv 2011.13456 (the ODE)
        FFJORD (Grathwohl et al., 2018), arXiv 1810.01367 (its trace by one random probe)
        Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), arXiv 2207.12598

    A class-conditional network sees the class's embedding beside the time, and in a tenth of the updates that of no class, so it
    can be guided: the velocity is then (1 + guidance) v(x|y) - guidance v(x), in the chain that samples and in its bound alike.
    The bound is log p(y) + (bound given y) - log r(y) for a class y drawn from r, the posterior of the classes by another
    estimate of their bounds: valid whatever r is, and the logarithm of their sum where r is right.

    Arguments:
        network: "mlp" or "unet". width, depth: of the network. steps: of the sampling chain.
        classes: see Model. guidance: weight of the guidance, 0 for none.
    """

    name = "ddpm"
    likelihood = "estimate"
    selects = True
    exact_trace = 20  # dimensions of the data up to which `log_prob` has no noise
    dropout = 0.1  # share of examples whose class is withheld in training

    def __init__(
        self, shape, levels=None, network: str = "mlp", width=128, depth=2, steps: int = 100, classes: int = 0,
        guidance: float = 0.0,
    ):  # fmt: skip
        super().__init__(shape, levels, classes)
        if network not in ("mlp", "unet") or (network == "unet" and (len(shape) != 3 or shape[1] % 4 or shape[2] % 4)):
            raise ValueError(f"network must be mlp, or unet for images of sides divisible by 4; got {network!r}")
        if guidance < 0 or (guidance and not classes):
            raise ValueError(f"guidance must be at least 0, and 0 without classes; got {guidance}")
        self.network, self.steps, self.guidance = network, steps, guidance
        # least noise: of 0.0125, or for few grey values such that most neighbours are distinct. Of 256 they can't: the
        # decoder then costs the bound 1 to 3 bits per dimension, but below that noise a small network loses more
        self.first = max(0.0125, 2 / (levels - 1) / 3.5) if levels else 0.0125
        self.last = math.pi / 2 - 0.01
        self.net = TimeMLP(self.dim, width, depth) if network == "mlp" else PatchUNet(shape[0], width, depth)
        if classes:
            self.net.label = nn.Embedding(classes + 1, self.net.time_size)  # the last is of no class

    def noise(self, shape, generator):
        drop = {"drop": uniform(shape, generator) < self.dropout} if self.classes else {}
        return {"t": uniform(shape, generator), "eps": normal((*shape, self.dim), generator), **drop}

    def angle(self, t: Tensor) -> Tensor:
        """phi(t) (..., 1): the signal keeps cos(phi), the noise has sin(phi)."""
        return (self.first + t * (self.last - self.first)).unsqueeze(-1)

    def velocity(self, x: Tensor, t: Tensor, label: Tensor | None = None, guidance: float = 0.0) -> Tensor:
        """An estimate (B, dim) of d x / d phi = cos(phi) eps - sin(phi) x_0 at flat x, times t (B,) and labels (B,), guided."""
        v = self._output(x, t, label)
        if guidance:
            v = v + guidance * (v - self._output(x, t, torch.full_like(label, self.classes)))
        return v

    def _output(self, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        """The network's output (B, dim); label `classes` is that of no class."""
        x = x if self.network == "mlp" else x.unflatten(-1, self.shape)
        return self.flat(self.net(x, t) if label is None else self.net(x, t, self.net.label(label)))

    def predict(self, x: Tensor, t: Tensor, *given) -> Tensor:
        """The noise (B, dim) in flat x at times t (B,), `given` as in velocity."""
        phi = self.angle(t)
        return phi.sin() * x + phi.cos() * self.velocity(x, t, *given)

    def loss_net(self, x, noise, hp):
        phi = self.angle(noise["t"])
        noisy = phi.cos() * self.flat(x) + phi.sin() * noise["eps"]
        given = (torch.where(noise["drop"], self.classes, noise["label"]),) if self.classes else ()
        return (self.predict(noisy, noise["t"], *given) - noise["eps"]).square().mean()

    @staticmethod
    def _times(steps: int, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.linspace(0, 1, steps + 1, device=device, dtype=dtype).square()

    def sample(self, n, generator, label=None):
        label = self.draw_labels(n, generator) if label is None else label
        given = (label, self.guidance) if self.classes else ()
        times = self._times(self.steps, generator.device)
        x = normal((n, self.dim), generator)
        bound = 1.0 if self.levels else math.inf
        for i in range(self.steps, 0, -1):
            t, phi, low = times[i].expand(n), self.angle(times[i]), self.angle(times[i - 1])
            clean = ((x - phi.sin() * self.predict(x, t, *given)) / phi.cos()).clamp(-bound, bound)
            # q(x_s | x_t, clean): SNR ratio r = SNR(t) / SNR(s)
            ratio = (phi.cos() * low.sin() / (phi.sin() * low.cos())).square()
            mean = low.cos() * clean * (1 - ratio) + ratio * (low.cos() / phi.cos()) * x
            x = mean + low.sin() * (1 - ratio).sqrt() * normal(x.shape, generator)
        first = self.angle(times[0])
        if self.levels:  # the most probable grey value
            return (x / first.cos()).clamp(-1, 1).reshape(n, *self.shape)
        return (x / first.cos() + first.tan() * normal(x.shape, generator)).reshape(n, *self.shape)

    def elbo(self, x: Tensor, generator: torch.Generator, steps: int | None = None) -> Tensor:
        """Lower bound (B,) on log p(x) in nats, for images on the log-probability of the grey values; one noise per step.

        It bounds the density of the chain of `steps` steps, by default the sampler's own. A longer chain is another model, with
        the same network: its bound is as a rule higher, and says nothing of samples drawn in fewer steps.
        """
        if not self.classes:
            return self._bound(x, generator, steps)

        def each(x, label):  # equal noise for all classes: their differences are what matters
            return self._bound(x, generator, steps, label, self.guidance, copies=self.classes)

        log_r = self.by_class(each, x).log_softmax(0)
        label = torch.multinomial(log_r.exp().T, 1, generator=generator)[:, 0]
        # noise of its own: with that which chose the class it would be no bound, since classes look best by their luck
        bound = self._bound(x, generator, steps, label, self.guidance)
        return bound + self.prior[label].log() - log_r.gather(0, label.unsqueeze(0))[0]

    def _bound(self, x: Tensor, generator: torch.Generator, steps: int | None, *given, copies: int = 1) -> Tensor:
        """The bound (B,), `given` as in velocity, with the same noise for each of `copies` parts of x."""
        x, steps = self.flat(x), steps or self.steps

        def draw():
            return normal((len(x) // copies, self.dim), generator).repeat(copies, 1)

        times = self._times(steps, x.device, x.dtype)
        last, first = self.angle(times[-1]), self.angle(times[0])
        mean, std = last.cos() * x, last.sin()
        total = -0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).sum(-1)  # -KL(q(x_1 | x) || N(0, I))
        for i in range(1, steps + 1):
            t, phi, low = times[i].expand(len(x)), self.angle(times[i]), self.angle(times[i - 1])
            eps = draw()
            guess = self.predict(phi.cos() * x + phi.sin() * eps, t, *given)
            error = (eps - guess) * phi.tan()  # of the predicted x
            if self.levels:
                clean = (x + error).clamp(-1, 1)  # the chain clips its prediction, so its bound does
                error = clean - x
            total = total - 0.5 * (low.tan() ** -2 - phi.tan() ** -2) * error.square().sum(-1)
        return total + self._decoder(x, x + first.tan() * draw(), first.tan())

    def _decoder(self, x: Tensor, seen: Tensor, std: Tensor) -> Tensor:
        """log p(x | x_0) (B,): a Gaussian around what was seen, for images over the grey values."""
        if not self.levels:
            return gaussian(x, seen, std.log()).sum(-1)
        grid = torch.linspace(-1, 1, self.levels, device=x.device, dtype=x.dtype)
        index = torch.round((x + 1) / 2 * (self.levels - 1)).long()

        def grey(index: Tensor, seen: Tensor) -> Tensor:
            log_p = (-0.5 * ((seen.unsqueeze(-1) - grid) / std).square()).log_softmax(-1)
            return log_p.gather(-1, index.unsqueeze(-1)).squeeze(-1).sum(-1)

        rows = max(1, 2**23 // (self.dim * self.levels))  # every pixel has a number for every grey value
        return torch.cat([grey(*part) for part in zip(index.split(rows), seen.split(rows), strict=True)])

    def log_prob(self, x: Tensor, generator: torch.Generator | None = None, steps: int = 24) -> Tensor:
        """Log-density (B,) in nats of the probability-flow ODE at x (B, *shape): an estimate and no bound.

        Up to `exact_trace` dimensions the trace of the field's Jacobian is exact. Beyond, it is Hutchinson's estimate with one
        Rademacher probe per example, drawn from `generator` and kept along the trajectory: unbiased for the ODE's
        log-density, noisy for a single example. RK4 with `steps` steps, short ones where the noise is least.

        Images are points of a continuous space here: dequantise them first, grey value k and u ~ U[0, 1) as
        x = (2 (k + u) - 1) / (levels - 1) - 1, and add dim log(2 / (levels - 1)) for a bound on the image's probability.
        """
        x = self.flat(x)
        if self.dim <= self.exact_trace:
            probes = torch.eye(self.dim, device=x.device, dtype=x.dtype).unsqueeze(1).expand(-1, len(x), -1)
        else:
            probes = normal(x.shape, generator).sign().to(x.dtype).unsqueeze(0)
        rows = max(1, 2**18 // (self.dim * len(probes) * max(self.classes, 1)))

        def flow(x, probes):
            if not self.classes:
                return self._flow(x, probes, steps)
            copies = probes.repeat(1, self.classes, 1)
            return self.by_class(lambda x, label: self._flow(x, copies, steps, label, self.guidance), x).logsumexp(0)

        return torch.cat([flow(*part) for part in zip(x.split(rows), probes.split(rows, 1), strict=True)])

    def _flow(self, x: Tensor, probes: Tensor, steps: int, *given) -> Tensor:
        """The ODE's log-density (B,) with the trace sum_k e_k' J e_k over probes e (K, B, dim), `given` as in velocity."""

        def f(u, x, _):
            times = torch.full_like(x[..., 0], u * u)

            def push(probe):
                return torch.func.jvp(lambda x: self.velocity(x, times, *given), (x,), (probe,))

            value, pushed = torch.func.vmap(push, out_dims=(None, 0))(probes)
            speed = 2 * u * (self.last - self.first)  # d phi / du of t = u^2
            return speed * value, speed * (pushed * probes).sum((0, -1))

        start = math.cos(self.first)  # data enter as x cos(phi), not noised: the distribution is the ODE's own at that time
        z, trace = rk4(f, (x * start, torch.zeros_like(x[..., 0])), 0.0, 1.0, steps)
        return standard_normal(z) + trace + self.dim * math.log(start)
