from pathlib import Path

import pytest

from genbench import questions
from genbench.config.errors import UserError
from genbench.config.schema import Study, parse
from genbench.questions import folders as question_folders
from genbench.questions.critic_quality.settings import Settings as CriticQuality

CELL = {"datasets": ["ring8"], "models": ["gmm"], "budget": {"value": 1}, "batch": 8}


def study(asked):
    return parse(Study, {"name": "t", "title": "t", "seeds": 1, "cells": [CELL], "questions": asked}, Path("t.yaml"))


def test_every_question_has_settings():
    every = questions.asked(study({name: {} for name in questions.names()}))
    assert list(every) == questions.names() and set(questions.names("run")) <= set(every)
    assert all(settings.seeds >= 1 for settings in every.values())


def test_a_study_asks_for_none_unless_it_says_so():
    assert questions.asked(study({})) == {} == question_folders(study({}))
    assert questions.asked(study({"critic_quality": {"updates": 77}}))["critic_quality"] == CriticQuality(updates=77)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"critic_qualty": {}}, ["questions", "critic_qualty", "critic_quality"]),
        ({"critic_quality": {"seedz": 1}}, ["questions.critic_quality.seedz", "allowed", "seeds"]),
        ({"critic_quality": {"seeds": 0}}, ["questions.critic_quality.seeds", "0"]),
        ({"critic_quality": {"models": ["gmm"]}}, ["questions.critic_quality.models", "wgan_gp", "'gmm'"]),
        ({"critic_quality": {"datasets": []}}, ["questions.critic_quality.datasets", "at least 1"]),
        ({"critic_surfaces": {"datasets": ["digits"]}}, ["questions.critic_surfaces.datasets", "ring8", "'digits'"]),
        ({"critic_surfaces": {"lr": float("nan")}}, ["questions.critic_surfaces.lr"]),
        ({"critic_gradients": {"limits": [0.1, -1]}}, ["questions.critic_gradients", "> 0", "-1"]),
        ({"critic_gradients": {"limits": [0.1, 0.1]}}, ["questions.critic_gradients", "distinct"]),
    ],
)
def test_bad_settings_are_one_line(asked, words):
    with pytest.raises(UserError) as caught:
        questions.asked(study(asked))
    text = str(caught.value)
    assert "t.yaml: " in text and "\n" not in text and all(word in text for word in words), text


def test_folders_depend_on_settings_recipes_and_code_and_on_nothing_else(monkeypatch):
    first = question_folders(study({"critic_quality": {}, "critic_surfaces": {}}))
    assert first == question_folders(study({"critic_surfaces": {"seeds": 3}, "critic_quality": {}}))  # 3 is the default
    other = question_folders(study({"critic_quality": {"seeds": 2}, "critic_surfaces": {}}))
    assert other["critic_surfaces"] == first["critic_surfaces"] and other["critic_quality"] != first["critic_quality"]
    real = questions.recipe
    monkeypatch.setattr(questions, "recipe", lambda m, d: real(m, d).model_copy(update={"hp": {"lr": 0.5}}))
    other = question_folders(study({"critic_quality": {}, "critic_surfaces": {}}))
    assert other["critic_surfaces"] == first["critic_surfaces"] and other["critic_quality"] != first["critic_quality"]
    monkeypatch.setattr(questions, "code_hash", lambda module: module)
    assert question_folders(study({"critic_surfaces": {}}))["critic_surfaces"] != first["critic_surfaces"]
