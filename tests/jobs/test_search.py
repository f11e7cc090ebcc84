"""A search in miniature: its trials are scored once, the validation split chooses, fresh seeds confirm."""

import dataclasses
from pathlib import Path

import pytest
import yaml
from kit import of_study

from genbench.config.errors import UserError
from genbench.config.expand import groups
from genbench.config.read import read_study
from genbench.config.seeds import confirming
from genbench.jobs.common import chosen
from genbench.jobs.data import prepare_data
from genbench.jobs.evaluate import evaluate_group
from genbench.jobs.search import choose, score_searched
from genbench.jobs.train import train_group
from genbench.results.files import read_json
from genbench.results.paths import TRAINED, Paths

CELL = {"datasets": ["ring8"], "models": ["vae"], "budget": {"value": 20}, "batch": 16, "tune": {"configurations": 3}}


class Search:
    def __init__(self, folder):
        self.folder, self.paths = folder, Paths(folder / "results")

    def configure(self, points=100, **tune):
        study = {"name": "tiny", "title": "T", "seeds": 2, "point_samples": points, "cells": [CELL | {"tune": tune}]}
        study["cells"][0]["recipes"] = {"vae": {"net": {"width": 8, "depth": 1}}}
        (self.folder / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(study))
        found = groups(read_study("tiny"))
        return [g for g in found if g.phase == "search"], next(g for g in found if g.phase == "confirm")

    def score(self, group):
        """Rows of a search's scores."""
        here = of_study("tiny", group.name, self.paths)
        train_group(*here, 30.0)
        return score_searched(*here)


@pytest.fixture
def search(tmp_path, monkeypatch, configure):
    configure(tmp_path, train=300, validation=100, test=100)
    monkeypatch.chdir(tmp_path)
    prepare_data("ring8", Paths(Path("results")))
    return Search(tmp_path)


def test_trials_are_scored_on_both_splits_and_only_once(search):
    (group,), _ = search.configure(configurations=3)
    rows = search.score(group)
    assert [row["configuration"] for row in rows] == [0, 1, 2] and rows[0]["hp"]["lr"] == 5e-5
    assert all(row["scores"]["validation"] > 0 and row["scores"]["test"] != row["scores"]["validation"] for row in rows)
    stamps = {path: path.stat().st_mtime_ns for path in search.paths.store.glob("*/selection-*.json")}
    (group,), _ = search.configure(configurations=5)
    again = search.score(group)
    assert again[:3] == rows and len(again) == 5
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_the_choice_is_confirmed_on_fresh_seeds(search):
    (group,), confirm = search.configure(configurations=3)
    with pytest.raises(
        UserError, match=r"selected/ring8/vae-.*: not found; .* confirms the choice of a search that has not ended"
    ):
        chosen(confirm, search.paths)
    rows = search.score(group)
    choose(rows, search.paths.selected(confirm.name))
    best = min(rows, key=lambda row: row["scores"]["validation"])
    assert read_json(search.paths.selected(confirm.name))["configuration"] == best["configuration"]
    found = chosen(confirm, search.paths)
    assert [(t.seed, t.hp) for t in found.trials] == [(confirming(seed), best["hp"]) for seed in (0, 1)]
    assert train_group(*of_study("tiny", confirm.name, search.paths), 30.0) == {t.id: "ok" for t in found.trials}


def test_failed_configurations_come_last_and_the_authors_defaults_stand_in(tmp_path):
    def row(configuration, *values):
        return [{"configuration": configuration, "scores": {} if v is None else {"validation": v}} for v in values]

    out = tmp_path / "chosen.json"
    choose(row(0, 5.0, 5.0) + row(1, 1.0, None) + row(2, 4.0, 4.5), out)
    assert read_json(out) == {"configuration": 2, "configurations": 3, "failed": 1, "validation": 4.25}
    choose(row(0, None) + row(1, None), out)
    assert read_json(out) == {"configuration": 0, "configurations": 2, "failed": 2}


def test_the_validation_split_chooses_a_checkpoint_of_every_trial(search):
    (group,), confirm = search.configure(configurations=3, checkpoints=4)
    rows = search.score(group)
    for row in rows:
        assert [each["update"] for each in row["checkpoints"]] == [5, 10, 15, None]
        best = min(row["checkpoints"], key=lambda each: each["validation"])
        assert (row["update"], row["scores"]["test"]) == (best["update"], best["test"])
        assert row["last"]["test"] == row["checkpoints"][-1]["test"] and 0 <= row["scores"]["coverage"] <= 1
    assert any(row["update"] is not None for row in rows) or len({c["test"] for row in rows for c in row["checkpoints"]}) == 12
    choose(rows, search.paths.selected(confirm.name))
    here = of_study("tiny", confirm.name, search.paths)
    train_group(*here, 30.0)
    for row in evaluate_group(*here):
        best = min(row["checkpoints"], key=lambda each: each["validation"])
        scored = next(s["value"] for s in row["scores"] if s["metric"] == "sliced_w1")
        assert row["update"] == best["update"] and scored == pytest.approx(best["test"], rel=1e-6)


def weights(search, trial):
    return sorted(path.name for path in search.paths.trial(trial).glob("weights*.safetensors"))


def test_only_chosen_weights_stay_and_a_new_way_to_score_trains_again(search):
    (group,), _ = search.configure(configurations=3, checkpoints=4)
    first = search.score(group)
    for row in first:
        assert weights(search, row["trial"]) == [search.paths.weights(row["trial"], row["update"]).name]
        assert len(row["checkpoints"]) == 4
    trained = {row["trial"]: read_json(search.paths.trial(row["trial"]) / TRAINED)["finished"] for row in first}
    assert search.score(group) == first
    assert all(read_json(search.paths.trial(name) / TRAINED)["finished"] == time for name, time in trained.items())
    (group,), _ = search.configure(points=200, configurations=3, checkpoints=4)
    again = search.score(group)
    assert all(read_json(search.paths.trial(name) / TRAINED)["finished"] > time for name, time in trained.items())
    for old, new in zip(first, again, strict=True):
        assert old["trial"] == new["trial"] and old["scores"]["validation"] != new["scores"]["validation"]
        chosen = {search.paths.weights(old["trial"], row["update"]).name for row in (old, new)}
        assert weights(search, old["trial"]) == sorted(chosen)
    (group,), _ = search.configure(configurations=3, checkpoints=4)
    scores = [row["scores"] for row in search.score(group)]
    assert scores == [row["scores"] for row in first]


def test_a_plain_trial_that_a_search_pruned_has_all_its_weights_again(search):
    (group,), _ = search.configure(configurations=3, checkpoints=2)
    search.score(group)
    _, context = of_study("tiny", group.name, search.paths)
    plain = dataclasses.replace(group, trials=tuple(dataclasses.replace(trial, phase="") for trial in group.trials), phase="")
    train_group(plain, context, 30.0)
    assert all(len(weights(search, trial.id)) == 2 for trial in plain.trials)
