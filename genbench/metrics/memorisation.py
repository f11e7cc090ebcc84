"""Whether generated examples lie nearer to the training data than held-out real examples do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.card import MOST, Card, metric
from genbench.metrics.cards import METRICS
from genbench.metrics.order import canonical, drawn
from genbench.metrics.score import Score
from genbench.metrics.sets import Images

__all__ = ["Memory", "authpct", "ct", "finite_rows", "nearest", "nn_distance"]

SUBSET = (
    "Distances are Euclidean, in the encoder's features. Of a larger training set, "
    "10,000 images drawn at random serve (settings: n_reference of n_train): copies of the others "
    "show only as far as they resemble those. " + MOST
)
TWO_WAYS = (
    "It is a balance of two faults: a model that copies some images and underfits the rest can look like held-out data, and "
    "no average over all samples separates memorisation from underfitting or lost modes; exact and near copies are counted by "
    "metrics of their own. The test split itself looks perfect, since it is what samples are compared with. "
)
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
    """What is kept of training and held-out features to recognise copying.

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
        from sklearn.cluster import KMeans  # its import takes seconds, and what was fitted is read

        train = finite_rows("memorisation: training", train_features).cpu()
        test = finite_rows("memorisation: held-out", test_features).cpu()
        if train.shape[1] != test.shape[1] or min(len(train), len(test)) < 3 * ENOUGH:
            raise ValueError(
                f"memorisation: training features {tuple(train.shape)} and held-out features {tuple(test.shape)}; equal "
                f"widths and at least {3 * ENOUGH} of each are needed"
            )
        total = len(train)
        train, test = canonical(drawn(train, KEPT, seed))[0], canonical(test)[0]
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


def _rows(images: Images) -> Tensor | None:
    """Generated features (n, d), at most `most` of the training split; None without one.

    ValueError for non-finite, unfit or fewer than 60 ones.
    """
    if images.training is None:
        return None
    memory, rows = images.training.memory, finite_rows("memorisation: generated", images.features)
    if rows.shape[1] != memory.train.shape[1] or len(rows) < 3 * ENOUGH:
        raise ValueError(
            f"memorisation: generated features {tuple(rows.shape)}, training features {tuple(memory.train.shape)}; equal "
            f"widths and at least {3 * ENOUGH} generated ones are needed"
        )
    return drawn(rows, images.training.most or len(rows), images.seed)


def _nearest(images: Images) -> tuple[Tensor, Tensor] | None:
    """Distances (n,) to, and indices (n,) of, the nearest training features; None without a training split."""
    rows = images.once(_rows)
    return None if rows is None else tuple(x.cpu() for x in nearest(rows, images.training.memory.train))


@metric(
    Card(
        key="authpct",
        title="Authenticity, less held-out",
        unit="percentage points",
        direction="none",
        applies="images",
        group="Memorisation",
        what="Share of authentic generated images less that of held-out real images; an image is authentic if it is farther from "
        "its nearest training image than that one is from its own nearest other training image.",
        range="-100 to 100 percentage points; copies of training images get minus the held-out share, -55 to -57 on MNIST.",
        floor="Held-out real data get 0 by construction; their share itself is above 50 %, 55 to 57 % on MNIST (settings: "
        "authentic, held_out). Read: far below 0 means copies, or images more concentrated than the data "
        "(blur, truncation, easy examples); far above 0 means images far from any data.",
        uncertainty="Binomial standard error of the generated share, given training and held-out data; the held-out share has an "
        "error of its own, sqrt(p (1-p) / n_held_out), which all models have in common.",
        traps=TWO_WAYS + "It hangs on one distance of one training image, which outliers make large. " + SUBSET,
        source="Alaa et al. 2022, arXiv:2102.08921; the difference to held-out data is our addition",
        ranked=False,
        place=250,
        needs="training",
    )
)
def authpct(images: Images) -> Score | None:
    """Share of authentic examples less the held-out share, in percentage points; None without a training split.

    Authentic is what is farther from its nearest training example than that one is from its own nearest other. Both shares
    are in the settings; the standard error is given training and held-out data.

    References: Alaa et al. 2022, arXiv:2102.08921.
    """
    if (found := images.once(_nearest)) is None:
        return None
    (distance, index), memory = found, images.training.memory
    authentic = 100 * float((distance > memory.gap[index]).double().mean())
    real = 100 * float(memory.held_out_authentic.double().mean())
    se = (authentic * (100 - authentic) / len(distance)) ** 0.5
    return _score("authpct", images, authentic - real, se, {"authentic": authentic, "held_out": real})


@metric(
    Card(
        key="ct",
        title="Data-copying test",
        unit="z",
        direction="none",
        applies="images",
        group="Memorisation",
        what="C_T: z-scored Mann-Whitney statistic of whether generated images lie nearer to training images than held-out ones "
        "do, within each of three k-means cells, averaged by the held-out images' share of the cells.",
        range="Unbounded, in standard deviations under equality.",
        floor="Held-out real data get 0 with a standard deviation of about 0.7, not 1, since it averages "
        "three cells. Read: below -3 means copies, or images more concentrated than the data (blur, truncation, easy "
        "examples); above 3 means images farther from the training data than real ones.",
        uncertainty="Standard error over the generated sample, given training and held-out data, by the delta method over the "
        "ranks and the sizes of the cells. It is not the 1 of the test's null distribution.",
        traps="It is a test, not a size: it grows with the square root of n and of n_held_out, so compare at equal n only. "
        + TWO_WAYS
        + "Cells with fewer than 20 generated images are left out (settings: cells). "
        + SUBSET,
        source="Meehan et al. 2020, arXiv:2004.05675",
        ranked=False,
        place=260,
        needs="training",
    )
)
def ct(images: Images) -> Score | None:
    """C_T: z-scored Mann-Whitney statistic of distances to training data, generated against held-out; None without these.

    Per cell, and averaged by held-out mass.

    References: Meehan et al. 2020, arXiv:2004.05675.
    """
    if (rows := images.once(_rows)) is None:
        return None
    value, se, cells = _ct(rows, images.training.memory)
    return _score("ct", images, value, se, {"cells": cells})


@metric(
    Card(
        key="nn_distance",
        title="Distance to training data",
        unit="held-out = 1",
        direction="none",
        applies="images",
        group="Memorisation",
        what="Mean distance of generated images to their nearest training image in the features, divided by that of held-out "
        "real images.",
        range="0, all are copies, to infinity.",
        floor="Held-out real data get 1 by construction. Read: 1 is like held-out data, below are copies or a concentrated "
        "generator, above are images far from the data.",
        uncertainty="Standard error of the mean over the generated sample, given training and held-out data; the held-out mean "
        "has an error of its own, which all models have in common.",
        traps=TWO_WAYS + "A mean hides a few exact copies among many new images. " + SUBSET,
        source="Stein et al. 2023, arXiv:2306.04675, compare such metrics; the ratio of means is the simplest of them",
        ranked=False,
        place=270,
        needs="training",
    )
)
def nn_distance(images: Images) -> Score | None:
    """Mean distance to training data relative to held-out data's; None without a training split."""
    if (found := images.once(_nearest)) is None:
        return None
    distance, reference = found[0].double(), float(images.training.memory.held_out.double().mean())
    se = float(distance.std()) / len(distance) ** 0.5 / reference
    return _score("nn_distance", images, float(distance.mean()) / reference, se, {"held_out": reference})


def _score(key: str, images: Images, value: float, se: float, own: dict[str, Any]) -> Score:
    memory = images.training.memory
    common = {
        "encoder": images.training.encoder,
        "reference": "train",
        "n_reference": len(memory.train),
        "n_train": int(memory.n_train),
        "n_held_out": len(memory.held_out),
    }
    return Score(key, value, len(images.once(_rows)), METRICS[key].unit, se, settings={**common, **own})


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
        rate = scale / 2 * (1 / k - 1 / (k + t + 1))
        total += t * (mean - 0.5) * scale
        weight += t
        influence[cell == c] = t * ((below - mean) * scale * n / k + (mean - 0.5) * rate * n)
    return float(total / weight), float(influence.std(ddof=1)) / n**0.5 / weight, len(cells)
