"""From a study to trials: pure, stable, and sensitive to nothing but what decides a result."""

import copy

import pytest
import yaml
from kit import CONFIG

from genbench.checks.fairness import lint
from genbench.checks.trials import check_trial
from genbench.config.errors import UserError
from genbench.config.expand import (
    GROUP_SIZE,
    at_most,
    dataset_hash,
    expand,
    find_groups,
    groups,
)
from genbench.config.hashing import short_hash
from genbench.config.jobs import jobs, work
from genbench.config.read import dataset_spec, read_study

DATASET = {
    "name": "ring",
    "kind": "points",
    "source": "ring8",
    "shape": [2],
    "split": {"train": 200, "validation": 20, "test": 50},
}
STUDY = {
    "name": "small",
    "title": "Small",
    "seeds": 2,
    "cells": [{"datasets": ["ring"], "models": ["vae"], "budget": {"unit": "updates", "value": 5}, "batch": 8}],
}


def model(name, **parts):
    defaults = {"net": {"width": 8}, "hp": {"lr": 0.001}, "train": {"replicas": 4}}
    return {"name": name, "family": name, "title": name, "paper": "-", "defaults": defaults, **parts}


class Tree:
    """A configuration in a folder, changed file by file."""

    def __init__(self, root):
        self.root = root
        self.put("datasets", DATASET)
        for name in ("vae", "realnvp"):
            self.put("models", model(name))
        self.put("studies", STUDY)

    def put(self, folder, value):
        (self.root / folder).mkdir(exist_ok=True)
        (self.root / folder / f"{value['name']}.yaml").write_text(yaml.safe_dump(value))

    def study(self, seeds=2, name="small", **cell):
        value = copy.deepcopy(STUDY) | {"name": name, "seeds": seeds}
        value["cells"][0] |= cell
        self.put("studies", value)
        return read_study(name, self.root)

    def ids(self, **changes):
        return {(t.dataset, t.model, t.seed): t.id for t in expand(self.study(**changes), self.root)}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_expansion_is_pure(tree):
    first, second = tree.ids(), tree.ids()
    assert first == second and len(set(first.values())) == 2
    assert all(len(i) == 12 and int(i, 16) >= 0 for i in first.values())
    trial = expand(tree.study(), tree.root)[1]
    assert trial.as_dict()["trial"] == trial.id and trial.as_dict()["seed"] == 1 and "id" not in trial.as_dict()


def test_growing_a_study_leaves_its_trials_alone(tree):
    before = tree.ids()
    for changes in ({"seeds": 5}, {"seeds": [7, 1, 0]}, {"models": ["realnvp", "vae"]}):
        after = tree.ids(**changes)
        assert before.items() <= after.items() and len(after) > len(before)
    tree.put("datasets", {**DATASET, "name": "other"})
    tree.put("models", model("made"))
    after = tree.ids(datasets=["other", "ring"], models=["made", "vae"])
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after) == 8


def test_studies_share_trials(tree):
    assert tree.ids() == tree.ids(name="another")
    study = copy.deepcopy(STUDY) | {"title": "New title", "samples": 500, "description": "..."}
    tree.put("studies", study)
    assert [t.id for t in expand(read_study("small", tree.root), tree.root)] == list(tree.ids().values())


@pytest.mark.parametrize("change", [{"train": {"replicas": 1}}, {"train": {}}])
def test_what_does_not_change_a_result_does_not_change_the_id(tree, change):
    before = tree.ids()
    tree.put("models", model("vae", defaults=model("vae")["defaults"] | change, title="Other", notes="x", paper="y"))
    assert tree.ids() == before
    tree.put("datasets", {**DATASET, "description": "new words", "reference": "new"})
    assert tree.ids() == before


@pytest.mark.parametrize(
    "change",
    [
        {"hp": {"lr": 0.002}},
        {"hp": {"lr": 0.001, "beta1": 0.5}},
        {"net": {"width": 9}},
        {"train": {"replicas": 4, "ema": 0.5}},
        {"train": {"schedule": "constant"}},
    ],
)
def test_what_changes_a_result_changes_the_id(tree, change):
    before = tree.ids(models=["vae", "realnvp"])
    tree.put("models", model("vae", defaults=model("vae")["defaults"] | change))
    after = tree.ids(models=["vae", "realnvp"])
    for key, old in before.items():
        assert (after[key] == old) == (key[1] == "realnvp")


@pytest.mark.parametrize(
    "cell",
    [
        {"batch": 9},
        {"budget": {"unit": "updates", "value": 6}},
        {"budget": {"unit": "samples", "value": 5}},
        {"recipes": {"vae": {"hp": {"lr": 0.5}}}},
    ],
)
def test_the_cell_is_part_of_the_id(tree, cell):
    assert not set(tree.ids().values()) & set(tree.ids(**cell).values())


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"split": {"train": 201, "validation": 20, "test": 50}}, {"parameters": {"radius": 2.0}}]
)
def test_the_data_are_part_of_the_id(tree, change):
    before = tree.ids()
    tree.put("datasets", {**DATASET, **change})
    assert not set(before.values()) & set(tree.ids().values())


def test_dataset_hash_ignores_words(tree):
    first = dataset_hash(dataset_spec("ring", tree.root))
    tree.put("datasets", {**DATASET, "description": "x", "needs": "path"})
    assert dataset_hash(dataset_spec("ring", tree.root)) == first


def test_groups_follow_the_seeds_in_order(tree):
    study = tree.study(seeds=2 * GROUP_SIZE + 3, models=["vae", "realnvp"])
    found = groups(study, tree.root)
    assert [len(g.trials) for g in found] == [GROUP_SIZE, GROUP_SIZE, 3] * 2
    assert [t.seed for g in found[:3] for t in g.trials] == list(study.seeds)
    assert len({g.name for g in found}) == 6 and all(g.name.startswith(f"ring/{g.model}-") for g in found)
    more = groups(tree.study(seeds=3 * GROUP_SIZE, models=["vae", "realnvp"]), tree.root)
    assert {g.name for g in found if len(g.trials) == GROUP_SIZE} <= {g.name for g in more}
    study, own = find_groups("small", [found[1].name, found[0].name], tree.root)
    assert own == [more[1], more[0]] and study.name == "small"
    with pytest.raises(KeyError):
        find_groups("small", ["ring/vae-00000000"], tree.root)


def test_small_groups_share_a_job_and_large_ones_have_their_own(tree):
    found = groups(tree.study(seeds=2 * GROUP_SIZE + 3, models=["vae", "realnvp"]), tree.root)
    each = sum(work(trial, tree.root) for trial in found[0].trials) / 60
    assert [job.names for job in jobs(found, 0.0, tree.root)] == [[group.name] for group in found]
    (whole,) = jobs(found, 10 * each, tree.root)
    assert whole.groups == tuple(found) and whole.name.startswith("ring/plain-")
    several = jobs(found, 2.5 * each, tree.root)
    assert [name for job in several for name in job.names] == [group.name for group in found]
    assert 1 < len(several) < len(found) and len({job.name for job in several}) == len(several)


def test_jobs_of_a_search_and_of_its_confirmation_are_apart(tree):
    cell = {
        **STUDY["cells"][0],
        "models": ["vae", "realnvp"],
        "tune": {"configurations": [2, 4], "space": {"hp": {"lr": {"log": [1e-4, 1e-2]}}}},
    }
    tree.put("studies", {**STUDY, "baseline": "vae", "cells": [STUDY["cells"][0], {**cell, "variant": "searched"}]})
    made = jobs(at_most(read_study("small", tree.root), tree.root), 60.0, tree.root)
    kinds = [{(group.phase, group.look) for group in job.groups} for job in made]
    assert all(len(kind) == 1 for kind in kinds)
    assert sorted(kind.pop() for kind in kinds) == [("", 0), ("confirm", 1), ("search", 0), ("search", 1)]


def test_trials_of_different_networks_never_train_together(tree):
    cells = [
        {**STUDY["cells"][0], "variant": variant, "recipes": {"vae": {"net": {"width": width}}}}
        for variant, width in (("narrow", 4), ("wide", 16))
    ]
    tree.put("studies", {**STUDY, "cells": cells})
    study = read_study("small", tree.root)
    found = groups(study, tree.root)
    assert [[(t.net["width"], t.seed, t.variant) for t in g.trials] for g in found] == [
        [(4, 0, "narrow"), (4, 1, "narrow")],
        [(16, 0, "wide"), (16, 1, "wide")],
    ]
    assert "variant" not in found[0].trials[0].as_dict()
    assert {g.trials[0].id for g in found} == {
        tree.ids(recipes={"vae": {"net": {"width": w}}})[("ring", "vae", 0)] for w in (4, 16)
    }  # a trial is the same in a study that names no variant


def test_variants_that_are_one_and_the_same_are_refused(tree):
    cells = [{**STUDY["cells"][0], "variant": variant} for variant in ("a", "b")]
    tree.put("studies", {**STUDY, "cells": cells})
    with pytest.raises(UserError, match="small.yaml: cells: variants 'a' and 'b' of ring/vae do not differ"):
        expand(read_study("small", tree.root), tree.root)
    tree.put("studies", {**STUDY, "cells": [{**cells[0]}, {**cells[0]}]})
    with pytest.raises(UserError, match="ring/vae stands in an earlier cell of variant 'a' already"):
        read_study("small", tree.root)


def test_short_hash_does_not_depend_on_order():
    assert short_hash({"a": 1, "b": [2]}) == short_hash({"b": [2], "a": 1}) != short_hash({"a": 1, "b": [3]})
    assert len(short_hash([], 8)) == 8


# ---- the checks before a run


def trial(tree, **defaults):
    tree.put("models", model("vae", defaults=model("vae")["defaults"] | defaults))
    return expand(tree.study(), tree.root)[0]


@pytest.mark.parametrize(
    ("defaults", "words"),
    [
        ({"net": {"widht": 8}}, ["net.widht: unknown", "width", "latent"]),
        ({"hp": {"gp": 1}}, ["hp.gp: unknown", "beta", "lr_net", "clip"]),
        ({"train": {"emma": 1}}, ["train.emma: unknown", "ema", "replicas"]),
        ({"train": {"replicas": 2.5}}, ["train.replicas", "int", "2.5"]),
        ({"train": {"ema": "slow"}}, ["train.ema", "float", "'slow'"]),
        ({"train": {"schedule": "linear"}}, ["train.schedule", "cosine, constant", "'linear'"]),
        ({"net": {"width": "wide"}}, ["net", "int"]),
        ({"net": {"width": -1}}, ["net:", "vae can't be built for ring"]),
    ],
)
def test_check_names_the_fault(tree, defaults, words):
    with pytest.raises(UserError) as caught:
        check_trial(trial(tree, **defaults), tree.root)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(str(tree.root / "models" / "vae.yaml"))
    assert all(word in line for word in words), line


@pytest.mark.parametrize("value", ["1e-3", [0.1], None])
def test_check_knows_the_types_of_a_constructors_arguments(tree, value):
    """YAML reads 1e-3 as a string; a constructor that only stores it would fail in training, trial by trial."""
    tree.put("models", model("ebm", defaults={"net": {"step": value}}))
    (first, _) = expand(tree.study(models=["ebm"]), tree.root)
    with pytest.raises(UserError, match="net"):
        check_trial(first, tree.root)


def test_check_passes_a_good_trial(tree):
    check_trial(trial(tree, hp={"lr": 1, "lr_net": 2, "beta": 3}, train={"ema": 0, "warmup": 0.1}), tree.root)


def test_a_model_without_code_is_a_users_error(tree):
    """A YAML file whose name is not in the table MODELS."""
    tree.put("models", model("nosuch"))
    study = tree.study(models=["nosuch"])
    with pytest.raises(UserError, match="nosuch.*allowed: .*vae"):
        for one in expand(study, tree.root):
            check_trial(one, tree.root)


def test_unfair_comparisons_are_named(tree):
    for name in ("wgan_gp", "gmm"):
        tree.put("models", model(name, defaults={}))
    tree.put("models", model("vae", defaults={"hp": {"beta": 0.5}}))
    study = tree.study(models=["wgan_gp", "gmm", "vae", "realnvp"])
    found = {each.rule: each.text for each in lint(expand(study, tree.root), study, tree.root)}
    assert found["critic_steps"].endswith("1 (gmm, vae, realnvp), 5 (wgan_gp)")
    assert found["passes"].startswith("gmm: an update is one") and found["beta"].startswith("vae: beta = 0.5")
    assert not any(text.startswith("realnvp") for text in found.values())


# ---- the studies that ship


@pytest.mark.parametrize(
    ("name", "trials", "jobs"), [("smoke", 148, 57), ("default", 197, 55), ("laptop", 2496, 215), ("likelihoods", 46, 46)]
)
def test_shipped_studies_expand_to_as_many_trials_as_ever(name, trials, jobs):
    study = read_study(name, CONFIG)
    assert (len(expand(study, CONFIG)), len(groups(study, CONFIG))) == (trials, jobs)
