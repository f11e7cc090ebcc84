"""Whether generated examples lie nearer to the training data than held-out real examples do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from genbench.metrics.cards import METRICS
from genbench.metrics.score import Score

__all__ = ["Memory", "finite_rows", "memorisation", "nearest"]

KEPT = 10_000  # training features at most
ENOUGH = 20  # examples that a cell of C_T needs
BLOCK = 2**24  # entries of one block of distances


def finite_rows(name: str, values: Tensor) -> Tensor:
    """Return `values` (n, ...) as float32 rows (n, d); ValueError if there is none or one is not finite."""
    if values.ndim < 2 or len(values) == 0:
        raise ValueError(f"{name} values of shape {tuple(values.shape)}; (n, d) is needed")
    rows = values.detach().flatten(1).float()
    bad = int((~torch.isfinite(rows).all(dim=1)).sum())
    if bad:
        raise ValueError(f"{bad} of {len(rows)} {name} rows are not finite")
    return rows


def nearest(rows: Tensor, others: Tensor, *, leave_out_self: bool = False) -> tuple[Tensor, Tensor]:
    """Return the Euclidean distance (n,) from each row (n, d) to its nearest one of `others` (m, d), and its index (n,).

    Works in blocks on the device of `rows`. `leave_out_self`: both are the same set, and no row is its own neighbour.
    """
    others = others.to(rows)
    centre = others.mean(0)  # the expanded square below loses digits far from the origin
    shifted = others - centre
    squares = shifted.square().sum(1)
    found = []
    step = max(1, BLOCK // len(others))
    for start in range(0, len(rows), step):
        scores = torch.addmm(squares, rows[start : start + step] - centre, shifted.T, alpha=-2)
        if leave_out_self:
            index = torch.arange(len(scores), device=scores.device)
            scores[index, start + index] = torch.inf
        found.append(scores.argmin(1))
    indices = torch.cat(found)
    return (rows - others[indices]).norm(dim=1), indices  # exact: a copy is at distance 0


@dataclass(frozen=True)
class Memory:
    """What is kept of training and held-out features to judge copying.

    `train` (m, d) are training features, `gap` (m,) the distance of each to the nearest other one, `centres` (c, d) the
    centres of the cells of C_T; `held_out` (t,) are the distances of held-out features to training features,
    `held_out_authentic` (t,) whether each is authentic, `within` (t,) the distances to training features of the own cell,
    `cell` (t,) that cell. `n_train` counts the training features that were given, of which m were drawn.
    """

    train: Tensor
    gap: Tensor
    centres: Tensor
    held_out: Tensor
    held_out_authentic: Tensor
    within: Tensor
    cell: Tensor
    n_train: Tensor

    @classmethod
    def fit(cls, train_features: Tensor, test_features: Tensor, seed: int = 0) -> Self:
        """Prepare from training features (n, d) and held-out real ones (t, d), of which at most 10,000 training ones stay.

        The cells are three k-means clusters of the training features, or fewer if one would hold under 20 held-out ones.
        Raises ValueError for values that are not finite, other widths, or fewer than 60 of either.
        """
        train = finite_rows("memorisation: training", train_features).cpu()
        test = finite_rows("memorisation: held-out", test_features).cpu()
        if train.shape[1] != test.shape[1] or min(len(train), len(test)) < 3 * ENOUGH:
            raise ValueError(
                f"memorisation: training features {tuple(train.shape)} and held-out features {tuple(test.shape)}; equal "
                f"widths and at least {3 * ENOUGH} of each are needed"
            )
        total = len(train)
        train = train[torch.randperm(total, generator=torch.Generator().manual_seed(seed))[:KEPT]]
        for cells in (3, 2, 1):
            clusters = KMeans(cells, n_init=10, random_state=seed).fit(train.numpy())
            centres = torch.from_numpy(clusters.cluster_centers_).float()
            cell = nearest(test, centres)[1]
            if int(torch.bincount(cell, minlength=cells).min()) >= ENOUGH:
                break
        gap, _ = nearest(train, train, leave_out_self=True)
        held_out, index = nearest(test, train)
        within, _ = _within_cells(test, train, centres)
        return cls(train, gap, centres, held_out, held_out > gap[index], within, cell, torch.tensor(total))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return arrays for an npz file."""
        return {key: value.numpy() for key, value in asdict(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `arrays` gave."""
        return cls(**{key: torch.from_numpy(np.asarray(arrays[key])) for key in cls.__dataclass_fields__})


def memorisation(features: Tensor, memory: Memory, settings: dict[str, Any] | None = None) -> list[Score]:
    """Score generated features (n, d) by authpct, ct and nn_distance against training features; standard errors given them.

    authpct is the share of authentic examples (farther from their nearest training example than that one is from its
    own nearest other) less the held-out share, in percentage points; both shares are in its settings. ct is the
    z-scored Mann-Whitney statistic of distances to training data, generated against held-out, per cell and averaged by
    held-out mass. nn_distance is the mean distance to training data relative to held-out data. Raises ValueError for
    features that are not finite, of another width, or fewer than 60.
    References: Alaa et al. 2022, arXiv:2102.08921; Meehan et al. 2020, arXiv:2004.05675.
    """
    rows = finite_rows("memorisation: generated", features)
    n = len(rows)
    if rows.shape[1] != memory.train.shape[1] or n < 3 * ENOUGH:
        raise ValueError(
            f"memorisation: generated features {tuple(rows.shape)}, training features {tuple(memory.train.shape)}; equal "
            f"widths and at least {3 * ENOUGH} generated ones are needed"
        )
    distance, index = (x.cpu() for x in nearest(rows, memory.train))
    authentic = 100 * float((distance > memory.gap[index]).double().mean())
    real = 100 * float(memory.held_out_authentic.double().mean())
    reference = float(memory.held_out.double().mean())
    ct, ct_se, cells = _ct(rows, memory)
    common = {
        **(settings or {}),
        "reference": "train",
        "n_reference": len(memory.train),
        "n_train": int(memory.n_train),
        "n_held_out": len(memory.held_out),
    }
    values = {
        "authpct": (
            authentic - real,
            (authentic * (100 - authentic) / n) ** 0.5,
            {"authentic": authentic, "held_out": real},
        ),
        "ct": (ct, ct_se, {"cells": cells}),
        "nn_distance": (
            float(distance.double().mean()) / reference,
            float(distance.double().std()) / n**0.5 / reference,
            {"held_out": reference},
        ),
    }
    return [Score(key, value, n, METRICS[key].unit, se, settings={**common, **own}) for key, (value, se, own) in values.items()]


def _within_cells(rows: Tensor, train: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's distance to the nearest training feature of its own cell, and its cell."""
    cell, train_cell = nearest(rows, centres)[1], nearest(train, centres)[1]
    distance = torch.empty(len(rows), device=rows.device)
    for c in range(len(centres)):
        mine = cell == c
        if bool(mine.any()):
            distance[mine] = nearest(rows[mine], train[train_cell == c])[0]
    return distance, cell


def _ct(rows: Tensor, memory: Memory) -> tuple[float, float, int]:
    """Return C_T, its standard error given the memory, and the number of cells with enough generated examples.

    A cell's z is (a - 1/2) s with a the mean share of held-out distances below a generated one (ties count half) and
    s = sqrt(12 k t / (k + t + 1)) for k generated and t held-out examples in it. The error is the delta method's: both
    a and k vary.
    """
    distance, cell = (x.cpu().numpy() for x in _within_cells(rows, memory.train, memory.centres))
    held_out, held_out_cell = memory.within.numpy(), memory.cell.numpy()
    n, total, weight = len(rows), 0.0, 0.0
    influence = np.zeros(n)
    cells = [c for c in range(len(memory.centres)) if (cell == c).sum() >= ENOUGH]
    for c in cells:
        mine, theirs = distance[cell == c], np.sort(held_out[held_out_cell == c])
        k, t = len(mine), len(theirs)
        below = (np.searchsorted(theirs, mine, "left") + np.searchsorted(theirs, mine, "right")) / (2 * t)
        scale, mean = (12 * k * t / (k + t + 1)) ** 0.5, below.mean()
        slope = scale / 2 * (1 / k - 1 / (k + t + 1))
        total += t * (mean - 0.5) * scale
        weight += t
        influence[cell == c] = t * ((below - mean) * scale * n / k + (mean - 0.5) * slope * n)
    return float(total / weight), float(influence.std(ddof=1)) / n**0.5 / weight, len(cells)
