"""The job of a question, from the command line to what the report reads."""

import json
import shutil

import pandas as pd
import pytest
import yaml

from genbench.cli import main
from genbench.config.read import dataset_spec
from genbench.config.schema import Study, parse
from genbench.data import prepare
from genbench.questions import folders as question_folders
from genbench.results.study import Results

SETTINGS = {"datasets": ["ring8"], "seeds": 1, "updates": 10, "batch": 8, "width": 4, "depth": 2, "limits": [0.01]}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a study of one question, and its data."""
    root = tmp_path_factory.mktemp("project")
    study = {"name": "tiny", "title": "Tiny", "seeds": 1, "questions": {"critic_gradients": SETTINGS}}
    study["cells"] = [{"datasets": ["ring8"], "models": ["gmm"], "budget": {"value": 1}, "batch": 8}]
    shutil.copytree("config", root / "config")
    (root / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    prepare(dataset_spec("ring8"), root / "results" / "data" / "ring8")
    return root, parse(Study, study, root / "config" / "studies" / "tiny.yaml")


def run(root, name="critic_gradients", folder="results/questions/x", study="tiny"):
    return main(["question", name, "--study", study, "--out", str(root / folder / "about.json"), "--device", "cpu"])


def test_an_answer_reaches_the_report(project, monkeypatch):
    root, study = project
    monkeypatch.chdir(root)
    (folder,) = question_folders(study).values()
    assert run(root, folder=f"results/questions/{folder}") == 0
    about = json.loads((root / "results" / "questions" / folder / "about.json").read_text())
    assert about["question"] == "critic_gradients" and about["settings"]["width"] == 4 and about["settings"]["gp"] == 10
    assert about["versions"]["torch"] and set(about["content_hashes"]) == {"ring8"} and about["seconds"] > 0
    listed = {"questions": {"critic_gradients": folder}}
    frame = pd.DataFrame()
    results = Results(listed, frame, frame, frame, root / "results" / "store")
    found = results.answer("critic_gradients")
    assert found.settings == about["settings"] and set(found.tables) == {"gradients", "weights", "histograms"}
    assert len(found.tables["gradients"]) == 4  # two layers under clipping and with a penalty
    assert results.answer("critic_quality") is None
    assert Results({}, frame, frame, frame, root / "results" / "store").answer("critic_gradients") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("critic_gradient", ["'critic_gradient'", "critic_gradients"]),
        ("critic_quality", ["tiny.yaml", "questions", "critic_gradients"]),
    ],
)
def test_what_a_study_does_not_ask_for_is_one_line(project, monkeypatch, capsys, name, words):
    monkeypatch.chdir(project[0])
    assert run(project[0], name) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(word in error for word in words)


def test_unprepared_data_are_one_line(project, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(project[0])
    out = tmp_path / "x" / "about.json"
    asked = ["question", "critic_gradients", "--study", "tiny", "--out", str(out), "--results", str(tmp_path), "--device", "cpu"]
    assert main(asked) == 2 and "prepare the dataset first" in capsys.readouterr().err
    assert not out.exists()
