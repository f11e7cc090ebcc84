"""What a study may say of questions, and what their results are stored under."""

from pathlib import Path

import pytest

from genbench import questions
from genbench.config.errors import UserError
from genbench.config.read import dataset_spec, model_spec, read_study
from genbench.config.read import names as config_names
from genbench.config.schema import Study, parse
from genbench.questions.critic_quality.settings import Settings as CriticQuality

CELL = {"datasets": ["ring8"], "models": ["gmm"], "budget": {"value": 1}, "batch": 8}


def study(asked, key="questions"):
    return parse(Study, {"name": "t", "title": "t", "seeds": 1, "cells": [CELL], key: asked}, Path("t.yaml"))


def test_every_question_has_settings():
    every = questions.asked(study({name: {} for name in questions.names()}))
    assert list(every) == questions.names() and set(questions.names("run")) <= set(every)
    assert all(settings.seeds >= 1 for settings in every.values())


def test_every_dataset_and_model_in_use_exists():
    for settings in questions.asked(study({name: {} for name in questions.names()})).values():
        assert all(dataset_spec(name) for name in settings.datasets) and all(model_spec(name) for name in settings.recipes)


def test_a_study_asks_for_none_unless_it_says_so():
    assert questions.asked(study({})) == {} == questions.folders(study({}))
    assert questions.asked(study({"critic_quality": {"updates": 77}}))["critic_quality"] == CriticQuality(updates=77)


@pytest.mark.parametrize("name", config_names("studies"))
def test_studies_as_shipped_ask_what_exists(name):
    assert list(questions.asked(read_study(name))) == list(read_study(name).questions)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"critic_qualty": {}}, ["questions", "critic_qualty", "critic_quality"]),
        ({"langevin_signs": {}}, ["questions.langevin_signs", "energy_gradient_signs"]),
        ({"critic_quality": {"seedz": 1}}, ["questions.critic_quality.seedz", "allowed", "seeds"]),
        ({"critic_quality": {"seeds": 0}}, ["questions.critic_quality.seeds", "0"]),
        ({"critic_quality": {"models": ["gmm"]}}, ["questions.critic_quality.models", "gan", "wgan_gp", "'gmm'"]),
        ({"critic_quality": {"models": ["wgam"]}}, ["questions.critic_quality.models", "wgan_gp", "'wgam'"]),
        ({"critic_quality": {"datasets": []}}, ["questions.critic_quality.datasets", "at least 1"]),
        ({"critic_surfaces": {"datasets": ["digits"]}}, ["questions.critic_surfaces.datasets", "plane", "ring8", "'digits'"]),
        ({"critic_surfaces": {"datasets": ["ring9"]}}, ["questions.critic_surfaces.datasets", "plane", "ring8", "'ring9'"]),
        ({"vae_terms": {"datasets": ["cifar10"]}}, ["questions.vae_terms.datasets", "grey", "mnist5k", "'cifar10'"]),
        ({"sampling_cost": {"datasets": ["digits"]}}, ["questions.sampling_cost.datasets", "28", "polygons", "'digits'"]),
        ({"sampling_cost": {"sides": [8, 10]}}, ["questions.sampling_cost.sides.1", "4", "10"]),
        ({"critic_surfaces": {"lr": float("nan")}}, ["questions.critic_surfaces.lr"]),
        ({"critic_gradients": {"limits": [0.1, -1]}}, ["questions.critic_gradients.limits.1", "greater than 0", "-1"]),
        ({"critic_gradients": {"limits": [0.1, 0.1]}}, ["questions.critic_gradients", "distinct"]),
    ],
)
def test_bad_settings_are_one_line(asked, words):
    with pytest.raises(UserError) as caught:
        questions.asked(study(asked))
    text = str(caught.value)
    assert "t.yaml: " in text and "\n" not in text and all(word in text for word in words), text


def test_the_old_key_names_the_new_one():
    with pytest.raises(UserError) as caught:
        study({}, key="experiments")
    assert str(caught.value) == "t.yaml: experiments: is now called questions"


def test_a_dataset_of_ones_own_is_known_by_its_properties(tmp_path):
    """No list of names: a spec of the right shape is enough."""
    (tmp_path / "datasets").mkdir()
    spec = "name: mine\nkind: {}\nsource: ring8\nshape: {}\nsplit: {{train: 100, validation: 50, test: 50}}\n"
    mine = study({"critic_surfaces": {"datasets": ["mine"]}})
    for kind, shape, taken in (("points", "[2]", True), ("points", "[3]", False), ("images", "[1, 8, 8]\nlevels: 17", False)):
        (tmp_path / "datasets" / "mine.yaml").write_text(spec.format(kind, shape))
        if taken:
            assert questions.asked(mine, tmp_path)["critic_surfaces"].datasets == ("mine",)
        else:
            with pytest.raises(UserError, match="'mine'"):
                questions.asked(mine, tmp_path)


def test_folders_depend_on_settings_recipes_and_code_and_on_nothing_else(monkeypatch):
    first = questions.folders(study({"critic_quality": {}, "critic_surfaces": {}}))
    assert first == questions.folders(study({"critic_surfaces": {"seeds": 3}, "critic_quality": {}}))  # 3 is the default
    other = questions.folders(study({"critic_quality": {"seeds": 2}, "critic_surfaces": {}}))
    assert other["critic_surfaces"] == first["critic_surfaces"] and other["critic_quality"] != first["critic_quality"]
    real = questions.recipe
    monkeypatch.setattr(questions, "recipe", lambda m, d: real(m, d).model_copy(update={"hp": {"lr": 0.5}}))
    other = questions.folders(study({"critic_quality": {}, "critic_surfaces": {}}))
    assert other["critic_surfaces"] == first["critic_surfaces"] and other["critic_quality"] != first["critic_quality"]
    monkeypatch.setattr(questions, "code_hash", lambda module: module)
    assert questions.folders(study({"critic_surfaces": {}}))["critic_surfaces"] != first["critic_surfaces"]
