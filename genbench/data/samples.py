"""Samples made elsewhere: a file or a folder, read in the raw units of a dataset."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genbench.config.errors import UserError
from genbench.config.schema import DatasetSpec
from genbench.data.images import channels_first, folder

__all__ = ["read_samples"]

LEAST = 100  # fewer say nothing


def read_samples(path: Path, spec: DatasetSpec) -> Tensor:
    """Images uint8 (n, C, H, W) with values 0..levels-1, or points float32 (n, d), for a dataset of this spec.

    `path`: an .npz with `samples`, `images` or a single array, a .npy, or a folder of image files (scaled and cut to the
    dataset's shape). Arrays of images: integers (n, H, W), (n, C, H, W) or (n, H, W, C). UserError (one line) otherwise.
    """
    if not path.exists():
        raise UserError(f"--samples: {path} is not there; allowed: an .npz or .npy file, or a folder of images")
    array = _folder(path, spec) if path.is_dir() else _array(path)
    array = _images(path, array, spec) if spec.kind == "images" else _points(path, array, spec)
    if len(array) < LEAST:
        raise UserError(f"--samples: {path} holds {len(array)} samples; at least {LEAST} are needed")
    return torch.from_numpy(np.ascontiguousarray(array))


def _folder(path: Path, spec: DatasetSpec) -> np.ndarray:
    if spec.kind != "images":
        raise UserError(f"--samples: {path} is a folder, but {spec.name} has points; allowed: an .npz or .npy file")
    try:
        return folder(spec.model_copy(update={"source": "folder", "parameters": {"path": str(path)}}))[0].images
    except UserError as error:  # it names the key of a dataset's file, which is not what the user gave
        raise UserError(f"--samples: {str(error).partition('parameters.path: ')[2] or error}") from None


def _array(path: Path) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            names = found.files
            chosen = [name for name in ("samples", "images") if name in names] or (names if len(names) == 1 else [])
            if not chosen:
                held = ", ".join(names) or "nothing"
                raise UserError(f"--samples: {path} holds {held}; allowed: samples, images, or a single array")
            return found[chosen[0]]
    except (EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error):
        raise UserError(f"--samples: {path} is no .npz or .npy file of plain arrays") from None


def _images(path: Path, array: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    array = channels_first(array, spec.shape)
    if array.shape[1:] != spec.shape:
        raise UserError(f"--samples: {path} holds arrays of shape {list(array.shape[1:])}; {spec.name} has {list(spec.shape)}")
    if array.dtype.kind not in "iu":
        raise UserError(
            f"--samples: {path} holds {array.dtype}; allowed: grey values 0..{spec.levels - 1} as integers, such as "
            f"(x * {spec.levels - 1}).round() of x in [0, 1]"
        )
    if array.size and not (array.min() >= 0 and array.max() < spec.levels):
        raise UserError(f"--samples: {path} has values {array.min()}..{array.max()}; allowed: 0..{spec.levels - 1}")
    return array.astype(np.uint8)


def _points(path: Path, array: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    if array.ndim != 2 or array.shape[1:] != spec.shape or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        allowed = f"finite numbers (n, {', '.join(map(str, spec.shape))})"
        raise UserError(f"--samples: {path} holds {array.dtype} of shape {list(array.shape)}; allowed: {allowed}")
    return array.astype(np.float32)
