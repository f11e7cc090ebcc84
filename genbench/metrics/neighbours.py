"""Precision, recall, density and coverage: counts of nearest neighbours, from one computation of the distances."""

from typing import Any

import torch
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score

__all__ = ["Coverage", "neighbours"]

LIMIT = 10_000  # examples of each side; time and memory grow with the square
PRECISION, COVERAGE = 3, 5  # neighbours, as the papers have them
HALVES = 12
NEAR = 32  # neighbours among which a half's third nearest is found: all but one row in 10^7
BLOCK = 1024


def neighbours(features: Tensor, reference: Tensor, *, seed: int = 0, settings: dict[str, Any] | None = None) -> list[Score]:
    """Precision and recall (k = 3), density and coverage (k = 5) of generated (n, d) against reference features (m, d).

    A ball reaches from an example to its k-th nearest neighbour on its own side, itself not counted, and is closed: equal
    to prdc but for exact ties. Of more than 10,000 rows of a side 10,000 are drawn, of the generated ones by `seed`; n and
    n_reference are what was used.
    Precision and density are means over generated rows, which gives their se. Recall's is the standard deviation over 12
    halves of the generated rows, drawn without replacement (a bootstrap's duplicates would shrink the balls). Coverage's
    is the delete-one jackknife, exact as no ball depends on generated rows, and conservative: up to twice the truth where
    nearly everything is covered. Needs finite features and at least 10 examples of each side.

    References: Kynkäänniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797.
    """
    generator = torch.Generator().manual_seed(seed)
    x = _drawn(features.double(), generator)
    y = _drawn(reference.to(x), torch.Generator().manual_seed(0))  # the same for every model and seed
    centre = y.mean(0)
    x, y = x - centre, y - centre  # smaller numbers, smaller rounding errors
    n, m = len(x), len(y)
    chosen = torch.stack([torch.ones(n, dtype=torch.bool), *(_half(n, generator) for _ in range(HALVES))]).to(x.device)
    radii_x = _radii(x, chosen)
    own = _nearest(y, COVERAGE)[0]
    inner, outer = own[:, PRECISION - 1], own[:, COVERAGE - 1]
    precise, inside = x.new_zeros(n, dtype=torch.bool), x.new_zeros(n)
    recalled = x.new_zeros(len(chosen), m, dtype=torch.bool)
    covered, alone = 0, x.new_zeros(n)  # reference rows that some row covers, and that this row alone covers
    for start in range(0, m, BLOCK):
        here = slice(start, start + BLOCK)
        distances = _squared(y[here], x)
        precise |= (distances <= inner[here, None]).any(0)
        hit = distances <= outer[here, None]
        inside += hit.sum(0)
        hits = hit.sum(1)
        covered += int((hits > 0).sum())
        alone += hit[hits == 1].sum(0)
        row, column = (distances <= radii_x.amax(0)).nonzero(as_tuple=True)
        for half, radii in enumerate(radii_x):
            recalled[half, start + row[distances[row, column] <= radii[column]]] = True
    shares = recalled.double().mean(1)
    values = {
        "precision": (PRECISION, *_mean(precise.double())),
        "recall": (PRECISION, float(shares[0]), float(shares[1:].std())),
        "density": (COVERAGE, *_mean(inside / COVERAGE)),
        "coverage": (COVERAGE, covered / m, float((alone - alone.mean()).square().sum().sqrt()) / m),
    }
    common = {**(settings or {}), "n_reference": m}
    return [
        Score(key, value, n, METRICS[key].unit, se, settings={**common, "neighbours": k, "seed": seed})
        for key, (k, value, se) in values.items()
    ]


class Coverage:
    """Coverage alone of many sets by one reference (m, d): the value that `neighbours` gives with seed 0, far sooner.

    References: Naeem et al. 2020, arXiv:2002.09797.
    """

    def __init__(self, reference: Tensor):
        y = _drawn(reference.double(), torch.Generator().manual_seed(0))
        self.centre = y.mean(0)
        self.reference = y - self.centre
        self.radii = _nearest(self.reference, COVERAGE)[0][:, -1]

    def __call__(self, features: Tensor) -> float:
        """The share of reference rows whose ball to the fifth neighbour holds a row of features (n, d)."""
        x = _drawn(features.double(), torch.Generator().manual_seed(0)) - self.centre
        parts = zip(self.reference.split(BLOCK), self.radii.split(BLOCK), strict=True)
        return sum(int((_squared(rows, x).min(1).values <= radii).sum()) for rows, radii in parts) / len(self.reference)


def _drawn(rows: Tensor, generator: torch.Generator) -> Tensor:
    """At most LIMIT of the rows."""
    if len(rows) <= LIMIT:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:LIMIT].to(rows.device)]


def _half(n: int, generator: torch.Generator) -> Tensor:
    return torch.zeros(n, dtype=torch.bool).index_fill_(0, torch.randperm(n, generator=generator)[: n // 2], True)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances (len(a), len(b)); what is within rounding of zero is zero, so that equal rows tie exactly."""
    lengths_a, lengths_b = a.square().sum(1), b.square().sum(1)
    squared = torch.addmm(lengths_b[None], a, b.T, alpha=-2).add_(lengths_a[:, None])
    return squared.masked_fill_(squared < 1e-13 * lengths_a[:, None], 0.0)


def _nearest(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Squared distances (n, count) to the nearest other rows, ascending, and their indices."""
    parts = []
    for start in range(0, len(rows), BLOCK):
        block = _squared(rows[start : start + BLOCK], rows)
        here = torch.arange(len(block))
        block[here, here + start] = torch.inf
        parts.append(block.topk(count, dim=1, largest=False))
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def _radii(rows: Tensor, chosen: Tensor) -> Tensor:
    """Squared radii (len(chosen), n) of the rows' balls within each choice; -1, a ball that holds nothing, if not in it."""
    near, index = _nearest(rows, min(NEAR, len(rows) - 1))
    radii = []
    for member in chosen:
        rank = member[index].cumsum(1)
        kth = (rank < PRECISION).sum(1).clamp(max=near.shape[1] - 1)
        radii.append(torch.where(member, near.gather(1, kth[:, None])[:, 0], -1.0))
    return torch.stack(radii)


def _mean(rows: Tensor) -> tuple[float, float]:
    return float(rows.mean()), float(rows.std()) / len(rows) ** 0.5
