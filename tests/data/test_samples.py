"""Samples made elsewhere: what is read, and one line for what cannot be."""

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.config.errors import UserError
from genbench.config.schema import DatasetSpec
from genbench.data.samples import read_samples

SPLIT = {"train": 10, "validation": 10, "test": 10}
GREY = DatasetSpec(name="grey", kind="images", source="digits", shape=(1, 6, 5), levels=17, split=SPLIT)
COLOUR = DatasetSpec(name="colour", kind="images", source="npz", shape=(3, 6, 5), levels=256, split=SPLIT)
POINTS = DatasetSpec(name="ring", kind="points", source="ring8", shape=(2,), split=SPLIT)


def images(*shape, top=17):
    return np.random.default_rng(0).integers(0, top, shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize(
    ("spec", "array", "expected"),
    [
        (GREY, images(120, 6, 5), lambda a: a[:, None]),
        (GREY, images(120, 1, 6, 5), lambda a: a),
        (COLOUR, images(120, 6, 5, 3, top=256), lambda a: a.transpose(0, 3, 1, 2)),
    ],
)
def test_layouts_of_images(tmp_path, spec, array, expected, dtype):
    np.savez(tmp_path / "a.npz", samples=array.astype(dtype), labels=np.zeros(3))
    np.savez(tmp_path / "b.npz", anything=array.astype(dtype))
    np.save(tmp_path / "c.npy", array.astype(dtype))
    for name in ("a.npz", "b.npz", "c.npy"):
        read = read_samples(tmp_path / name, spec)
        assert read.dtype == torch.uint8 and np.array_equal(read.numpy(), expected(array))


def test_a_folder_is_scaled_to_the_shape_and_the_grey_values(tmp_path):
    for i in range(100):
        Image.fromarray(np.full((12, 10), 255 if i else 0, np.uint8)).save(tmp_path / f"{i:03}.png")
    read = read_samples(tmp_path, GREY)
    assert read.shape == (100, 1, 6, 5) and int(read[0].max()) == 0 and int(read[1].min()) == 16


def test_points(tmp_path):
    points = np.random.default_rng(0).normal(size=(150, 2))
    np.savez(tmp_path / "p.npz", samples=points)
    assert torch.equal(read_samples(tmp_path / "p.npz", POINTS), torch.tensor(points, dtype=torch.float32))


@pytest.mark.parametrize(
    ("spec", "arrays", "message"),
    [
        (GREY, {"samples": images(120, 7, 5)}, r"shape \[1, 7, 5\]; grey has \[1, 6, 5\]"),
        (GREY, {"samples": images(120, 6, 5) / 16}, "as integers"),
        (GREY, {"samples": images(120, 6, 5) + 1}, r"values 1\.\.17; allowed: 0\.\.16"),
        (GREY, {"samples": images(99, 6, 5)}, "99 samples; at least 100"),
        (GREY, {"a": images(120, 6, 5), "b": images(120, 6, 5)}, "holds a, b; allowed: samples, images"),
        (POINTS, {"samples": np.full((120, 2), np.nan)}, "finite numbers"),
        (POINTS, {"samples": np.zeros((120, 3))}, r"\(n, 2\)"),
        (GREY, {"samples": np.array([{"a": 1}] * 120, dtype=object)}, "no .npz or .npy file of plain arrays"),
    ],
)
def test_one_line_for_what_cannot_be_read(tmp_path, spec, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=message) as error:
        read_samples(tmp_path / "bad.npz", spec)
    assert "\n" not in str(error.value) and str(error.value).startswith("--samples: ")


def test_one_line_for_files_that_are_none(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("no array")
    for spec, name, message in (
        (GREY, "nothing.npz", "is not there"), (GREY, "text.npz", "no .npz"), (GREY, "empty", "no image files"),
        (POINTS, "empty", "ring has points"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=message) as error:
            read_samples(tmp_path / name, spec)
        assert str(error.value).startswith("--samples: ")
