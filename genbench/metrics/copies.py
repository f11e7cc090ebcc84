"""How many generated examples repeat training examples, exactly or nearly, and whether they are a split of the data itself."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.card import ALARM, Card, metric
from genbench.metrics.cards import METRICS
from genbench.metrics.memorisation import finite_rows
from genbench.metrics.score import Score
from genbench.metrics.sets import Images, Points
from genbench.statistics.uncertainty import wilson

__all__ = ["Originals", "closeness", "exact_copies", "feature_copies", "pixel_copies"]

TESTS = 5  # that look at one set of samples: exact copies of each of three splits, near copies in pixels and in features
LEVEL = ALARM / TESTS  # of each, so that fresh data raise any flag in at most the share ALARM of cases
RATE = 0.01  # of held-out examples, that lie as near to one training example as a near copy does
HELD_OUT = 5_000  # held-out examples that place the threshold, at most
BLOCK = 2**24  # entries of one block of distances

NEAR = (
    "Share of generated images that repeat a training image: exact copies, and images whose distance to the nearest training "
    "image, divided by that to the second nearest, is below the ratio that the nearest 1 % of held-out images reach. "
)
NEAR_FLOOR = (
    "Real data get 1 % in expectation (settings: expected), and what they hold of exact repeats. By chance their share varies "
    "more than a binomial one, since the threshold comes from few held-out images; the test (settings: p) allows for that."
)
BINOMIAL = (
    "Over the generated sample, given training and held-out data: half the width of Wilson's 95 % interval of a share, over "
    "1.96, which is not 0 where none or all are copies."
)
NEAR_TRAPS = (
    "Shifted, turned or mirrored copies are mostly missed, and so is an even blend of two training images. Training images that "
    "nearly repeat each other hide near copies of themselves, as both neighbours are near. A generator that makes images from "
    "the crowded parts of the data only can pass 1 % without copying: real digits 1 alone reach up to 4.5 % on mnist5k. Look at "
    "the images beside their nearest training images."
)


@dataclass(frozen=True)
class Originals:
    """What is known of training images and held-out ones to recognise near copies.

    `distinct` (k,) are indices of training images that differ from all earlier ones, `features` (k, d) theirs; `pixels` (m,)
    and `codes` (m,) are the `closeness` of held-out images that are no exact copies, by pixels and by features, sorted.
    """

    distinct: Tensor
    features: Tensor
    pixels: Tensor
    codes: Tensor

    @classmethod
    def fit(cls, train: Tensor, features: Tensor, held_out: Tensor, held_features: Tensor, seed: int = 0) -> Self:
        """From training images (n, C, H, W) with features (n, d), and held-out real ones, of which at most 5,000 serve.

        Raises ValueError where fewer than 2 training images differ, or no held-out image is new.
        """
        first: dict[bytes, int] = {}
        for index, key in enumerate(_keys(train)):
            first.setdefault(key, index)
        chosen = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(seed))[:HELD_OUT].tolist()
        keys = _keys(held_out)
        new = torch.tensor([i for i in chosen if keys[i] not in first], dtype=torch.long)
        distinct = torch.tensor(list(first.values()))
        if len(distinct) < 2 or not len(new):
            raise ValueError(f"copies: {len(distinct)} distinct training images and {len(new)} held-out ones that are new")
        kept = finite_rows("copies: training", features).cpu()[distinct]
        pixels = closeness(held_out[new].flatten(1), train[distinct].flatten(1))
        codes = closeness(finite_rows("copies: held-out", held_features).cpu()[new], kept)
        return cls(distinct, kept, pixels.sort().values, codes.sort().values)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return arrays for an npz file."""
        return {key: value.numpy() for key, value in asdict(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Rebuild what `arrays` gave."""
        return cls(**{key: torch.from_numpy(np.asarray(arrays[key])) for key in cls.__dataclass_fields__})


def closeness(rows: Tensor, others: Tensor) -> Tensor:
    """Distance from each row (n, d) to its nearest one of `others` (m >= 2, d), over that to the second nearest (n,), 0..1.

    A copy of one of them gets 0; what lies between or far from them gets about 1, as it does where two others coincide. Being
    a ratio, it hardly depends on how crowded the others are. In blocks.

    References:
        On Memorization in Diffusion Models (Gu et al., 2023), arXiv 2310.02664, who call ratios below 1/3 memorised
    """
    rows, others = rows.float(), others.float()
    centre = others.mean(0)  # the expanded square below loses digits far from the origin
    shifted = others - centre
    squares = shifted.square().sum(1)
    found = []
    for part in rows.split(max(1, BLOCK // len(others))):
        scores = torch.addmm(squares, part - centre, shifted.T, alpha=-2)
        two = scores.topk(2, largest=False).indices
        near, next_near = ((part - others[index]).norm(dim=1) for index in two.T)  # exact: a copy is at distance 0
        near, next_near = torch.minimum(near, next_near), torch.maximum(near, next_near)
        found.append(torch.where(next_near > 0, near / next_near, 1.0))
    return torch.cat(found)


@dataclass(frozen=True)
class _Twins:
    """Of n samples `count` equal an example of a split; of m real examples `real` do."""

    count: int
    n: int
    real: int
    m: int

    def p(self, count: int | np.ndarray) -> Any:
        """Chance that as many or more of all equal ones are among the samples, if these are like the real ones (Fisher)."""
        from scipy.stats import hypergeom  # its import takes a second

        return hypergeom.sf(count - 1, self.n + self.m, count + self.real, self.n)


@metric(
    Card(
        key="exact_copies",
        title="Exact copies",
        unit="%",
        direction="none",
        applies="both",
        group="Memorisation",
        what="Share of generated examples that equal a training example in every grey level, or every coordinate. The settings "
        "have the shares that equal an example of the validation and of the test split, too.",
        range="0 to 100 %; training data get 100.",
        floor="What real data repeat (settings: real): 0 on the datasets that ship. A set of samples is flagged if Fisher's "
        "exact test against the real examples' own repeats has p <= 0.002 (settings: p, level); with the tests of near copies "
        "fresh data are flagged in at most 1 % of cases. The smallest share that is flagged is in the settings (least).",
        uncertainty=BINOMIAL,
        traps="One grey level of noise hides a copy from it: see near copies. 0 means that fewer than the smallest share are "
        "copies, not that none of the model's are.",
        source="our own; Fisher's exact test",
        ranked=False,
        place=242,
        needs="training",
    )
)
def exact_copies(data: Points | Images) -> Score | None:
    """Share of samples in % that equal a training example; None without the dataset's splits.

    Real examples of other splits show how many repeats are usual; those within the split count half, since they come in pairs.
    """
    if data.splits is None:
        return None
    twins = {split: _twins(data.once(_sample_keys), split, data.once(_split_keys)) for split in data.splits}
    train, possible = twins["train"], np.arange(1, len(data.samples) + 1)
    flagged = possible[train.p(possible) <= LEVEL]
    settings = {
        "reference": "train",
        "n_reference": len(data.splits["train"]),
        "level": LEVEL,
        "p": float(train.p(train.count)),
        "least": 100 * float(flagged[0]) / train.n if len(flagged) else None,
        "real": 100 * train.real / max(1, train.m),
        "n_held_out": train.m,
    }
    for split in (name for name in twins if name != "train"):
        settings[f"{split}_share"] = 100 * twins[split].count / train.n
        settings[f"{split}_p"] = float(twins[split].p(twins[split].count))
    return _score("exact_copies", train.count, train.n, settings)


@metric(
    Card(
        key="pixel_copies",
        title="Near copies in pixels",
        unit="%",
        direction="none",
        applies="images",
        group="Memorisation",
        what=NEAR + "Distances are Euclidean, of pixels.",
        range="0 to 100 %; training data get 100.",
        floor=NEAR_FLOOR,
        uncertainty=BINOMIAL,
        traps=NEAR_TRAPS,
        source="after Gu et al. 2023, arXiv:2310.02664; the threshold from held-out data and the test are our addition",
        ranked=False,
        place=244,
        needs="training",
    )
)
def pixel_copies(images: Images) -> Score | None:
    """Share in % of samples that repeat a training image exactly or nearly, by pixels; None without a training split."""
    if images.splits is None or images.training is None or (originals := images.training.originals) is None:
        return None
    train = images.splits["train"][originals.distinct].flatten(1)
    return _near("pixel_copies", images, closeness(images.samples.flatten(1), train), originals.pixels, {})


@metric(
    Card(
        key="feature_copies",
        title="Near copies in features",
        unit="%",
        direction="none",
        applies="images",
        group="Memorisation",
        what=NEAR + "Distances are Euclidean, of the encoder's features.",
        range="0 to 100 %; training data get 100.",
        floor=NEAR_FLOOR,
        uncertainty=BINOMIAL,
        traps=NEAR_TRAPS + " Small encoders move their features by much for little noise: on tiny images pixels find more.",
        source="after Gu et al. 2023, arXiv:2310.02664; the threshold from held-out data and the test are our addition",
        ranked=False,
        place=246,
        needs="training",
    )
)
def feature_copies(images: Images) -> Score | None:
    """Share in % of samples that repeat a training image exactly or nearly, by features; None without a training split."""
    if images.splits is None or images.training is None or (originals := images.training.originals) is None:
        return None
    rows = finite_rows("copies: generated", images.features).cpu()
    own = {"encoder": images.training.encoder}
    return _near("feature_copies", images, closeness(rows, originals.features), originals.codes, own)


def _near(key: str, images: Images, ratios: Tensor, held_out: Tensor, own: dict[str, Any]) -> Score:
    """The score of near copies: exact ones, and others with a ratio below the r-th of the m sorted held-out ones.

    Fresh data lie below it with a probability that is Beta(r, m - r + 1) over the draw of the held-out ones, so that the count
    among n of them is beta-binomial.
    """
    from scipy.stats import betabinom  # its import takes a second

    made, real = images.once(_sample_keys), images.once(_split_keys)
    twins, exact = _twins(made, "train", real), torch.from_numpy(_equal(made, real["train"]))
    n, m, others = len(made), len(held_out), len(made) - twins.count
    r = max(1, int(RATE * (m + 1)))
    below = int((~exact & (ratios < held_out[r - 1])).sum())
    null = betabinom(others, r, m - r + 1)
    usual = twins.real / max(1, twins.m)
    settings = {
        "reference": "train",
        "n_reference": len(images.splits["train"]),
        "n_held_out": m,
        "level": LEVEL,
        "p": float(null.sf(below - 1)) if others else 1.0,
        "least": 100 * (float(null.isf(LEVEL)) + 1) / n if others else None,
        "expected": 100 * (usual + (1 - usual) * r / (m + 1)),
        "ratio": float(held_out[r - 1]),
    }
    return _score(key, n - others + below, n, settings | own)


def _score(key: str, count: int, n: int, settings: dict[str, Any]) -> Score:
    se = 100 * wilson(count / n, n, 1.96)[1] / 1.96
    return Score(key, 100 * count / n, n, METRICS[key].unit, se, settings=settings)


def _twins(made: list[bytes], split: str, real: Mapping[str, list[bytes]]) -> _Twins:
    """Samples and real examples that equal an example of a split."""
    own, rest = real[split], [key for name, keys in real.items() if name != split for key in keys]
    repeats = sum(count for count in Counter(own).values() if count > 1)
    equal = int(_equal(rest, own).sum()) + -(-repeats // 2)
    return _Twins(int(_equal(made, own).sum()), len(made), equal, len(rest) + len(own) // 2)


def _equal(keys: list[bytes], others: list[bytes]) -> np.ndarray:
    """Whether each key is among the others."""
    known = set(others)
    return np.array([key in known for key in keys], dtype=bool)


def _sample_keys(data: Points | Images) -> list[bytes]:
    kind = next(iter(data.splits.values())).dtype
    samples = data.samples.cpu()
    return _keys(samples.to(kind) if kind.is_floating_point or samples.dtype == kind else samples.round().to(kind))


def _split_keys(data: Points | Images) -> dict[str, list[bytes]]:
    return {split: _keys(examples) for split, examples in data.splits.items()}


def _keys(examples: Tensor) -> list[bytes]:
    """Each example's values as bytes, equal where all of them are."""
    rows = np.ascontiguousarray(examples.flatten(1).numpy())
    rows = rows + 0 if rows.dtype.kind == "f" else rows  # -0.0 becomes 0.0
    return [row.tobytes() for row in rows]
