"""What the figures of questions share: bare axes, densities on a grid, sheets of images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

__all__ = ["blank", "density", "grid", "panels", "sheet"]


def blank(ax: Axes) -> None:
    """Take ticks, frame and grid lines away."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)


def panels(rows: int, columns: int, width: float = 1.5, height: float = 1.6) -> tuple[Drawing, np.ndarray]:
    """Return a figure and its blank square axes (rows, columns), of inches each."""
    figure = Drawing(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.grid(False)
    return figure, axes


def grid(part: pd.DataFrame, value: str = "density") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the axes x (n,) and y (m,) and the values (m, n) of a frame of x, y and value on a grid."""
    table = part.pivot(index="y", columns="x", values=value)
    return table.columns.to_numpy(), table.index.to_numpy(), table.to_numpy()


def density(ax: Axes, part: pd.DataFrame, top: float | None = None, colours: str = "BuPu", low: float | None = 0) -> None:
    """Draw a frame of x, y and density; `top`, `low`: the densities at the ends of the colours."""
    if len(part):
        ax.pcolormesh(*grid(part), cmap=colours, vmin=low, vmax=top, shading="nearest", rasterized=True)


def sheet(ax: Axes, images: Sequence) -> None:
    """Draw images (rows, columns, height, width) or (..., 3), from 0 to 1, with a line between them; nan is left grey."""
    images = np.where(np.isnan(images), 0.5, images)
    rows, columns, height, width, *rest = images.shape
    out = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, *rest), 0.5)
    for (row, column), image in zip(np.ndindex(rows, columns), images.reshape(-1, *images.shape[2:]), strict=True):
        top, left = row * (height + 1), column * (width + 1)
        out[top : top + height, left : left + width] = image
    ax.imshow(out, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    blank(ax)
