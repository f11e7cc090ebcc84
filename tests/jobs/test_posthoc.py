"""Post-hoc sampling: every method on tiny models, what does not apply, and what fails."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from kit import CONFIG, CPU, of_study

from genbench.config.errors import UserError
from genbench.config.expand import groups
from genbench.config.read import read_study
from genbench.jobs.collect import collect
from genbench.jobs.data import prepare_data
from genbench.jobs.posthoc import sample_group
from genbench.jobs.train import train_group
from genbench.results.files import read_json, write_json
from genbench.results.paths import Paths
from genbench.results.study import read
from genbench.sampling import methods
from genbench.sampling.methods import THRESHOLDS

NETS = {"vae": {"width": 8, "depth": 1}, "ns_gan": {"width": 8, "depth": 1}, "lsgan": {"width": 8, "depth": 1, "norm": "batch"}}
STUDY = {
    "name": "tiny",
    "title": "Tiny",
    "seeds": 2,
    "samples": 100,
    "point_samples": 100,
    "likelihood_points": 20,
    "encoders": ["classifier"],
    "cells": [
        {
            "datasets": ["ring8"],
            "models": list(NETS),
            "budget": {"unit": "updates", "value": 20},
            "batch": 8,
            "recipes": {name: {"net": net} for name, net in NETS.items()},
        }
    ],
    "posthoc": {"methods": ["truncation", "metropolis", "ddls", "interpolation"], "steps": 6},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, configure):
    """A working folder with the tiny study's groups trained."""
    folder = tmp_path_factory.mktemp("posthoc")
    configure(folder)
    (folder / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        paths = Paths(Path("results"))
        prepare_data("ring8", paths)
        write_json(paths.reference("ring8") / "floor.json", {"scores": []})
        for group in groups(read_study("tiny")):
            train_group(*of_study("tiny", group.name, paths), 30.0)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return Paths(Path("results"))


def sampled(paths, model, name="posthoc"):
    """The manifest of a model's group, made anew unless the tests have it under this name."""
    group = next(g for g in groups(read_study("tiny")) if g.model == model)
    out = paths.results / name / f"{group.name}.json"
    if not out.exists():
        sample_group("tiny", group.name, paths, out, CPU)
    return read_json(out), out


@contextlib.contextmanager
def settings(folder, **value):
    """The tiny study with other settings of post-hoc sampling."""
    path = folder / "config" / "studies" / "tiny.yaml"
    path.write_text(yaml.safe_dump(STUDY | {"posthoc": value}))
    try:
        yield
    finally:
        path.write_text(yaml.safe_dump(STUDY))


def numbers(row, method, threshold=None):
    own = [each for each in row["numbers"] if (each["method"], each["threshold"]) == (method, threshold)]
    return {each["metric"]: each["value"] for each in own}


def test_every_method_is_scored_beside_raw_samples(here):
    manifest, out = sampled(here, "ns_gan")
    assert len(manifest["rows"]) == 2
    scored = {"modes", "high_quality", "sliced_w1", "precision", "recall", "seconds_per_1000"}
    for row in manifest["rows"]:
        assert row["faults"] == []
        raw, chain, latent = (numbers(row, method) for method in ("raw", "metropolis", "ddls"))
        for found in (raw, chain, latent, *(numbers(row, "truncation", each) for each in THRESHOLDS)):
            assert scored <= set(found) and all(np.isfinite(value) for value in found.values())
        assert (raw["generator_passes"], raw["critic_passes"]) == (1, 0)
        assert 6 <= chain["generator_passes"] == chain["critic_passes"] <= 12 and chain["backward_passes"] == 0
        assert (latent["generator_passes"], latent["critic_passes"], latent["backward_passes"]) == (8, 7, 7)
        for found in (raw, chain, latent):
            assert {"z", "ece", "ece_floor"} <= set(found)
        assert 0 < chain["acceptance"] <= 1 and 0 < latent["acceptance"] <= 1
        assert {each["n"] for each in row["numbers"] if each["metric"] == "sliced_w1"} == {100}
    assert manifest["rows"][0]["numbers"] != manifest["rows"][1]["numbers"]
    with np.load(out.with_suffix(".npz")) as file:
        assert set(file.files) == {"raw", "metropolis", "ddls", "interpolation"}
        assert file["raw"].shape == file["metropolis"].shape == file["ddls"].shape == (100, 2)
        assert file["interpolation"].shape == (65, 6, 2)


def test_the_same_seed_gives_the_same_numbers_whatever_else_runs(here, folder):
    before, _ = sampled(here, "ns_gan")
    with settings(folder, methods=["ddls"], steps=6):
        after, _ = sampled(here, "ns_gan", "only")
    for old, new in zip(before["rows"], after["rows"], strict=True):
        for method in ("raw", "ddls"):
            a, b = numbers(old, method), numbers(new, method)
            assert {k: v for k, v in a.items() if "seconds" not in k} == {k: v for k, v in b.items() if "seconds" not in k}
        assert numbers(new, "metropolis") == {}


def test_a_vae_has_no_critic_but_a_latent_space(here):
    manifest, out = sampled(here, "vae")
    row = manifest["rows"][0]
    assert {each["method"] for each in row["faults"]} == {"metropolis", "ddls"}
    assert all("critic" in each["cause"] for each in row["faults"])
    assert "recall" in numbers(row, "truncation", 0.25) and "ece" not in numbers(row, "raw")
    with np.load(out.with_suffix(".npz")) as file:
        assert set(file.files) == {"raw", "interpolation"}


def test_a_critic_with_batch_statistics_is_no_function_of_an_example(here):
    for row in sampled(here, "lsgan")[0]["rows"]:
        assert {each["method"] for each in row["faults"]} == {"metropolis", "ddls"}
        assert all("batch" in each["cause"] for each in row["faults"])
        assert numbers(row, "truncation", 1.0)


def test_a_method_that_breaks_is_a_fault_of_its_trial(here, folder, monkeypatch):
    calls = []

    def broken(*args, original=methods.ddls):
        calls.append(args)
        z, *rest = original(*args)
        return z * (torch.nan if len(calls) == 1 else 1), *rest

    monkeypatch.setattr(methods, "ddls", broken)
    with settings(folder, methods=["ddls"], steps=6):
        first, second = sampled(here, "ns_gan", "broken")[0]["rows"]
    (fault,) = first["faults"]
    assert fault["method"] == "ddls" and fault["cause"].startswith("ValueError: 100 of 100")
    assert numbers(first, "ddls") == {} and numbers(first, "raw") and second["faults"] == []


def test_a_trial_that_did_not_end_well_is_left_out(here, folder):
    group = next(g for g in groups(read_study("tiny")) if g.model == "ns_gan")
    file = here.trial(group.trials[0].id) / "train.json"
    record = read_json(file)
    write_json(file, record | {"status": "diverged"})
    try:
        with settings(folder, methods=["ddls"], steps=6):
            first, second = sampled(here, "ns_gan", "diverged")[0]["rows"]
    finally:
        write_json(file, record)
    assert first["numbers"] == first["faults"] == [] and second["numbers"]


def test_post_hoc_samples_reach_the_report(here):
    manifests, extra = [], []
    for group in groups(read_study("tiny")):
        manifests.append(here.results / "scores" / f"{group.name}.json")
        unscored = {"status": "failed", "cause": "not scored", "scores": [], "costs": {}}
        write_json(manifests[-1], {"rows": [{"group": group.name, "trial": t.id, **unscored} for t in group.trials]})
        extra.append(sampled(here, group.model)[1])
    collect("tiny", manifests, here, extra)
    results = read(here.study("tiny"), here.store)
    frame = results.posthoc
    assert set(frame["label"]) == set(NETS) and set(frame["seed"]) == {0, 1}
    assert set(frame.loc[frame["cause"].notna(), "method"]) == {"metropolis", "ddls"}
    assert all((here.results / each).is_file() for each in set(frame["pictures"]))
    collect("tiny", manifests, here)  # a study without sampling methods
    assert read(here.study("tiny"), here.store).posthoc.empty


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"methods": ["rejection"]}, ["posthoc.methods", "truncation", "ddls"]),
        ({"methods": []}, ["posthoc.methods"]),
        ({"methods": ["ddls"], "steps": 1}, ["posthoc.steps", "2"]),
        ({"methods": ["ddls"], "datasets": ["digits"]}, ["posthoc", "'digits'", "ring8"]),
        ({"methods": ["ddls"], "step": 10}, ["posthoc.step", "unknown key", "steps"]),
    ],
)
def test_bad_settings_are_one_line(here, folder, value, words):
    with settings(folder, **value), pytest.raises(UserError) as error:
        read_study("tiny")
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in ["tiny.yaml", *words])


def test_only_generators_of_latents_on_named_datasets_are_sampled():
    study = read_study("default", CONFIG)
    value = {"methods": ["ddls"], "datasets": ["digits"]}
    chosen = type(study).model_validate(study.model_dump() | {"posthoc": value})
    assert chosen.samples_posthoc("digits", "gan") and chosen.samples_posthoc("digits", "vae")
    assert not chosen.samples_posthoc("digits", "flow") and not chosen.samples_posthoc("ring8", "gan")
    assert not type(study).model_validate(study.model_dump() | {"posthoc": None}).samples_posthoc("digits", "gan")


def test_a_study_without_methods_is_refused_in_one_line(here, folder, tmp_path):
    (folder / "config" / "studies" / "plain.yaml").write_text(
        yaml.safe_dump({key: value for key, value in STUDY.items() if key != "posthoc"} | {"name": "plain"})
    )
    group = groups(read_study("plain"))[0].name
    with pytest.raises(UserError, match="plain.yaml: posthoc: missing"):
        sample_group("plain", group, here, tmp_path / "out.json", CPU)


def test_the_old_key_names_the_new_one(folder, here):
    path = folder / "config" / "studies" / "old.yaml"
    path.write_text(yaml.safe_dump({"refine" if k == "posthoc" else k: v for k, v in (STUDY | {"name": "old"}).items()}))
    with pytest.raises(UserError, match="old.yaml: refine: .*posthoc"):
        read_study("old")
