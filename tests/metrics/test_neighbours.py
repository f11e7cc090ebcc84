"""Precision, recall, density and coverage against prdc, torch-fidelity, definitions and their values for real data."""

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from torch_fidelity.metric_prc import prc_features_to_metric

from genbench.metrics import neighbours as module
from genbench.metrics.cards import scores
from genbench.metrics.neighbours import Coverage
from genbench.metrics.references import Reference
from genbench.metrics.sets import Images


def gaussian(n, d, seed, mean=0.0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale + mean


def neighbours(x, y, seed=0):
    return scores(Images(x, reference=Reference("e", "test", y), seed=seed), ("precision", "recall", "density", "coverage"))


def values(*args, **kwargs):
    return {score.metric: score.value for score in neighbours(*args, **kwargs)}


CASES = {
    "same": (gaussian(700, 16, 1), gaussian(600, 16, 2)),
    "wide": (gaussian(600, 16, 1, 0.2, 1.3), gaussian(700, 16, 2)),
    "far from the origin": (gaussian(600, 64, 1, 20.1), gaussian(600, 64, 2, 20.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_t02_equal_to_prdc_and_torchfidelity(case):
    a, b = (x.double() for x in CASES[case])
    ours = values(a, b)
    third, fifth = (compute_prdc(b.numpy(), a.numpy(), nearest_k=k) for k in (3, 5))
    other = prc_features_to_metric(a, b, prc_neighborhood=3, prc_batch_size=10000, save_cpu_ram=True, verbose=False)
    for key in ("precision", "recall"):
        assert ours[key] == pytest.approx(third[key], abs=1e-12) == pytest.approx(other[key], abs=1e-6)
        assert 0.01 < ours[key] < 1
    for key in ("density", "coverage"):
        assert ours[key] == pytest.approx(fifth[key], abs=1e-12)
    assert Coverage(b)(a) == ours["coverage"]


def test_t02_blocks_do_not_matter(monkeypatch):
    a, b = CASES["wide"]
    whole = [(s.value, s.se or 0) for s in neighbours(a, b)]
    monkeypatch.setattr(module, "BLOCK", 97)
    assert np.allclose([(s.value, s.se or 0) for s in neighbours(a, b)], whole, rtol=1e-12)


def test_t02_equal_sets_of_duplicates_tie():
    rows = gaussian(12, 8, 1, 3.0).repeat(10, 1)
    assert values(rows, rows.flip(0)) == {"precision": 1, "recall": 1, "density": 2, "coverage": 1}  # balls of radius 0
    constant = torch.full((50, 4), 0.1)
    assert values(constant, constant) == {"precision": 1, "recall": 1, "density": 10, "coverage": 1}
    assert compute_prdc(constant.numpy(), constant.numpy(), nearest_k=5)["precision"] == 0  # open balls hold nothing


def test_one_outlier_does_not_blur_the_others():
    a, b = CASES["same"]
    far = torch.cat([a, torch.full((1, 16), 1e6)])
    assert values(far, b)["recall"] == pytest.approx(values(a, b)["recall"], abs=0.02)
    assert values(far, b)["coverage"] == values(a, b)["coverage"]


def test_t05_collapsed_generator_has_precision_but_no_recall():
    real = gaussian(1000, 16, 1)
    collapsed = gaussian(1000, 16, 2, scale=1e-3) + real.mean(0)
    ours, mirror = values(collapsed, real), values(real, collapsed)
    assert ours["precision"] > 0.99 and ours["recall"] < 0.01 and ours["coverage"] < 0.1 and ours["density"] > 1
    assert mirror["precision"] == ours["recall"] and mirror["recall"] == ours["precision"]


@pytest.mark.parametrize("d", [2, 12])
def test_equal_distributions_have_density_one_and_known_coverage(d):
    found = [values(gaussian(300, d, i), gaussian(300, d, 50 + i)) for i in range(25)]
    for key in ("density", "coverage"):
        drawn = np.array([each[key] for each in found])
        k, n = np.arange(1, 6), 300
        expected = 1.0 if key == "density" else 1 - np.prod((n - k) / (2 * n - k))
        assert abs(drawn.mean() - expected) < 3 * drawn.std(ddof=1) / len(found) ** 0.5


def test_coverage_of_few_generated_examples():
    found = [values(gaussian(100, 3, i), gaussian(1000, 3, 50 + i))["coverage"] for i in range(20)]
    assert np.mean(found) == pytest.approx(1 - (10 / 11) ** 5, abs=0.02)


def test_recall_has_no_standard_error():
    assert [score.metric for score in neighbours(*CASES["wide"]) if score.se is None] == ["recall"]


def test_large_sets_are_subsampled_and_say_so(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 60)
    one, two = (neighbours(gaussian(100, 4, 1), gaussian(80, 4, 2), seed) for seed in (1, 2))
    assert all(s.n == 60 and s.settings["n_reference"] == 60 and s.settings["reference"] == "test" for s in one)
    assert [s.settings["neighbours"] for s in one] == [3, 3, 5, 5]
    assert [s.value for s in one] != [s.value for s in two]


def test_ten_examples_are_enough():
    assert all(np.isfinite([s.value, s.se or 0]).all() for s in neighbours(gaussian(10, 3, 1), gaussian(10, 3, 2)))
