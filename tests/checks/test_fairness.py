"""The fairness linter: each planted unfairness is found, by its rule and no other."""

import copy
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from genbench.checks.fairness import RENAMED, check_accepts, lint, markdown, notes, unfair
from genbench.checks.rules import RULES, meaning
from genbench.checks.spread import SPREAD
from genbench.cli import main
from genbench.config.errors import UserError
from genbench.config.expand import expand
from genbench.config.read import read_study
from genbench.report.notes import _who
from tests.benchmarks.spread import spread

CONFIG = Path(__file__).parents[2] / "config"
SPACE = {"hp": {"lr": {"log": [1.0e-5, 1.0e-2]}, "beta1": {"uniform": [0.0, 1.0]}}}
NARROW = {"hp": {**SPACE["hp"], "lr": {"log": [1.0e-4, 1.0e-3]}}}
MODEL = {
    "family": "gan", "title": "a", "paper": "-", "defaults": {"net": {"width": 8, "depth": 1}},
    "space": {"wide": SPACE, "narrow": NARROW, "authors": {"hp": {"lr": 1.0e-4}}},
}  # fmt: skip
REASON = "labels are what the study asks about"
CELL = {
    "datasets": ["digits"], "models": ["ns_gan", "hinge_gan", "sngan"], "budget": {"unit": "updates", "value": 10}, "batch": 16,
    "tune": {"configurations": 5, "space": "wide"},
}  # fmt: skip
FAIR = {"name": "s", "title": "S", "seeds": 3, "margin": 1.25, "cells": [CELL]}
MODELS = ("ns_gan", "hinge_gan", "sngan", "lsgan", "wgan", "r1_gan", "dragan", "began", "vae", "iwae", "ebm", "made", "gmm")


class Planted:
    """A study that is fair until something is changed in it."""

    def __init__(self, root):
        self.root, self.study = root, copy.deepcopy(FAIR)
        self.models = {name: {**copy.deepcopy(MODEL), "name": name} for name in MODELS}
        shutil.copytree(CONFIG / "datasets", root / "datasets")

    @property
    def cell(self):
        return self.study["cells"][0]

    def also(self, **changes):
        """Another cell like the first."""
        self.study["cells"].append({**copy.deepcopy(self.cell), **changes})

    def write(self):
        for folder, values in (("models", self.models.values()), ("studies", [self.study])):
            (self.root / folder).mkdir(exist_ok=True)
            for value in values:
                (self.root / folder / f"{value['name']}.yaml").write_text(yaml.safe_dump(value))
        return read_study("s", self.root)

    def found(self):
        study = self.write()
        return lint(expand(study, self.root), study, self.root)


@pytest.fixture
def planted(tmp_path):
    return Planted(tmp_path)


def recipe(planted, model, **parts):
    planted.cell.setdefault("recipes", {})[model] = parts


def vary(key, value):
    """A change of what one model searches."""

    def change(planted):
        planted.models["sngan"]["space"]["wide"]["hp"][key] = value

    return change


def drop_beta1(planted):
    del planted.models["sngan"]["space"]["wide"]["hp"]["beta1"]


def other_ranges(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], tune={"configurations": 5, "space": "narrow"})


def other_size(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], tune={"configurations": 6, "space": "wide"})


def other_choice(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], tune={"configurations": 5, "space": "wide", "checkpoints": 2})


def other_seeds(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], tune={"configurations": 5, "space": "wide", "seeds": 2})


def no_authors(planted):
    del planted.models["sngan"]["space"]["authors"]


def by_hand(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], tune=None)


def all_by_hand(planted):
    planted.cell["tune"] = None


def other_budget(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], budget={"unit": "updates", "value": 20})


def other_unit(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], budget={"unit": "samples", "value": 160})


def other_batch(planted):
    planted.cell["models"] = ["ns_gan", "hinge_gan"]
    planted.also(models=["sngan"], batch=32)


def larger_variant(planted):
    planted.also(variant="large", recipes={name: {"net": {"width": 200}} for name in planted.cell["models"]})


def larger_level(planted):
    planted.cell["grid"] = {"capacity": {"small": {}, "large": {"net": {"width": 200}}}}


def steps_for_some(planted):
    planted.models["sngan"]["space"]["wide"]["net"] = {"critic_steps": {"choice": [1, 5]}}


def baseline(planted):
    planted.cell["models"] = ["vae", "gmm"]
    planted.models["vae"]["space"]["wide"] = planted.models["gmm"]["space"]["wide"] = {}
    planted.models["vae"]["space"]["authors"] = planted.models["gmm"]["space"]["authors"] = {}
    planted.models["gmm"]["defaults"] = {"net": {"components": 3}}
    planted.cell["tune"]["configurations"] = 4


def on_ring(planted):
    baseline(planted)
    planted.cell["models"] = ["gmm"]
    planted.cell["datasets"] = ["ring8"]
    planted.models["gmm"]["defaults"] = {"net": {"components": 8}}
    planted.study["margin"] = 1.7


def held_out(planted):
    planted.cell["models"] = ["ns_gan", "vae"]
    planted.models["vae"]["defaults"]["net"]["latent"] = 2


def own_network(planted):
    planted.cell["models"] = ["vae", "made"]
    planted.models["made"]["defaults"] = {"net": {"width": 8, "depth": 1}}
    planted.models["vae"]["defaults"] = {"net": {"width": 64, "depth": 1, "latent": 2}}


def own_variant(planted):
    planted.also(variant="more", models=["sngan"], batch=32)


def off_bound(planted):
    planted.cell["models"] = ["vae"]
    recipe(planted, "vae", hp={"beta": 0.5})


def probability(planted):
    planted.cell["models"].append("lsgan")
    recipe(planted, "lsgan", net={"output": "sigmoid"})


def conditional(planted):
    recipe(planted, "sngan", net={"conditional": True})


def clipped(planted):
    planted.cell["models"] = ["sngan"]
    recipe(planted, "sngan", net={"penalty": "clipping"})


def unbounded(planted):
    planted.cell["models"] = ["ns_gan"]
    recipe(planted, "ns_gan", net={"loss": "wasserstein"})


def batch_norm(planted):
    planted.cell["models"] = ["ns_gan"]
    recipe(planted, "ns_gan", net={"norm": "batch"})


def some_penalties(planted):
    """A penalty's weight that one of two models searches, which both have."""
    planted.cell["models"] = ["r1_gan", "dragan"]
    planted.models["dragan"]["space"]["wide"]["hp"]["gp"] = {"log": [0.1, 10.0]}


def samples_of_latents(planted):
    planted.cell["models"] = ["vae", "iwae"]
    for name in planted.cell["models"]:
        planted.models[name]["defaults"]["net"]["latent"] = 2
    planted.models["iwae"]["defaults"]["net"]["samples"] = 50


def long_chain(planted):
    planted.cell["models"] = ["dsm_ebm", "ebm"]
    for name in planted.cell["models"]:
        planted.models[name] = {**copy.deepcopy(MODEL), "name": name, "family": "ebm"}
    planted.models["ebm"]["defaults"]["net"]["steps"] = 30


def by_recipe(change):
    """A change where no model is searched, and the study accepts that."""

    def plant(planted):
        planted.cell["tune"] = None
        planted.study["accepts"] = {"recipes": "it is one recipe each, as planned"}
        change(planted)

    return plant


def on_points(planted):
    planted.cell["datasets"] = ["ring8"]


FIXED = [  # what one of three models has fixed otherwise, and what the finding must name
    ({"train": {"ema": 0.9}}, ["train.ema", "0.999 (ns_gan, hinge_gan), 0.9 (sngan)"]),
    ({"train": {"schedule": "constant"}}, ["train.schedule", "constant (sngan)"]),
    ({"train": {"warmup": 0.1}}, ["train.warmup", "0.1 (sngan)"]),
    ({"train": {"checkpoints": 3}}, ["train.checkpoints", "1 (ns_gan, hinge_gan), 3 (sngan)"]),
    ({"hp": {"weight_decay": 0.1}}, ["hp.weight_decay", "0.0 (ns_gan, hinge_gan), 0.1 (sngan)"]),
    ({"hp": {"clip": 1.0}}, ["hp.clip", "1.0 (sngan)"]),
    ({"hp": {"beta2": 0.9}}, ["hp.beta2", "0.999 (ns_gan, hinge_gan), 0.9 (sngan)"]),
    ({"hp": {"lr_critic": 1.0e-3}}, ["hp.lr_critic", "lr (ns_gan, hinge_gan), 0.001 (sngan)"]),
    ({"net": {"latent": 3}}, ["net.latent", "2 (ns_gan, hinge_gan), 3 (sngan)"]),
    ({"net": {"lipschitz": 2.0}}, ["net.lipschitz", "2.0 (sngan)"]),
]
PLANTS = [  # what is unfair, and what the finding must name
    ("recipes", by_hand, ["sngan"]),
    ("recipes", all_by_hand, ["every model"]),
    ("searches", other_size, ["digits", "5 (ns_gan, hinge_gan), 6 (sngan)"]),
    ("searches", other_choice, ["digits", "checkpoints 1", "checkpoints 2"]),
    ("search_ranges", other_ranges, ["digits", "lr", "log [1e-05, 0.01] (ns_gan, hinge_gan)", "log [0.0001, 0.001] (sngan)"]),
    ("search_ranges", vary("lr", {"uniform": [0.0, 0.1]}), ["lr", "uniform [0.0, 0.1] (sngan)"]),
    ("search_ranges", drop_beta1, ["beta1", "(sngan)"]),
    ("search_ranges", vary("weight_decay", {"log": [1.0e-5, 0.1]}), ["weight_decay", "(ns_gan, hinge_gan)", "(sngan)"]),
    ("authors", no_authors, ["digits", "sngan"]),
    ("search_ranges", some_penalties, ["digits", "gp", "not at all (r1_gan)", "(dragan)"]),
    *(("fixed_settings", lambda p, part=part: recipe(p, "sngan", **part), ["digits", *words]) for part, words in FIXED),
    (
        "fixed_settings",
        by_recipe(lambda p: recipe(p, "sngan", hp={"weight_decay": 0.1})),
        ["digits", "hp.weight_decay", "0.1 (sngan)"],
    ),
    ("few_configurations", lambda p: p.cell["tune"].update(configurations=3), ["3", "4"]),
    ("seeds", other_seeds, ["digits", "1 (ns_gan, hinge_gan), 2 (sngan)"]),
    ("few_seeds", lambda p: p.study.update(seeds=1), []),
    ("picked_seeds", lambda p: p.study.update(seeds=[3, 17, 99]), ["3, 17, 99"]),
    ("picked_seeds", lambda p: p.study.update(seeds=[0, 2]), ["0, 2"]),
    ("margin", lambda p: p.study.update(margin=2.0), ["2"]),
    ("margin", lambda p: p.study.update(margin=1.1), ["images", "1.1", f"{math.exp(2 * SPREAD['images']):.2f}"]),
    ("margin", on_points, ["points", "1.25", f"{math.exp(2 * SPREAD['points']):.2f}"]),
    ("update_costs", samples_of_latents, ["digits", "iwae"]),
    ("update_costs", long_chain, ["digits", "ebm"]),
    ("budget", other_budget, ["digits", "10 updates x 16 (ns_gan, hinge_gan), 20 updates x 16 (sngan)"]),
    ("budget", other_unit, ["160 samples x 16 (sngan)"]),
    ("budget", other_batch, ["10 updates x 32 (sngan)"]),
    ("critic_steps", steps_for_some, ["digits", "1 (ns_gan, hinge_gan), 1 or 5 (sngan)"]),
    ("passes", baseline, ["gmm"]),
    ("parameters", lambda p: recipe(p, "sngan", net={"width": 20}), ["digits", "of sngan"]),
    ("parameters", larger_variant, ["digits", " · large"]),
    ("parameters", larger_level, ["digits", " · large"]),
    ("networks", own_network, ["digits", "mlp (vae)", "(made)"]),
    ("variants", own_variant, ["digits", "1 (ns_gan, hinge_gan), 2 (sngan)"]),
    ("labels", conditional, ["sngan"]),
    ("selection", held_out, ["ns_gan: no held-out loss"]),  # the report looks for these words
    ("well_specified", on_ring, ["gmm", "ring8"]),
    ("beta", off_bound, ["vae", "0.5"]),
    ("sigmoid", probability, ["lsgan"]),
    ("batch_norm", batch_norm, ["ns_gan"]),
    ("clipping", clipped, ["sngan"]),
    ("lipschitz", unbounded, ["ns_gan"]),
    ("encoder", lambda p: p.study.update(encoder_epochs=3), ["3", "10"]),
    ("encoder", lambda p: p.study.update(encoders=["classifier", "inception"]), ["inception", "digits"]),
    ("encoder", lambda p: p.study.update(encoders=["classifier-7"]), ["classifier-7"]),
    ("encoder", lambda p: p.study.update(encoders=["classifier-7", "classifier"]), ["classifier-7"]),
]


def test_every_rule_is_planted_named_and_there():
    assert {rule for rule, _, _ in PLANTS} == set(RULES)


def test_a_fair_study_has_no_finding(planted):
    assert planted.found() == []


@pytest.mark.parametrize("plant", [larger_variant, larger_level])
def test_variants_that_all_models_have_are_fair(planted, plant):
    """Unless they are larger: here they have the same networks."""
    plant(planted)
    for change in (planted.study["cells"][-1].get("recipes", {}), planted.cell.get("grid", {}).get("capacity", {})):
        for each in change.values():
            each["hp"] = {"beta2": 0.5}
            each.pop("net", None)
    assert planted.found() == []


def test_validation_that_chooses_checkpoints_for_all_is_fair(planted):
    held_out(planted)
    planted.cell["tune"]["checkpoints"] = 3
    assert planted.found() == []


def test_what_models_are_by_definition_is_fair(planted):
    """The authors' defaults, a loss or norm of a model's own, and settings that all have changed alike."""
    planted.models["sngan"]["space"]["authors"] = {"hp": {"beta2": 0.5, "weight_decay": 0.1}}
    for name in planted.cell["models"]:
        recipe(planted, name, hp={"clip": 1.0}, net={"latent": 5}, train={"replicas": 1 + len(name), "ema": 0.9})
    assert planted.found() == []


def test_recipes_of_two_families_differ_as_their_methods_do(planted):
    """But not where the study itself says a setting of one, nor within a family."""
    planted.cell.update(models=["ns_gan", "vae"], tune=None)
    planted.models["vae"]["family"] = "vae"
    planted.models["vae"]["defaults"] = {"net": {"width": 12, "depth": 1, "latent": 2}, "hp": {"clip": 5.0}}
    rules = {finding.rule for finding in planted.found()}
    assert "recipes" in rules and "fixed_settings" not in rules
    recipe(planted, "vae", hp={"weight_decay": 0.1})
    (found,) = [finding.text for finding in planted.found() if finding.rule == "fixed_settings"]
    assert "hp.weight_decay" in found and "0.1 (vae)" in found


def test_the_spread_of_seeds_is_that_of_the_kept_report():
    assert spread() == pytest.approx(SPREAD, abs=0.006)


def test_labels_and_critic_steps_for_all_are_fair(planted):
    for name in planted.cell["models"]:
        recipe(planted, name, net={"conditional": True, "critic_steps": 3})
    assert planted.found() == []


@pytest.mark.parametrize(("rule", "plant", "words"), PLANTS)
def test_a_planted_unfairness_is_found_by_its_rule_alone(planted, rule, plant, words):
    plant(planted)
    found = [finding for finding in planted.found() if not finding.reason]
    assert {finding.rule for finding in found} == {rule}, found
    assert any(all(word in finding.text for word in words) for finding in found), found
    assert all("\n" not in finding.text for finding in found)


def test_what_is_accepted_says_why_and_what_is_accepted_for_nothing_is_told(planted):
    conditional(planted)
    planted.study["accepts"] = {"labels": REASON, "margin": "it is wide on purpose here"}
    labels, stale = planted.found()
    assert (labels.rule, labels.reason, stale.rule, stale.reason) == ("labels", REASON, "stale", "")
    assert "accepts.margin" in stale.text
    lines = unfair(read_study("s", planted.root), planted.root)
    assert lines == [f"{labels.text} (accepted: {REASON})", stale.text]


@pytest.mark.parametrize(
    ("accepts", "words"),
    [
        ({"labels": "they are asked for"}, ["accepts.labels", "5 words"]),
        ({"lables": "x"}, ["accepts.lables", *RULES]),
        ({"labels": " "}, ["accepts.labels"]),
        *(({old: "x"}, [f"accepts.{old}", new]) for old, new in RENAMED.items()),
    ],
)
def test_a_bad_acceptance_is_refused_in_one_line(planted, accepts, words):
    planted.study["accepts"] = accepts
    study = planted.write()
    for check in (check_accepts, unfair):
        with pytest.raises(UserError) as caught:
            check(study, planted.root)
        assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in ["studies/s.yaml", *words])


def test_rules_are_listed_without_torch():
    """Snakemake reads a study's `accepts` in every job's process."""
    code = "import sys, genbench.checks.fairness; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_notes_on_methods_are_no_findings(planted):
    planted.models["sngan"]["notes"] = "Two  words.\n"
    study = planted.write()
    trials = expand(study, planted.root)
    assert notes(trials, planted.root) == ["sngan: two words"] and lint(trials, study, planted.root) == []


def test_the_report_knows_who_has_no_held_out_loss(planted):
    """It tells from the sentence whose last weights had no choice."""
    held_out(planted)
    (finding,) = planted.found()
    assert _who(str(finding)) == ["ns_gan"] and "no held-out loss" in finding.text


def test_strict_fails_where_something_is_not_accepted(planted, monkeypatch, capsys):
    monkeypatch.chdir(planted.root.parent)
    planted.root.rename(planted.root.parent / "config")
    planted.root = planted.root.parent / "config"
    conditional(planted)
    planted.write()
    for flags, status in (([], 0), (["--strict"], 1)):
        assert main(["check", "s", "--no-cost", *flags]) == status
        assert "unfair: labels: sngan: " in capsys.readouterr().out
    assert main(["check", "s", "--strict", "--json"]) == 1
    capsys.readouterr()
    planted.study["accepts"] = {"labels": REASON}
    planted.write()
    assert main(["check", "s", "--strict", "--no-cost"]) == 0
    out = capsys.readouterr().out
    assert "unfair" not in out and re.search(rf"accepted: labels: sngan: .*\({REASON}\)", out)


def test_the_page_of_rules_is_up_to_date(capsys):
    assert main(["rules", "--markdown"]) == 0
    page = capsys.readouterr().out
    assert page == (CONFIG.parent / "docs" / "fairness_rules.md").read_text() == markdown()
    assert all(f"| `{name}` | {meaning(name)} |" in page for name in RULES)
