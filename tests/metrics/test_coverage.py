"""Class coverage; T17's null expectation holds for the class histogram too: real against real is at the floor."""

import math

import pytest
import torch

from genbench.metrics.coverage import coverage


def logits(labels, classes):
    return torch.nn.functional.one_hot(labels, classes).float() * 9


def test_t16_collapsed_classes():
    covered, kl = coverage(logits(torch.full((500,), 3), 10), torch.full((10,), 100))
    assert covered.value == 1 and kl.value == pytest.approx(math.log(10))


def test_t17_real_against_real_is_at_the_floor():
    generator = torch.Generator().manual_seed(0)
    counts = torch.tensor([50, 100, 150, 200, 250])
    labels = torch.multinomial(counts.double(), 2000, replacement=True, generator=generator)
    covered, kl = coverage(logits(labels, 5), counts)
    assert covered.value == 5
    assert kl.settings["floor"] == pytest.approx(2 / 2000 + 2 / 750) and 0 <= kl.value < 5 * kl.settings["floor"]


def test_a_class_needs_a_tenth_of_an_equal_share():
    labels = torch.cat([torch.zeros(981), torch.full((9,), 1), torch.full((10,), 2)]).long()
    covered, _ = coverage(logits(labels, 10), torch.ones(10))
    assert covered.settings["threshold"] == 10 and covered.value == 2
    covered.as_dict()


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="class 1"):
        coverage(torch.zeros(5, 2), torch.tensor([3, 0]))
    with pytest.raises(ValueError, match="5 of 5"):
        coverage(torch.full((5, 2), float("nan")), torch.ones(2))
    with pytest.raises(ValueError, match="reference counts"):
        coverage(torch.zeros(5, 2), torch.ones(3))
