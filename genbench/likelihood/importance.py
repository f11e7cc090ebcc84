"""Importance-weighted bounds for models with latent variables."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["IMPORTANCE_SAMPLES", "Bounds", "importance_bounds"]

IMPORTANCE_SAMPLES = 200  # k of the reported bounds


@dataclass(frozen=True)
class Bounds:
    """Lower bounds on log p(x) per example, in nats."""

    elbo: Tensor  # (n,) mean of the log-weights
    iwae: Tensor  # (n,) log of the mean weight of k samples: tighter with k
    ess: Tensor  # (n,) effective number of samples (sum w)^2 / sum w^2, between 1 and k


def importance_bounds(log_weights: Callable[[], Tensor], k: int) -> Bounds:
    """Bounds from k calls of `log_weights`, each one log p(x, z) - log q(z|x) (n,) with a fresh z.

    References:
        Importance Weighted Autoencoders (Burda et al., 2015), arXiv 1509.00519
    """
    w = torch.stack([log_weights().double() for _ in range(k)])
    ess = (2 * w.logsumexp(0) - (2 * w).logsumexp(0)).exp()
    return Bounds(w.mean(0), w.logsumexp(0) - math.log(k), ess)
