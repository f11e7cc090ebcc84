"""How many trials to train together: the choice and its cache, with steps that take the time they are told to."""

import json
from types import SimpleNamespace

import pytest
import torch

from genbench.training import together
from genbench.training.together import fastest


@pytest.fixture
def timed(monkeypatch):
    """Makes trainers whose step takes the given seconds per trial by a clock of their own, and records their sizes."""
    now, made = [0.0], []
    monkeypatch.setattr(together.time, "process_time", lambda: now[0])

    def factory(seconds):
        def make(size):
            made.append(size)

            def step():
                now[0] += size * seconds[size]

            return SimpleNamespace(step=step, replicas=SimpleNamespace(device=torch.device("cpu")))

        return make

    return factory, made


@pytest.mark.parametrize(
    ("seconds", "expected", "tried"),
    [
        ({1: 4.0, 4: 2.0, 16: 1.0, 64: 0.5}, 64, [1, 4, 16, 64]),
        ({1: 4.0, 4: 2.0, 16: 1.9, 64: 2.2}, 4, [1, 4, 16, 64]),  # 16 is not a tenth faster
        ({1: 1.0, 4: 1.5, 16: 0.1, 64: 0.1}, 1, [1, 4]),  # far slower together: nothing larger is tried
    ],
)
def test_the_smallest_size_near_the_fastest_is_taken(timed, seconds, expected, tried):
    factory, made = timed
    assert fastest(factory(seconds), "net") == expected
    assert made == tried


def test_an_answer_is_remembered_by_key(timed, tmp_path):
    factory, made = timed
    cache = tmp_path / "new" / "together.json"
    make = factory({1: 4.0, 4: 1.0, 16: 1.0, 64: 1.0})
    assert [fastest(make, "a", cache) for _ in range(2)] == [4, 4]
    assert made == [1, 4, 16, 64]
    assert fastest(make, "b", cache) == 4 and len(made) == 8
    assert len(json.loads(cache.read_text())) == 2
    assert fastest(make, "a", cache, sizes=(1, 16)) == 16  # an answer that is not allowed is not taken
