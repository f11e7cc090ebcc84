"""Searches: one stream of configurations for all, and what is known of a study before its results."""

import math

import numpy as np
import pytest
import yaml

from genbench.config.expand import at_most, expand, groups, planned, resolve
from genbench.config.read import model_spec, names, read_study
from genbench.config.schema import Range, Recipe, Search, Spaces
from genbench.config.seeds import SPAN, confirming, listed, searching
from genbench.config.stream import AXES, DIMENSIONS, _points, configurations

SPACE = Spaces(
    wide=Search(
        net={"critic_steps": Range(choice=(1, 5))}, hp={"lr": Range(log=(1e-5, 1e-2)), "beta1": Range(uniform=(0.0, 1.0))}
    ),
    narrow=Search(hp={"lr": Range(log=(1e-4, 1e-3))}),
    authors=Recipe(hp={"lr": 5e-5}),
)


def test_the_first_configuration_is_the_authors_and_more_change_none():
    few, many = configurations(SPACE.wide, 8, SPACE.authors), configurations(SPACE.wide, 100, SPACE.authors)
    assert few[0] == SPACE.authors and many[:8] == few and len(many) == 100
    assert len({c.hp["lr"] for c in many}) == 100


def test_values_fill_their_ranges_evenly():
    found = configurations(SPACE.wide, 256)
    logs = np.log10([c.hp["lr"] for c in found])
    assert logs.min() >= -5 and logs.max() < -2
    assert np.histogram(logs, 16, (-5, -2))[0].tolist() == [16] * 16  # a Sobol sequence of 256 points, not a random one
    assert np.histogram([c.hp["beta1"] for c in found], 16, (0, 1))[0].tolist() == [16] * 16
    assert [c.net["critic_steps"] for c in found].count(5) == 128
    both = np.histogram2d(logs, [c.hp["beta1"] for c in found], 4, ((-5, -2), (0, 1)))[0]
    assert both.min() >= 14 and both.max() <= 18


def test_models_share_the_stream():
    other = Spaces(wide=Search(hp={"gp": Range(log=(0.1, 100.0)), "lr": Range(log=(1e-5, 1e-2))}))
    a, b = configurations(SPACE.wide, 19), configurations(other.wide, 19)
    assert [c.hp["lr"] for c in a] == [c.hp["lr"] for c in b]
    narrow = configurations(SPACE.narrow, 19)
    u = [(math.log10(c.hp["lr"]) + 5) / 3 for c in a]
    v = [(math.log10(c.hp["lr"]) + 4) / 1 for c in narrow]
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


def study(
    root, configurations=6, seeds=3, searched=1, space="wide", models=("ns_gan", "gmm"), more=None, baseline="ns_gan", **tuned
):
    for folder, value in (
        ("datasets", DATASET),
        ("models", MODEL | {"name": "ns_gan"}),
        ("models", MODEL | {"name": "lsgan"}),
        ("models", {key: item for key, item in MODEL.items() if key != "space"} | {"name": "gmm"}),
    ):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / f"{value['name']}.yaml").write_text(yaml.safe_dump(value))
    cell = {"datasets": ["ring"], "models": list(models), "budget": {"value": 5}, "batch": 8, **(more or {})}
    tune = {"configurations": configurations, "seeds": searched, "space": space, **tuned}
    (root / "studies").mkdir(exist_ok=True)
    plain = {"datasets": ["ring"], "models": ["gmm"], "budget": {"value": 7}, "batch": 8, "variant": "plain"}
    value = {
        "name": "s",
        "title": "S",
        "seeds": seeds,
        "baseline": baseline,
        "cells": [cell | {"tune": tune}] + [plain] * (not tune.get("confirm", True)),
    }
    (root / "studies" / "s.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    return read_study("s", root)


def test_a_search_expands_to_configurations_by_seeds_that_the_study_does_not_use(tmp_path):
    made = study(tmp_path, searched=2)
    trials = [t for t in expand(made, tmp_path) if t.model == "ns_gan"]
    assert [(t.configuration, t.seed) for t in trials] == [(c, searching(c, s)) for c in range(6) for s in range(2)]
    assert len({t.seed for t in trials}) == 12  # one that all shared would be in every score, unseen
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
    assert [t.configuration for g in searches for t in g.trials] == list(range(6)) and len(searches) == 1
    chosen = resolve(confirm, 3)
    original = next(t for g in searches for t in g.trials if t.configuration == 3)
    assert [(t.seed, t.configuration, t.phase) for t in chosen.trials] == [(confirming(s), 3, "confirm") for s in (0, 1, 2)]
    assert all(t.net == original.net and t.hp == original.hp for t in chosen.trials)
    assert len({t.id for t in chosen.trials} | {original.id}) == 4


def test_growing_a_search_keeps_what_is_done(tmp_path):
    few = {t.id for t in expand(study(tmp_path, 6), tmp_path)}
    many = {t.id for t in expand(study(tmp_path, 12), tmp_path)}
    assert few < many
    names = [{g.name for g in groups(study(tmp_path, 6, seeds=n), tmp_path) if g.phase == "search"} for n in (3, 5)]
    assert names[0] == names[1]


def test_seeds_of_different_purposes_never_meet():
    searched = {searching(configuration, repeat) for configuration in range(4096) for repeat in range(100)}
    assert len(searched) == 4096 * 100 and min(searched) >= SPAN and max(searched) < confirming(0)
    assert [listed(confirming(seed)) for seed in (0, 7, SPAN - 1)] == [0, 7, SPAN - 1] and listed(7) == 7


def test_a_search_that_grows_is_cut_at_its_looks(tmp_path):
    made = study(tmp_path, [2, 4, 6], models=["ns_gan", "lsgan"])
    found = groups(made, tmp_path)
    searched = [g for g in found if g.phase == "search" and g.model == "ns_gan"]
    assert [(g.look, [t.configuration for t in g.trials]) for g in searched] == [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])]
    confirms = [g for g in found if g.phase == "confirm" and g.model == "ns_gan"]
    assert [(g.look, len(g.searched)) for g in confirms] == [(0, 1), (1, 2), (2, 3)]
    whole = {t.id for g in groups(study(tmp_path, 6, models=["ns_gan", "lsgan"]), tmp_path) for t in g.trials}
    assert {t.id for g in found for t in g.trials} == whole  # the looks change no trial

    def runs(*looks):
        return {model: [(g.phase, g.look) for g in planned(found, looks) if g.model == model] for model in ("ns_gan", "lsgan")}

    search = [("search", place) for place in range(3)]
    assert [(g.phase, g.look) for g in at_most(made, tmp_path) if g.model == "lsgan"] == [*search, ("confirm", 2)]
    assert runs([], []) == dict.fromkeys(("ns_gan", "lsgan"), [search[0], ("confirm", 0)])
    assert runs(["ns_gan", "lsgan"], ["ns_gan"]) == {"ns_gan": [*search, ("confirm", 2)], "lsgan": [*search[:2], ("confirm", 1)]}


@pytest.mark.parametrize("value", [[4, 4], [8, 4], [], [0, 4], [4, 5000]])
def test_looks_that_do_not_grow_are_refused_in_one_line(tmp_path, value):
    from genbench.config.errors import UserError

    with pytest.raises(UserError, match=r"s.yaml: cells.0.tune.configurations: .*allowed"):
        study(tmp_path, value)


@pytest.mark.parametrize(
    ("more", "tune"), [({"grid": {"pace": {"fast": {}}}}, {}), ({"models": ["gmm"]}, {}), ({}, {"confirm": False})]
)
def test_only_what_is_compared_with_the_baseline_may_grow(tmp_path, more, tune):
    from genbench.config.errors import UserError

    with pytest.raises(UserError, match=r"s.yaml: (cells: tune.configurations|study|.*baseline): "):
        study(tmp_path, [2, 4], more=more, **tune)


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
    from genbench.checks.fairness import lint

    def sizes(trials):
        return [each.text for each in lint(trials, root=tmp_path) if each.rule == "searches"]

    trials = expand(study(tmp_path), tmp_path)
    assert sizes(trials) == ["ring: searches of unequal size, configurations: 6 (ns_gan), 1 (gmm)"]
    assert sizes([t for t in trials if t.model == "ns_gan"]) == []


GRID = {
    "loss": {"ns": {"net": {"loss": "non_saturating"}}, "hinge": {"net": {"loss": "hinge"}}},
    "penalty": {"none": {}, "r1": {"net": {"penalty": "r1"}, "space": {"hp": {"gp": {"log": [0.1, 100.0]}}}}},
}


def test_a_grid_crosses_its_factors_and_shares_the_stream(tmp_path):
    made = study(tmp_path, models=["ns_gan"], more={"grid": GRID, "variant": "g"}, defaults=False, confirm=False)
    found = expand(made, tmp_path)
    searched = [t for t in found if t.phase == "search"]
    assert [v for v in dict.fromkeys(t.variant for t in searched)] == ["g_ns_none", "g_ns_r1", "g_hinge_none", "g_hinge_r1"]
    cells = {v: [t for t in searched if t.variant == v] for v in dict.fromkeys(t.variant for t in searched)}
    assert {len(cell) for cell in cells.values()} == {6}
    assert dict(cells["g_hinge_r1"][0].levels) == {"loss": "hinge", "penalty": "r1"}
    assert cells["g_hinge_r1"][0].net["loss"] == "hinge" and cells["g_hinge_r1"][0].net["penalty"] == "r1"
    rates = [[t.hp["lr"] for t in cell] for cell in cells.values()]
    assert rates[0] == rates[1] == rates[3] and len(set(rates[0])) == 6 and 5e-5 not in rates[0]
    assert "gp" not in cells["g_ns_none"][0].hp and len({t.hp["gp"] for t in cells["g_ns_r1"]}) == 6
    assert "levels" not in found[0].as_dict() and len({t.id for t in searched}) == 24
    assert [g.phase for g in groups(made, tmp_path) if g.model == "ns_gan"].count("confirm") == 0


def test_a_level_wins_over_the_defaults_and_the_search_over_a_level(tmp_path):
    levels = {"pace": {"fast": {"hp": {"lr": 0.5, "beta2": 0.9}}}}
    found = [t for t in expand(study(tmp_path, models=["ns_gan"], more={"grid": levels}), tmp_path) if t.model == "ns_gan"]
    assert (found[0].hp["lr"], found[0].hp["beta2"]) == (0.5, 0.9)  # the authors' are 5e-5
    assert found[1].hp["lr"] < 0.02 and found[1].hp["beta2"] == 0.9


def test_one_space_can_be_given_for_all_models(tmp_path):
    made = study(tmp_path, space={"hp": {"lr": {"log": [0.1, 1.0]}}}, checkpoints=4)
    found = [t for t in expand(made, tmp_path) if t.model == "gmm"]
    assert len(found) == 6 and all(0.1 <= t.hp["lr"] <= 1.0 for t in found[1:])
    assert {t.train["checkpoints"] for t in found} == {4}


def test_a_study_must_score_something(tmp_path):
    from genbench.config.errors import UserError

    study(tmp_path, confirm=False)
    path = tmp_path / "studies" / "s.yaml"
    alone = yaml.safe_load(path.read_text())
    alone["cells"] = alone["cells"][:1]
    path.write_text(yaml.safe_dump(alone))
    with pytest.raises(UserError, match=r"s.yaml: cells: at least one cell needs to be without tune"):
        read_study("s", tmp_path)
    path.write_text(yaml.safe_dump(alone | {"cells": [alone["cells"][0] | {"grid": {"Loss": {"a": {}}}}]}))
    with pytest.raises(UserError, match=r"s.yaml: cells.0.grid: names of factors and levels have small letters"):
        read_study("s", tmp_path)
