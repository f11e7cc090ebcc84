"""Datasets on disk: fixed splits in one npz, what is known about them in one JSON."""

import hashlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from genbench.config.errors import UserError
from genbench.data.images import Pool, Traits
from genbench.data.points import PointDensity
from genbench.results.files import read_json, write_json, write_npz
from genbench.results.paths import DATA, META

if TYPE_CHECKING:
    from genbench.config.schema import DatasetSpec

__all__ = ["SPLITS", "Dataset", "duplicates", "load", "point_density", "prepare", "source_traits"]

SPLITS = ("train", "validation", "test")
USERS = ("folder", "npz")  # sources that anyone fills
SHARED = 0.01  # of a held-out split of such a source, that may be in the training split: more tells of a copied folder


@dataclass(frozen=True, eq=False)
class Dataset:
    """A prepared dataset in memory.

    Attributes:
        splits: "train", "validation", "test": points float32 (n, d) in raw units, or images uint8
            (n, C, H, W) with values 0..levels-1.
        labels: The same keys, int64 (n,); empty if the dataset has no classes.
        meta: The contents of meta.json.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    levels: int | None
    classes: int | None
    splits: dict[str, Tensor]
    labels: dict[str, Tensor]
    meta: dict[str, Any]
    content_hash: str

    @property
    def augmentable(self) -> bool:
        """Whether an image keeps its class when it is shifted, turned or stretched a little."""
        return self._traits.augmentable

    @property
    def composed(self) -> bool:
        """Whether channels are images of their own, which examples of a split share, so that splits must not be mixed."""
        return self._traits.composed

    @property
    def _traits(self) -> Traits:
        return source_traits(self.meta["source"])

    def projection(self) -> Callable[[Tensor], Tensor] | None:
        """The squared distance (n,) of images (n, C, H, W) in 0..1 to the manifold that all images lie on; None where unknown."""
        make = self._traits.projection
        return make(self.meta["parameters"], self.shape) if make else None

    def density(self) -> PointDensity | None:
        """The exact density that points were drawn from; None for images."""
        return point_density(self.name, self.meta["source"], self.meta["parameters"]) if self.kind == "points" else None


def source_traits(source: str) -> Traits:
    """What is special about the images of a source; the usual traits for points."""
    import genbench.data as tables  # here: the tables import this module

    return getattr(tables.SOURCES.get(source), "traits", Traits())


def prepare(spec: "DatasetSpec", out: Path) -> dict[str, Any]:
    """Write out/data.npz and out/meta.json, which is returned; UserError (one line) where the spec or its source is at fault."""
    import genbench.data as tables  # here: the tables import this module

    allowed = sorted(tables.POINTS) if spec.kind == "points" else sorted(tables.IMAGES)
    if spec.source not in allowed:
        raise UserError(f"{_file(spec.name)}: source: no {spec.kind} source {spec.source!r}; allowed: {', '.join(allowed)}")
    arrays, about = _points(spec) if spec.kind == "points" else _images(spec)
    shared = duplicates(arrays)
    if spec.source in USERS:
        _refuse_shared(spec, shared)
    meta = {
        "name": spec.name,
        "kind": spec.kind,
        "shape": list(spec.shape),
        "levels": spec.levels,
        "n": {split: len(arrays[split]) for split in SPLITS},
        "content_hash": content_hash(arrays),
        "duplicates": shared,
        **about,
        "source": spec.source,
        "seed": spec.seed,
        "parameters": spec.parameters,
        "description": spec.description,
        "reference": spec.reference,
    }
    write_npz(Path(out) / DATA, **arrays)
    write_json(Path(out) / META, meta)
    return meta


def duplicates(arrays: dict[str, np.ndarray]) -> dict[str, int]:
    """How many examples of a held-out split equal some example of another, bit by bit: counts by "test in train" and so on."""
    rows = {split: [row.tobytes() for row in np.ascontiguousarray(arrays[split])] for split in SPLITS}
    known = {split: set(each) for split, each in rows.items()}
    pairs = (("test", "train"), ("validation", "train"), ("test", "validation"))
    return {f"{held} in {other}": sum(row in known[other] for row in rows[held]) for held, other in pairs}


def _refuse_shared(spec: "DatasetSpec", shared: dict[str, int]) -> None:
    """UserError where a user's images stand in the training split and in a held-out one."""
    for held in ("test", "validation"):
        count, size = shared[f"{held} in train"], getattr(spec.split, held)
        if count > SHARED * size:
            key = "test_path" if held == "test" and "test_path" in spec.parameters else "path"
            message = f"{count} of {size} {held} images are in the training split, too; at most {SHARED:.0%} may be"
            raise UserError(f"{_file(spec.name)}: parameters.{key}: {message} ({spec.parameters[key]})")


def load(path: Path) -> Dataset:
    """Read a prepared dataset from its folder; UserError if it was not prepared."""
    path = Path(path)
    try:
        meta = read_json(path / META)
        with np.load(path / DATA, allow_pickle=False) as file:
            arrays = {key: torch.from_numpy(file[key]) for key in file.files}
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: missing; prepare the dataset first") from None
    return Dataset(
        name=meta["name"],
        kind=meta["kind"],
        shape=tuple(meta["shape"]),
        levels=meta["levels"],
        classes=meta["classes"],
        splits={split: arrays[split] for split in SPLITS},
        labels={split: arrays[f"labels_{split}"] for split in SPLITS if f"labels_{split}" in arrays},
        meta=meta,
        content_hash=meta["content_hash"],
    )


def content_hash(arrays: dict[str, np.ndarray]) -> str:
    """First 16 hex digits of the sha256 over names, types, shapes and bytes of the arrays."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.data)
    return digest.hexdigest()[:16]


def indices(spec: "DatasetSpec", n: int, n_test: int | None) -> dict[str, np.ndarray]:
    """Which examples each split takes from a source of n, or of n and an official test set of n_test.

    The test split is cut first, so that a change of the other sizes leaves it alone.
    """
    want = spec.split.model_dump()
    demands = {"train + validation + test": (sum(want.values()), n)}
    if n_test is not None:
        demands = {
            "train + validation": (want["train"] + want["validation"], n),
            "test": (want["test"], n_test),
        }
    for part, (asked, there) in demands.items():
        if asked > there:
            raise UserError(f"{_file(spec.name)}: split: {part} asks for {asked} examples, but there are {there}")
    order = np.random.default_rng(spec.seed).permutation(n)
    if n_test is None:
        test, order = np.split(order, [want["test"]])
    else:
        test = np.random.default_rng([spec.seed, 1]).permutation(n_test)[: want["test"]]
    validation, rest = np.split(order, [want["validation"]])
    return {"train": rest[: want["train"]], "validation": validation, "test": test}


def _points(spec: "DatasetSpec") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    density = point_density(spec.name, spec.source, spec.parameters)
    if spec.shape != (2,):
        raise UserError(f"{_file(spec.name)}: shape: {spec.source} lies in the plane, so [2], got {list(spec.shape)}")
    arrays = {
        split: density.sample(np.random.default_rng([spec.seed, stream]), getattr(spec.split, split))
        for stream, split in enumerate(SPLITS)
    }
    train = arrays["train"].astype(np.float64)
    return arrays, {
        "classes": None,
        "mean": train.mean(0).tolist(),
        "scale": float(np.sqrt(train.var(0).mean())),
        "entropy": density.entropy,
        "entropy_method": density.entropy_method,
        "modes": None if density.means is None else len(density.means),
    }


def _images(spec: "DatasetSpec") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    import genbench.data as tables

    pools = tables.IMAGES[spec.source](spec)
    parts = list(pools.values()) if isinstance(pools, dict) else [pool for pool in pools if pool is not None]
    for pool in parts:
        if (shape := pool.images.shape[1:]) != spec.shape:
            message = f"{spec.source} has {list(shape)}, not {list(spec.shape)}"
            raise UserError(f"{_file(spec.name)}: shape: {message}")
        if pool.images.size and (largest := int(pool.images.max())) >= spec.levels:
            message = f"grey values reach {largest}, so at least {largest + 1}, not {spec.levels}"
            raise UserError(f"{_file(spec.name)}: levels: {message}")
    classes = _classes(spec, [pool.labels for pool in parts])
    arrays = {}
    for split, pool in (pools if isinstance(pools, dict) else _cut(spec, *pools)).items():
        arrays[split] = np.ascontiguousarray(pool.images)
        if classes is not None:
            arrays[f"labels_{split}"] = pool.labels.astype(np.int64)
    return arrays, {
        "classes": classes,
        "mean": None,
        "scale": None,
        "entropy": None,
        "entropy_method": "unknown",
        "modes": None,
    }


def _cut(spec: "DatasetSpec", train: Pool, test: Pool | None) -> dict[str, Pool]:
    """The splits of a source's examples, or of these and an official test set."""
    out = {}
    for split, chosen in indices(spec, len(train.images), None if test is None else len(test.images)).items():
        images, labels = test if test is not None and split == "test" else train
        out[split] = Pool(images[chosen], None if labels is None else labels[chosen])
    return out


def _classes(spec: "DatasetSpec", labels: list[np.ndarray | None]) -> int | None:
    """Number of classes: the spec's, or else what the labels show; None if the source has no labels."""
    if any(part is None for part in labels):
        if spec.classes is not None:
            raise UserError(f"{_file(spec.name)}: classes: the source has no labels, so leave it out (got {spec.classes})")
        return None
    found = int(max(part.max(initial=0) for part in labels)) + 1
    if min(part.min(initial=0) for part in labels) < 0 or found > (spec.classes or found):
        raise UserError(f"{_file(spec.name)}: classes: labels must lie in 0..{(spec.classes or found) - 1}")
    return spec.classes or found


def point_density(name: str, source: str, parameters: dict[str, Any]) -> PointDensity:
    """The density of a dataset of points; UserError (one line) names the parameter of its file that is at fault."""
    import genbench.data as tables

    function = tables.POINTS[source]
    allowed = list(inspect.signature(function).parameters)
    for key, value in parameters.items():
        if key not in allowed:
            names = ", ".join(allowed) or "(none)"
            raise UserError(f"{_file(name)}: parameters.{key}: unknown to {source}; allowed: {names}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise UserError(f"{_file(name)}: parameters.{key}: must be a number > 0, got {value!r}")
    try:
        return function(**parameters)
    except ValueError as error:
        raise UserError(f"{_file(name)}: parameters: {error}") from None


def _file(name: str) -> str:
    return f"config/datasets/{name}.yaml"
