"""Image sources on real files where they are, and on generated ones."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.config.errors import UserError
from genbench.config.schema import DatasetSpec
from genbench.data import load, prepare

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def spec(source, **changes):
    base = {"name": "toy", "kind": "images", "source": source, "shape": [1, 28, 28], "levels": 256}
    return DatasetSpec(**base | {"split": {"train": 6, "validation": 2, "test": 2}} | changes)


def made(spec, out):
    prepare(spec, out)
    return load(out)


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def fake_mnist(root, name="MNIST", zipped=True):
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    for part, n in [("train", 20), ("t10k", 5)]:
        images = np.full((n, 28, 28), 200 if part == "t10k" else 100, np.uint8)
        for kind, data in [("images-idx3", images), ("labels-idx1", np.arange(n, dtype=np.uint8) % 10)]:
            path = raw / f"{part}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(idx(data)) if zipped else idx(data))
    return raw


def no_network(*args, **kwargs):
    raise RuntimeError("no\nnetwork")


def one_line(spec, out, match):
    with pytest.raises(UserError, match=match) as error:
        prepare(spec, out)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("source, name", [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_idx_files(tmp_path, monkeypatch, source, name, zipped):
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "data"))
    raw = fake_mnist(tmp_path / "data", name, zipped)
    before = sorted(raw.iterdir())
    data = made(spec(source, classes=10), tmp_path / "out")
    assert data.splits["train"].unique().tolist() == [100] and data.splits["test"].unique().tolist() == [200]
    assert data.splits["train"].shape == (6, 1, 28, 28) and data.classes == 10
    assert sorted(raw.iterdir()) == before
    one_line(
        spec(source, split={"train": 6, "validation": 2, "test": 6}),
        tmp_path / "out",
        r"toy.yaml: split: test .* 6 .* 5",
    )
    one_line(
        spec(source, split={"train": 20, "validation": 2, "test": 2}),
        tmp_path / "out",
        r"split: train \+ v.* 22 .* 20",
    )


def test_full_mnist(tmp_path, monkeypatch):
    if not (SHARED / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST at {SHARED}")
    monkeypatch.setenv("GENBENCH_DATA", str(SHARED))
    monkeypatch.setattr("genbench.data.dataset.write_npz", lambda *args, **arrays: seen.update(arrays))
    seen = {}  # compressing 70000 images is not what is tested
    prepare(spec("mnist", classes=10, split={"train": 50000, "validation": 10000, "test": 10000}), tmp_path)
    assert [len(seen[split]) for split in ("train", "validation", "test")] == [50000, 10000, 10000]
    assert np.bincount(seen["labels_test"]).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert seen["train"].mean() / 255 == pytest.approx(0.1307, abs=1e-3)


@pytest.mark.parametrize("source, place", [("mnist", "MNIST/raw"), ("cifar10", "cifar-10-batches-bin")])
def test_neither_there_nor_downloadable(tmp_path, monkeypatch, source, place):
    import torchvision

    monkeypatch.setattr(torchvision.datasets, "MNIST", no_network)
    monkeypatch.setattr(torchvision.datasets.utils, "download_and_extract_archive", no_network)
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "data"))
    one_line(
        spec(source),
        tmp_path / "out",
        rf"toy.yaml: source: .*no network.*GENBENCH_DATA.*{place}.*{tmp_path}/data/{place}",
    )


def test_download_goes_where_genbench_data_says(tmp_path, monkeypatch):
    import torchvision

    monkeypatch.setattr(torchvision.datasets, "MNIST", lambda root, download: fake_mnist(Path(root)))
    monkeypatch.delenv("GENBENCH_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(made(spec("mnist"), tmp_path / "out").splits["train"]) == 6
    assert (tmp_path / ".cache" / "genbench" / "MNIST" / "raw").is_dir()


def test_damaged_idx(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path))
    raw = fake_mnist(tmp_path)
    path = raw / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    one_line(spec("mnist"), tmp_path / "out", "damaged")


def test_cifar10_binary(tmp_path, monkeypatch):
    place = tmp_path / "cifar-10-batches-bin"
    place.mkdir()
    record = np.zeros((10_000, 3073), np.uint8)
    record[:, 0], record[:, 1], record[:, -1] = 7, 10, 30  # label; first red, last blue byte
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        record.tofile(place / name)
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path))
    data = made(spec("cifar10", shape=[3, 32, 32], classes=10), tmp_path / "out")
    image = data.splits["train"][0]
    assert image[0, 0, 0] == 10 and image[2, 31, 31] == 30 and data.labels["test"].unique().tolist() == [7]
    (place / "test_batch.bin").write_bytes(b"short")
    one_line(spec("cifar10", shape=[3, 32, 32]), tmp_path / "out", "damaged")


def test_mnist5k(tmp_path):
    data = made(spec("mnist5k", classes=10, split={"train": 3500, "validation": 500, "test": 1000}), tmp_path)
    assert data.splits["train"].shape == (3500, 1, 28, 28) and int(data.splits["train"].max()) == 255
    assert torch.cat(list(data.labels.values())).bincount().tolist() == [500] * 10


def test_binarised_pixels_are_drawn_once_with_their_intensities(tmp_path, monkeypatch):
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "data"))
    fake_mnist(tmp_path / "data")
    parts = {"train": 16, "validation": 4, "test": 5}
    binary = spec("binarised", levels=2, classes=10, parameters={"base": "mnist"}, split=parts)
    data = made(binary, tmp_path / "a")
    for split, grey in (("train", 100), ("test", 200)):
        images, share = data.splits[split].double(), grey / 255
        assert set(images.unique().tolist()) == {0, 1}
        assert float(images.mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / images.numel()) ** 0.5)
        assert not torch.equal(images[0], images[1])
    assert made(binary, tmp_path / "b").content_hash == data.content_hash
    assert made(binary.model_copy(update={"seed": 1}), tmp_path / "c").content_hash != data.content_hash
    plain = made(spec("mnist", classes=10, split=binary.split.model_dump()), tmp_path / "d")
    assert torch.equal(plain.labels["test"], data.labels["test"])
    one_line(binary.model_copy(update={"parameters": {"base": "digits"}}), tmp_path / "e", "base: allowed: mnist, mnist5k")


def test_black_and_white_stay_as_they_are(tmp_path):
    split = {"train": 3500, "validation": 500, "test": 1000}
    binary = made(spec("binarised", levels=2, classes=10, parameters={"base": "mnist5k"}, split=split), tmp_path / "a")
    grey, drawn = made(spec("mnist5k", classes=10, split=split), tmp_path / "b").splits["test"], binary.splits["test"]
    assert not drawn[grey == 0].any() and bool((drawn[grey == 255] == 1).all())


def pictures(path, counts, size=(40, 30), mode="RGB", suffix="png", shade=50):
    """Images of one colour each, no two alike."""
    for k, (name, n) in enumerate(counts.items()):
        (path / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            image = Image.new(mode, size, (10 * i, shade + 60 * k, 200) if mode == "RGB" else 10 * i)
            if mode == "L":
                image.putpixel((size[0] - 1 - i // size[1], i % size[1]), 255)  # grey values may be few
            image.save(path / name / f"{i:04}.{suffix}")


def test_folder_with_classes(tmp_path, monkeypatch):
    pictures(tmp_path / "set", {"cat": 6, "dog": 6})
    monkeypatch.chdir(tmp_path)  # relative paths are relative to the working directory
    data = made(spec("folder", shape=[3, 16, 16], parameters={"path": "set"}), tmp_path / "out")
    assert data.splits["train"].shape == (6, 3, 16, 16) and data.classes == 2
    assert (data.splits["train"][:, 2] == 200).all()
    red = torch.cat([data.splits[s][:, 0, 0, 0] for s in data.splits])
    assert set(red.tolist()) <= {0, 10, 20, 30, 40, 50}


def test_folder_flat_grey_and_levels(tmp_path):
    pictures(tmp_path / "set", {"": 10}, mode="L", size=(8, 8))
    data = made(
        spec("folder", shape=[1, 8, 8], levels=4, parameters={"path": str(tmp_path / "set")}),
        tmp_path / "out",
    )
    assert data.classes is None and data.labels == {}
    assert sorted(torch.cat(list(data.splits.values()))[:, 0, 0, 0].tolist()) == [0] * 7 + [1] * 3


def test_folder_size_scales_then_cuts_the_centre(tmp_path):
    (tmp_path / "set").mkdir()
    array = np.zeros((40, 80), np.uint8)
    array[10:30, 30:50] = 255  # a central square: half of the height
    for i in range(10):
        one = array.copy()
        one[10 + 2 * i : 12 + 2 * i, 30:34] = 0  # no two are alike
        Image.fromarray(one).save(tmp_path / "set" / f"{i}.png")
    parameters = {"path": str(tmp_path / "set")}
    whole = made(spec("folder", shape=[1, 16, 16], parameters=parameters), tmp_path / "a").splits["test"][0, 0]
    close = made(spec("folder", shape=[1, 16, 16], parameters=parameters | {"size": 32}), tmp_path / "b").splits["test"][0, 0]
    assert whole.float().mean() == pytest.approx(255 / 4, rel=0.1) and close.float().mean() > 240
    one_line(
        spec("folder", shape=[1, 16, 16], parameters=parameters | {"size": 8}),
        tmp_path / "c",
        "parameters.size: .*>= 16",
    )


def test_folder_with_official_test_set(tmp_path):
    pictures(tmp_path / "train", {"a": 5, "b": 5}, suffix="jpg")
    pictures(tmp_path / "test", {"a": 1, "b": 1}, size=(20, 20), suffix="jpg", shade=20)
    parameters = {"path": str(tmp_path / "train"), "test_path": str(tmp_path / "test")}
    data = made(spec("folder", shape=[3, 8, 8], parameters=parameters, classes=2), tmp_path / "out")
    assert sorted(data.labels["test"].tolist()) == [0, 1] and len(data.splits["train"]) == 6
    (tmp_path / "test" / "c").mkdir()
    one_line(
        spec("folder", shape=[3, 8, 8], parameters=parameters),
        tmp_path / "out",
        "parameters.test_path: .*same subfolders",
    )


def test_a_test_folder_that_is_the_training_folder_is_refused(tmp_path):
    pictures(tmp_path / "train", {"a": 5, "b": 5})
    parameters = {"path": str(tmp_path / "train"), "test_path": str(tmp_path / "train")}
    same = spec("folder", shape=[3, 8, 8], parameters=parameters, split={"train": 9, "validation": 1, "test": 10})
    one_line(same, tmp_path / "out", r"toy.yaml: parameters.test_path: 9 of 10 test images .* 1% .*train\)")


def test_an_npz_file_that_holds_everything_twice_is_refused(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    np.savez(tmp_path / "x.npz", images=np.concatenate([images, images]))
    twice = spec("npz", parameters={"path": str(tmp_path / "x.npz")}, split={"train": 80, "validation": 10, "test": 10})
    one_line(twice, tmp_path / "out", r"toy.yaml: parameters.path: \d+ of 10 test images .*x.npz")
    np.savez(tmp_path / "x.npz", images=np.concatenate([images, 255 - images]))
    assert made(twice, tmp_path / "out").meta["duplicates"]["test in train"] == 0


def test_duplicates_of_a_source_that_ships_are_counted_and_pass(tmp_path):
    split = {"train": 3500, "validation": 500, "test": 1000}
    data = made(spec("binarised", levels=2, parameters={"base": "mnist5k"}, split=split), tmp_path)
    assert set(data.meta["duplicates"].values()) == {0}


def test_folder_faults(tmp_path):
    def fault(match, path, **changes):
        one_line(spec("folder", **changes | {"parameters": {"path": str(path)}}), tmp_path / "out", match)

    fault("parameters.path: no folder", tmp_path / "nowhere")
    pictures(tmp_path / "splits" / "train", {"a": 1})
    pictures(tmp_path / "splits" / "test", {"a": 1})
    fault("holds splits, not classes", tmp_path / "splits")
    fault("shape: .*got 2", tmp_path / "splits" / "train", shape=[2, 8, 8])
    fault("split: .* 10 examples, but there are 1", tmp_path / "splits" / "train")
    (tmp_path / "empty").mkdir()
    fault("no image files", tmp_path / "empty")
    pictures(tmp_path / "flat", {"": 1})
    fault("classes: the source has no labels", tmp_path / "flat", classes=3)
    (tmp_path / "flat" / "broken.png").write_bytes(b"not a picture")
    fault("broken.png cannot be read", tmp_path / "flat")
    one_line(spec("folder"), tmp_path / "out", "parameters.path: missing")
    one_line(
        spec("folder", parameters={"paht": "x"}),
        tmp_path / "out",
        "parameters.paht: unknown.*allowed: path, size, test_path",
    )


@pytest.mark.parametrize("layout", [(10, 8, 8), (10, 1, 8, 8), (10, 8, 8, 1), (10, 3, 8, 8), (10, 8, 8, 3)])
def test_npz(tmp_path, layout):
    images = np.random.default_rng(0).integers(256, size=layout, dtype=np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=np.arange(10) % 3)
    shape = [3 if 3 in layout else 1, 8, 8]
    data = made(spec("npz", shape=shape, parameters={"path": str(tmp_path / "x.npz")}), tmp_path / "out")
    assert data.splits["train"].shape == (6, *shape) and data.classes == 3
    planes = np.moveaxis(images, -1, 1) if layout[-1] == 3 else images.reshape(10, *shape)
    assert sum(int(x.long().sum()) for x in data.splits.values()) == planes.sum()
    assert any((data.splits["train"][0].numpy() == plane).all() for plane in planes)


def test_npz_faults(tmp_path):
    path = tmp_path / "x.npz"

    def fault(match, arrays, **changes):
        np.savez(path, **arrays)
        one_line(spec("npz", **changes | {"parameters": {"path": str(path)}}), tmp_path / "out", match)

    fault("no array 'images'", {"pictures": np.zeros((10, 28, 28), np.uint8)})
    fault("must be uint8, got float64", {"images": np.zeros((10, 28, 28))})
    fault("no npz file of plain arrays", {"images": np.array([{}], dtype=object)})
    fault(r"shape: npz has \[1, 8, 8\], not \[1, 28, 28\]", {"images": np.zeros((10, 8, 8), np.uint8)})
    fault(
        "labels in .* must be 10 integers",
        {"images": np.zeros((10, 28, 28), np.uint8), "labels": np.zeros(9, int)},
    )
    fault("levels: grey values reach 20", {"images": np.full((10, 28, 28), 20, np.uint8)}, levels=17)
    np.save(tmp_path / "one.npy", np.zeros((10, 28, 28), np.uint8))
    one_line(spec("npz", parameters={"path": str(tmp_path / "one.npy")}), tmp_path / "out", "no npz file")
    path.write_bytes(b"not a zip")
    one_line(spec("npz", parameters={"path": str(path)}), tmp_path / "out", "no npz file of plain arrays")
    one_line(
        spec("npz", parameters={"path": str(tmp_path / "y.npz")}),
        tmp_path / "out",
        "parameters.path: no file",
    )
