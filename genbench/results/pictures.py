"""Small PNG pictures of samples, without a plotting library."""

from pathlib import Path

import numpy as np
from PIL import Image

from genbench.results.files import atomic

__all__ = ["save_preview"]

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


def _sheet(images: np.ndarray, levels: int) -> Image.Image:
    count, channels, height, width = images.shape
    sheet = np.zeros((SIDE * (height + 1) + 1, SIDE * (width + 1) + 1, channels), np.uint8)
    sheet[:] = 128
    for i in range(count):
        top, left = 1 + (i // SIDE) * (height + 1), 1 + (i % SIDE) * (width + 1)
        pixels = images[i].transpose(1, 2, 0).astype(np.float32) * (255 / (levels - 1))
        sheet[top : top + height, left : left + width] = pixels.round().astype(np.uint8)
    zoom = max(1, 288 // sheet.shape[0])
    picture = Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
