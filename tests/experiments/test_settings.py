from pathlib import Path

import pytest

from genbench.config.errors import UserError
from genbench.config.experiments import CriticQuality, Experiments
from genbench.config.schema import Study, parse
from genbench.experiments import EXPERIMENTS
from genbench.studies import experiments as folders
from genbench.studies.experiments import experiment_folders

CELL = {"datasets": ["ring8"], "models": ["gmm"], "budget": {"value": 1}, "batch": 8}


def study(experiments):
    return parse(Study, {"name": "t", "title": "t", "seeds": 1, "cells": [CELL], "experiments": experiments}, Path("t.yaml"))


def test_every_experiment_has_settings_and_code():
    assert set(EXPERIMENTS) == set(Experiments.model_fields)
    every = study({name: {} for name in EXPERIMENTS}).experiments.asked()
    assert list(every) == list(EXPERIMENTS)
    for name, run in EXPERIMENTS.items():
        assert run.__module__ == f"genbench.experiments.{name}"  # by which the code's hash is found
        assert every[name].seeds >= 1


def test_a_study_asks_for_none_unless_it_says_so():
    assert study({}).experiments.asked() == {} == experiment_folders(study({}))
    assert study({"critic_quality": {"updates": 77}}).experiments.asked()["critic_quality"] == CriticQuality(updates=77)


@pytest.mark.parametrize(
    ("experiments", "words"),
    [
        ({"critic_qualty": {}}, ["experiments.critic_qualty", "unknown key", "critic_quality"]),
        ({"critic_quality": {"seedz": 1}}, ["experiments.critic_quality.seedz", "allowed", "seeds"]),
        ({"critic_quality": {"seeds": 0}}, ["experiments.critic_quality.seeds", "0"]),
        ({"critic_quality": {"models": ["gmm"]}}, ["experiments.critic_quality.models", "wgan_gp", "'gmm'"]),
        ({"critic_quality": {"datasets": []}}, ["experiments.critic_quality.datasets", "at least 1"]),
        ({"critic_surfaces": {"datasets": ["digits"]}}, ["experiments.critic_surfaces.datasets", "ring8", "'digits'"]),
        ({"critic_surfaces": {"lr": float("nan")}}, ["experiments.critic_surfaces.lr"]),
        ({"critic_gradients": {"limits": [0.1, -1]}}, ["experiments.critic_gradients", "> 0", "-1"]),
        ({"critic_gradients": {"limits": [0.1, 0.1]}}, ["experiments.critic_gradients", "distinct"]),
    ],
)
def test_bad_settings_are_one_line(experiments, words):
    with pytest.raises(UserError) as caught:
        study(experiments)
    text = str(caught.value)
    assert text.startswith("t.yaml: ") and "\n" not in text and all(word in text for word in words), text


def test_folders_depend_on_settings_recipes_and_code_and_on_nothing_else(monkeypatch):
    first = experiment_folders(study({"critic_quality": {}, "critic_surfaces": {}}))
    assert first == experiment_folders(study({"critic_surfaces": {"seeds": 3}, "critic_quality": {}}))  # 3 is the default
    other = experiment_folders(study({"critic_quality": {"seeds": 2}, "critic_surfaces": {}}))
    assert other["critic_surfaces"] == first["critic_surfaces"] and other["critic_quality"] != first["critic_quality"]
    real = folders.recipe
    monkeypatch.setattr(folders, "recipe", lambda m, d: real(m, d).model_copy(update={"hp": {"lr": 0.5}}))
    other = experiment_folders(study({"critic_quality": {}, "critic_surfaces": {}}))
    assert other["critic_surfaces"] == first["critic_surfaces"] and other["critic_quality"] != first["critic_quality"]
    monkeypatch.setattr(folders, "code_hash", lambda module: module)
    assert experiment_folders(study({"critic_surfaces": {}}))["critic_surfaces"] != first["critic_surfaces"]
