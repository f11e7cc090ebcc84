"""Real images, prepared once: what generated images are compared with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.metrics.bins import Bins
from genbench.metrics.copies import Originals
from genbench.metrics.memorisation import Memory
from genbench.metrics.order import canonical, drawn
from genbench.results.files import write_npz

__all__ = ["Reference", "Training", "read_reference", "write_reference"]

MAX_BINNED = 10_000  # training images that the bins are made of, drawn at random


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", canonical(self.features)[0])


@dataclass(frozen=True, eq=False)
class Training:
    """The training split: what generated images should not repeat; its features by `encoder`, and bins of its pixels.

    `most`: the number of generated images that are compared with it at most, as many as real images can be; None: all.
    `originals`: what recognises copies of single images.
    """

    encoder: str
    memory: Memory
    bins: Bins | None = None
    most: int | None = None
    originals: Originals | None = None

    @classmethod
    def fit(
        cls,
        encoder: str,
        images: Tensor,
        features: Tensor,
        held_out: Tensor,
        most: int | None = None,
        others: tuple[Tensor, Tensor] | None = None,
    ) -> "Training":
        """From training images (n, C, H, W), their features (n, d) and those of held-out images (m, d).

        `others`: held-out images and their features that place the threshold of near copies; without, none are looked for.
        """
        originals = None if others is None else Originals.fit(images, features, *others)
        return cls(encoder, Memory.fit(features, held_out), Bins.fit(drawn(images, MAX_BINNED)), most, originals)


def write_reference(folder: Path, references: list[Reference], training: Training) -> None:
    """Write plain arrays: reference-0.npz, reference-1.npz, ... and training.npz."""
    for place, reference in enumerate(references):
        arrays = {"encoder": np.array(reference.encoder), "split": np.array(reference.split)}
        arrays |= {"features": reference.features.numpy()}
        if reference.counts is not None:
            arrays |= {"counts": reference.counts.numpy(), "accuracy": np.array(reference.accuracy)}
        write_npz(folder / f"reference-{place}.npz", **arrays)
    parts = {"memory": training.memory.arrays(), "bins": training.bins.arrays(), "originals": training.originals.arrays()}
    flat = {f"{part}/{key}": value for part, arrays in parts.items() for key, value in arrays.items()}
    write_npz(folder / "training.npz", encoder=np.array(training.encoder), most=np.array(training.most), **flat)


def read_reference(folder: Path, count: int) -> tuple[list[Reference], Training]:
    """Read what `write_reference` wrote for `count` encoders."""
    references = []
    for place in range(count):
        file = _arrays(folder / f"reference-{place}.npz")
        known = (torch.from_numpy(file["counts"]), float(file["accuracy"])) if "counts" in file else ()
        references.append(Reference(str(file["encoder"]), str(file["split"]), torch.from_numpy(file["features"]), *known))
    file = _arrays(folder / "training.npz")
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name in file.keys() - {"encoder", "most"}:
        part, _, key = name.partition("/")
        parts.setdefault(part, {})[key] = file[name]
    memory, bins = Memory.from_arrays(parts["memory"]), Bins.from_arrays(parts["bins"])
    return references, Training(str(file["encoder"]), memory, bins, int(file["most"]), Originals.from_arrays(parts["originals"]))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}
