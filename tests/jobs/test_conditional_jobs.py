"""Conditional trials from a recipe to their scores, and what a study may ask for."""

import shutil

import numpy as np
import pytest
import torch
import yaml
from kit import CONFIG, CPU, of_study

from genbench.checks.fairness import lint
from genbench.checks.trials import arguments, check_trial
from genbench.config.errors import UserError
from genbench.config.expand import Trial, expand, groups
from genbench.config.read import dataset_spec, model_spec, read_study, recipe
from genbench.data import load
from genbench.jobs.data import encode, prepare_data
from genbench.jobs.evaluate import evaluate_group
from genbench.jobs.floors import make_floors
from genbench.jobs.reference import make_reference
from genbench.jobs.train import train_group
from genbench.results.files import read_json
from genbench.results.paths import Paths

NETS = {
    "ns_gan": {"width": 32, "depth": 1, "latent": 4},
    "vae": {"width": 32, "depth": 1, "latent": 4},
    "ddpm": {"width": 32, "depth": 1, "steps": 10},
}


def trial(model, dataset="digits", **net):
    parts = recipe(model_spec(model, CONFIG), dataset_spec(dataset, CONFIG)).model_dump()
    parts["net"] |= net
    return Trial("", dataset, model, "any", 0, 8, {"unit": "updates", "value": 1}, **parts, dataset_spec="", code="")


# ---- what a study may ask for


@pytest.mark.parametrize("model", ["ns_gan", "wgan_gp", "sngan", "vae", "ddpm"])
def test_a_recipe_says_whether_and_the_dataset_how_many(model):
    one = trial(model, conditional=True)
    check_trial(one, CONFIG)
    assert arguments(one, CONFIG)["classes"] == 10 and "conditional" not in arguments(one, CONFIG)
    assert "classes" not in arguments(trial(model, conditional=False), CONFIG)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (trial("vae", "ring8", conditional=True), "vae.yaml: net.conditional: ring8 has no class labels; allowed there: false"),
        (trial("ns_gan", classes=10), "ns_gan.yaml: net.classes: unknown; allowed: conditional, "),
        (trial("sngan", slope=20.0), "sngan.yaml: net.slope: is now called lipschitz$"),
        (trial("ns_gan", conditional=3), "net.conditional: must be bool, got 3"),
        (trial("realnvp", conditional=True), "realnvp.yaml: net.conditional: unknown"),
        (trial("ddpm", guidance=1.0), "ddpm.yaml: net: .*guidance must be at least 0, and 0 without classes"),
    ],
)
def test_check_names_the_fault(one, words):
    with pytest.raises(UserError, match=words) as caught:
        check_trial(one, CONFIG)
    assert "\n" not in str(caught.value)


def test_models_with_and_without_labels_are_not_comparable():
    conditional, plain = trial("vae", conditional=True), trial("ddpm")
    (finding,) = [each for each in lint([conditional, plain], root=CONFIG) if each.rule == "labels"]
    assert "vae" in finding.text
    assert not any(each.rule == "labels" for trials in ([plain], [conditional]) for each in lint(trials, root=CONFIG))


def test_the_shipped_study_differs_in_labels_only():
    trials = expand(read_study("conditional", CONFIG), CONFIG)
    plain = {(t.model, t.seed): t for t in trials if not t.net.get("conditional")}
    conditional = [t for t in trials if t.variant == "labels"]
    assert len(conditional) == len(plain) == 12
    for one in conditional:
        other = plain[one.model, one.seed]
        assert one.net == {**other.net, "conditional": True}
        assert (one.hp, one.train, one.budget, one.batch) == (other.hp, other.train, other.budget, other.batch)


# ---- from the recipe to the scores


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A tiny study of digits, with and without labels, prepared, encoded and referenced."""
    folder = tmp_path_factory.mktemp("conditional")
    shutil.copytree(CONFIG, folder / "config")
    cell = {"datasets": ["digits"], "models": list(NETS), "budget": {"unit": "updates", "value": 20}, "batch": 32}
    recipes = {name: {"net": {**net, "conditional": True}} for name, net in NETS.items()}
    study = {"name": "tiny", "title": "Tiny", "seeds": 1, "samples": 300, "likelihood_points": 20, "encoders": ["classifier"]}
    study["cells"] = [{**cell, "variant": "labels", "recipes": recipes}]
    (folder / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(study))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        paths = Paths(folder / "results")
        prepare_data("digits", paths)
        encode("digits", "classifier", paths, 2, CPU)
        for make in (make_reference, make_floors):
            make("digits", paths, read_study("tiny"), CPU)
    return folder


@pytest.fixture
def paths(work, monkeypatch):
    monkeypatch.chdir(work)
    return Paths(work / "results")


def scored(paths, model):
    group = {g.model: g for g in groups(read_study("tiny"))}[model]
    here = of_study("tiny", group.name, paths)
    train_group(*here, 30.0)
    return group, evaluate_group(*here)


@pytest.mark.parametrize(("model", "kinds"), [("ns_gan", set()), ("vae", {"lower_bound"}), ("ddpm", {"lower_bound", "estimate"})])
def test_conditional_trials_are_scored(paths, model, kinds):
    group, rows = scored(paths, model)
    train = load(paths.data("digits")).labels["train"]
    for row, one in zip(rows, group.trials, strict=True):
        assert row["status"] == "ok", row["cause"]
        scores = {s["metric"]: s for s in row["scores"]}
        assert {"fid", "conditional_accuracy"} <= set(scores) and 0 <= scores["conditional_accuracy"]["value"] <= 1
        assert {s["kind"] for s in row["scores"] if s["metric"] == "bpd"} == kinds
        with np.load(paths.trial(one.id) / "samples.npz") as file:
            labels = torch.from_numpy(file["labels"])
            assert file["samples"].shape == (300, 1, 8, 8)
        shares = torch.bincount(labels, minlength=10) / 300
        torch.testing.assert_close(shares, torch.bincount(train) / len(train), rtol=0, atol=0.07)


def test_real_images_set_the_floor(paths):
    floors = read_json(paths.reference("digits") / "floor.json")["scores"]
    (floor,) = [row for row in floors if row["metric"] == "conditional_accuracy"]
    known = read_json(paths.encoder("digits", "classifier") / "encoder.json")["accuracy"]
    assert floor["value"] == pytest.approx(known) and floor["n"] == 360 and known > 0.5
