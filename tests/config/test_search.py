"""Searches: one stream of configurations for all, and what is known of a study before its results."""

import math

import numpy as np
import pytest
import yaml

from genbench.config.expand import SEARCHED, expand, groups, resolve
from genbench.config.read import model_spec, names, read_study
from genbench.config.schema import Range, Recipe, Search, Spaces
from genbench.config.stream import AXES, DIMENSIONS, _points, configurations

SPACE = Spaces(
    wide=Search(
        net={"critic_steps": Range(choice=(1, 5))}, hp={"lr": Range(log=(1e-5, 1e-2)), "beta1": Range(uniform=(0.0, 1.0))}
    ),
    narrow=Search(hp={"lr": Range(log=(1e-4, 1e-3))}),
    authors=Recipe(hp={"lr": 5e-5}),
)


def test_the_first_configuration_is_the_authors_and_more_change_none():
    few, many = configurations(SPACE, "wide", 8), configurations(SPACE, "wide", 100)
    assert few[0] == SPACE.authors and many[:8] == few and len(many) == 100
    assert len({c.hp["lr"] for c in many}) == 100


def test_values_fill_their_ranges_evenly():
    found = configurations(SPACE, "wide", 257)[1:]
    logs = np.log10([c.hp["lr"] for c in found])
    assert logs.min() >= -5 and logs.max() < -2
    assert np.histogram(logs, 16, (-5, -2))[0].tolist() == [16] * 16  # a Sobol sequence of 256 points, not a random one
    assert np.histogram([c.hp["beta1"] for c in found], 16, (0, 1))[0].tolist() == [16] * 16
    assert [c.net["critic_steps"] for c in found].count(5) == 128
    both = np.histogram2d(logs, [c.hp["beta1"] for c in found], 4, ((-5, -2), (0, 1)))[0]
    assert both.min() >= 14 and both.max() <= 18


def test_models_share_the_stream():
    other = Spaces(wide=Search(hp={"gp": Range(log=(0.1, 100.0)), "lr": Range(log=(1e-5, 1e-2))}))
    a, b = configurations(SPACE, "wide", 20), configurations(other, "wide", 20)
    assert [c.hp["lr"] for c in a[1:]] == [c.hp["lr"] for c in b[1:]]
    narrow = configurations(SPACE, "narrow", 20)
    u = [(math.log10(c.hp["lr"]) + 5) / 3 for c in a[1:]]
    v = [(math.log10(c.hp["lr"]) + 4) / 1 for c in narrow[1:]]
    assert np.allclose(u, v, atol=1e-4)


def test_every_shipped_space_is_on_the_stream():
    assert len(AXES) <= DIMENSIONS and len(set(AXES)) == len(AXES)
    for name in names("models"):
        space = model_spec(name).space
        for search in (space.wide, space.narrow):
            assert {*search.net, *search.hp} <= set(AXES), name


@pytest.mark.parametrize(("count", "most"), [(15, 0.6), (31, 0.25), (63, 0.15)])
def test_hyperparameters_that_are_searched_together_are_hardly_correlated(count, most):
    u = np.array([list(point.values()) for point in _points()[:count]])
    for name in names("models"):
        searched = [AXES.index(key) for key in (*model_spec(name).space.wide.hp, *model_spec(name).space.wide.net)]
        r = np.corrcoef(u[:, searched].T) - np.eye(len(searched)) if len(searched) > 1 else np.zeros(1)
        assert abs(r).max() < most, name


DATASET = {
    "name": "ring",
    "kind": "points",
    "source": "ring8",
    "shape": [2],
    "split": {"train": 200, "validation": 20, "test": 50},
}
MODEL = {
    "family": "gan",
    "title": "a",
    "paper": "-",
    "defaults": {"net": {"width": 8}, "hp": {"lr": 0.001}},
    "space": SPACE.model_dump(mode="json", exclude_none=True),
}


def study(root, configurations=6, seeds=3, searched=1, space="wide"):
    for folder, value in (
        ("datasets", DATASET),
        ("models", MODEL | {"name": "ns_gan"}),
        ("models", {key: item for key, item in MODEL.items() if key != "space"} | {"name": "gmm"}),
    ):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / f"{value['name']}.yaml").write_text(yaml.safe_dump(value))
    cell = {"datasets": ["ring"], "models": ["ns_gan", "gmm"], "budget": {"value": 5}, "batch": 8}
    tune = {"configurations": configurations, "seeds": searched, "space": space}
    (root / "studies").mkdir(exist_ok=True)
    value = {"name": "s", "title": "S", "seeds": seeds, "cells": [cell | {"tune": tune}]}
    (root / "studies" / "s.yaml").write_text(yaml.safe_dump(value))
    return read_study("s", root)


def test_a_search_expands_to_configurations_by_seeds_that_the_study_does_not_use(tmp_path):
    made = study(tmp_path, searched=2)
    trials = [t for t in expand(made, tmp_path) if t.model == "ns_gan"]
    assert [(t.configuration, t.seed - SEARCHED) for t in trials] == [(c, s) for c in range(6) for s in range(2)]
    assert {t.phase for t in trials} == {"search"} and not {t.seed for t in trials} & set(made.seeds)
    assert trials[0].hp["lr"] == 5e-5 and trials[0].net == {"width": 8}  # the authors', over the recipe
    assert "configuration" not in trials[0].as_dict() and "phase" not in trials[0].as_dict()


def test_what_has_nothing_to_search_has_one_configuration(tmp_path):
    assert [t.configuration for t in expand(study(tmp_path), tmp_path) if t.model == "gmm"] == [0]


def test_the_best_is_confirmed_on_fresh_seeds(tmp_path):
    found = groups(study(tmp_path), tmp_path)
    searches = [g for g in found if g.phase == "search" and g.model == "ns_gan"]
    confirm = next(g for g in found if g.phase == "confirm" and g.model == "ns_gan")
    assert set(confirm.searched) == {g.name for g in searches} and confirm.seeds == (0, 1, 2)
    assert len({tuple(t.net.items()) for g in searches for t in g.trials}) == len(searches)  # a network per group
    chosen = resolve(confirm, 3)
    original = next(t for g in searches for t in g.trials if t.configuration == 3)
    assert [(t.seed, t.configuration, t.phase) for t in chosen.trials] == [(s, 3, "confirm") for s in (0, 1, 2)]
    assert all(t.net == original.net and t.hp == original.hp for t in chosen.trials)
    assert len({t.id for t in chosen.trials} | {original.id}) == 4


def test_growing_a_search_keeps_what_is_done(tmp_path):
    few = {t.id for t in expand(study(tmp_path, 6), tmp_path)}
    many = {t.id for t in expand(study(tmp_path, 12), tmp_path)}
    assert few < many
    names = [{g.name for g in groups(study(tmp_path, 6, seeds=n), tmp_path) if g.phase == "search"} for n in (3, 5)]
    assert names[0] == names[1]


@pytest.mark.parametrize(("key", "value"), [("space", "huge"), ("configurations", 0)])
def test_a_bad_search_is_refused_in_one_line(tmp_path, key, value):
    from genbench.config.errors import UserError

    study(tmp_path)
    path = tmp_path / "studies" / "s.yaml"
    bad = yaml.safe_load(path.read_text())
    bad["cells"][0]["tune"][key] = value
    path.write_text(yaml.safe_dump(bad))
    with pytest.raises(UserError, match=rf"s.yaml: cells.0.tune.{key}: .*got {value!r}"):
        read_study("s", tmp_path)


def test_a_space_with_a_key_that_the_stream_lacks_is_refused_in_one_line(tmp_path):
    from genbench.config.errors import UserError

    made, path = study(tmp_path), tmp_path / "models" / "ns_gan.yaml"
    model = yaml.safe_load(path.read_text())
    model["space"]["wide"]["hp"]["momentum"] = {"log": [0.1, 1.0]}
    path.write_text(yaml.safe_dump(model))
    with pytest.raises(UserError, match=r"ns_gan.yaml: space.wide: 'momentum' is not in the stream; allowed: lr, "):
        expand(made, tmp_path)


def test_searches_of_unequal_size_are_named(tmp_path):
    from genbench.studies.check import uneven

    trials = expand(study(tmp_path), tmp_path)
    assert uneven(trials) == ["ring: searches of unequal size, gmm 1 instead of 6 configurations"]
    assert uneven([t for t in trials if t.model == "ns_gan"]) == []
