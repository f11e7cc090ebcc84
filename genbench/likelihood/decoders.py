"""Annealed bounds of models that decode latents, and what their error is on data that the model made."""

import torch

from genbench.data import Dataset, Space
from genbench.likelihood.annealed import bdmc, decoder_ais, fit_sigma, start_of, surrogate
from genbench.likelihood.importance import IMPORTANCE_SAMPLES, importance_bounds
from genbench.metrics.card import ANNEALED, Card, metric
from genbench.metrics.score import Score
from genbench.models import Model
from genbench.models.base import normal

__all__ = ["annealed_scores"]

CHAINS = 16
WU = "Wu et al. 2017, arXiv:1611.04273"


@metric(
    Card(
        key="ais_nll",
        title="Annealed likelihood",
        unit="nats",
        direction="lower",
        applies="both",
        group="Likelihood",
        what="Mean negative log-likelihood of test examples by annealed importance sampling from the encoder or the prior to the "
        "posterior of the latent variable: usually the tightest bound of a model with a decoder; nats per point or image.",
        range="Any real number for points, 0 to infinity for images.",
        floor="As for the likelihood that it bounds.",
        uncertainty=ANNEALED,
        traps="A lower bound of the log-likelihood: too few temperatures make a model look worse. Judge it by the effective "
        "number of chains (settings: ess) and by the annealing gap; a high acceptance proves nothing. It is of few examples, so "
        "compare it with other bounds on those only.",
        source="Neal 2001, arXiv:physics/9803008; " + WU,
        place=390,
        needs="density",
    )
)
@metric(
    Card(
        key="surrogate_nll",
        title="Likelihood with noise",
        unit="nats",
        direction="lower",
        applies="both",
        group="Surrogate likelihood",
        what="Mean negative log-likelihood of test examples under a model made of a generator without likelihood by adding "
        "Gaussian noise, N(G(z), sigma^2 I) with sigma chosen on validation examples, bounded by annealed importance "
        "sampling; nats per point, or per image of dequantised grey values.",
        range="Any real number.",
        floor="None: the noise is not part of the generator, so that even a perfect one does not get the data's entropy.",
        uncertainty=ANNEALED + " The choice of sigma, by 8 chains of 100 temperatures, is not in it.",
        traps="Of another model than the one that makes the samples: never to be ranked with likelihoods. Sigma decides much of "
        "it (settings: sigma). A generator whose images lie on a thin manifold is charged for every test image off it. The "
        "bound is loose where annealing fails: see the annealing gap.",
        source=WU,
        place=400,
        needs="density",
    )
)
@metric(
    Card(
        key="bdmc_gap",
        title="Annealing gap",
        unit="nats",
        direction="lower",
        applies="both",
        group="Likelihood",
        what="Upper less lower bound of the log-likelihood, by annealing in both directions, on examples drawn from the model "
        "itself, whose latent variables are known: the annealed bound's error is at most this, in expectation.",
        range="0 to infinity in expectation; noise can make it a little negative.",
        floor="0 for infinitely many temperatures. Below 1 nat is fine beside differences of several nats.",
        uncertainty="Standard error of the gap over the simulated examples.",
        traps="It judges the estimator, not the model. It holds for the model's own examples; where real ones lie far from "
        "those, annealing may do worse on them.",
        source="Grosse et al. 2015, arXiv:1511.02543; " + WU,
        ranked=False,
        place=410,
        needs="density",
    )
)
def annealed_scores(
    model: Model, data: Dataset, space: Space, points: int, temperatures: int, generator: torch.Generator
) -> list[Score]:
    """Bounds in nats on the likelihood of the first `points` test examples, by annealing; none without a decoder of
    z alone, as that of a class-conditional model, nor where the prior of z has no density at hand.

    ais_nll of a model with a density: tighter than its importance-weighted bound where the encoder is poor. surrogate_nll
    of one without: that of N(G(z), sigma^2 I), with sigma chosen on as many validation examples. bdmc_gap: what either bound
    lacks at most, in expectation, on examples that the model itself made. All draw from one random stream, that of the
    likelihoods before them (`nll_scores`): none is computed without the others.
    """
    if not hasattr(model, "generate") or model.classes or model.log_prior is None:
        return []
    test, validation = (data.splits[split][:points].to(generator.device) for split in ("test", "validation"))
    z = model.draw_prior(len(test), generator)
    if hasattr(model, "log_likelihood"):
        y, jacobian = space.seen(test, generator)
        iwae = importance_bounds(lambda: model.log_weights(y, generator), IMPORTANCE_SAMPLES).iwae + jacobian
        settings = {"iwae": -float(iwae.mean()), "iwae_k": IMPORTANCE_SAMPLES}
        metric, p, made = "ais_nll", model.log_likelihood, model.draw(z, generator)
        starts = [model.encode(each) for each in (y, made)]
    else:
        y, jacobian = space.continuous(test, generator)
        shown, _ = space.continuous(validation, generator)
        own = None if model.normal_prior else model.draw_prior(256, generator)
        sigma = fit_sigma(model.generate, model.latent, shown, generator, log_prior=model.log_prior, z=own).value
        settings = {"sigma": sigma}
        metric, p, made = "surrogate_nll", surrogate(model.generate, sigma), model.generate(z)
        made = (made + sigma * normal(made.shape, generator)).reshape(y.shape)
        starts = [None if own is None else start_of(own, len(z))] * 2
    anneal = {"chains": CHAINS, "temperatures": temperatures}
    forward = decoder_ais(p, model.latent, y, generator, start=starts[0], log_prior=model.log_prior, **anneal)
    gap = bdmc(p, z, made, generator, start=starts[1], log_prior=model.log_prior, **anneal)
    settings |= {"split": "test", **anneal}
    each = -(forward.lower + jacobian).double()
    error = float(each.std()) / len(each) ** 0.5
    ess, gap_ess = float(forward.ess.mean()), float(gap.ess.mean())
    return [
        Score(metric, float(each.mean()), len(each), "nats", error, "lower_bound", {**settings, "ess": ess, "gap": gap.value}),
        Score("bdmc_gap", gap.value, len(made), "nats", gap.se, settings={**settings, "ess": gap_ess}),
    ]
