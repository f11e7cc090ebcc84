"""Sampling methods: ways to sample a trained generator, each beside the raw samples.

A method is a function of a Sampler that yields what it makes, under the class that says what that is, and the conditions that a
model must meet. A new one is a function and a line in METHODS, and its name in `Posthoc.methods` (config/schema.py).
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from genbench.data.space import Space
from genbench.models import Model
from genbench.models.adversarial import Adversarial
from genbench.models.gan_losses import LOSSES
from genbench.sampling.calibration import isotonic, platt, reliability, reliability_out_of_fold
from genbench.sampling.draws import CHUNK
from genbench.sampling.latent import arcs, ddls, truncated_normal
from genbench.sampling.metropolis import metropolis

__all__ = ["METHODS", "Diagnostics", "Made", "Method", "Sampler", "Samples", "Walks"]

THRESHOLDS = (2.0, 1.0, 0.5, 0.25)  # of the truncation; the raw samples have none
CALIBRATED = 5000  # samples, and held-out examples where there are so many, that a calibration is fitted to
PAIRS, STEPS = 6, {"images": 9, "points": 65}  # of interpolations


@dataclass(frozen=True)
class Samples:
    """Samples y (n, ...) in model space.

    `seconds` that they took; `generator_passes`, `critic_passes` and `backward_passes` are network evaluations per sample,
    without the calibration's or what a prior other than N(0, I) costs; `threshold` of a truncation.
    """

    y: Tensor
    seconds: float
    generator_passes: float = 1.0
    critic_passes: float = 0.0
    backward_passes: float = 0.0
    threshold: float | None = None


@dataclass(frozen=True)
class Diagnostics:
    """Numbers that a method says of itself, found on n examples."""

    values: dict[str, float]
    n: int


@dataclass(frozen=True)
class Walks:
    """Walks y (steps, pairs, *shape) in model space between pairs of samples."""

    y: Tensor


class Sampler:
    """A trained generator, and what methods need besides.

    Arguments:
        model: has `generate`. seen: the data space that it sees. held_out: raw examples that it was not trained on.
        count: samples that each method makes. steps: of each Markov chain. generator: of all randomness.
    """

    def __init__(self, model: Model, seen: Space, held_out: Tensor, count: int, steps: int, generator: torch.Generator):
        self.model, self.seen, self.held_out = model, seen, held_out
        self.count, self.steps, self.generator = count, steps, generator

    @property
    def sizes(self) -> list[int]:
        """Numbers of samples that are made at once."""
        return [min(CHUNK, self.count - start) for start in range(0, self.count, CHUNK)]

    def made(self, z: Tensor) -> Tensor:
        """Flat or shaped examples of latents z (n, latent), as the model's own `sample` makes them."""
        if hasattr(self.model, "draw") and not self.model.levels:
            return self.model.draw(z, self.generator)
        return torch.cat([self.model.generate(each) for each in z.split(CHUNK)])

    def critic_values(self) -> tuple[Tensor, Tensor]:
        """The critic's values (n,) of held-out examples and (m,) of samples, which are plenty even where the others are few."""
        real = self.seen.encode(self.held_out[:CALIBRATED].to(self.generator.device))
        fake = self.made(self.model.draw_prior(CALIBRATED, self.generator))
        return tuple(torch.cat([self.model.score(each) for each in x.flatten(1).split(CHUNK)]) for x in (real, fake))


Made = Samples | Diagnostics | Walks


def raw(sampler: Sampler) -> Iterator[Made]:
    """As many samples as the other methods make, from fresh noise; how calibrated the critic is, if its loss is logistic."""
    model, start = sampler.model, time.perf_counter()
    y = sampler.made(model.draw_prior(sampler.count, sampler.generator))
    yield Samples(y, time.perf_counter() - start)
    loss = getattr(model, "loss", None)
    if isinstance(model, Adversarial) and loss in LOSSES and LOSSES[loss].logistic:
        real, fake = sampler.critic_values()
        labels = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
        shares = (torch.cat([real, fake]) + math.log(len(real) / len(fake))).sigmoid()
        yield Diagnostics(asdict(reliability(shares, labels)), len(labels))


def truncation(sampler: Sampler) -> Iterator[Made]:
    """Latent coordinates within a threshold."""
    for threshold in THRESHOLDS:
        start = time.perf_counter()
        y = sampler.made(truncated_normal((sampler.count, sampler.model.latent), threshold, sampler.generator))
        yield Samples(y, time.perf_counter() - start, threshold=threshold)


def metropolis_chains(sampler: Sampler) -> Iterator[Made]:
    """Chains over samples, with odds from an isotonic regression."""
    model, generator = sampler.model, sampler.generator
    real, fake = sampler.critic_values()
    logit = isotonic(real, fake)
    known = logit(real)

    def propose(n: int) -> tuple[Tensor, Tensor]:
        x = model.generate(model.draw_prior(n, generator))
        return x, logit(model.score(x))

    start, parts = time.perf_counter(), []
    for size in sampler.sizes:
        drawn = torch.randint(len(known), (size,), generator=generator, device=generator.device)
        parts.append(metropolis(propose, known[drawn], sampler.steps, generator))
    passes = sum(part.proposals for part in parts) / sampler.count
    yield Samples(torch.cat([part.x for part in parts]), time.perf_counter() - start, passes, passes)
    shares = np.array([len(part.x) / sampler.count for part in parts])
    own = {key: float(shares @ [getattr(part, key) for part in parts]) for key in ("acceptance", "restarted")}
    yield Diagnostics(own | asdict(reliability_out_of_fold(isotonic, real, fake)), len(real) + len(fake))


def latent_langevin(sampler: Sampler) -> Iterator[Made]:
    """Langevin chains in the latent space, with odds from a logistic regression."""
    model, generator = sampler.model, sampler.generator
    real, fake = sampler.critic_values()
    line = platt(real, fake)

    def logit(z: Tensor) -> Tensor:
        return line(model.score(model.generate(z)))

    start, parts = time.perf_counter(), []
    for size in sampler.sizes:
        parts.append(ddls(logit, model.draw_prior(size, generator), sampler.steps, generator, model.log_prior))
    y = sampler.made(torch.cat([part[0] for part in parts]))
    looks = sampler.steps + 1  # at energy and gradient
    yield Samples(y, time.perf_counter() - start, looks + 1, looks, looks)
    shares = np.array([len(part[0]) / sampler.count for part in parts])
    own = {"acceptance": float(shares @ [part[1] for part in parts]), "length": float(shares @ [part[2] for part in parts])}
    own |= {"slope": line.slope} | asdict(reliability_out_of_fold(platt, real, fake))
    yield Diagnostics(own, len(real) + len(fake))


def interpolation(sampler: Sampler) -> Iterator[Made]:
    """Arcs between pairs of latents, or straight lines where these are not N(0, I): pictures only."""
    model, generator = sampler.model, sampler.generator
    ends = model.draw_prior(2 * PAIRS, generator).unflatten(0, (2, PAIRS))
    t = torch.linspace(0, 1, STEPS[sampler.seen.kind], device=generator.device)
    path = arcs(*ends, t) if model.normal_prior else torch.lerp(*ends, t.reshape(-1, 1, 1))
    yield Walks(model.generate(path.flatten(0, 1)).reshape(len(t), PAIRS, *model.shape))


# ---- what a model must be: each says why it is not, or nothing


def _unconditional(model: Model) -> str:
    return "class-conditional generators are sampled in the usual way only" if model.classes else ""


def _normal(model: Model) -> str:
    return "" if model.normal_prior else "the model's prior is not a standard normal distribution"


def _critic(model: Model) -> str:
    if not isinstance(model, Adversarial):
        return "the model has no critic"
    return "the critic's value of an example depends on its batch" if getattr(model, "norm", "none") == "batch" else ""


@dataclass(frozen=True)
class Method:
    """A way to sample: `run` yields what it makes; `needs` are what it asks of a model."""

    run: Callable[[Sampler], Iterator[Made]]
    needs: tuple[Callable[[Model], str], ...] = (_unconditional,)

    def unfit(self, model: Model) -> str:
        """Why the method has nothing to do with a model; empty where it has."""
        return next((why for need in self.needs if (why := need(model))), "")


METHODS = {
    "raw": Method(raw),
    "truncation": Method(truncation, (_unconditional, _normal)),
    "metropolis": Method(metropolis_chains, (_unconditional, _critic)),
    "ddls": Method(latent_langevin, (_unconditional, _critic)),
    "interpolation": Method(interpolation),
}
