"""The log-likelihood of held-out data under a trained model, with its kind."""

import torch
from torch import Tensor

from genbench.data import Dataset, Space, bits_per_dim
from genbench.likelihood.importance import importance_bounds
from genbench.likelihood.partition import LogZ, ais_log_z, quadrature_log_z
from genbench.metrics.score import Score
from genbench.models import Model

__all__ = ["log_density", "nll_scores"]

IMPORTANCE_SAMPLES = 200
ODE_DIMENSIONS = 3  # a diffusion's ODE with the exact trace; beyond, its variational bound stands alone


def nll_scores(model: Model, data: Dataset, space: Space, points: int, generator: torch.Generator) -> list[Score]:
    """Negative log-likelihoods of the first `points` test examples: nats for points, bits/dim for images.

    Densities of dequantised images bound the probability of the 8-bit image from below (one draw of the noise per
    example), so an exact density is a lower bound there. Each score carries its kind and settings; where a model has
    several (a VAE's ELBO and its tighter bound, a diffusion's bound and its ODE), the best of a kind is reported.
    """
    x = data.splits["test"][:points].to(generator.device)
    u = torch.rand(x.shape, generator=generator, device=x.device) if space.dequantises else None
    y = space.encode(x, u)
    jacobian = space.log_jacobian(y).double()
    kind = "lower_bound" if space.dequantises and model.likelihood == "exact" else model.likelihood
    common = {"split": "test", "space": space.name}
    out = []

    def add(log_p: Tensor, kind: str, **settings) -> None:
        total = log_p.double() + jacobian
        values = -total if data.kind == "points" else bits_per_dim(total, space.dim)
        metric, unit = ("nll", "nats") if data.kind == "points" else ("bpd", "bits/dim")
        se = float(values.std() / len(values) ** 0.5)
        out.append(Score(metric, float(values.mean()), len(values), unit, se, kind, {**common, **settings}))

    if hasattr(model, "log_weights"):
        bounds = importance_bounds(lambda: model.log_weights(y, generator), IMPORTANCE_SAMPLES)
        settings = {"estimator": f"IWAE, k={IMPORTANCE_SAMPLES}", "ess": float(bounds.ess.mean())}
        add(bounds.iwae, kind, **settings, elbo=_mean(bounds.elbo + jacobian, data, space))
    elif hasattr(model, "energy"):
        z = _log_z(model, data, generator)
        settings = {"estimator": "AIS" if z.check is None else "quadrature", "log_z": z.value}
        settings |= {k: v for k, v in (("log_z_se", z.se), ("ess", z.ess), ("wider_domain", z.check)) if v is not None}
        # a grid is exact to its step; chains are not
        add(-model.energy(y).double() - z.value, kind if z.check is None else "exact", **settings)
    else:
        if hasattr(model, "elbo"):
            add(model.elbo(y, generator), "lower_bound", estimator="variational bound")
        if hasattr(model, "log_prob") and (not hasattr(model, "elbo") or model.dim <= ODE_DIMENSIONS):
            estimator = "probability-flow ODE" if hasattr(model, "elbo") else "log_prob"
            add(model.log_prob(y, generator), kind, estimator=estimator)
    return out


def log_density(model: Model, data: Dataset, space: Space, x: Tensor, generator: torch.Generator) -> Tensor | None:
    """log p (n,) in nats at raw points x (n, d), for pictures; None where a model has no density."""
    y = space.encode(x)
    if hasattr(model, "log_weights"):
        log_p = importance_bounds(lambda: model.log_weights(y, generator), 50).iwae
    elif hasattr(model, "energy"):
        log_p = -model.energy(y).double() - _log_z(model, data, generator).value
    elif hasattr(model, "log_prob"):
        log_p = model.log_prob(y, generator).double()
    else:
        return None
    return log_p + space.log_jacobian(y)


def _log_z(model: Model, data: Dataset, generator: torch.Generator) -> LogZ:
    if data.kind == "points":
        return quadrature_log_z(model.energy, device=generator.device)
    return ais_log_z(model.energy, model.slope, model.dim, generator)


def _mean(log_p: Tensor, data: Dataset, space: Space) -> float:
    return float((-log_p if data.kind == "points" else bits_per_dim(log_p, space.dim)).mean())
