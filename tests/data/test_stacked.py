"""Stacked digits: classes, determinism, and splits that share no image."""

import numpy as np
import pytest
import torch

import genbench.data as tables
from genbench.config.errors import UserError
from genbench.config.schema import DatasetSpec
from genbench.data import load, prepare
from genbench.data.images import Pool
from genbench.data.stacked import stacked


def spec(**changes):
    base = {"name": "toy", "kind": "images", "source": "stacked", "shape": [3, 8, 8], "levels": 17, "classes": 1000}
    split = {"train": 2000, "validation": 300, "test": 1000}
    return DatasetSpec(**base | {"split": split, "parameters": {"base": "digits"}} | changes)


def numbered(n, first=0):
    """Images that hold their own number in two pixels, of class number % 10."""
    images = np.zeros((n, 1, 8, 8), np.uint8)
    numbers = first + np.arange(n)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = numbers // 16, numbers % 16
    return Pool(images, numbers % 10)


def numbers(pool):
    return pool.images[:, :, 0, 0].astype(int) * 16 + pool.images[:, :, 0, 1]


@pytest.mark.parametrize("official", [False, True])
def test_base_is_split_before_it_is_stacked(monkeypatch, official):
    monkeypatch.setitem(tables.IMAGES, "digits", lambda spec: (numbered(800), numbered(60, 800) if official else None))
    pools = stacked(spec())
    seen = {split: set(numbers(pool).ravel()) for split, pool in pools.items()}
    assert not (seen["train"] & seen["test"] or seen["train"] & seen["validation"] or seen["validation"] & seen["test"])
    sizes = {split: len(found) for split, found in seen.items()}
    assert sizes == ({"train": 720, "validation": 80, "test": 60} if official else {"train": 560, "validation": 80, "test": 160})
    for pool in pools.values():
        digits = numbers(pool) % 10
        assert np.array_equal(pool.labels, digits @ [100, 10, 1])
    # channels are drawn independently within their class
    assert len({tuple(row) for row in numbers(pools["train"]).tolist()}) > 1990


def test_classes_are_uniform_and_everything_depends_on_the_seed():
    one, again, other = stacked(spec()), stacked(spec()), stacked(spec(seed=1))
    assert np.bincount(one["train"].labels, minlength=1000).tolist() == [2] * 1000
    assert np.bincount(one["test"].labels, minlength=1000).tolist() == [1] * 1000
    assert len(set(one["validation"].labels)) == 300
    for split in one:
        assert np.array_equal(one[split].images, again[split].images)
        assert not np.array_equal(one[split].images, other[split].images)
    larger = stacked(spec(split={"train": 4000, "validation": 300, "test": 1000}))
    assert np.array_equal(larger["test"].images, one["test"].images)


def test_prepared(tmp_path):
    prepare(spec(), tmp_path)
    data = load(tmp_path)
    assert data.splits["train"].shape == (2000, 3, 8, 8) and data.splits["train"].dtype == torch.uint8
    assert data.classes == 1000 and data.labels["train"].dtype == torch.int64 and int(data.splits["train"].max()) == 16


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"parameters": {}}, "parameters.base: allowed: digits"),
        ({"parameters": {"base": "stacked"}}, "parameters.base"),
        ({"parameters": {"base": "digits", "depth": 3}}, "parameters.depth: unknown"),
        ({"shape": [1, 8, 8]}, r"shape: stacked has \[3, 8, 8\]"),
    ],
)
def test_faults(tmp_path, changes, match):
    with pytest.raises(UserError, match=match) as error:
        prepare(spec(**changes), tmp_path)
    assert "\n" not in str(error.value)
