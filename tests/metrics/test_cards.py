"""Metrics are found by file, without what computes them."""

import subprocess
import sys

import pytest

from genbench.metrics import cards
from genbench.metrics.cards import METRICS, SYMBOLS, scorer, scores

FILE = """
import torch
from genbench.metrics.card import Card, metric

CLAIM = "{}."
SAID = "0 " + CLAIM


@metric(
    Card("spread", "Spread", "", "none", "both", "Modes", CLAIM, "0 to 1.", SAID, f"{{SAID}}", {traps}, "own", standard=False)
)
def spread(data):
    return None


@metric(Card("a", "A", "", "none", "both", "Modes", CLAIM, "", "", "", "", "own", place=1))
@metric(Card("b", "B", "", "none", "both", "Modes", CLAIM, "", "", "", "", "own", place=2))
def both(data):
    return None
"""


def test_cards_are_read_without_what_scores_need():
    code = "import sys; from genbench.metrics import METRICS; assert METRICS; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"torch", "torchvision", "sklearn", "ot", "scipy", "matplotlib"}


@pytest.mark.parametrize("key", METRICS)
def test_every_metric_has_a_function(key):
    function = scorer(key)
    assert (function.__module__, function.__qualname__) == SYMBOLS[key]
    assert function.__doc__ and METRICS[key].key == key


def test_a_metric_is_found_by_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "PACKAGE", tmp_path)
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "spread.py").write_text(FILE.format("It is", traps="CLAIM"))
    found = cards._found(folder)
    assert list(found) == ["a", "b", "spread"] and not found["spread"][0].standard
    assert found["spread"][0].uncertainty == "0 It is." and found["a"][1] == found["b"][1] == ("genbench.metrics.spread", "both")
    (folder / "again.py").write_text(FILE.format("It is", traps="CLAIM"))
    with pytest.raises(ValueError, match="spread"):
        cards._found(folder)


def test_a_card_of_more_than_constants_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "PACKAGE", tmp_path)
    (tmp_path / "spread.py").write_text(FILE.format("It is", traps="torch.pi"))
    with pytest.raises(ValueError, match="spread.*torch"):
        cards._found(tmp_path)


def test_shared_work_is_done_once_and_only_named_metrics_come():
    import torch

    from genbench.metrics.sets import Points

    called = []
    points = Points(torch.zeros(5, 2), torch.ones(5, 2))
    for _ in range(2):
        assert points.once(called.append) is None
    assert called == [points]
    assert [score.metric for score in scores(points, ("mmd2", "w1", "fid", "nll"))] == ["mmd2", "w1"]
