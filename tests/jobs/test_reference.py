"""What samples are compared with: draws for the floors, and encoders that changed under a reference."""

from types import SimpleNamespace

import pytest
import torch

from genbench.config.errors import UserError
from genbench.jobs import reference as job
from genbench.metrics.images import Reference
from genbench.results.paths import Paths


def dataset(source, train=50, validation=10, test=21):
    splits = {"train": torch.zeros(train), "validation": torch.zeros(validation), "test": torch.zeros(test)}
    return SimpleNamespace(splits=splits, meta={"source": source}, name="any", kind="images")


def test_floors_are_drawn_from_disjoint_sets():
    data = dataset("digits")
    seen = []
    for seed in range(3):
        a, b, train, scored, held = (part.tolist() for part in job._redraw(data, 81, 40, seed))
        assert (len(a), len(b), len(train), len(scored), len(held)) == (40, 21, 50, 15, 15)
        assert not set(a) & set(b)
        assert len({*train, *scored, *held}) == 80 and max(train + scored + held) < 81
        seen.append(a)
    assert seen[0] != seen[1] != seen[2]


def test_stacks_are_compared_with_stacks_of_other_digits():
    data = dataset("stacked")
    a, b, train, scored, held = (part.tolist() for part in job._redraw(data, 81, 40, 0))
    test = set(range(60, 81))
    assert len(a) == 40 and not set(a) & test and set(b) == test
    assert set(train) == set(range(50)) and set(scored) | set(held) == test and not set(scored) & set(held)


def test_an_encoder_that_changed_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(job, "named_encoder", lambda *args: SimpleNamespace(name="genbench-cnn-new"))
    stored = [Reference("genbench-cnn-old", "test", torch.zeros(3, 2))], None
    with pytest.raises(UserError, match="made by genbench-cnn-old, but classifier is now genbench-cnn-new"):
        job._image_scores(torch.zeros(3), dataset("digits"), ("classifier",), stored, Paths(tmp_path), "cpu", 0)
