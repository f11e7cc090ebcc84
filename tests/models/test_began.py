"""BEGAN in training: the balance that k holds, its bounds, and the recipe for points."""

import functools

import pytest
import tiny
import torch
from kit import CONFIG

from genbench.config.read import dataset_spec, model_spec, recipe
from genbench.config.schema import Budget
from genbench.data import load, prepare, space
from genbench.metrics.cards import scores
from genbench.metrics.sets import Points
from genbench.models import MODELS
from genbench.training.trainer import Switches, Trainer

CASE = tiny.Case("began", "points", net={"code": 1})  # too narrow to copy everything


def errors(model):
    """E L(x) and E L(G(z)) of a tiny model on fresh examples."""
    generator = torch.Generator().manual_seed(7)
    x = model.flat(CASE.space.encode(CASE.raw(4000, seed=9)))
    with torch.no_grad():
        real, fake = model.error(x), model.error(model.flat(model.sample(4000, generator)))
    return float(real.mean()), float(fake.mean())


def test_k_holds_the_balance():
    """Fakes are copied gamma times as badly as data; without k far better: the generator makes what is copied."""
    gammas = [0.6, 0.8, 1.0]
    hps = [{"gamma": g, "rate_k": 0.3, "lr": 2e-3} for g in gammas] + [{"gamma": 1.0, "rate_k": 0.0, "lr": 2e-3}]
    trainer = tiny.trainer(CASE, [0] * 4, hps, 600, lifted=True)
    trainer.run()
    last = [trainer.replicas.extract(k) for k in range(4)]  # the weights that k answers to, not their average
    ratios = [fake / real for real, fake in map(errors, last)]
    assert ratios[:3] == pytest.approx(gammas, abs=0.25)
    assert ratios[3] < 0.3 and float(last[3].k) == 0
    assert all(0 <= float(model.k) <= 1 for model in last)


@pytest.mark.slow
def test_recipe_finds_the_modes_of_the_ring(tmp_path):
    spec = dataset_spec("ring8", CONFIG)
    prepare(spec, tmp_path)
    data, parts = load(tmp_path), recipe(model_spec("began", CONFIG), spec)
    seen = space(data, "standard")
    trainer = Trainer(
        functools.partial(MODELS["began"], spec.shape, spec.levels, **parts.net), [0, 1, 2], [parts.hp] * 3,
        data.splits["train"], data.splits["validation"], seen, 256, Budget(unit="updates", value=1000), Switches(**parts.train),
    )  # fmt: skip
    found = []
    for result in trainer.run():
        x = seen.decode(result.model.sample(2500, torch.Generator().manual_seed(3)))
        met, near = scores(Points(x, density=data.density()), ("modes", "high_quality"))
        found.append(met.value == 8 and near.value >= 0.8)
    assert sum(found) >= 2
