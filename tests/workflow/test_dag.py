"""The workflow in miniature: one run of the real DAG, then what a rerun, a grown study, a failure and a kill do to it."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from genbench.config.expand import groups
from genbench.config.read import dataset_spec, read_study
from genbench.data import prepare
from genbench.training.checkpoint import load_tensors

CELL = {"datasets": ["ring8"], "budget": {"unit": "updates", "value": 8}, "batch": 32}
QUESTION = {"datasets": ["ring8"], "seeds": 1, "updates": 10, "batch": 8, "width": 4, "depth": 2, "limits": [0.01]}
STUDY = {
    "name": "tiny",
    "title": "Tiny",
    "seeds": 2,
    "samples": 100,
    "point_samples": 100,
    "likelihood_points": 20,
    "encoder_epochs": 1,
    "encoders": ["classifier"],
    "cells": [
        {**CELL, "models": ["ns_gan"]},
        {**CELL, "models": ["vae"], "datasets": ["digits"]},
        {**CELL, "models": ["vae"], "tune": {"configurations": 3}},
    ],
    "questions": {"critic_gradients": QUESTION},
}


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run snakemake in a copy of the project, as a user would: its exit status and what it printed."""
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "--config", "study=tiny", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    return done.returncode, done.stdout + done.stderr


def write(folder: Path, study: dict) -> None:
    (folder / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(study))


def stamps(folder: Path) -> dict[str, int]:
    """When each trial was trained."""
    return {file.parent.name: file.stat().st_mtime_ns for file in (folder / "results" / "store").glob("*/train.json")}


@pytest.fixture(scope="session")
def tale(once, copy_project) -> Path:
    """A folder with what two runs made: first/ and grown/ hold tables and pages, said.json what was printed."""

    def make(folder: Path) -> None:
        project = folder / "project"
        project.mkdir()
        copy_project(project)

        def run(name):
            status, said = snakemake(project)
            assert status == 0, said[-5000:]
            for part in ("results/studies/tiny", "reports/tiny"):
                shutil.copytree(project / part, folder / name / part)
            (folder / name / "stamps.json").write_text(json.dumps(stamps(project)))

        write(project, STUDY)
        run("first")
        with (project / "genbench" / "models" / "gan.py").open("a") as file:
            file.write("\n# a remark\n")
        (folder / "again.json").write_text(json.dumps(snakemake(project)))
        study = copy.deepcopy(STUDY) | {"seeds": 3}
        study["cells"][0]["models"].append("made")
        study["cells"][0]["recipes"] = {"ns_gan": {"hp": {"lr": 1e30}}}
        write(project, study)
        run("grown")

    return once("tale", make)


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "results" / "studies" / "tiny" / f"{name}.parquet")


def page(folder: Path) -> str:
    return (folder / "reports" / "tiny" / "index.html").read_text()


def test_run_writes_report_tables_and_mlflow(tale):
    first = tale / "first"
    assert all(model in page(first) for model in ("ns_gan", "vae"))
    trials, scores = table(first, "trials"), table(first, "scores")
    assert set(trials.groupby(["dataset", "model"]).size()) == {2} and set(trials["status"]) == {"ok"}
    assert json.loads((first / "results" / "studies" / "tiny" / "synced.json").read_text())["created"] == 6
    assert (tale / "project" / "results" / "mlflow" / "mlflow.db").exists()
    assert {"w1", "modes", "data_nll", "nll"} <= set(scores[scores.dataset == "ring8"].metric)
    assert {"fid", "kid", "precision", "recall", "classes_covered", "bpd"} <= set(scores[scores.dataset == "digits"].metric)


def test_a_search_is_scored_chosen_and_confirmed(tale):
    first = tale / "first"
    searched = table(first, "searched").set_index("configuration")
    assert list(searched.index) == [0, 1, 2] and set(searched["status"]) == {"ok"}
    confirmed = table(first, "trials").query("phase == 'confirm'")
    assert list(confirmed["configuration"]) == [searched["validation"].idxmin()] * 2 and list(confirmed["seed"]) == [0, 1]
    assert page(first).index('<section id="tale">') < page(first).index('<section id="samples">')


def test_rerun_with_nothing_but_a_comment_changed_does_nothing(tale):
    status, said = json.loads((tale / "again.json").read_text())
    assert status == 0 and "Nothing to be done" in said, said[-2000:]


def test_adding_a_model_and_a_seed_runs_only_the_new_part(tale):
    old, new = (json.loads((tale / name / "stamps.json").read_text()) for name in ("first", "grown"))
    assert len(old) == 9  # with three of the search
    assert len(new) == len(old) + 2 + 3 + 3  # a seed of two cells; three of made; three of the other ns_gan
    assert all(new[trial] == stamp for trial, stamp in old.items())
    assert set(table(tale / "grown", "trials").groupby(["dataset", "model"]).size()) == {3}


def test_broken_method_is_a_row_and_the_rest_goes_on(tale):
    status = table(tale / "grown", "trials").groupby("model")["status"].agg(set)
    assert status.to_dict() == {"made": {"ok"}, "ns_gan": {"diverged"}, "vae": {"ok"}}


def test_bad_configuration_is_one_clear_line(tmp_path, copy_project):
    copy_project(tmp_path)
    write(tmp_path, {**STUDY, "cells": [{**STUDY["cells"][0], "models": ["ns_gun"]}]})
    status, said = snakemake(tmp_path, "--dry-run")
    (line,) = [line for line in said.splitlines() if "tiny.yaml" in line]
    assert status != 0 and "ns_gun" in line and "ns_gan" in line and "Traceback" not in said


def test_killed_training_continues_from_its_checkpoint(tmp_path, copy_project):
    copy_project(tmp_path)
    write(tmp_path, {**STUDY, "cells": [{**CELL, "models": ["made"], "budget": {"unit": "updates", "value": 20000}}]})
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    prepare(dataset_spec("ring8", tmp_path / "config"), tmp_path / "results" / "data" / "ring8")
    (group,) = groups(read_study("tiny", tmp_path / "config"), tmp_path / "config")
    out = tmp_path / "results" / "killed.json"
    command = [sys.executable, "-m", "genbench.cli", "train", "--study", "tiny", "--group", group.name, "--out", str(out)]
    command += ["--checkpoint-interval", "0.2"]

    def updates_done() -> int:
        files = list((tmp_path / "results" / "store" / "checkpoints").glob("[!.]*.safetensors"))
        return load_tensors(files[0])[1]["done"] if files else 0

    def run_until(enough) -> None:
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as job:
            deadline = time.monotonic() + 120
            while not enough() and time.monotonic() < deadline:
                time.sleep(0.05)
            job.send_signal(signal.SIGKILL)

    run_until(lambda: updates_done() > 1000)  # many checkpoints after the first
    before = updates_done()
    assert before > 1000 and not out.exists()
    run_until(lambda: updates_done() != before)
    # the first checkpoint of a run that had started anew would come after far fewer updates
    assert updates_done() > before and not out.exists()
