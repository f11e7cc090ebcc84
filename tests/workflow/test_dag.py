"""The workflow in miniature: one run of the real DAG, then what a rerun, a new model, a failure and a kill do to it."""

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

REPOSITORY = Path(__file__).parents[2]
STUDY = {
    "name": "tiny",
    "title": "Tiny",
    "seeds": 2,
    "samples": 100,
    "point_samples": 100,
    "likelihood_points": 20,
    "encoder_epochs": 1,
    "cells": [
        {"datasets": ["ring8"], "models": ["gmm", "ns_gan"], "budget": {"unit": "updates", "value": 8}, "batch": 32},
        {"datasets": ["digits"], "models": ["vae"], "budget": {"unit": "updates", "value": 8}, "batch": 32},
        {"datasets": ["ring8"], "models": ["vae"], "budget": {"value": 8}, "batch": 32, "tune": {"configurations": 3}},
        {
            "variant": "narrow",
            "datasets": ["ring8"],
            "models": ["vae"],
            "budget": {"value": 8},
            "batch": 32,
            "tune": {"configurations": 3, "space": "narrow", "confirm": False},
        },
    ],
    "questions": {
        "critic_gradients": {
            "datasets": ["ring8"],
            "seeds": 1,
            "updates": 10,
            "batch": 8,
            "width": 4,
            "depth": 2,
            "limits": [0.01],
        }
    },
}


def snakemake(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run snakemake in a copy of the project, as a user would."""
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "--config", "study=tiny", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, **options)


def write(folder: Path, study: dict) -> None:
    (folder / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(study))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project after one run of the tiny study."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("genbench", "workflow", "config"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    write(folder, STUDY)
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def trials(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "results" / "studies" / "tiny" / "trials.parquet")


def test_run_writes_report_tables_and_mlflow(project):
    page = (project / "reports" / "tiny" / "index.html").read_text()
    assert all(model in page for model in ("gmm", "ns_gan", "vae"))
    assert set(trials(project).groupby(["dataset", "model"]).size()) == {2}
    assert set(trials(project)["status"]) == {"ok"}
    synced = json.loads((project / "results" / "studies" / "tiny" / "synced.json").read_text())
    assert synced["created"] == 8
    assert (project / "results" / "mlflow" / "mlflow.db").exists()
    scores = pd.read_parquet(project / "results" / "studies" / "tiny" / "scores.parquet")
    assert {"w1", "modes", "data_nll", "nll"} <= set(scores[scores.dataset == "ring8"].metric)
    assert {"fid", "kid", "precision", "recall", "classes_covered", "bpd"} <= set(scores[scores.dataset == "digits"].metric)


def test_a_search_is_scored_chosen_and_confirmed(project):
    folder = project / "results" / "studies" / "tiny"
    every = pd.read_parquet(folder / "searched.parquet")
    searched, narrow = (every[every["variant"] == name].set_index("configuration") for name in ("", "narrow"))
    assert list(narrow.index) == [0, 1, 2] and narrow.loc[0, "trial"] == searched.loc[0, "trial"]  # the authors' defaults
    assert list(searched.index) == [0, 1, 2] and set(searched["status"]) == {"ok"}
    confirmed = trials(project).query("phase == 'confirm'")
    assert list(confirmed["configuration"]) == [searched["validation"].idxmin()] * 2 and list(confirmed["seed"]) == [0, 1]
    page = (project / "reports" / "tiny" / "index.html").read_text()
    assert page.index('<section id="tale">') < page.index('<section id="samples">')


def test_rerun_with_nothing_changed_does_nothing(project):
    done = snakemake(project)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_touching_a_comment_in_a_model_retrains_nothing(project):
    file = project / "genbench" / "models" / "gan.py"
    before = file.read_text()
    file.write_text(before + "\n# a remark\n")
    try:
        done = snakemake(project, "--dry-run")
    finally:
        file.write_text(before)
    assert "Nothing to be done" in done.stdout + done.stderr, done.stdout[-2000:]


def test_adding_a_model_and_a_seed_runs_only_the_new_part(project):
    old = {p.parent.name: p.stat().st_mtime_ns for p in (project / "results" / "store").glob("*/train.json")}
    study = json.loads(json.dumps(STUDY))
    study["seeds"] = 3
    study["cells"][0]["models"].append("made")
    write(project, study)
    done = snakemake(project)
    assert done.returncode == 0, done.stderr[-3000:]
    new = {p.parent.name: p.stat().st_mtime_ns for p in (project / "results" / "store").glob("*/train.json")}
    assert len(old) == 13 and len(new) == 20  # with five of two searches
    assert all(new[trial] == stamp for trial, stamp in old.items())
    assert set(trials(project).groupby(["dataset", "model"]).size()) == {3}


def test_broken_method_is_a_row_and_the_rest_goes_on(project):
    study = json.loads(json.dumps(STUDY))
    study["cells"][0]["recipes"] = {"ns_gan": {"hp": {"lr": 1e30}}}
    write(project, study)
    done = snakemake(project)
    assert done.returncode == 0, done.stderr[-3000:]
    table = trials(project).set_index(["model", "seed"]).status
    assert set(table["ns_gan"]) == {"diverged"}
    assert set(table["gmm"]) == set(table["vae"]) == {"ok"}
    assert "2 of 2 failed" in (project / "reports" / "tiny" / "index.html").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seedz": 3}, ["tiny.yaml", "seedz", "allowed"]),
        ({"samples": "many"}, ["tiny.yaml", "samples", "many"]),
        ({"cells": [{**STUDY["cells"][0], "models": ["ns_gun"]}]}, ["tiny.yaml", "ns_gun", "ns_gan"]),
        ({"cells": [{**STUDY["cells"][0], "datasets": ["ring9"]}]}, ["tiny.yaml", "ring9", "ring8"]),
    ],
)
def test_bad_configuration_is_one_clear_line(project, change, words):
    write(project, {**STUDY, **change})
    done = snakemake(project, "--dry-run")
    write(project, STUDY)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if words[0] in line]
    assert len(lines) == 1 and all(word in lines[0] for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_killed_training_continues_from_its_checkpoint(project):
    study = json.loads(json.dumps(STUDY))
    study["cells"] = [{**STUDY["cells"][0], "models": ["made"], "budget": {"unit": "updates", "value": 20000}}]
    write(project, study)
    from genbench.config.expand import groups
    from genbench.config.read import read_study

    (group,) = groups(read_study("tiny", project / "config"), project / "config")
    out = project / "results" / "killed.json"
    command = [sys.executable, "-m", "genbench.cli", "train", "--study", "tiny", "--group", group.name, "--out", str(out)]
    command += ["--checkpoint-interval", "0.2"]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    checkpoints = project / "results" / "store" / "checkpoints"
    from genbench.training.checkpoint import load_tensors

    def updates_done() -> int:
        files = list(checkpoints.glob("[!.]*.safetensors"))
        return load_tensors(files[0])[1]["done"] if files else 0

    def run_until(enough) -> None:
        with subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.DEVNULL) as job:
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
    write(project, STUDY)
