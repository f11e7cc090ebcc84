"""The job that refines samples: every method on tiny models, what does not apply, and what fails."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from kit import CONFIG, CPU

from genbench.config.errors import UserError
from genbench.config.expand import groups
from genbench.config.read import read_study
from genbench.jobs import refine as job
from genbench.jobs.collect import collect
from genbench.jobs.data import prepare_data
from genbench.jobs.refine import THRESHOLDS, refine_group
from genbench.jobs.train import train_group
from genbench.models.gebm import GEBM
from genbench.results.files import read_json, write_json
from genbench.results.paths import Paths
from genbench.results.study import read

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
    "refine": {"methods": ["truncation", "metropolis", "ddls", "interpolation"], "steps": 6},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, configure):
    """A working folder with the tiny study's groups trained."""
    folder = tmp_path_factory.mktemp("refine")
    configure(folder)
    (folder / "config" / "studies" / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        paths = Paths(Path("results"))
        prepare_data("ring8", paths)
        write_json(paths.reference("ring8") / "floor.json", {"scores": []})
        for group in groups(read_study("tiny")):
            train_group("tiny", group.name, paths, Path("out") / f"{group.model}.json", CPU, 30.0)
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return Paths(Path("results"))


def refined(paths, model, name="refined"):
    """The manifest of a model's group, made anew unless the tests have it under this name."""
    group = next(g for g in groups(read_study("tiny")) if g.model == model)
    out = paths.results / name / f"{group.name}.json"
    if not out.exists():
        refine_group("tiny", group.name, paths, out, CPU)
    return read_json(out), out


@contextlib.contextmanager
def settings(folder, **value):
    """The tiny study with other settings of the refinement."""
    path = folder / "config" / "studies" / "tiny.yaml"
    path.write_text(yaml.safe_dump(STUDY | {"refine": value}))
    try:
        yield
    finally:
        path.write_text(yaml.safe_dump(STUDY))


def numbers(row, method, threshold=None):
    own = [each for each in row["numbers"] if (each["method"], each["threshold"]) == (method, threshold)]
    return {each["metric"]: each["value"] for each in own}


def test_every_method_is_scored_beside_raw_samples(here):
    manifest, out = refined(here, "ns_gan")
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
    before, _ = refined(here, "ns_gan")
    with settings(folder, methods=["ddls"], steps=6):
        after, _ = refined(here, "ns_gan", "only")
    for old, new in zip(before["rows"], after["rows"], strict=True):
        for method in ("raw", "ddls"):
            a, b = numbers(old, method), numbers(new, method)
            assert {k: v for k, v in a.items() if "seconds" not in k} == {k: v for k, v in b.items() if "seconds" not in k}
        assert numbers(new, "metropolis") == {}


def test_a_vae_has_no_critic_but_a_latent_space(here):
    manifest, out = refined(here, "vae")
    row = manifest["rows"][0]
    assert {each["method"]: each["cause"] for each in row["faults"]} == dict.fromkeys(
        ("metropolis", "ddls"), "the model has no critic"
    )
    assert "recall" in numbers(row, "truncation", 0.25) and "ece" not in numbers(row, "raw")
    with np.load(out.with_suffix(".npz")) as file:
        assert set(file.files) == {"raw", "interpolation"}


def test_a_critic_with_batch_statistics_is_no_function_of_an_example(here):
    for row in refined(here, "lsgan")[0]["rows"]:
        assert {each["method"] for each in row["faults"]} == {"metropolis", "ddls"}
        assert all("batch" in each["cause"] for each in row["faults"])
        assert numbers(row, "truncation", 1.0)


def test_a_method_that_breaks_is_a_fault_of_its_trial(here, folder, monkeypatch):
    calls = []

    def broken(*args, original=job.ddls):
        calls.append(args)
        z, *rest = original(*args)
        return z * (torch.nan if len(calls) == 1 else 1), *rest

    monkeypatch.setattr(job, "ddls", broken)
    with settings(folder, methods=["ddls"], steps=6):
        first, second = refined(here, "ns_gan", "broken")[0]["rows"]
    assert first["faults"] == [{"method": "ddls", "cause": "ValueError: 100 of 100 samples are not finite"}]
    assert numbers(first, "ddls") == {} and numbers(first, "raw") and second["faults"] == []


def test_a_trial_that_did_not_end_well_is_left_out(here, folder):
    group = next(g for g in groups(read_study("tiny")) if g.model == "ns_gan")
    file = here.trial(group.trials[0].id) / "train.json"
    record = read_json(file)
    write_json(file, record | {"status": "diverged"})
    try:
        with settings(folder, methods=["ddls"], steps=6):
            first, second = refined(here, "ns_gan", "diverged")[0]["rows"]
    finally:
        write_json(file, record)
    assert first["numbers"] == first["faults"] == [] and second["numbers"]


def test_what_is_refined_reaches_the_report(here):
    manifests, extra = [], []
    for group in groups(read_study("tiny")):
        manifests.append(here.results / "scores" / f"{group.name}.json")
        unscored = {"status": "failed", "cause": "not scored", "scores": [], "costs": {}}
        write_json(manifests[-1], {"group": group.name, "rows": [{"trial": t.id, **unscored} for t in group.trials]})
        extra.append(refined(here, group.model)[1])
    collect("tiny", manifests, here, extra)
    results = read(here.study("tiny"), here.store)
    frame = results.refined
    assert set(frame["label"]) == set(NETS) and set(frame["seed"]) == {0, 1}
    assert set(frame.loc[frame["cause"].notna(), "method"]) == {"metropolis", "ddls"}
    assert all((here.results / each).is_file() for each in set(frame["pictures"]))
    collect("tiny", manifests, here)  # a study that refines nothing
    assert read(here.study("tiny"), here.store).refined.empty


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"methods": ["rejection"]}, ["refine.methods", "truncation", "ddls"]),
        ({"methods": []}, ["refine.methods"]),
        ({"methods": ["ddls"], "steps": 1}, ["refine.steps", "2"]),
        ({"methods": ["ddls"], "datasets": ["digits"]}, ["refine", "'digits'", "ring8"]),
        ({"methods": ["ddls"], "step": 10}, ["refine.step", "unknown key", "steps"]),
    ],
)
def test_bad_settings_are_one_line(here, folder, value, words):
    with settings(folder, **value), pytest.raises(UserError) as error:
        read_study("tiny")
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in ["tiny.yaml", *words])


class Tilt(torch.nn.Module):
    """score(x) = -3 |x - (1, -1/2)|^2 / 2."""

    def forward(self, x):
        return -1.5 * (x - torch.tensor([1.0, -0.5])).square().sum(-1)


def test_latent_langevin_keeps_the_distribution_of_a_generalised_ebm_that_is_right():
    """Base N(0, 4 I), tilted: normal with precision 3 + 1/4 around 3 m / 3.25, as the data are."""
    model = GEBM((2,), latent=2, width=4, depth=1, step=0.02)
    model.generator = torch.nn.Linear(2, 2, bias=False)
    model.generator.weight.data = 2 * torch.eye(2)
    model.critic = Tilt()
    model.requires_grad_(False)
    generator, std = torch.Generator().manual_seed(0), 3.25**-0.5
    mean, made = torch.tensor([3.0, -1.5]) / 3.25, []
    data = mean + std * torch.randn(3000, 2, generator=generator)
    trial = SimpleNamespace(
        model=model, generator=generator, settings=SimpleNamespace(steps=60), count=3000, sizes=lambda: [3000],
        values=lambda: (model.score(data), model.score(model.sample(3000, generator))), made=model.generate,
        note=lambda method, x, *rest: made.append(x), add=lambda *rest: None,
    )  # fmt: skip
    job._Refined.ddls(trial)
    torch.testing.assert_close(made[0].mean(0), mean, rtol=0, atol=0.06)
    torch.testing.assert_close(made[0].std(0), torch.full((2,), std), rtol=0.06, atol=0)


@pytest.mark.parametrize(("normal", "halfway"), [(True, 1.5), (False, 0.5)])
def test_interpolation_stays_between_the_norms_of_normal_latents_and_is_straight_elsewhere(normal, halfway):
    """Between (2, 0) and almost (-1, 0)."""
    ends = torch.tensor([[2.0, 0.0], [-1.0, 0.01]]).repeat_interleave(job.PAIRS, 0)
    model = SimpleNamespace(normal_prior=normal, draw_prior=lambda n, generator: ends, generate=lambda z: z, shape=(2,))
    trial = SimpleNamespace(
        model=model, generator=None, data=SimpleNamespace(kind="points"), device=CPU, pictures={},
        space=SimpleNamespace(decode=lambda y: y),
    )  # fmt: skip
    job._Refined.interpolation(trial)
    norms = np.linalg.norm(trial.pictures["interpolation"], axis=-1)
    assert norms.max() <= 2 + 1e-3 and norms[len(norms) // 2] == pytest.approx(halfway, abs=0.01)


def test_only_generators_of_normal_noise_on_named_datasets_are_refined():
    study = read_study("default", CONFIG)
    assert not study.refines("ring8", "gan") or study.refine
    value = {"methods": ["ddls"], "datasets": ["digits"]}
    chosen = type(study).model_validate(study.model_dump() | {"refine": value})
    assert chosen.refines("digits", "gan") and chosen.refines("digits", "vae")
    assert not chosen.refines("digits", "flow") and not chosen.refines("ring8", "gan")


def test_a_study_that_refines_nothing_is_refused_in_one_line(here, folder, tmp_path):
    (folder / "config" / "studies" / "plain.yaml").write_text(
        yaml.safe_dump({key: value for key, value in STUDY.items() if key != "refine"} | {"name": "plain"})
    )
    group = groups(read_study("plain"))[0].name
    with pytest.raises(UserError, match="plain.yaml: refine: missing"):
        refine_group("plain", group, here, tmp_path / "out.json", CPU)
