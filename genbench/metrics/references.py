"""All metrics of images from one extraction of features, against real images that are prepared once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.bins import Bins, ndb
from genbench.metrics.coverage import coverage, vendi
from genbench.metrics.fidelity import distances, fidelity
from genbench.metrics.memorisation import Memory, memorisation
from genbench.metrics.score import Score
from genbench.results.files import write_npz

__all__ = ["Reference", "Training", "against_reference", "against_training", "read_reference", "write_reference"]

MAX_BINNED = 10_000  # training images that the bins are made of; splits are in random order


@dataclass(frozen=True, eq=False)
class Reference:
    """Real images as one encoder sees them: what generated images should be like.

    `encoder`: its name, with a hash of its weights. `split`: name of the images. `features` (m, d): theirs. The encoder that
    all metrics use also has `counts` (K,), the classes that it predicts for them, and its test `accuracy`.
    """

    encoder: str
    split: str
    features: Tensor
    counts: Tensor | None = None
    accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class Training:
    """The training split: what generated images should not repeat; its features by `encoder`, and bins of its pixels."""

    encoder: str
    memory: Memory
    bins: Bins

    @classmethod
    def fit(cls, encoder: str, images: Tensor, features: Tensor, held_out: Tensor) -> "Training":
        """From training images (n, C, H, W), their features (n, d) and those of held-out images (m, d)."""
        return cls(encoder, Memory.fit(features, held_out), Bins.fit(_pixels(images[:MAX_BINNED])))


def against_reference(features: Tensor, logits: Tensor, reference: Reference, seed: int = 0) -> list[Score]:
    """Scores of generated images with these features (n, d) and logits (n, K) against a reference of the same encoder.

    Without counts of classes only the Fréchet and kernel distance: further encoders show whether a ranking depends on them.
    """
    settings = {"encoder": reference.encoder, "reference": reference.split}
    if reference.counts is None:
        return distances(features, reference.features, settings)
    scores = fidelity(features, reference.features, logits=logits, seed=seed, settings=settings)
    scores += coverage(logits, reference.counts, accuracy=reference.accuracy, settings=settings)
    return [*scores, vendi(features, settings)]


def against_training(images: Tensor, features: Tensor, training: Training) -> list[Score]:
    """Scores of generated images (n, C, H, W), raw units, with features (n, d) against the training split."""
    scores = ndb(_pixels(images), training.bins, {"reference": "train"})
    return scores + memorisation(features, training.memory, {"encoder": training.encoder, "reference": "train"})


def _pixels(images: Tensor) -> Tensor:
    return images.flatten(1).float()


def write_reference(folder: Path, references: list[Reference], training: Training) -> None:
    """Write plain arrays: reference-0.npz, reference-1.npz, ... and training.npz."""
    for place, reference in enumerate(references):
        arrays = {"encoder": np.array(reference.encoder), "split": np.array(reference.split)}
        arrays |= {"features": reference.features.numpy()}
        if reference.counts is not None:
            arrays |= {"counts": reference.counts.numpy(), "accuracy": np.array(reference.accuracy)}
        write_npz(folder / f"reference-{place}.npz", **arrays)
    parts = {"memory": training.memory.arrays(), "bins": training.bins.arrays()}
    flat = {f"{part}/{key}": value for part, arrays in parts.items() for key, value in arrays.items()}
    write_npz(folder / "training.npz", encoder=np.array(training.encoder), **flat)


def read_reference(folder: Path, count: int) -> tuple[list[Reference], Training]:
    """Read what `write_reference` wrote for `count` encoders."""
    references = []
    for place in range(count):
        file = _arrays(folder / f"reference-{place}.npz")
        known = (torch.from_numpy(file["counts"]), float(file["accuracy"])) if "counts" in file else ()
        references.append(Reference(str(file["encoder"]), str(file["split"]), torch.from_numpy(file["features"]), *known))
    file = _arrays(folder / "training.npz")
    parts = {part: {k.split("/")[1]: v for k, v in file.items() if k.startswith(f"{part}/")} for part in ("memory", "bins")}
    training = Training(str(file["encoder"]), Memory.from_arrays(parts["memory"]), Bins.from_arrays(parts["bins"]))
    return references, training


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}
