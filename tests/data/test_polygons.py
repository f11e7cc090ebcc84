"""Polygons: their distribution, their exact rasteriser, and the projection of images onto them."""

import math

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Outline
from scipy.stats import kstest
from sklearn.datasets import load_digits

from genbench.config.errors import UserError
from genbench.config.schema import DatasetSpec
from genbench.data import load, prepare
from genbench.data.polygons import Projection, corners, draw, polygons, render, vertex_counts

DELTA = 0.75


def spec(**changes):
    base = {"name": "toy", "kind": "images", "source": "polygons", "shape": [1, 28, 28], "levels": 256}
    return DatasetSpec(**base | {"split": {"train": 60, "validation": 20, "test": 30}} | changes)


def images(count, n, seed, size=28):
    """Random polygons as 8-bit images, in 0..1."""
    turn, share = draw(np.random.default_rng(seed), n, count)
    return ((render(corners(turn, share, size), size) * 255).round() / 255).float()


@pytest.fixture(scope="module")
def triangles():
    return Projection((3,), 28, bank=2000)


@pytest.mark.parametrize("count", [3, 4, 8])
def test_render_counts_the_sub_pixels_inside(count):
    points = corners(*draw(np.random.default_rng(count), 20, count), 28)
    grid = (np.arange(28 * 8) + 0.5) / 8
    x, y = np.meshgrid(grid, grid)
    for found, outline in zip(render(points, 28), points, strict=True):
        inside = Outline(outline.numpy()).contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(28, 8, 28, 8)
        assert np.array_equal(found.numpy(), 1 - inside.mean((1, 3)))


def test_render_of_a_square_with_horizontal_edges():
    square = torch.tensor([[[2.0, 1.0], [5.5, 1.0], [5.5, 4.0], [2.0, 4.0]]], dtype=torch.float64)
    image = render(square, 8)[0]
    assert float((1 - image).sum()) == 10.5 and image[2, 3] == 0 and image[2, 5] == 0.5 and image[0].min() == image[4].min() == 1
    assert render(square[:0], 8).shape == (0, 8, 8)


@pytest.mark.parametrize("count", range(3, 9))
def test_law_of_the_vertices(count):
    turn, share = draw(np.random.default_rng(count), 4000, count)
    points = corners(turn, share, 28)
    assert torch.allclose(points.mean(1), torch.full((1, 2), 14.0, dtype=torch.float64))
    assert points.min() > 0 and points.max() < 28
    assert kstest(turn.numpy() / (2 * math.pi), "uniform").pvalue > 0.001  # a full turn
    # the triangles of neighbours turn one way: convex; circles through any three have the diameter 0.75 * 28
    a, b, c = points, points.roll(-1, 1), points.roll(-2, 1)
    sides = [(p - q).norm(dim=2) for p, q in ((a, b), (b, c), (c, a))]
    area = ((b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]) / 2
    assert area.min() > 0
    assert torch.allclose(sides[0] * sides[1] * sides[2] / (2 * area), torch.tensor(21.0).double(), rtol=1e-6)
    # neighbours are 10 degrees apart at least, as in the authors' code
    angle = 2 * (sides[0] / 21).clamp(max=1).asin()
    assert angle.min() >= math.radians(10) - 1e-9
    assert np.isclose(share.mean(), 0.5, atol=0.02)


def test_source(tmp_path):
    prepare(spec(classes=6), tmp_path)
    data = load(tmp_path)
    x = data.splits["train"]
    assert x.shape == (60, 1, 28, 28) and x.dtype == torch.uint8 and data.classes == 6 and data.density() is None
    assert (x[:, 0, 0, 0] == 255).all() and (x[:, 0, 14, 14] == 0).all()  # white around, dark inside
    assert data.labels["train"].bincount().tolist() == [10] * 6
    again, other = polygons(spec()), polygons(spec(seed=1))
    assert np.array_equal(again["test"].images, data.splits["test"].numpy())
    assert not np.array_equal(again["test"].images, other["test"].images)
    larger = polygons(spec(split={"train": 90, "validation": 20, "test": 30}))
    assert np.array_equal(larger["test"].images, again["test"].images)
    assert not np.array_equal(again["train"].images[:20], again["validation"].images)


def test_labels_tell_the_number_of_vertices_or_the_kind_of_triangle():
    pool = polygons(spec(parameters={"vertices": [6, 3]}))["train"]
    dark = 1 - pool.images.mean((1, 2, 3)) / 255
    assert dark[pool.labels == 1].mean() > 1.5 * dark[pool.labels == 0].mean()  # more vertices fill more of the circle
    pool = polygons(spec(parameters={"vertices": 3}, split={"train": 4000, "validation": 1, "test": 1}))["train"]
    # an obtuse triangle covers less than half of its circle's largest triangle
    assert set(pool.labels) == {0, 1} and 0.25 < pool.labels.mean() < 0.37
    dark = (1 - pool.images / 255).sum((1, 2, 3)) / 10.5**2
    assert dark[pool.labels == 1].max() < 1.05 and dark[pool.labels == 0].max() == pytest.approx(3 * 3**0.5 / 4, abs=0.02)
    assert polygons(spec(parameters={"vertices": 5}))["train"].labels is None


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"parameters": {"corners": 3}}, "parameters.corners: unknown .* vertices"),
        ({"parameters": {"vertices": 9}}, "parameters.vertices: distinct numbers from 3 to 8, got 9"),
        ({"parameters": {"vertices": [3, 3]}}, "parameters.vertices"),
        ({"parameters": {"vertices": True}}, "parameters.vertices"),
        ({"shape": [1, 28, 20]}, "shape"),
        ({"levels": 17}, "shape"),
    ],
)
def test_faults(tmp_path, changes, match):
    with pytest.raises(UserError, match=match) as error:
        prepare(spec(**changes), tmp_path)
    assert "\n" not in str(error.value)


def test_vertex_counts():
    assert vertex_counts({}) == (3, 4, 5, 6, 7, 8) and vertex_counts({"vertices": [5, 3]}) == (3, 5)
    assert vertex_counts({"vertices": 4}) == (4,) and vertex_counts({"vertices": []}) == ()


def test_projection_finds_real_polygons(triangles):
    distance = triangles(images(3, 300, 1))
    assert (distance < DELTA).float().mean() >= 0.99 and distance.median() < 0.03
    # the nearest of the random starts alone is not enough
    nearest = torch.cdist(images(3, 300, 1).flatten(1), triangles.bank).amin(1) ** 2
    assert (nearest < DELTA).float().mean() < 0.3


def test_projection_knows_several_families_and_sizes():
    several = Projection((3, 4, 5, 6), 28, bank=1500)
    for count in (3, 6):
        assert (several(images(count, 60, 2)) < DELTA).float().mean() >= 0.98
    small = Projection((3,), 14, bank=1500)
    assert (small(images(3, 100, 3, 14)) < DELTA / 4).float().mean() >= 0.97


def test_projection_of_noisy_polygons_is_orthogonal(triangles):
    """Noise loses about as many of its 784 squared components as the manifold has dimensions, three."""
    x = images(3, 100, 4)
    noise = 0.06 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    found, drawn = triangles(x + noise), noise.flatten(1).square().sum(1)
    assert (found <= drawn + 0.1).float().mean() >= 0.98
    assert (found / drawn).median() == pytest.approx(1 - 3 / 784, abs=0.01)


def test_images_off_the_manifold_stay_far(triangles):
    shifted = images(3, 50, 5).roll(1, 2)  # a triangle, but not centred
    assert triangles(shifted).min() > DELTA
    hexagons = triangles(images(6, 50, 6))
    assert hexagons.min() > DELTA and hexagons.median() > 10
    digits = torch.nn.functional.interpolate(torch.tensor(load_digits().images[:50, None] / 16), size=(28, 28)).float()
    assert triangles(1 - digits).min() > 20 * DELTA
    assert triangles(torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))).min() > 100
    with pytest.raises(ValueError, match="finite"):
        triangles(torch.full((1, 28, 28), math.nan))
