"""Costs counted without numbers equal those of real steps; what is known of a built model needs no initial weights."""

import functools

import pytest
import tiny
from kit import CONFIG

from genbench.checks import updates
from genbench.checks.clock import trainer
from genbench.checks.shapes import undrawn
from genbench.checks.trials import arguments, built
from genbench.checks.updates import by_shapes, update_cost
from genbench.config.expand import Trial
from genbench.config.read import dataset_spec
from genbench.models import MODELS

NUMBERS = {"iaf", "nsf", "cnf-points-dopri5"}  # whose updates, or whose networks, depend on them
DATASETS = {"points": "ring8", "images": "digits"}
CASES = [case for case in tiny.CASES if case.variant in ("", "dcgan", "unet", "conv", "dopri5")]


def trial_of(model, dataset, net, batch=8):
    return Trial("", dataset, model, "", 0, batch, {"unit": "updates", "value": 1}, net, {}, {}, "", "")


@pytest.mark.parametrize("case", [case for case in CASES if case.cls.players], ids=str)
def test_shapes_alone_cost_what_a_real_step_does(case):
    trial = trial_of(case.model, DATASETS[case.kind], tiny.NETS.get(case.model, {}) | case.net)
    if {case.model, str(case)} & NUMBERS:
        with pytest.raises(RuntimeError):
            by_shapes(trial, CONFIG)
    else:
        assert by_shapes(trial, CONFIG) == trainer([trial], CONFIG).cost


@pytest.mark.parametrize("model", ["ns_gan", "vae"])
def test_class_labels_cost_the_same_without_numbers(model):
    trial = trial_of(model, "digits", tiny.NETS[model] | {"conditional": True})
    assert by_shapes(trial, CONFIG) == trainer([trial], CONFIG).cost


@pytest.mark.parametrize(("model", "dataset"), [("ns_gan", "mnist5k"), ("iaf", "ring8")])
def test_what_the_linter_counts_is_what_the_trainer_counts(model, dataset, monkeypatch):
    """Of a network counted without numbers, and of one that needs them after all."""
    monkeypatch.setattr(updates, "LARGE", 0)
    trial = trial_of(model, dataset, tiny.NETS[model], batch=5)
    assert update_cost(trial, CONFIG) == trainer([trial], CONFIG).cost


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_model_without_initial_weights_is_the_same_model(case):
    trial = trial_of(case.model, DATASETS[case.kind], tiny.NETS.get(case.model, {}) | case.net)
    spec, found = dataset_spec(trial.dataset, CONFIG), built(trial, CONFIG)
    make = functools.partial(MODELS[case.model], spec.shape, spec.levels, **arguments(trial, CONFIG))
    with undrawn():
        zeros = make()
    real = make()
    assert [(n, t.shape, t.dtype) for n, t in zeros.state_dict().items()] == [
        (n, t.shape, t.dtype) for n, t in real.state_dict().items()
    ]
    assert found.numbers == sum(t.numel() for t in real.state_dict().values()) and found.hp == tuple(real.hp)
    assert found.parameters == (sum(p.numel() for p in real.parameters()) if real.players else real.size())
