"""Annealed bounds of models that decode latents, and what their error is on data that the model made."""

import torch

from genbench.data import Dataset, Space
from genbench.likelihood.annealed import bdmc, decoder_ais, fit_sigma, start_of, surrogate
from genbench.likelihood.importance import IMPORTANCE_SAMPLES, importance_bounds
from genbench.metrics.score import Score
from genbench.models import Model
from genbench.models.base import normal

__all__ = ["annealed_scores"]

CHAINS = 16


def annealed_scores(
    model: Model, data: Dataset, space: Space, points: int, temperatures: int, generator: torch.Generator
) -> list[Score]:
    """Bounds in nats on the likelihood of the first `points` test examples, by annealing; none without a decoder of
    z alone, as that of a model which is told the class, nor where the prior of z has no density at hand.

    ais_nll of a model with a density: tighter than its importance-weighted bound where the encoder is poor. surrogate_nll
    of one without: that of N(G(z), sigma^2 I), with sigma chosen on as many validation examples. bdmc_gap: what either bound
    lacks at most, in expectation, on examples that the model itself made.
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
