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
from genbench.config.seeds import confirming, searching
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
        {**CELL, "models": ["ns_gan", "lsgan"], "variant": "searched", "tune": {"configurations": [4, 5, 6]}},
    ],
    "baseline": "ns_gan",
    "margin": 1.001,  # so that the search grows to its end
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
            for part in ("results/studies/tiny", "results/looks/tiny", "reports/tiny"):
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


@pytest.mark.slow
def test_run_writes_report_tables_and_mlflow(tale):
    first = tale / "first"
    assert all(model in page(first) for model in ("ns_gan", "vae"))
    trials, scores = table(first, "trials"), table(first, "scores")
    assert set(trials.groupby(["dataset", "model", "variant"]).size()) == {2} and set(trials["status"]) == {"ok"}
    assert json.loads((first / "results" / "studies" / "tiny" / "synced.json").read_text())["created"] == 8
    assert (tale / "project" / "results" / "mlflow" / "mlflow.db").exists()
    assert {"w1", "modes", "data_nll"} <= set(scores[scores.dataset == "ring8"].metric)
    assert {"fid", "kid", "precision", "recall", "classes_covered", "bpd"} <= set(scores[scores.dataset == "digits"].metric)


@pytest.mark.slow
def test_a_search_is_scored_chosen_and_confirmed(tale):
    first = tale / "first"
    assert set(table(first, "searched")["status"]) == {"ok"}
    for model in ("ns_gan", "lsgan"):
        searched = table(first, "searched").query(f"model == '{model}'").set_index("configuration")
        assert searched["seed"].tolist() == [searching(c, 0) for c in searched.index]
        confirmed = table(first, "trials").query(f"phase == 'confirm' and model == '{model}'")
        assert list(confirmed["configuration"]) == [searched["validation"].idxmin()] * 2
        assert list(confirmed["seed"]) == [confirming(0), confirming(1)]
    assert page(first).index('<section id="tale">') < page(first).index('<section id="samples">')


@pytest.mark.slow
def test_a_study_grows_until_it_decides_and_shows_its_looks(tale):
    first = tale / "first"
    tried = table(first, "searched").groupby("model")["configuration"].max() + 1
    looks = [json.loads(path.read_text()) for path in sorted((first / "results" / "looks" / "tiny").glob("*.json"))]
    shown = pd.read_csv(first / "reports" / "tiny" / "tables" / "tale_c1_looks.csv")
    went_on = [look for look in looks if look["open"]]
    assert set(tried) == {4 + len(went_on)} and len(shown) == 1 + len(went_on)  # the baseline goes on as long as its rival
    assert [look["look"] for look in looks] == list(range(len(looks))) and len(looks) == min(len(shown), 2)
    name = "lsgan · searched"
    for look, (_, row) in zip(looks, shown.iterrows(), strict=False):
        (family,) = look["families"]
        assert family["rivals"] == [name] and (name in family["open"]) == (row["still open"] == name)
        assert row["trials"] == (8 if look["look"] == 0 else 2)
    said = pd.read_csv(first / "reports" / "tiny" / "tables" / "tale_c1_all.csv").set_index("against").loc[name]
    assert said["look"] == len(shown) and said["configurations"] == 3 + len(shown)


@pytest.mark.slow
def test_rerun_with_nothing_but_a_comment_changed_does_nothing(tale):
    status, said = json.loads((tale / "again.json").read_text())
    assert status == 0 and "Nothing to be done" in said, said[-2000:]


@pytest.mark.slow
def test_adding_a_model_and_a_seed_runs_only_the_new_part(tale):
    old, new = (json.loads((tale / name / "stamps.json").read_text()) for name in ("first", "grown"))
    assert len(old) == 2 + 2 + 4 + len(table(tale / "first", "searched"))
    assert len(new) == len(old) + 1 + 2 + 3 + 3  # a seed of digits; one of each choice; three of made; three of the other ns_gan
    assert all(new[trial] == stamp for trial, stamp in old.items())
    assert set(table(tale / "grown", "trials").groupby(["dataset", "model", "variant"]).size()) == {3}


@pytest.mark.slow
def test_broken_method_is_a_row_and_the_rest_goes_on(tale):
    status = table(tale / "grown", "trials").query("variant == ''").groupby("model")["status"].agg(set)
    assert status.to_dict() == {"made": {"ok"}, "ns_gan": {"diverged"}, "vae": {"ok"}}


def test_bad_configuration_is_one_clear_line(tmp_path, copy_project):
    copy_project(tmp_path)
    write(tmp_path, {**STUDY, "cells": [{**STUDY["cells"][0], "models": ["ns_gun"]}]})
    status, said = snakemake(tmp_path, "--dry-run")
    (line,) = [line for line in said.splitlines() if "tiny.yaml" in line]
    assert status != 0 and "ns_gun" in line and "ns_gan" in line and "Traceback" not in said


@pytest.mark.slow
def test_a_study_killed_between_looks_goes_on(tmp_path, copy_project):
    copy_project(tmp_path)
    write(tmp_path, {**STUDY, "seeds": 1, "cells": STUDY["cells"][2:], "questions": {}})
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2", "--config", "study=tiny"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"}
    first = tmp_path / "results" / "looks" / "tiny" / "0.json"
    with subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True, stderr=subprocess.DEVNULL) as run:
        deadline = time.monotonic() + 900
        while not first.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGKILL)
    assert first.exists() and not (tmp_path / "reports" / "tiny" / "index.html").exists()
    done = stamps(tmp_path)
    assert len(done) >= 8
    assert snakemake(tmp_path, "--unlock")[0] == 0
    status, said = snakemake(tmp_path)
    assert status == 0, said[-3000:]
    after = stamps(tmp_path)
    assert all(after[trial] == stamp for trial, stamp in done.items())  # nothing is trained again
    assert (tmp_path / "reports" / "tiny" / "index.html").exists()


def test_killed_training_continues_from_its_checkpoint(tmp_path, copy_project):
    copy_project(tmp_path)
    write(tmp_path, {**STUDY, "cells": [{**CELL, "models": ["made"], "budget": {"unit": "updates", "value": 20000}}]})
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    prepare(dataset_spec("ring8", tmp_path / "config"), tmp_path / "results" / "data" / "ring8")
    (group,) = groups(read_study("tiny", tmp_path / "config"), tmp_path / "config")
    out = tmp_path / "results" / "killed.json"
    command = [sys.executable, "-m", "genbench.cli", "train", group.name, "--study", "tiny", "--out", str(out)]
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


# ---- what an edit of the code reruns


METRIC = '''
"""How wide samples are."""

from genbench.metrics.card import Card, metric
from genbench.metrics.score import Score
from genbench.metrics.sets import Points


@metric(
    Card(
        key="width", title="Width", unit="", direction="none", applies="points", group="Distance to the data", what="The widest extent.",
        range="0 and above.", floor="That of the data.", uncertainty="None.", traps="One point decides.", source="", ranked=False,
        standard=False,
    )
)
def width(points: Points) -> Score:
    """Largest extent of the samples."""
    return Score("width", float((points.samples.max(0).values - points.samples.min(0).values).max()), len(points.samples))
'''  # noqa: E501 # fmt: skip
LOSS = "class BrandNew(Hinge):\n    def generator(self, fake, hp):\n        return -fake.exp()\n\n\n"


def edited(project: Path, file: str, old: str, new: str) -> None:
    path = project / "genbench" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def planned(project: Path) -> dict[str, int]:
    """Jobs of a dry run by rule."""
    status, said = snakemake(project, "--dry-run")
    assert status == 0, said[-3000:]
    lines = said[said.rindex("Job stats:") :].splitlines()[3:] if "Job stats:" in said else []
    rows = [line.split() for line in lines[: lines.index("")]] if lines else []
    return {rule: int(count) for rule, count in rows if rule not in ("total", "all")}


@pytest.fixture
def finished(tale, tmp_path) -> Path:
    """A copy of the project with its results."""
    return Path(shutil.copytree(tale / "project", tmp_path / "project", symlinks=True))


@pytest.mark.slow
def test_additions_rerun_nothing_and_edits_what_uses_them(finished):
    edited(
        finished,
        "models/gan_losses.py",
        "LOSSES: dict[str, Loss] = {",
        f'{LOSS}LOSSES: dict[str, Loss] = {{\n    "new": BrandNew(),',
    )
    (finished / "genbench" / "metrics" / "width.py").write_text(METRIC)
    (finished / "genbench" / "models" / "new.py").write_text(
        'from genbench.models.vae import VAE\n\n\nclass New(VAE):\n    """A VAE."""\n\n    name = "new"\n'
    )
    shutil.copytree(
        finished / "genbench" / "questions" / "em_bound", finished / "genbench" / "questions" / "new", dirs_exist_ok=True
    )
    (finished / "genbench" / "questions" / "new" / "report.py").unlink()
    assert planned(finished) == {}
    edited(
        finished, "report/text.py", "def plural(", "NEW = 1\n\n\ndef plural(n, word):\n    return word\n\n\ndef plural_before("
    )
    assert planned(finished) == {"report": 1}
    edited(finished, "models/mixture.py", "tol=1e-4", "tol=1e-5")
    assert planned(finished) == {"report": 1}
    edited(finished, "training/trainer.py", "DIVERGED = 1e10", "DIVERGED = 1e11")
    study = yaml.safe_load((finished / "config" / "studies" / "tiny.yaml").read_text())
    write(finished, {**study, "cells": study["cells"][:2]})  # of a search that grows, later looks are not known before the first
    every = planned(finished)
    assert every["train"] == 2 and every["question"] == 1  # a job for each dataset
    assert not {"prepare", "encode", "reference", "floors"} & set(every)


@pytest.mark.slow
def test_a_metric_more_computes_that_metric_alone(finished):
    (finished / "genbench" / "metrics" / "width.py").write_text(METRIC)
    study = yaml.safe_load((finished / "config" / "studies" / "tiny.yaml").read_text())
    write(finished, {**study, "metrics": ["width"]})
    plan = planned(finished)
    assert not {"prepare", "encode", "reference", "search", "question", "posthoc"} & set(plan), plan
    assert {"floors", "train", "collect", "sync", "report"} == set(plan)
    before = {file: json.loads(file.read_text())["parts"] for file in (finished / "results" / "store").glob("*/scores.json")}
    scores, made = table(finished, "scores"), stamps(finished)
    pictures = {file: file.stat().st_mtime_ns for file in (finished / "results" / "store").glob("*/samples.npz")}
    status, said = snakemake(finished)
    assert status == 0, said[-3000:]
    assert stamps(finished) == made and {file: file.stat().st_mtime_ns for file in pictures} == pictures
    grown = table(finished, "scores")
    new = grown[grown["metric"] == "width"]
    points = scores.loc[scores["dataset"] == "ring8", "trial"].unique()
    assert set(new["trial"]) == set(points) and (new["value"] > 0).all()
    rest = grown[grown["metric"] != "width"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, scores.reset_index(drop=True))
    for file, parts in before.items():
        after = json.loads(file.read_text())["parts"]
        assert {name: after[name] for name in parts} == parts
