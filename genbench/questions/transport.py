"""Exact optimal transport between finite sets, whole or in batches."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Batches", "batches", "costs", "distance", "drawn", "ways"]


def costs(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances (n, m) between x (n, d) and y (m, d), float64, also right where points nearly coincide."""
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")


def distance(x: Tensor, y: Tensor, of_x: Tensor | None = None, of_y: Tensor | None = None) -> float:
    """Exact Wasserstein-1 distance of x (n, d) and y (m, d); `of_x` (n,), `of_y` (m,): their weights if they differ, >= 0."""
    import ot  # seconds of import: only who needs it pays

    weights = [[] if each is None else (each.double() / each.double().sum()).numpy() for each in (of_x, of_y)]
    return float(_solved(ot.emd2, *weights, costs(x, y)))


def ways(x: Tensor, y: Tensor) -> Tensor:
    """Where the exact plan between equally weighted x (n, d) and y (m, d) moves each y, on average: (m, d), targets minus y."""
    import ot

    plan = torch.from_numpy(_solved(ot.emd, [], [], costs(x, y)))
    return (plan.T @ x.double()) / plan.sum(0)[:, None] - y.double()


def _solved(solver, a, b, cost: Tensor):
    value, log = solver(a, b, cost.numpy(), numItermax=10_000_000, log=True)
    if log.get("warning"):
        raise RuntimeError(f"optimal transport did not converge: {log['warning']}")
    return value


@dataclass(frozen=True)
class Batches:
    """Means over draws of batches, with the standard errors of these means.

    raw: W1 of a batch of P and one of Q. debiased: that minus half of W1 of two batches of P and half of W1 of two of Q, which
    is 0 on average where P = Q. cosine: of the plan's moves of the fakes with given directions, nan without any.
    """

    raw: float
    raw_se: float
    debiased: float
    debiased_se: float
    cosine: float


def batches(x: Tensor, y: Tensor, batch: int, draws: int, seed: int = 0, directions: Tensor | None = None) -> Batches:
    """Batch distances of sets x (n, d) and y (m, d); the two batches of a set are disjoint: at most half of it each."""
    rng = np.random.default_rng(seed)
    raw, debiased, cosines = [], [], []
    for _ in range(draws):
        (a, b), (c, d) = drawn(len(x), batch, rng), drawn(len(y), batch, rng)
        raw.append(distance(x[a], y[c]))
        debiased.append(raw[-1] - (distance(x[a], x[b]) + distance(y[c], y[d])) / 2)
        if directions is not None:
            cosines.append(float(torch.cosine_similarity(ways(x[a], y[c]), directions[c], dim=1).mean()))
    spread = [float(np.std(each, ddof=1)) / math.sqrt(draws) if draws > 1 else math.nan for each in (raw, debiased)]
    cosine = float(np.mean(cosines)) if cosines else math.nan
    return Batches(float(np.mean(raw)), spread[0], float(np.mean(debiased)), spread[1], cosine)


def drawn(count: int, batch: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Indices of two disjoint batches out of `count` examples, shorter where there are not enough."""
    order, size = torch.from_numpy(rng.permutation(count)), min(batch, count // 2)
    return order[:size], order[size : 2 * size]
