"""What do a log-determinant, an exact divergence and an estimate of it cost as the dimension grows?"""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from genbench.models.base import normal
from genbench.nets import VelocityField
from genbench.questions.training import Bench
from genbench.training.replicas import build, stream

if TYPE_CHECKING:
    from genbench.questions.divergence_cost.settings import Settings as DivergenceCost

__all__ = ["field", "hutchinson_variance", "run"]

DEPTH = 3  # of the field: at two hidden layers its divergence has a form of its own
LEAST, TIMES = 0.05, 3  # seconds and repetitions of a timing at least


def run(settings: "DivergenceCost", bench: Bench) -> dict[str, pd.DataFrame]:
    """Time the three for one velocity field per dimension, and measure what the estimate's noise is.

    All of it runs on the CPU: the arithmetic is what grows with the dimension, and a GPU would show its fixed costs.

    Tables: `costs` (method, dim, seconds): least CPU-seconds of a call for all points, where "log-determinant" is that of given
    Jacobians, "exact divergence" the velocity and its trace from dim tangents, "Hutchinson" the velocity and one probe's
    estimate; `noise` (dim, probe, seed, std, expected): standard deviation in nats of the estimate over probes at a point, and
    what its Jacobian says.

    References:
        FFJORD (Grathwohl et al., 2018), arXiv 1810.01367, section 3.1
        A Stochastic Estimator of the Trace of the Influence Matrix (Hutchinson, 1990)
    """
    costs: list[dict] = []
    noise: list[dict] = []
    for dim in settings.dims:
        net = field(dim, settings.width, 0)
        generator = torch.Generator().manual_seed(stream(0, "points"))
        x, e = (normal((settings.points, dim), generator) for _ in range(2))
        jacobians = torch.eye(dim) + 0.1 * normal((settings.points, dim, dim), generator) / dim**0.5
        calls = {
            "log-determinant": lambda: torch.linalg.slogdet(jacobians),  # noqa: B023
            "exact divergence": lambda: net.divergence(0.5, x),  # noqa: B023
            "Hutchinson": lambda: (net.push(0.5, x, e)[1] * e).sum(-1),  # noqa: B023
        }
        costs += [{"method": method, "dim": dim, "seconds": _seconds(call)} for method, call in calls.items()]
        noise += [
            {"dim": dim, "probe": probe, "seed": seed, **_noise(dim, probe, seed, settings)}
            for probe in ("rademacher", "gaussian")
            for seed in range(settings.seeds)
        ]
        bench.log(f"{dim} dimensions: {', '.join('{method} {seconds:.2g} s'.format(**row) for row in costs[-3:])}")
    return {"costs": pd.DataFrame(costs), "noise": pd.DataFrame(noise)}


def field(dim: int, width: int, seed: int) -> VelocityField:
    """A velocity field with random weights of unit gain."""

    def make():
        net = VelocityField(dim, width, DEPTH).requires_grad_(False)
        for layer in net.layers:
            torch.nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        return net

    return build(make, seed)


def hutchinson_variance(jacobian: Tensor, probe: str) -> float:
    """Variance of e^T J e: with S = (J + J^T)/2 it is 2 |S|_F^2 for normal e, less the diagonal's part for signs."""
    squared = (0.5 * (jacobian + jacobian.T)).square()
    return float(2 * (squared.sum() - (squared.diagonal().sum() if probe == "rademacher" else 0)))


def _seconds(call: Callable[[], object]) -> float:
    call()
    start, spent = time.process_time(), []
    while len(spent) < TIMES or time.process_time() - start < LEAST:
        before = time.process_time()
        call()
        spent.append(time.process_time() - before)
    return min(spent)


def _noise(dim: int, probe: str, seed: int, settings: "DivergenceCost") -> dict[str, float]:
    net, generator = field(dim, settings.width, seed), torch.Generator().manual_seed(stream(seed, "probes"))
    x, e = normal((1, dim), generator), normal((settings.probes, dim), generator)
    e = e.sign() if probe == "rademacher" else e
    estimates = (net.push(0.5, x.expand(settings.probes, dim), e)[1] * e).sum(-1)
    jacobian = torch.func.jacfwd(lambda x: net(0.5, x))(x)[0, :, 0]
    return {"std": float(estimates.std()), "expected": math.sqrt(hutchinson_variance(jacobian, probe))}
