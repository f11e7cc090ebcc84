"""The Parzen window against scikit-learn's, and the fact that it is shown for."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KernelDensity

from genbench.likelihood.parzen import fit_bandwidth, parzen_figure, parzen_log_prob, parzen_table


@pytest.fixture(scope="module")
def digits():
    images = load_digits().images / 16
    images = torch.from_numpy(images[np.random.default_rng(0).permutation(len(images))]).float().unsqueeze(1)
    return images[:1000], images[1000:1400], images[1400:]


@pytest.mark.parametrize("sigma", [0.05, 0.3])
def test_log_density_is_scikit_learns(digits, sigma):
    train, _, test = digits
    # one leaf: the tree's bounds, subtracted as logarithms, put narrow kernels in 64 dimensions hundreds of nats off
    estimator = KernelDensity(bandwidth=sigma, leaf_size=len(train)).fit(train.flatten(1).double())
    expected = estimator.score_samples(test.flatten(1).double())
    found = parzen_log_prob(test, train, sigma)
    assert found.dtype == torch.float64 and np.allclose(found.numpy(), expected, rtol=1e-9)


def test_density_of_one_centre_and_blocks():
    x = torch.randn(2500, 3, generator=torch.Generator().manual_seed(0))
    normal = torch.distributions.Normal(0.5, 2.0)
    found = parzen_log_prob(x, torch.full((1, 3), 0.5), 2.0)
    assert torch.allclose(found, normal.log_prob(x).sum(-1).double(), atol=1e-5)


def test_bandwidth_is_the_best_of_a_grid(digits):
    train, validation, _ = digits
    sigma = fit_bandwidth(validation, train[:300])
    grid = [0.02 * 1.05**i for i in range(70)]
    assert sigma == pytest.approx(max(grid, key=lambda s: float(parzen_log_prob(validation, train[:300], s).mean())), rel=0.04)


def test_averages_beat_the_data_themselves(digits):
    table = parzen_table(*digits, sizes=(50, 200, 5000)).pivot(index="count", columns="samples")
    assert list(table.index) == [50, 200]
    value, se = table["log_density"], table["se"]
    assert ((value["k-means centres"] - value["training examples"]) > 3 * se.max(axis=1)).all()
    assert float(value["k-means centres"][50]) > float(value["training examples"][200])  # a quarter of the samples suffices


def test_figure_and_table_are_written(digits, tmp_path):
    train, validation, test = digits
    table = parzen_figure(train[:100], validation, test, tmp_path / "parzen.png", sizes=(30, 100))
    assert (tmp_path / "parzen.png").read_bytes().startswith(b"\x89PNG")
    assert pd.read_csv(tmp_path / "parzen.csv").shape == table.shape == (3, 5)
    points = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    parzen_figure(points[:100], points[100:150], points[150:], tmp_path / "points.svg", sizes=(30,))
    assert (tmp_path / "points.svg").stat().st_size > 1000
