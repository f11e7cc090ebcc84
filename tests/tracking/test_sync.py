import math

import pandas as pd
import pytest

from genbench.config.errors import UserError
from genbench.results.files import read_json, write_json
from genbench.tracking import Counts, sync
from genbench.tracking.runs import record


@pytest.fixture(scope="session")
def place(make_run, tmp_path_factory):
    """A run already synced once: creating a database takes seconds."""
    root = tmp_path_factory.mktemp("tracking") / "results"
    study = make_run(root)
    rows = pd.read_parquet(study / "trials.parquet")
    rows = rows[rows["seed"] != 1].reset_index(drop=True)  # fewer runs, less time
    rows.to_parquet(study / "trials.parquet", index=False)
    first = sync(study, root / "store", None, root / "mlflow", log=lambda text: None)
    return {"root": root, "study": study, "trials": rows, "first": first}


def again(place, log=lambda text: None):
    return sync(place["study"], place["root"] / "store", None, place["root"] / "mlflow", log=log)


def runs(place):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place['root'] / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("genbench/tiny")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    by_trial = {run.data.tags["genbench.trial_id"]: run for run in found}
    assert len(by_trial) == len(found), "a trial has two runs"
    return client, by_trial


def test_first_pass_makes_a_run_per_trial(place):
    trials = place["trials"]
    _, found = runs(place)
    assert place["first"] == Counts(len(trials), 0, 0)
    assert set(found) == set(trials["trial"])
    for row in trials.itertuples():
        run = found[row.trial]
        assert run.info.status == ("FINISHED" if row.status == "ok" else "FAILED")
        assert run.data.tags["genbench.status"] == row.status
        assert run.info.start_time == int(1000 * row.started) and run.info.end_time == int(1000 * row.finished)
        assert run.data.params["net.width"] == "64" and run.data.params["budget.value"] == "2000"
        assert run.inputs.dataset_inputs[0].dataset.digest == "0123456789abcdef"


def test_a_run_holds_scores_costs_curves_and_a_picture(place):
    client, found = runs(place)
    trials = place["trials"]
    trial = trials[(trials["model"] == "vae") & (trials["dataset"] == "ring8")]["trial"].iloc[0]
    run = found[trial]
    scores = {s["metric"]: s["value"] for s in read_json(place["root"] / "store" / trial / "metrics.json")["scores"]}
    assert run.data.metrics["w1"] == pytest.approx(scores["w1"])
    assert run.data.metrics["nll_lower_bound"] == pytest.approx(scores["nll"])
    assert "nll" not in run.data.metrics  # bounds and exact values share no column
    assert run.data.metrics["cost/parameters"] == 8700
    assert len(client.get_metric_history(run.info.run_id, "loss/model")) == 80
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["metrics.json", "preview.png"]


def test_values_that_are_not_finite_are_dropped_and_named(place):
    trials = place["trials"]
    trial = trials[trials["status"] == "diverged"]["trial"].iloc[0]
    run = runs(place)[1][trial]
    assert "loss/critic" in run.data.tags["genbench.not_finite"]
    assert all(math.isfinite(value) and abs(value) < 1e300 for value in run.data.metrics.values())


def test_second_pass_changes_nothing(place):
    said = []
    assert again(place, said.append) == Counts(0, 0, len(place["trials"]))
    assert said == [f"mlflow: 0 created, 0 updated, {len(place['trials'])} unchanged"]


def test_a_changed_file_updates_one_run(place):
    trials = place["trials"]
    trial = trials[(trials["status"] == "ok")]["trial"].iloc[0]
    path = place["root"] / "store" / trial / "metrics.json"
    scored = read_json(path)
    scored["scores"][0]["value"] += 1
    write_json(path, scored)
    assert again(place) == Counts(0, 1, len(trials) - 1)
    run = runs(place)[1][trial]
    assert run.data.metrics[scored["scores"][0]["metric"]] == pytest.approx(scored["scores"][0]["value"])


@pytest.mark.parametrize("step", ["log_batch", "set_terminated", "set_tag"])
def test_a_pass_cut_short_leaves_no_duplicate(place, monkeypatch, step):
    from mlflow import MlflowClient

    calls, real = [], getattr(MlflowClient, step)

    def dying(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    for trial in place["trials"]["trial"].iloc[:3]:
        path = place["root"] / "store" / trial / "train.json"
        path.write_text(path.read_text() + " ")  # other bytes, same meaning
    monkeypatch.setattr(MlflowClient, step, dying)
    with pytest.raises(KeyboardInterrupt):
        again(place)
    monkeypatch.undo()
    counts = again(place)
    assert counts.created + counts.updated == 2 and counts.unchanged == len(place["trials"]) - 2
    assert set(runs(place)[1]) == set(place["trials"]["trial"])  # asserts one run each
    assert again(place).unchanged == len(place["trials"])


def test_no_study_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="study.json: not found"):
        sync(tmp_path, tmp_path, None, tmp_path / "mlflow")


def test_a_trial_without_files_still_has_a_record(tmp_path):
    row = {
        "trial": "0" * 12,
        "dataset": "ring8",
        "model": "vae",
        "family": "vae",
        "seed": 0,
        "status": "failed",
    }
    made = record(row | {"cause": "killed", "step": math.nan, "started": None}, tmp_path, {"study": "x"})
    assert not made.ok and made.metrics == [] and made.tags["genbench.cause"] == "killed"
