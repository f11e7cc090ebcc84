"""Preparing and loading: splits, hashes, metadata, and messages for users."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.config.errors import UserError
from genbench.config.schema import DatasetSpec, load_yaml, parse
from genbench.data import IMAGES, SOURCES, Dataset, load, prepare
from genbench.data.dataset import content_hash, duplicates, indices, source_traits

CONFIG = Path(__file__).resolve().parents[2] / "config" / "datasets"
ALL = sorted(CONFIG.glob("*.yaml"))


def points(**changes):
    spec = {"name": "toy", "kind": "points", "source": "ring8", "shape": [2]}
    return DatasetSpec(**spec | {"split": {"train": 500, "validation": 50, "test": 100}} | changes)


def digits(**changes):
    spec = {
        "name": "toy",
        "kind": "images",
        "source": "digits",
        "shape": [1, 8, 8],
        "levels": 17,
        "classes": 10,
    }
    return DatasetSpec(**spec | {"split": {"train": 1257, "validation": 180, "test": 360}} | changes)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    def make(spec):
        out = tmp_path_factory.mktemp("data")
        prepare(spec, out)
        return load(out)

    return make


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_yaml_is_valid(path):
    spec = parse(DatasetSpec, load_yaml(path), path)
    assert spec.name == path.stem and spec.source in SOURCES and spec.description and spec.reference
    assert (spec.needs == "download") == (spec.parameters.get("base", spec.source) in {"mnist", "fashion_mnist", "cifar10"})


def of_source(source, **parameters):
    return Dataset("any", "images", (1, 8, 8), 256, None, {}, {}, {"source": source, "parameters": parameters}, "")


@pytest.mark.parametrize("source", sorted(IMAGES))
def test_a_source_says_what_is_special_about_its_images(source):
    data = of_source(source)
    assert data.augmentable == (source != "polygons") and data.composed == (source == "stacked")
    assert source_traits(source).photographs == (source in ("cifar10", "folder", "npz"))
    assert source == "polygons" or data.projection() is None


def test_a_known_manifold_has_one_projection_for_all_datasets_that_are_alike():
    one, same, other = (of_source("polygons", vertices=v).projection() for v in (3, [3], [3, 4]))
    assert one is same is not other and (one.counts, one.size) == ((3,), 8)


def test_points(prepared):
    data = prepared(points())
    assert {split: tuple(x.shape) for split, x in data.splits.items()} == {
        "train": (500, 2),
        "validation": (50, 2),
        "test": (100, 2),
    }
    assert data.splits["train"].dtype == torch.float32 and data.labels == {} and data.classes is None
    train = data.splits["train"].double()
    assert data.meta["mean"] == pytest.approx(train.mean(0).tolist())
    assert data.meta["scale"] == pytest.approx(train.var(0, correction=0).mean().sqrt().item())
    assert data.meta["modes"] == 8 and data.meta["n"] == {"train": 500, "validation": 50, "test": 100}
    assert data.meta["entropy"] == pytest.approx(data.density().entropy) and "quadrature" in data.meta["entropy_method"]
    assert data.density().log_prob(data.splits["test"]).isfinite().all()


def test_parameters_reach_the_density(prepared):
    data = prepared(points(source="grid25", parameters={"std": 0.1}))
    assert data.density().std == 0.1 and data.meta["entropy"] == pytest.approx(0.0653 + 2 * np.log(2), abs=1e-3)


def test_digits(prepared):
    data = prepared(digits())
    assert data.splits["test"].shape == (360, 1, 8, 8) and data.splits["test"].dtype == torch.uint8
    assert data.levels == 17 and int(data.splits["train"].max()) == 16 and data.density() is None
    assert data.classes == 10 and data.labels["train"].dtype == torch.int64 and len(data.labels["train"]) == 1257
    assert data.meta["mean"] is None and data.meta["entropy"] is None


@pytest.mark.parametrize("make", [points, digits])
def test_content_depends_on_the_seed_alone(prepared, make):
    first, again, other = prepared(make()), prepared(make()), prepared(make(seed=1))
    assert first.content_hash == again.content_hash != other.content_hash and len(first.content_hash) == 16
    assert all(torch.equal(first.splits[split], again.splits[split]) for split in first.splits)


def test_content_hash_sees_values_types_and_names():
    base = {"a": np.arange(4, dtype=np.uint8)}
    others = [
        {"b": base["a"]},
        {"a": base["a"].astype(np.int8)},
        {"a": base["a"].reshape(2, 2)},
        {"a": base["a"][::-1]},
    ]
    assert len({content_hash(arrays) for arrays in [base, *others]}) == 5


def test_splits_share_no_example():
    taken = indices(digits(), 1797, None)
    every = np.concatenate(list(taken.values()))
    assert len(set(every)) == len(every) == 1797
    official = indices(digits(), 1500, 400)
    pool = np.concatenate([official["train"], official["validation"]])
    assert len(set(pool)) == len(pool) == 1437 and len(set(official["test"])) == 360


def test_test_split_does_not_move_with_the_others():
    small = digits(split={"train": 100, "validation": 20, "test": 360})
    assert np.array_equal(indices(digits(), 1797, None)["test"], indices(small, 1797, None)["test"])


BAD = {
    "unknown source": (
        points(source="ring9"),
        r"datasets/toy.yaml: source: .*'ring9'.*allowed: checkerboard, .*ring8",
    ),
    "points as images": (
        digits(source="ring8"),
        r"source: no images source 'ring8'; allowed: binarised, cifar10, digits",
    ),
    "too few": (
        digits(split={"train": 1700, "validation": 180, "test": 360}),
        r"toy.yaml: split: .* 2240 .* 1797",
    ),
    "wrong shape": (digits(shape=[1, 28, 28]), r"toy.yaml: shape: digits has \[1, 8, 8\], not \[1, 28, 28\]"),
    "wrong levels": (digits(levels=16), r"toy.yaml: levels: .* 17, not 16"),
    "wrong classes": (digits(classes=9), r"toy.yaml: classes: labels must lie in 0..8"),
    "unknown parameter": (points(parameters={"sd": 1}), r"toy.yaml: parameters.sd: .*allowed: radius, std"),
    "negative parameter": (points(parameters={"std": -1}), r"toy.yaml: parameters.std: .*> 0, got -1"),
    "too little noise": (
        points(source="moons", parameters={"noise": 1e-4}),
        r"toy.yaml: parameters: noise must be",
    ),
    "not the plane": (points(shape=[3]), r"toy.yaml: shape: .*\[2\], got \[3\]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_line(case, tmp_path):
    spec, message = BAD[case]
    with pytest.raises(UserError, match=message) as error:
        prepare(spec, tmp_path)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_load_of_nothing(tmp_path):
    with pytest.raises(UserError, match="meta.json: missing"):
        load(tmp_path)


def test_import_is_light():
    heavy = ("sklearn", "mlxtend", "torchvision", "pandas", "scipy")
    code = f"import sys, genbench.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CONFIG.parents[1])
    assert done.stdout.strip() == "[]"


def test_duplicates_across_splits_are_counted():
    """Examples that are equal bit by bit; one that is twice in the test split counts twice, one within a split not at all."""
    train, validation, test = [[1, 2], [3, 4], [3, 4]], [[5, 6], [1, 2]], [[3, 4], [3, 4], [5, 6], [7, 8]]
    arrays = {"train": np.array(train), "validation": np.array(validation), "test": np.array(test)}
    assert duplicates(arrays) == {"test in train": 2, "validation in train": 1, "test in validation": 1}


def test_duplicates_are_stored_beside_a_hash_that_they_do_not_change(prepared):
    data = prepared(digits())
    assert data.meta["duplicates"] == {"test in train": 0, "validation in train": 0, "test in validation": 0}
    assert data.content_hash == content_hash(_arrays(data))


def _arrays(data):
    arrays = {split: x.numpy() for split, x in data.splits.items()}
    return arrays | {f"labels_{split}": y.numpy() for split, y in data.labels.items()}
