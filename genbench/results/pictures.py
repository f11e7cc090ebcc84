"""Pictures of samples: sheets of images, and small PNG files without a plotting library."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from genbench.results.files import atomic

__all__ = ["save_preview", "tiled"]

SIDE = 8  # images per row of a sheet
BINS = 96  # cells per axis of a picture of points


def save_preview(path: Path, samples: np.ndarray, levels: int | None, support) -> None:
    """A sheet of the first 64 images (n, C, H, W), or the histogram of points (n, 2) over their support."""
    if levels is not None:
        picture = _sheet(samples[: SIDE * SIDE], levels)
    else:
        (left, right), (low, high) = support
        counts, _, _ = np.histogram2d(samples[:, 1], samples[:, 0], bins=BINS, range=[[low, high], [left, right]])
        scale = np.log1p(counts) / max(np.log1p(counts.max()), 1e-9)
        picture = Image.fromarray((255 * (1 - scale[::-1])).astype(np.uint8)).resize((288, 288), Image.Resampling.NEAREST)
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def tiled(images: np.ndarray, wide: int, line: float, edge: int = 0) -> np.ndarray:
    """Images (n, C, H, W) row by row, `wide` in each, as one (H', W', C) with a line of one pixel of that value between them.

    `edge`: width of the line around all.
    """
    count, channels, height, width = images.shape
    tall = math.ceil(count / wide)
    sheet = np.full((tall * (height + 1) - 1 + 2 * edge, wide * (width + 1) - 1 + 2 * edge, channels), line, images.dtype)
    for i, image in enumerate(images):
        top, left = edge + (i // wide) * (height + 1), edge + (i % wide) * (width + 1)
        sheet[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return sheet


def _sheet(images: np.ndarray, levels: int) -> Image.Image:
    grey = (images.astype(np.float32) * (255 / (levels - 1))).round().astype(np.uint8)
    blank = np.full((SIDE * SIDE - len(grey), *grey.shape[1:]), 128, np.uint8)
    sheet = tiled(np.concatenate([grey, blank]), SIDE, 128, edge=1)
    zoom = max(1, 288 // sheet.shape[0])
    picture = Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet)
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
