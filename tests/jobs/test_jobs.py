"""The training and evaluation jobs in miniature: what fails is a row, what is done is not done again."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from kit import CPU, of_study

from genbench.config.errors import UserError
from genbench.config.expand import groups
from genbench.config.read import read_study
from genbench.jobs import train as job
from genbench.jobs.data import prepare_data
from genbench.jobs.evaluate import evaluate_group
from genbench.jobs.train import train_group
from genbench.jobs.trials import run_trials
from genbench.models import MODELS
from genbench.results.files import read_json
from genbench.results.paths import Paths
from genbench.training.checkpoint import load_tensors
from genbench.training.trainer import Trainer

UPDATES = 40


@pytest.fixture(scope="module")
def template(tmp_path_factory, configure):
    """The project's configuration with a tiny dataset and study, and the dataset's files."""
    folder = tmp_path_factory.mktemp("jobs")
    configure(folder)
    nets = {
        "vae": {"width": 8, "depth": 1},
        "realnvp": {"width": 8, "depth": 1, "layers": 2},
        "ns_gan": {"width": 8, "depth": 1},
        "gmm": {"components": 4},
    }
    study = {
        "name": "tiny",
        "title": "Tiny",
        "seeds": 3,
        "samples": 100,
        "point_samples": 100,
        "likelihood_points": 20,
        "cells": [
            {
                "datasets": ["ring8"],
                "models": list(nets),
                "budget": {"unit": "updates", "value": UPDATES},
                "batch": 8,
                "recipes": {name: {"net": net} for name, net in nets.items()},
            }
        ],
    }
    (folder / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(study))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare_data("ring8", Paths(Path("results")))
    return folder


class Run:
    """A working directory with the tiny study."""

    def __init__(self, folder):
        self.folder, self.paths = folder, Paths(folder / "results")

    @property
    def groups(self):
        return {g.model: g for g in groups(read_study("tiny"))}

    def configure(self, change):
        path = self.folder / "config" / "studies" / "tiny.yaml"
        study = yaml.safe_load(path.read_text())
        change(study)
        path.write_text(yaml.safe_dump(study))

    def train(self, model, interval=30.0):
        """Statuses by trial."""
        return train_group(*of_study("tiny", self.groups[model].name, self.paths), interval)

    def evaluate(self, model):
        """Rows of the scores."""
        return evaluate_group(*of_study("tiny", self.groups[model].name, self.paths))

    def file(self, model, seed, name):
        trial = next(t for t in self.groups[model].trials if t.seed == seed)
        return self.paths.trial(trial.id) / name

    def record(self, model, seed):
        return read_json(self.file(model, seed, "train.json"))


@pytest.fixture
def run(template, tmp_path, monkeypatch):
    shutil.copytree(template, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return Run(tmp_path / "work")


def raising(error):
    def method(self, *args, **kwargs):
        raise error

    return method


def guilty(seed, error):
    """A trainer that breaks wherever a certain seed takes part."""

    class Guilty(Trainer):
        def __init__(self, make, seeds, *args, **kwargs):
            super().__init__(make, seeds, *args, **kwargs)
            self.guilty = seed in seeds

        def run(self):
            if self.guilty:
                raise error
            return super().run()

    return Guilty


# ---- training


@pytest.mark.parametrize("model", ["vae", "ns_gan", "gmm"])
def test_a_group_is_trained_into_the_store(run, model):
    statuses = run.train(model)
    trials = run.groups[model].trials
    assert statuses == {t.id: "ok" for t in trials} and len(trials) == 3
    weights = []
    for trial in trials:
        folder = run.paths.trial(trial.id)
        record = read_json(folder / "train.json")
        assert record["trial"] == trial.id and record["status"] == "ok" and record["cause"] is None
        assert record["costs"]["flops"] > 0 and 0 < record["costs"]["updates"] <= UPDATES
        assert record["finished"] >= record["started"] and record["device"] == "cpu" and record["versions"]["torch"]
        assert read_json(folder / "trial.json") == trial.as_dict()
        history = pd.read_parquet(folder / "history.parquet")
        assert list(history.columns) == ["update", "series", "value", "seconds"]
        assert {f"loss/{p}" for p in MODELS[model].players} <= set(history["series"])
        weights.append(load_tensors(folder / "weights.safetensors")[0])
    assert any(not torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))
    assert not list(run.paths.store.glob("checkpoints/*"))


def test_done_trials_are_not_trained_again(run, monkeypatch):
    run.train("vae")
    before = {seed: run.file("vae", seed, "train.json").stat().st_mtime_ns for seed in range(3)}
    monkeypatch.setattr(job, "Trainer", raising(AssertionError("nothing is to be trained")))
    run.train("vae")
    assert {seed: run.file("vae", seed, "train.json").stat().st_mtime_ns for seed in range(3)} == before


def test_only_what_is_missing_is_trained(run):
    run.train("vae")
    before = {seed: run.file("vae", seed, "train.json").stat().st_mtime_ns for seed in range(3)}
    run.file("vae", 1, "weights.safetensors").unlink()  # lost
    run.file("vae", 2, "train.json").write_text("half a fi")  # not written by us
    run.configure(lambda study: study.update(seeds=4))
    assert set(run.train("vae").values()) == {"ok"}
    for seed in range(3):
        same = run.file("vae", seed, "train.json").stat().st_mtime_ns == before[seed]
        assert same == (seed == 0)
    assert run.record("vae", 3)["status"] == "ok" and run.file("vae", 1, "weights.safetensors").exists()


def test_new_data_of_the_same_name_are_trained_on(run):
    run.train("vae")
    meta = run.paths.data("ring8") / "meta.json"
    meta.write_text(meta.read_text().replace(read_json(meta)["content_hash"], "0" * 16))
    before = run.file("vae", 0, "train.json").stat().st_mtime_ns
    run.train("vae")
    assert run.file("vae", 0, "train.json").stat().st_mtime_ns != before
    assert run.record("vae", 0)["content_hash"] == "0" * 16


def test_a_method_that_raises_is_a_row(run, monkeypatch, capsys):
    monkeypatch.setattr(MODELS["vae"], "loss_net", raising(ValueError("bad idea\nat length")))
    statuses = run.train("vae")
    assert set(statuses.values()) == {"failed"}
    for seed in range(3):
        record = run.record("vae", seed)
        assert (record["status"], record["cause"], record["step"]) == ("failed", "ValueError: bad idea", None)
        assert not run.file("vae", seed, "weights.safetensors").exists()
        assert len(pd.read_parquet(run.file("vae", seed, "history.parquet"))) == 0
    assert "bad idea" in capsys.readouterr().err  # the traceback is in the log
    assert set(run.train("realnvp").values()) == {"ok"}
    evaluated = run.evaluate("vae")
    assert [(r["status"], r["cause"], r["scores"]) for r in evaluated] == [("failed", "ValueError: bad idea", [])] * 3


def test_a_failed_trial_is_not_tried_again(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(MODELS["vae"], "loss_net", raising(ValueError("bad idea")))
        run.train("vae")
    before = run.file("vae", 0, "train.json").stat().st_mtime_ns
    assert set(run.train("vae").values()) == {"failed"}
    assert run.file("vae", 0, "train.json").stat().st_mtime_ns == before


def test_one_guilty_trial_does_not_take_the_others_down(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(job, "Trainer", guilty(1, RuntimeError("no such luck")))
        statuses = run.train("vae")
    assert list(statuses.values()) == ["ok", "failed", "ok"]
    assert run.record("vae", 1)["cause"] == "RuntimeError: no such luck"
    # the others are what they would have been in the group
    alone = load_tensors(run.file("vae", 2, "weights.safetensors"))[0]
    shutil.rmtree(run.paths.store)
    run.train("vae")
    together = load_tensors(run.file("vae", 2, "weights.safetensors"))[0]
    for name, tensor in alone.items():
        torch.testing.assert_close(tensor, together[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_the_machines_faults_are_not_the_methods(run, monkeypatch, error):
    with monkeypatch.context() as patch:
        patch.setattr(MODELS["vae"], "loss_net", raising(error))
        with pytest.raises(type(error)):
            run.train("vae")
    assert not run.file("vae", 0, "train.json").exists()
    assert set(run.train("vae").values()) == {"ok"}  # the same command again


@pytest.mark.parametrize("method", ["loss_net", "sample"])  # while training, and while scoring
def test_a_job_that_the_machine_stopped_leaves_no_manifest(run, monkeypatch, method):
    out, name = run.folder / "out" / "vae.json", run.groups["vae"].name
    with monkeypatch.context() as patch:
        patch.setattr(MODELS["vae"], method, raising(OSError("gone")))
        with pytest.raises(OSError, match="gone"):
            run_trials("tiny", [name], run.paths, out, CPU, 30.0)
    assert not out.exists()
    run_trials("tiny", [name], run.paths, out, CPU, 30.0)
    assert [(row["group"], row["status"]) for row in read_json(out)["rows"]] == [(name, "ok")] * 3


def test_a_killed_job_continues_from_its_checkpoint(run, monkeypatch):
    run.configure(lambda study: study["cells"][0]["budget"].update(value=100))
    whole = Run(run.folder)
    whole.paths = Paths(run.folder / "whole")
    shutil.copytree(run.paths.results, whole.paths.results)
    whole.train("vae")

    def killed(label):
        def tell(done, total, values):
            if done > 40:
                raise OSError("killed")

        return tell

    with monkeypatch.context() as patch:
        patch.setattr(job, "progress", killed)
        with pytest.raises(OSError, match="killed"):
            run.train("vae", 0.0)
    assert len(list(run.paths.store.glob("checkpoints/*.safetensors"))) == 1
    started = []

    def watched(label):
        return lambda done, total, values: started.append(done)

    monkeypatch.setattr(job, "progress", watched)
    run.train("vae", 0.0)
    assert started[0] > 40
    assert not list(run.paths.store.glob("checkpoints/*"))
    for seed in range(3):
        a, b = (load_tensors(r.file("vae", seed, "weights.safetensors"))[0] for r in (run, whole))
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_no_checkpoint_is_left_behind_by_a_group_that_broke(run, monkeypatch):
    def broken(label):
        def tell(done, total, values):
            if done > 40:
                raise ValueError("broken")

        return tell

    run.configure(lambda study: study["cells"][0]["budget"].update(value=100))
    monkeypatch.setattr(job, "progress", broken)
    assert set(run.train("vae", 0.0).values()) == {"failed"}
    assert not list(run.paths.store.glob("checkpoints/*"))


def test_divergence_is_a_row(run):
    def wild(study):
        study["cells"][0]["recipes"]["vae"]["hp"] = {"lr": 1e8, "clip": 0.0}

    run.configure(wild)
    assert set(run.train("vae").values()) == {"diverged"}
    record = run.record("vae", 0)
    assert record["status"] == "diverged" and record["step"] >= 1 and record["cause"]
    rows = run.evaluate("vae")
    assert [r["status"] for r in rows] == ["diverged"] * 3 and all(r["scores"] == [] for r in rows)
    assert run.train("vae") and not run.file("vae", 0, "weights.safetensors").exists()


def test_replicas_of_a_recipe_cut_a_group_into_chunks(run, monkeypatch):
    sizes = []

    class Watched(Trainer):
        def __init__(self, make, seeds, *args, **kwargs):
            sizes.append(len(seeds))
            super().__init__(make, seeds, *args, **kwargs)

    monkeypatch.setattr(job, "Trainer", Watched)
    run.configure(lambda study: study["cells"][0]["recipes"]["vae"].update(train={"replicas": 2}))
    run.train("vae")
    assert sizes == [2, 1]


def test_so_many_train_together_as_are_fastest(run, monkeypatch):
    sizes, asked = [], []

    class Watched(Trainer):
        def run(self):
            sizes.append(self.replicas.count)
            return super().run()

    def two(make, key, cache, allowed):
        asked.append(allowed)
        assert make(3).replicas.count == 3 and "vae" in key
        return 2

    monkeypatch.setattr(job, "Trainer", Watched)
    monkeypatch.setattr(job, "fastest", two)
    run.configure(lambda study: study.update(seeds=6))
    assert set(run.train("vae").values()) == {"ok"}
    assert sizes == [2, 2, 2] and asked == [[1, 4, 6]], (sizes, asked)
    assert set(run.train("gmm").values()) == {"ok"} and len(asked) == 1  # has no steps to share


def test_unknown_groups_and_missing_data_are_users_errors(run):
    with pytest.raises(UserError, match="no group 'ring8/vae-0'"):
        of_study("tiny", "ring8/vae-0", run.paths)
    shutil.rmtree(run.paths.data("ring8"))
    with pytest.raises(UserError, match="prepare the dataset first"):
        run.train("vae")


# ---- evaluation


@pytest.mark.parametrize(
    ("model", "kinds"), [("vae", {"lower_bound"}), ("realnvp", {"exact"}), ("gmm", {"exact"}), ("ns_gan", set())]
)
def test_trials_are_scored(run, model, kinds):
    run.train(model)
    rows = run.evaluate(model)
    assert [r["trial"] for r in rows] == [t.id for t in run.groups[model].trials]
    for seed, row in enumerate(rows):
        assert row["status"] == "ok" and row["costs"]["sample_count"] == 100 and row["costs"]["sample_seconds"] > 0
        metrics = {s["metric"] for s in row["scores"]}
        assert {"w1", "data_nll", "modes"} <= metrics and all(np.isfinite(s["value"]) for s in row["scores"])
        assert {s["kind"] for s in row["scores"] if s["metric"] == "nll"} == kinds
        with np.load(run.file(model, seed, "samples.npz")) as file:
            assert file["samples"].shape == (100, 2) and file["samples"].dtype == np.float32
        assert run.file(model, seed, "preview.png").read_bytes()[:4] == b"\x89PNG"
        assert run.file(model, seed, "density.npz").exists() == (bool(kinds) and seed == 0)  # expensive: of the first seed only
        assert read_json(run.file(model, seed, "metrics.json")) == row
    assert rows[0]["scores"] != rows[1]["scores"]
    again = run.evaluate(model)  # a seed of its own: the same scores each time
    assert [r["scores"] for r in again] == [r["scores"] for r in rows]


def test_an_evaluation_that_fails_is_a_row(run, monkeypatch):
    run.train("vae")
    first = run.paths.trial(run.groups["vae"].trials[0].id)
    calls = []

    def sample(self, n, generator, original=MODELS["vae"].sample):
        calls.append(n)
        return original(self, n, generator) * (torch.nan if len(calls) == 1 else 1)

    monkeypatch.setattr(MODELS["vae"], "sample", sample)
    rows = run.evaluate("vae")
    assert [r["status"] for r in rows] == ["failed", "ok", "ok"]
    assert rows[0]["cause"] == "evaluation: ValueError: 100 of 100 samples are not finite" and rows[0]["scores"] == []
    assert read_json(first / "train.json")["status"] == "ok"


def test_an_infinite_score_is_a_failure(run, monkeypatch):
    run.train("realnvp")
    original = MODELS["realnvp"].log_prob
    monkeypatch.setattr(MODELS["realnvp"], "log_prob", lambda self, x, generator=None: original(self, x) - torch.inf)
    rows = run.evaluate("realnvp")
    assert all(r["status"] == "failed" and "nll is inf" in r["cause"] for r in rows)


def test_evaluation_passes_on_the_machines_faults(run, monkeypatch):
    run.train("vae")
    monkeypatch.setattr(MODELS["vae"], "sample", raising(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        run.evaluate("vae")
