"""The log-likelihood of examples under a trained model, with its kind, and the scores made of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from genbench.data import Dataset, Space, bits_per_dim
from genbench.likelihood.importance import IMPORTANCE_SAMPLES, importance_bounds
from genbench.likelihood.partition import HMCPath, LogZ, ais_log_z, quadrature_log_z
from genbench.likelihood.reverse import raise_log_prob
from genbench.metrics.score import Score
from genbench.models import Model

__all__ = ["Estimate", "Likelihood", "nll_scores"]

FINE_STEPS = 1000  # of a diffusion's bound that shows what its short sampling chain costs
FINE_DIMENSIONS, FINE_POINTS = 64, 250  # beyond, that many steps are too dear
TEMPERATURES = 300  # of the annealing of an energy of images
ODE_IMAGES = 50  # larger images whose density by the ODE is computed
RAISE_IMAGES, RAISE_CHAINS = 20, 16  # images that RAISE anneals back from, and chains for each


@dataclass(frozen=True, eq=False)
class Estimate:
    """Log-likelihoods (n,) in nats of raw points, or of the grey values of images, of one kind."""

    kind: str
    log_p: Tensor
    settings: dict[str, Any]


class Likelihood:
    """Log-likelihoods of raw data under one trained model.

    Densities of dequantised images bound the probability of the 8-bit image from below (one draw of the noise per
    example), so an exact density is a lower bound there. An energy's log Z is computed once.
    """

    def __init__(self, model: Model, data: Dataset, space: Space, generator: torch.Generator) -> None:
        self.model, self.data, self.space, self.generator = model, data, space, generator

    @cached_property
    def path(self) -> HMCPath:
        """The annealing path from the uniform law on the box of images to an energy's law."""
        return HMCPath(self.model.energy, self.model.slope, self.model.dim, self.generator, temperatures=TEMPERATURES)

    @cached_property
    def log_z(self) -> LogZ:
        """The energy's normalising constant: by quadrature for points, by annealed importance sampling for images."""
        if self.data.kind == "points":
            return quadrature_log_z(self.model.energy, device=self.generator.device)
        return ais_log_z(self.path)

    def of(self, x: Tensor) -> Iterator[Estimate]:
        """Estimates of the log-likelihoods of raw x, one per kind, the most trustworthy first; none without a density.

        Where a model has several of a kind (a VAE's ELBO and its importance-weighted bound), the tightest. An estimate may
        be of the first examples only.
        """
        model, generator, x = self.model, self.generator, x.to(self.generator.device)
        kind = "lower_bound" if self.space.dequantises and model.likelihood == "exact" else model.likelihood
        if hasattr(model, "elbo"):
            yield self._bound(x)
            yield self._flow(x if model.dim <= FINE_DIMENSIONS else x[:ODE_IMAGES])
            return
        y, jacobian = self.space.seen(x, generator)
        if hasattr(model, "log_weights"):
            bounds = importance_bounds(lambda: model.log_weights(y, generator), IMPORTANCE_SAMPLES)
            settings = {"estimator": f"IWAE, k={IMPORTANCE_SAMPLES}", "ess": float(bounds.ess.mean())}
            yield Estimate(kind, bounds.iwae + jacobian, {**settings, "elbo": self.value(bounds.elbo + jacobian)})
        elif hasattr(model, "energy"):
            z = self.log_z
            # a grid is exact to its step; chains are not
            yield Estimate(kind if z.error is None else "exact", -model.energy(y).double() - z.value + jacobian, _about(z))
        elif hasattr(model, "log_prob"):
            yield Estimate(kind, model.log_prob(y, generator).double() + jacobian, {"estimator": "log_prob"})

    def by_raise(self, x: Tensor) -> Tensor | None:
        """RAISE's log-likelihoods (m,) of the first images under an energy; None for other models and for points."""
        if not hasattr(self.model, "energy") or self.data.kind == "points":
            return None
        y, jacobian = self.space.seen(x[:RAISE_IMAGES].to(self.generator.device), self.generator)
        return raise_log_prob(self.path, self.model.flat(y), RAISE_CHAINS) + jacobian

    def density(self, x: Tensor) -> Tensor | None:
        """log p (n,) in nats at raw points (n, 2), for pictures; None without a density."""
        if hasattr(self.model, "elbo"):  # its ODE's is smooth where the bound is noisy
            return self._flow(x.to(self.generator.device)).log_p
        found = next(self.of(x), None)
        return None if found is None else found.log_p

    def _bound(self, x: Tensor, steps: int | None = None) -> Estimate:
        """A diffusion's variational bound: that of the chain that samples, or of one with other steps."""
        y, jacobian = self.space.seen(x, self.generator)
        log_p = self.model.elbo(y, self.generator, steps).double() + jacobian
        return Estimate("lower_bound", log_p, {"estimator": f"variational bound, {steps or self.model.steps} steps"})

    def _flow(self, x: Tensor) -> Estimate:
        """The density of a diffusion's probability-flow ODE."""
        y, jacobian = self.space.continuous(x, self.generator)
        log_p = self.model.log_prob(y, self.generator).double() + jacobian
        trace = "exact" if self.model.dim <= self.model.exact_trace else "Hutchinson, one probe"
        return Estimate("estimate", log_p, {"estimator": "probability-flow ODE", "trace": trace})

    def long_bound(self, x: Tensor) -> Estimate | None:
        """The bound of a long chain, to show what a diffusion's short one costs; None for others, given classes, large images."""
        if not hasattr(self.model, "elbo") or self.model.dim > FINE_DIMENSIONS or self.model.classes:
            return None
        return self._bound(x[:FINE_POINTS].to(self.generator.device), FINE_STEPS)

    def value(self, log_p: Tensor) -> float:
        """Mean negative log-likelihood in the unit of the dataset: nats, or bits per dimension."""
        return float(self.each(log_p).mean())

    def each(self, log_p: Tensor) -> Tensor:
        """Negative log-likelihoods (n,) in nats for points, in bits per dimension for images."""
        return -log_p if self.data.kind == "points" else bits_per_dim(log_p, self.space.dim)


def _about(z: LogZ) -> dict[str, Any]:
    """Settings of a likelihood that stands on log Z."""
    settings = {"estimator": "AIS" if z.error is None else "quadrature", "log_z": z.value, "usable": z.usable}
    known = {"log_z_se": z.se, "ess": z.ess, "log_z_error": z.error, "reason": z.reason or None}
    return settings | {key: value for key, value in known.items() if value is not None}


def nll_scores(likelihood: Likelihood, points: int) -> tuple[list[Score], dict[str, Tensor]]:
    """Scores of the first `points` test examples, and the likelihoods of each by "metric/kind", in the metric's unit.

    nll (points) or bpd (images) for every kind; long_bound of a diffusion; raise_nll of an energy of images; kl, the excess
    over the true density on the same points, where that is known; nll_gap, how much less likely test examples are than
    training examples, by the first kind.
    """
    data = likelihood.data
    metric, unit = ("nll", "nats") if data.kind == "points" else ("bpd", "bits/dim")
    test = data.splits["test"][:points]
    scores, examples = [], {}
    for estimate in likelihood.of(test):
        each = likelihood.each(estimate.log_p).cpu()
        settings = {"split": "test", "space": likelihood.space.name, **estimate.settings}
        scores.append(_score(metric, each, unit, estimate.kind, settings))
        examples[f"{metric}/{estimate.kind}"] = each
        if data.kind == "points":
            scores.append(_score("kl", each + data.density().log_prob(test), unit, estimate.kind, settings))
    if (long := likelihood.long_bound(test)) is not None:
        scores.append(
            _score("long_bound", likelihood.each(long.log_p).cpu(), unit, long.kind, {"split": "test", **long.settings})
        )
    if (log_p := likelihood.by_raise(test)) is not None:
        settings = {"split": "test", "chains": RAISE_CHAINS, "temperatures": TEMPERATURES, **_about(likelihood.log_z)}
        scores.append(_score("raise_nll", -log_p.cpu(), "nats", "estimate", {**settings, "estimator": "RAISE"}))
    seen = next(likelihood.of(data.splits["train"][:points]), None)
    if seen is not None:
        train, each = likelihood.each(seen.log_p).cpu(), examples[f"{metric}/{seen.kind}"]
        se = math.hypot(*(float(part.std()) / len(part) ** 0.5 for part in (train, each)))
        settings = {"estimator": seen.settings["estimator"], "kind": seen.kind, "n_train": len(train)}
        scores.append(Score("nll_gap", float(each.mean() - train.mean()), len(each), unit, se, settings=settings))
    return scores, examples


def _score(metric: str, each: Tensor, unit: str, kind: str, settings: dict[str, Any]) -> Score:
    return Score(metric, float(each.mean()), len(each), unit, float(each.std()) / len(each) ** 0.5, kind, settings)
