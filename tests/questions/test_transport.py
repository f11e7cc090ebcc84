"""Pairs whose distance is known, and exact transport between finite sets."""

import itertools
import math

import numpy as np
import pytest
import torch

from genbench.questions import transport
from genbench.questions.wasserstein_estimates.funnels import Funnels, Shift


def draw(n, dim, seed=0):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("known", [Funnels(2), Funnels(16, count=7, keep=0.2), Funnels(64), Shift(3), Shift(64, 0.5)])
def test_the_map_costs_what_the_critic_says(known):
    """Primal cost = dual value at every single point, with a 1-Lipschitz potential: both are optimal."""
    x = known.sample(2000, torch.Generator().manual_seed(3))
    y = known.transport(x)
    cost = (x - y).norm(dim=1)
    assert torch.allclose(cost, known.potential(x) - known.potential(y), atol=1e-10)
    a, b = torch.cat([x, y, 3 * draw(2000, known.dim)]).split(3000)
    assert float(((known.potential(a) - known.potential(b)).abs() / (a - b).norm(dim=1)).max()) <= 1 + 1e-12
    assert float(cost.mean()) == pytest.approx(known.distance(), abs=4 * float(cost.std()) / 2000**0.5 + 1e-9)


@pytest.mark.parametrize("known", [Funnels(2), Funnels(16), Shift(5)])
def test_gradients_are_autograds_and_point_along_the_map(known):
    x = known.sample(200, torch.Generator().manual_seed(4)).requires_grad_()
    (gradient,) = torch.autograd.grad(known.potential(x).sum(), x)
    x = x.detach()
    assert torch.allclose(gradient, known.gradient(x), atol=1e-9)
    y = known.transport(x)
    assert torch.allclose((x - y) / (x - y).norm(dim=1, keepdim=True), known.gradient(x), atol=1e-9)
    assert torch.allclose(known.gradient(y), known.gradient(x), atol=1e-9)


def test_every_funnel_is_met():
    known = Funnels(16)
    x = known.sample(5000, torch.Generator().manual_seed(0))
    at = (known.transport(x) - known.keep * x) / (1 - known.keep)  # the apex of each
    shares = [float(((at - apex).norm(dim=1) < 1e-9).double().mean()) for apex in known.apexes]
    assert sum(shares) == pytest.approx(1) and min(shares) > 0.05


def test_finite_sets_of_a_known_law_approach_its_distance():
    known, found = Funnels(2), []
    for n in (50, 1600):
        x, start = (known.sample(n, torch.Generator().manual_seed(seed)) for seed in (1, 2))
        found.append(abs(transport.distance(x, known.transport(start)) - known.distance()))
    assert found[1] < 0.05 < found[0]  # independent samples: too large for small n


def test_no_funnel_keeps_all():
    with pytest.raises(ValueError, match="keep"):
        Funnels(2, keep=1.0)


def test_distances_are_those_of_the_best_assignment():
    x, y = draw(6, 3, 1), draw(6, 3, 2)
    cost = transport.costs(x, y)
    best = min(itertools.permutations(range(6)), key=lambda p: float(cost[range(6), list(p)].sum()))
    assert transport.distance(x, y) == pytest.approx(float(cost[range(6), list(best)].mean()), abs=1e-12)
    assert torch.allclose(transport.ways(x, y)[list(best)], x - y[list(best)], atol=1e-12)


def test_weights_stand_for_repeated_points():
    x, y = draw(8, 2, 1), draw(2, 2, 2)
    repeated = torch.cat([y[:1]] * 6 + [y[1:]] * 2)
    assert transport.distance(x, y, of_y=torch.tensor([6, 2])) == pytest.approx(transport.distance(x, repeated), abs=1e-12)
    assert transport.distance(y, x, of_x=torch.tensor([6, 2])) == pytest.approx(transport.distance(repeated, x), abs=1e-12)


def test_debiased_batches_are_free_of_bias_and_raw_ones_are_not():
    x, y = draw(4000, 8, 1), draw(4000, 8, 2)
    found = transport.batches(x, y, 32, 60)
    assert abs(found.debiased) < 4 * found.debiased_se and found.raw > 2 and math.isnan(found.cosine)
    moved = transport.batches(x, y + 5, 32, 10, directions=(x[:1] * 0 - 1).expand(4000, 8))
    assert moved.cosine > 0.95  # fakes that lie 5 to the right in every direction are moved left


def test_batches_of_a_set_are_disjoint():
    a, b = transport.drawn(10, 8, np.random.default_rng(0))
    assert len(a) == len(b) == 5 and not set(a.tolist()) & set(b.tolist())
