"""What samples are compared with: draws for the floors, and encoders that changed under a reference."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genbench.config.errors import UserError
from genbench.data.points import ring8
from genbench.jobs import floors, reference
from genbench.metrics.cards import scores
from genbench.metrics.references import Reference, Training
from genbench.metrics.sets import Images
from genbench.results.paths import Paths


def dataset(composed=False, train=50, validation=10, test=21):
    splits = {"train": torch.zeros(train), "validation": torch.zeros(validation), "test": torch.zeros(test)}
    return SimpleNamespace(splits=splits, composed=composed, name="any", kind="images")


def test_floors_are_drawn_from_disjoint_sets():
    data = dataset()
    seen = []
    for seed in range(3):
        a, b, train, scored, held = (part.tolist() for part in floors._redraw(data, 81, 40, seed))
        assert (len(a), len(b), len(train), len(scored), len(held)) == (40, 21, 50, 15, 15)
        assert not set(a) & set(b)
        assert len({*train, *scored, *held}) == 80 and max(train + scored + held) < 81
        seen.append(a)
    assert seen[0] != seen[1] != seen[2]


@pytest.mark.parametrize(("composed", "count"), [(False, 1000), (False, 60), (True, 1000)])
def test_values_that_look_at_the_training_split_stand_at_the_n_of_their_floor(composed, count):
    """More samples than real data can be scored: only as many are looked at, and the name says so."""
    generator = torch.Generator().manual_seed(0)
    sizes = {"train": 400, "validation": 80, "test": 181}
    splits = {split: torch.rand(n, 1, 3, 3, generator=generator) for split, n in sizes.items()}
    data = SimpleNamespace(splits=splits, composed=composed)
    _, _, _, scored, held = floors._redraw(data, 661, count, 0)
    train, test = splits["train"], splits["test"]
    training = Training.fit("e", train, train.flatten(1), test.flatten(1), reference.scorable(data))
    made = torch.rand(count, 1, 3, 3, generator=generator)
    found = scores(Images(made.flatten(1), samples=made, training=training), reference.asked(None, needs="training"))
    assert {score.metric for score in found} == {"ndb", "ndb_js", "authpct", "ct", "nn_distance"}
    assert {score.n for score in found} == {len(scored)} == {min(count, 90 if composed else 130)}
    assert len(held) >= len(scored) and not {*scored.tolist()} & {*held.tolist()}


def test_a_part_of_a_large_dataset_is_enough_for_floors():
    """Where real images are drawn from fewer than there are, the training images give way."""
    a, b, train, scored, held = (part.tolist() for part in floors._redraw(dataset(train=500, test=60), 100, 20, 0))
    assert (len(a), len(b), len(train), len(scored), len(held)) == (20, 60, 60, 20, 20)
    assert len({*train, *scored, *held}) == 100


def test_stacks_are_compared_with_stacks_of_other_digits():
    data = dataset(composed=True)
    a, b, train, scored, held = (part.tolist() for part in floors._redraw(data, 81, 40, 0))
    test = set(range(60, 81))
    assert len(a) == 40 and not set(a) & test and set(b) == test
    assert set(train) == set(range(50)) and set(scored) | set(held) == test and not set(scored) & set(held)


def test_floors_of_a_metric_do_not_depend_on_the_others_named(tmp_path):
    ring, sizes = ring8(), {"train": 120, "validation": 40, "test": 60}
    splits = {split: torch.from_numpy(ring.sample(np.random.default_rng(n), n)) for split, n in sizes.items()}
    data = SimpleNamespace(splits=splits, composed=False, name="ring8", kind="points", density=ring8)
    study = SimpleNamespace(samples=50, point_samples=50, encoders=())
    every, *some = (
        floors.floor_rows(data, study, Paths(tmp_path), "cpu", keys) for keys in (None, ("mmd2", "nll"), ("modes",), ())
    )
    for keys, rows in zip(({"mmd2", "nll"}, {"modes"}, set()), some, strict=True):
        assert rows == [row for row in every if row["metric"] in keys]
    assert {(row["metric"], row["role"]) for row in some[0]} == {("mmd2", "real"), ("nll", "real"), ("mmd2", "training")}


def test_an_encoder_that_changed_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(reference, "named_encoder", lambda *args: SimpleNamespace(name="genbench-cnn-new"))
    stored = [Reference("genbench-cnn-old", "test", torch.zeros(3, 2))], None
    with pytest.raises(UserError, match="genbench-cnn-old.*genbench-cnn-new"):
        reference.image_scores(torch.zeros(3), dataset(), ("classifier",), stored, Paths(tmp_path), "cpu", 0, None, None, None)
