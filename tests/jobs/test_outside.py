"""Samples made elsewhere, scored from the command line."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from genbench.cli import main
from genbench.config.read import dataset_spec
from genbench.data import load, prepare
from genbench.results.files import read_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory, configure):
    """The configuration with a small ring, and files of samples: real digits, blurred ones, points."""
    place = tmp_path_factory.mktemp("outside")
    configure(place, validation=200, test=200)
    rng = np.random.default_rng(1)  # of seed 0 they would be the test split, which is cut by it
    digits = load_digits().images.astype(np.uint8)
    np.savez(place / "real.npz", samples=digits[rng.permutation(len(digits))[:300]])
    np.savez(place / "poor.npz", images=digits[:300].mean(0, keepdims=True).repeat(300, 0).round().astype(np.uint8))
    prepare(dataset_spec("digits"), place / "splits")
    np.savez(place / "test.npz", samples=load(place / "splits").splits["test"].numpy())
    np.savez(place / "points.npz", samples=rng.normal(size=(200, 2)))
    return place


def run(folder, monkeypatch, capsys, *arguments):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("genbench.jobs.outside.EPOCHS", 5)
    code = main(["evaluate", *arguments])
    return code, *capsys.readouterr()


def test_images_are_scored_beside_real_ones(folder, monkeypatch, capsys):
    values = {}
    for name in ("real", "poor", "test"):
        arguments = ("--samples", f"{name}.npz", "--dataset", "digits", "--out", f"{name}.json")
        code, out, err = run(folder, monkeypatch, capsys, *arguments)
        assert code == 0
        assert ("test accuracy" in err) == (name == "real")  # the classifier is trained once
        found = read_json(folder / f"{name}.json")
        values[name] = {score["metric"]: score["value"] for score in found["scores"]}
        assert set(values[name]) == {row["metric"] for row in found["floors"]}
        table, _, said = out.partition("\n\n")
        assert {line.split()[0] for line in table.splitlines()[2:]} == set(values[name])
        assert len(found["copies"]) == len(said.splitlines()) >= 2 and all(line in said for line in found["copies"])
    floors = [row["value"] for row in found["floors"] if row["metric"] == "fid"]
    assert values["real"]["exact_copies"] > 60 and values["test"]["exact_copies"] == 0
    assert "test split" in said and not any("test split" in line for line in read_json(folder / "poor.json")["copies"])
    assert values["real"]["fid"] < 2 * max(floors) < values["poor"]["fid"]
    assert values["real"]["recall"] > 0.8 and values["poor"]["recall"] < 0.05
    assert values["real"]["classes_covered"] == 10 and values["poor"]["classes_covered"] == 1
    assert values["real"]["vendi"] > 5 and values["poor"]["vendi"] == pytest.approx(1, abs=1e-3)


def test_points_need_no_classifier(folder, monkeypatch, capsys):
    code, out, _ = run(folder, monkeypatch, capsys, "--samples", "points.npz", "--dataset", "ring8")
    assert code == 0 and {"w1", "data_nll", "c2st"} <= {line.split()[0] for line in out.splitlines() if line}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "points.npz", "--dataset", "rings"], "unknown dataset 'rings'; allowed: "),
        (["--samples", "points.npz", "--dataset", "digits"], "--samples: points.npz holds"),
        (["--samples", "real.npz", "--dataset", "digits", "--encoders", "resnet"], "unknown encoder 'resnet'"),
        (["--samples", "real.npz", "--dataset", "digits", "--encoders", "inception"], "a classifier first"),
        (["--samples", "real.npz", "--dataset", "digits", "--encoders", "classifier,dinov2:no.pth"], "no.pth"),
    ],
)
def test_one_line_for_what_is_wrong(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.delenv("GENBENCH_STUDY", raising=False)
    code, _, err = run(folder, monkeypatch, capsys, *arguments)
    last = err.strip().splitlines()[-1]
    assert code == 2 and message in last and last.startswith("genbench: ") and "Traceback" not in err


@pytest.mark.parametrize(("arguments", "missing"), [(["--samples", "points.npz"], "--dataset"), ([], "--samples, --dataset")])
def test_what_is_missing_is_named(folder, monkeypatch, capsys, arguments, missing):
    with pytest.raises(SystemExit) as ended:
        run(folder, monkeypatch, capsys, *arguments)
    assert ended.value.code == 2 and missing in capsys.readouterr().err.splitlines()[-1]
