"""What a study will cost: against trainings that ran, against files that were written, and sums by hand."""

import dataclasses
import functools
import json
import math
import time
from pathlib import Path

import pytest
import torch

from genbench.checks.clock import Clock, recorded, time_trial
from genbench.checks.cost import Cost, bytes_of
from genbench.checks.trials import arguments, built
from genbench.cli import main
from genbench.config.budget import Budget
from genbench.config.expand import expand, groups
from genbench.config.read import dataset_spec
from genbench.config.schema import Study
from genbench.jobs.check import cost, shown
from genbench.models import MODELS
from genbench.questions import folders as question_folders
from genbench.results.files import write_json
from genbench.results.paths import Paths
from genbench.training.checkpoint import save_tensors
from genbench.training.trainer import Switches, Trainer

CONFIG = Path(__file__).parents[2] / "config"
ROOT = CONFIG.parent
ONE = {"network": "mlp", "width": 16, "depth": 1}


def study(models=("ns_gan", "vae"), **parts):
    cell = {"datasets": ["ring8"], "models": models, "budget": {"value": 300}, "batch": 32} | parts.pop("cell", {})
    return Study.model_validate({"name": "s", "title": "S", "seeds": 3, "cells": [cell], **parts})


def trials(*args, **parts):
    return expand(study(*args, **parts), CONFIG)


def stored(root, trial, seconds, **about):
    """A trial that ran."""
    write_json(root / "store" / trial.id / "trial.json", trial.as_dict())
    record = {"status": "ok", "device": "cpu", "costs": {"seconds": seconds}} | about
    write_json(root / "store" / trial.id / "train.json", record)


@pytest.mark.parametrize("model", ["vae", "ns_gan"])
def test_timed_updates_tell_the_time_of_a_whole_training(model):
    """In seconds of the processor, on a machine that others use as well: so within a factor of 2."""
    own = trials([model])
    data = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
    from genbench.data.space import Standard

    def trained():
        spec = dataset_spec("ring8", CONFIG)
        make = functools.partial(MODELS[model], spec.shape, spec.levels, **arguments(own[0], CONFIG))
        start = time.process_time()
        trainer = Trainer(
            make, [t.seed for t in own], [t.hp for t in own], data, data, Standard((2,), None, (0.0, 0.0), 1.0), 32,
            Budget(**own[0].budget), Switches(**own[0].train),
        )  # fmt: skip
        assert all(result.status == "ok" for result in trainer.run())
        return (time.process_time() - start) / len(own)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ratio = time_trial(own, root=CONFIG, least=0.2).training / trained()
    finally:
        torch.set_num_threads(threads)
    assert 0.5 < ratio < 2


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_model_can_be_timed_and_more_updates_take_longer(model, monkeypatch):
    monkeypatch.setattr("genbench.checks.clock.SAMPLED", 2)
    dataset = "ring8" if "points" in MODELS[model].space else "digits"
    first = trials([model], cell={"batch": 4, "datasets": [dataset]})[:1]
    short, long = ([dataclasses.replace(first[0], budget={"unit": "updates", "value": value})] for value in (1, 4000))
    one, more = (time_trial(each, root=CONFIG, least=0) for each in (short, long))
    assert 0 < one.training < more.training and one.sampling > 0


def test_images_with_labels_and_budgets_in_other_units_can_be_timed():
    cell = {"datasets": ["digits"], "batch": 8, "budget": {"unit": "samples", "value": 800}}
    (own, *_) = trials(["vae"], cell={**cell, "recipes": {"vae": {"net": {**ONE, "conditional": True}}}})
    assert 0 < time_trial([own], root=CONFIG, least=0).training < 60


def test_stored_trials_of_the_same_network_say_how_long_it_takes(tmp_path):
    (one, two, three), (other, *_) = trials(["ns_gan"]), trials(["vae"])
    stored(tmp_path, one, 4.0)
    stored(tmp_path, two, 6.0)
    assert list(recorded(tmp_path / "store", [three, other]).values()) == [5.0]
    clock = Clock(recorded(tmp_path / "store", [three, other]), CONFIG)
    clock.time([three], 0.0)
    assert clock.speed(three).training == 5.0 and not clock.timed


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({}, {"status": "diverged"}),
        ({}, {"device": "NVIDIA H100"}),
        ({"batch": 64}, {}),
        ({"net": {"latent": 2, "width": 999}}, {}),
        ({"budget": {"unit": "updates", "value": 7}}, {}),
    ],
)
def test_other_trials_do_not(tmp_path, change, about):
    (one, two, _) = trials(["ns_gan"])
    stored(tmp_path, dataclasses.replace(one, **change), 4.0, **about)
    assert recorded(tmp_path / "store", [two]) == {}
    assert len(recorded(tmp_path / "store", [dataclasses.replace(two, **change)])) == (0 if about else 1)


def test_trials_of_a_gpu_speak_for_gpus(tmp_path):
    (one, two, _) = trials(["ns_gan"])
    stored(tmp_path, one, 4.0, device="NVIDIA H100")
    assert list(recorded(tmp_path / "store", [two], "cuda").values()) == [4.0]


def test_networks_that_no_time_is_left_for_are_scaled_from_those_of_their_model():
    (one, *_) = trials(["ns_gan"])
    longer = dataclasses.replace(one, budget={"unit": "updates", "value": 900})
    steps = dataclasses.replace(one, net={**one.net, "critic_steps": 5})
    clock = Clock({}, CONFIG)
    clock.time([one, one, one, one], 0.0)
    assert len(clock.timed) == 1 and not clock.scaled
    assert clock.speed(longer).training == pytest.approx(3 * clock.speed(one).training)
    assert clock.speed(steps).training == pytest.approx(3 * clock.speed(one).training)  # 5 + 1 updates of players, not 1 + 1
    assert clock.speed(longer).sampling == clock.speed(steps).sampling == clock.speed(one).sampling
    assert len(clock.scaled) == 2


def test_updates_that_a_budget_of_samples_buys_are_scaled():
    """Five critic updates show five batches, so a sixth of the work per sample is the generator's: 6/5 against 2/1."""
    cell = {"budget": {"unit": "samples", "value": 32_000}}
    (one, *_) = trials(["ns_gan"], cell=cell)
    steps = dataclasses.replace(one, net={**one.net, "critic_steps": 5})
    longer = dataclasses.replace(one, budget={"unit": "samples", "value": 96_000})
    clock = Clock({}, CONFIG)
    clock.time([one], 0.0)
    assert clock.speed(steps).training == pytest.approx(0.6 * clock.speed(one).training)
    assert clock.speed(longer).training == pytest.approx(3 * clock.speed(one).training)


@pytest.mark.parametrize("unit", ["flops", "evaluations"])
def test_budgets_of_other_units_are_scaled_by_their_value(unit):
    (one, *_) = trials(["ns_gan"], cell={"budget": {"unit": unit, "value": 1e8 if unit == "flops" else 3e4}})
    longer = dataclasses.replace(one, budget={"unit": unit, "value": 3 * one.budget["value"]})
    clock = Clock({}, CONFIG)
    clock.time([one], 0.0)
    assert clock.speed(longer).training == pytest.approx(3 * clock.speed(one).training)


def test_the_time_for_timing_is_kept_to():
    """But one network is always timed, and each pair of model and dataset comes before a second network of any."""
    own = trials(["ns_gan", "vae"])
    wide = [dataclasses.replace(t, net={**t.net, "width": 200}) for t in own]
    clock = Clock({}, CONFIG)
    clock.time([*wide, *own], 0.0)
    assert len(clock.timed) == 1
    clock = Clock({}, CONFIG)
    clock.time([*wide, *own], 100.0)
    names = [json.loads(name)[0] for name in clock.timed]
    assert len(names) == 4 and set(names[:2]) == {"ns_gan", "vae"}


@pytest.mark.parametrize("model", ["ns_gan", "sngan", "gmm", "vae"])
def test_weights_have_as_many_bytes_as_estimated(tmp_path, model):
    (one, *_) = trials([model])
    spec = dataset_spec("ring8", CONFIG)
    save_tensors(tmp_path / "w", MODELS[model](spec.shape, spec.levels, **arguments(one, CONFIG)).state_dict())
    alone, kept = bytes_of(one, 0, CONFIG), bytes_of(dataclasses.replace(one, train={"checkpoints": 3}), 0, CONFIG)
    assert (tmp_path / "w").stat().st_size == pytest.approx((kept - alone) / 2, abs=4000)  # a header of names
    assert bytes_of(one, 1000, CONFIG) - alone == 1000 * 2 * 4
    searched = dataclasses.replace(one, train={"checkpoints": 3}, phase="search")
    assert bytes_of(searched, 0, CONFIG) == alone  # of the chosen checkpoint


def test_parts_add_up_and_what_is_done_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    made = study(["ns_gan"], cell={"tune": {"configurations": 4, "checkpoints": 2}}, questions={"generator_gradients": {}})
    searched = expand(made)
    for trial in searched[:3]:
        stored(tmp_path, trial, 10.0)
    for name in searched[3:]:  # of the same networks, so that nothing is timed
        stored(tmp_path, dataclasses.replace(name, id="x" + name.id, seed=7), 20.0)
    costs, remarks = cost(made, groups(made), Paths(tmp_path), "cpu")
    parts = {each.what: each for each in costs}
    assert (parts["search"].trials, parts["search"].left) == (4, 1)
    known = recorded(tmp_path / "store", searched)
    clock = Clock(known)
    assert parts["search"].hours == pytest.approx(clock.speed(searched[3]).training / 3600)
    mean = sum(clock.speed(trial).training for trial in searched) / 4  # any configuration may be chosen
    assert parts["confirm"].left == 3 and parts["confirm"].hours == pytest.approx(3 * mean / 3600)
    assert parts["search"].bytes == bytes_of(searched[3], 0)
    assert parts["questions"].left == 1 and parts["questions"].hours == 0
    assert any("generator_gradients" in line for line in remarks) and remarks[0].startswith(f"{len(known)} networks from trials")
    write_json(tmp_path / "questions" / "generator_gradients-0" / "about.json", {"seconds": 36.0})
    costs, remarks = cost(made, groups(made), Paths(tmp_path), "cpu")
    assert {c.what: c.hours for c in costs}["questions"] == pytest.approx(0.01) and not any("never" in r for r in remarks)
    write_json(tmp_path / "questions" / question_folders(made)["generator_gradients"] / "about.json", {"seconds": 36.0})
    costs, _ = cost(made, groups(made), Paths(tmp_path), "cpu")
    assert {c.what: (c.left, c.hours) for c in costs}["questions"] == (0, 0)


def test_a_chosen_configuration_is_what_confirming_costs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    made = study(["ns_gan"], cell={"tune": {"configurations": 4}})
    paths = Paths(tmp_path)
    (confirm,) = [group for group in groups(made) if group.phase == "confirm"]
    write_json(paths.selected(confirm.name), {"configuration": 2})
    for trial in expand(made):
        stored(tmp_path, trial, 100.0 if trial.configuration == 2 else 1.0)
    parts = {each.what: each for each in cost(made, groups(made), paths, "cpu")[0]}
    found = Clock(recorded(paths.store, expand(made))).speed(expand(made)[2]).training
    assert parts["confirm"].hours == pytest.approx(3 * found / 3600) and parts["search"].left == 0


def test_the_table_has_a_total_and_the_time_of_several_jobs():
    costs = [Cost("search", 10, 4, 1.5, 2e9), Cost("confirm", 5, 5, 0.5, 1.2e7), Cost("scoring", 15, 9, 1.0, 0)]
    rows, wall = shown(costs, "cpu", 4)
    assert rows[-1] == {"what": "total", "all": "15", "to do": "9", "core-hours": "3.00", "disk": "2.01 GB"}
    assert [row["disk"] for row in rows[:3]] == ["2 GB", "12 MB", "-"] and wall == "about 0.75 h with 4 jobs at once"
    rows, wall = shown(costs, "cuda", 1)
    assert "GPU-hours" in rows[0] and wall == "about 3.00 h with one job at a time"
    assert all(math.isfinite(float(row["GPU-hours"])) for row in rows)


def test_check_prints_the_cost_unless_asked_not_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    made = study(["ns_gan"])
    monkeypatch.setattr("genbench.config.read.read_study", lambda *args, **named: made)
    ran = expand(made)
    for trial in ran:
        stored(tmp_path, trial, 3600.0)
    call = ["check", "s", "--results", str(tmp_path), "--device", "cpu"]
    assert main([*call, "--cores", "3"]) == 0
    out = capsys.readouterr().out
    assert "core-hours" in out and f"{len(ran)} trials trained already" in out and "with 3 jobs at once" in out
    assert out.splitlines()[-1].startswith("cost: ")
    assert main([*call, "--no-cost"]) == 0 and "core-hours" not in capsys.readouterr().out
    assert main([*call, "--cores", "0"]) == 2
    assert capsys.readouterr().err.splitlines() == ["genbench: --cores: must be at least 1, got 0"]


def test_updates_of_every_network_are_counted_in_parameters_that_a_trial_has():
    (one, *_) = trials(["vae"])
    model = MODELS["vae"]((2,), None, **arguments(one, CONFIG))
    assert built(one, CONFIG).parameters == sum(p.numel() for p in model.parameters())


def test_scoring_that_was_seen_is_what_more_of_it_costs(tmp_path, monkeypatch):
    """A judgement for each trial of a search, a judgement and an evaluation for each that confirms."""
    monkeypatch.chdir(ROOT)
    made = study(["ns_gan"], cell={"tune": {"configurations": 4, "checkpoints": 2}})
    for trial in expand(made):
        stored(tmp_path, trial, 1.0)
        write_json(tmp_path / "store" / trial.id / "selection-0.json", {"costs": {"evaluate_seconds": 30.0}})
        write_json(tmp_path / "store" / trial.id / "metrics.json", {"costs": {"evaluate_seconds": 60.0}})
    parts = {each.what: each for each in cost(made, groups(made), Paths(tmp_path), "cpu")[0]}
    assert (parts["scoring"].trials, parts["scoring"].left) == (7, 3)
    assert parts["scoring"].hours == pytest.approx(3 * (30 + 60) / 3600)
