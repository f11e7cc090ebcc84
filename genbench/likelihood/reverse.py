"""Likelihoods of energy models by annealing back from the examples."""

import math

import torch
from torch import Tensor

from genbench.likelihood.partition import Path, walk

__all__ = ["raise_log_prob"]


def raise_log_prob(path: Path, x: Tensor, chains: int = 16) -> Tensor:
    """RAISE: a stochastic lower bound on log p_ann(x) (n,) in nats at x (n, d), float64, from `chains` chains per point.

    p_ann is the distribution of the last state of the path's annealing, which approaches p = exp(-U)/Z as the path gets
    finer: it is a bound for that sampler and errs on the safe side of log p, where log p with an annealed log Z errs on the
    other. It is no bound on log p itself: a path too coarse to forget its start may lie above it in places.

    References:
        Accurate and conservative estimates of MRF log-likelihood using reverse annealing (Burda et al., 2015), arXiv 1412.8566
    """
    state = path.at(x.repeat_interleave(chains, 0))
    log_w = path.log_target(state) - path.log_z0 + walk(path, state, back=True)
    return torch.logsumexp(log_w.unflatten(0, (len(x), chains)), 1) - math.log(chains)
