"""Datasets: points with known densities, images, their fixed splits, and the spaces in which models see them.

A new dataset of a known source is a YAML file; a new source is a function and one line in the tables below:
points are functions of their parameters that return a `PointDensity`, images functions of the spec
that return `Pools`, or its three splits if it draws them itself.
"""

from genbench.data import images, points, polygons, stacked
from genbench.data.dataset import Dataset, load, prepare
from genbench.data.points import PointDensity
from genbench.data.space import SPACES, Space, bits_per_dim, space

__all__ = [
    "IMAGES",
    "POINTS",
    "SOURCES",
    "SPACES",
    "Dataset",
    "PointDensity",
    "Space",
    "bits_per_dim",
    "load",
    "prepare",
    "space",
]

POINTS = {
    "ring8": points.ring8,
    "grid25": points.grid25,
    "moons": points.moons,
    "swiss_roll": points.swiss_roll,
    "checkerboard": points.checkerboard,
    "pinwheel": points.pinwheel,
}

IMAGES = {
    "digits": images.digits,
    "mnist5k": images.mnist5k,
    "mnist": images.mnist,
    "fashion_mnist": images.fashion_mnist,
    "binarised": images.binarised,
    "cifar10": images.cifar10,
    "folder": images.folder,
    "npz": images.npz,
    "polygons": polygons.polygons,
    "stacked": stacked.stacked,
}

SOURCES = POINTS | IMAGES
