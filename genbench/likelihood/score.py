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
from genbench.metrics.card import ANNEALED, Card, metric
from genbench.metrics.score import Score
from genbench.models import Model

__all__ = ["Estimate", "Likelihood", "nll_scores"]

KINDS = (
    "Kinds speak of the log-likelihood: exact; lower_bound, so that the number shown is too large by an unknown amount; "
    "estimate, which can err either way. Kinds are never ranked against each other."
)
EXAMPLES = (
    "Standard error over the test examples: their standard deviation divided by sqrt(n); a bound's own noise is in it, its "
    "distance from the truth is not. Models are compared on the same examples, by paired differences, which are far more "
    "certain than this."
)
THEIS = "Theis et al. 2016, arXiv:1511.01844"
FINE_STEPS = 1000  # of a diffusion's bound that shows what its short sampling chain costs
FINE_DIMENSIONS, FINE_POINTS = 64, 250  # beyond, that many steps are too expensive
TEMPERATURES = 300  # of the annealing of an energy of images
# examples whose density by the ODE, four times as expensive as a bound, is computed; of larger images fewer. It is an estimate of
# its own kind beside the bound, which is of all examples, and its standard error says what 500 are worth
ODE_EXAMPLES, ODE_IMAGES = 500, 50
PICTURE_STEPS = 12  # of the ODE for a picture: its densities are wrong by less than a hundredth of the highest
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
        """The annealing path from the uniform distribution on the box of images to an energy's distribution."""
        return HMCPath(self.model.energy, self.model.gradient, self.model.dim, self.generator, temperatures=TEMPERATURES)

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
            yield self._flow(x[: ODE_EXAMPLES if model.dim <= FINE_DIMENSIONS else ODE_IMAGES])
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
            return self._flow(x.to(self.generator.device), steps=PICTURE_STEPS).log_p
        found = next(self.of(x), None)
        return None if found is None else found.log_p

    def _bound(self, x: Tensor, steps: int | None = None) -> Estimate:
        """A diffusion's variational bound: that of the chain that samples, or of one with other steps."""
        y, jacobian = self.space.seen(x, self.generator)
        log_p = self.model.elbo(y, self.generator, steps).double() + jacobian
        return Estimate("lower_bound", log_p, {"estimator": f"variational bound, {steps or self.model.steps} steps"})

    def _flow(self, x: Tensor, **steps: int) -> Estimate:
        """The density of a diffusion's probability-flow ODE, in its own number of steps unless one is given."""
        y, jacobian = self.space.continuous(x, self.generator)
        log_p = self.model.log_prob(y, self.generator, **steps).double() + jacobian
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


@metric(
    Card(
        key="nll",
        title="Negative log-likelihood",
        unit="nats",
        direction="lower",
        applies="points",
        group="Likelihood",
        what="Mean negative log-density of test points under the model, in the units of the data, exact or bounded as its kind "
        "says.",
        range="Any real number: a density exceeds 1 where the data are narrow.",
        floor="The entropy of the data, reached by the true density only: the true density's own value on the same points.",
        uncertainty=EXAMPLES + " An energy's log Z is one error common to all points (settings: log_z_se), not in it.",
        traps=KINDS + " It says little of samples: a model that mixes in 99 % noise loses at most 4.6 nats. One test point in a "
        "region without density weighs more than all others. It changes with the units of the data.",
        source=THEIS,
        place=330,
        needs="density",
    )
)
@metric(
    Card(
        key="kl",
        title="KL(data || model)",
        unit="nats",
        direction="lower",
        applies="points",
        group="Likelihood",
        what="Divergence of the model's density from the true one: mean difference of their logarithms on the same test points.",
        range="0 to infinity; the mean over finitely many points can be a little negative.",
        floor="0 for the true density, without error, since the difference is taken point by point.",
        uncertainty="Standard error over the test points of the difference point by point, far smaller than that of the negative "
        "log-likelihood itself. An energy's log Z is one error common to all points (settings: log_z_se), not in it.",
        traps=KINDS + " With a lower bound the divergence is overestimated by the bound's gap. It forgives noise between the "
        "modes, unlike the divergence in the other direction, and punishes a missed mode without limit.",
        source=THEIS,
        place=340,
        needs="density",
    )
)
@metric(
    Card(
        key="bpd",
        title="Bits per dimension",
        unit="bits/dim",
        direction="lower",
        applies="images",
        group="Likelihood",
        what="Mean negative log2-probability of the discrete test images per dimension, exact or bounded as its kind says.",
        range="0 to infinity; a uniform distribution over L grey levels gets log2 L: 8 for 256 levels, 4.09 for 17.",
        floor="The entropy rate of the data, which is unknown: no floor.",
        uncertainty=EXAMPLES + " An energy's log Z is one error common to all images (settings: log_z_se), not in it.",
        traps=KINDS + " Densities of dequantised images are lower bounds of the discrete probability, loose by what the "
        "uniform noise costs. Most of the bits are noise in the grey values, which no one sees: small differences "
        "say nothing of how samples look. It compares only at the same grey levels, size and preprocessing.",
        source=THEIS + "; Uria et al. 2013, arXiv:1306.0186",
        place=350,
        needs="density",
    )
)
@metric(
    Card(
        key="long_bound",
        title="Bound of 1,000 steps",
        unit="nats or bits/dim",
        direction="lower",
        applies="both",
        group="Likelihood",
        what="Variational bound on the negative log-likelihood of test examples under a diffusion's chain of 1,000 steps, nats "
        "for points, bits/dim for images.",
        range="Any real number for points, 0 to infinity for images.",
        floor="As for the likelihood.",
        uncertainty="Standard error over test examples.",
        traps="Of a chain that nobody samples here: what it is better by than the bound of the sampling chain is the cost of "
        "that chain's few steps.",
        source="Ho et al. 2020, arXiv:2006.11239; Kingma et al. 2021, arXiv:2107.00630",
        ranked=False,
        place=360,
        needs="density",
    )
)
@metric(
    Card(
        key="raise_nll",
        title="Likelihood by RAISE",
        unit="nats",
        direction="lower",
        applies="images",
        group="Likelihood",
        what="Mean negative log-likelihood of test images under an energy-based model by reverse annealing from each image, "
        "nats per image: a second opinion beside the likelihood by an annealed normalising constant.",
        range="Any real number.",
        floor="As for the likelihood.",
        uncertainty=ANNEALED,
        traps="In expectation a bound on the likelihood under the distribution of the annealing chain's last state, and no bound "
        "under the energy's own: where annealing misses a part of the mass, both estimates are too good by as much, and agree. "
        "Where they differ by more than a few nats, neither is the likelihood; that they agree proves nothing. Of few images.",
        source="Burda et al. 2015, arXiv:1412.8566",
        place=370,
        needs="density",
    )
)
@metric(
    Card(
        key="nll_gap",
        title="Train-test gap",
        unit="nats or bits/dim",
        direction="lower",
        applies="both",
        group="Memorisation",
        what="Mean negative log-likelihood of test examples less that of training examples (nats for points, bits/dim for "
        "images): how much more the model knows of what it was trained on.",
        range="Any real number; near 0 without overfitting.",
        floor="0 in expectation for a model that does not depend on the training set; two random samples differ by their "
        "standard error.",
        uncertainty="Square root of the sum of the squared standard errors of both means, over examples.",
        traps="Zero is also what a model gets that has learnt nothing: read it beside the likelihood itself, which is why it is "
        "not ranked. Bounds have gaps of their own on both sides: a VAE's encoder can fit training images better than test "
        "images while the model itself does not overfit. Single training images can be memorised while the mean gap is small.",
        source="van den Burg and Williams 2021, arXiv:2106.03216",
        ranked=False,
        place=380,
        needs="density",
    )
)
def nll_scores(likelihood: Likelihood, points: int) -> tuple[list[Score], dict[str, Tensor]]:
    """Scores of the first `points` test examples, and the likelihoods of each by "metric/kind", in the metric's unit.

    nll (points) or bpd (images) for every kind; long_bound of a diffusion; raise_nll of an energy of images; kl, the excess
    over the true density on the same points, where that is known; nll_gap, how much less likely test examples are than
    training examples, by the first kind. All of them draw from the one random stream of `likelihood`, in turn: none is
    computed without the others.
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
            scores.append(_score("kl", each + data.density().log_prob(test[: len(each)]), unit, estimate.kind, settings))
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
