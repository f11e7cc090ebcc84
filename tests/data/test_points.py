"""Densities against quadrature, their samplers, and values known beforehand."""

import math

import numpy as np
import pytest
import torch

from genbench.data import POINTS


def draw(name, n=10_000, seed=0):
    return torch.from_numpy(POINTS[name]().sample(np.random.default_rng(seed), n))


@pytest.mark.parametrize("name", POINTS)
def test_density_integrates_to_one(name):
    density = POINTS[name]()
    mass, entropy = density.quadrature(density.step * 0.7)  # not the grid that the entropy came from
    assert mass == pytest.approx(1, abs=1e-4)
    assert entropy == pytest.approx(density.entropy, abs=1e-4)


@pytest.mark.parametrize("name", POINTS)
def test_sampler_agrees_with_density(name):
    density = POINTS[name]()
    surprise = -density.log_prob(draw(name))
    error = max(4 * surprise.std().item() / math.sqrt(len(surprise)), 1e-6)  # the checkerboard's has no variance
    assert surprise.mean().item() == pytest.approx(density.entropy, abs=error)


@pytest.mark.parametrize("name", POINTS)
def test_sampler_fills_cells_as_the_density_says(name):
    density = POINTS[name]()  # equal means of -log p would also pass for a sampler that misses a symmetric arm
    low, high = np.array(density.domain).T
    cells, fine = 4, 50
    centre = [torch.linspace(a, b, 2 * cells * fine + 1, dtype=torch.float64)[1::2] for a, b in density.domain]
    p = density.log_prob(torch.cartesian_prod(*centre)).exp().reshape(cells, fine, cells, fine).sum((1, 3))
    p = (p / p.sum()).flatten().numpy()
    n = 20_000
    cell = np.clip(((draw(name, n, seed=3).numpy() - low) / (high - low) * cells).astype(int), 0, cells - 1)
    counts = np.bincount(cell[:, 0] * cells + cell[:, 1], minlength=cells**2)
    assert (np.abs(counts / n - p) <= 4.5 * np.sqrt(p * (1 - p) / n) + 2e-3).all()


def test_values_known_beforehand():
    # log(8 * 2 pi e std^2) = 2.8379 without overlap; neighbours are 6.1 std apart, which takes .0063
    # (an independent mean over 4e6 draws: 2.8316 +- .0005)
    assert POINTS["ring8"]().entropy == pytest.approx(2.8316, abs=1e-3)
    assert POINTS["grid25"]().entropy == pytest.approx(math.log(25 * 2 * math.pi * math.e * 0.05**2), abs=1e-6)
    assert POINTS["checkerboard"]().entropy == pytest.approx(math.log(32))


def test_modes_and_support():
    for name, density in {name: make() for name, make in POINTS.items()}.items():
        (x0, x1), (y0, y1) = density.support
        inside = (draw(name) >= torch.tensor([x0, y0])) & (draw(name) <= torch.tensor([x1, y1]))
        assert inside.all(-1).float().mean() > 0.995
    assert POINTS["ring8"]().means.shape == (8, 2) and POINTS["ring8"]().std == pytest.approx(0.35355, abs=1e-5)
    assert POINTS["grid25"]().means.shape == (25, 2) and POINTS["moons"]().means is None


def test_checkerboard_is_zero_outside():
    log_prob = POINTS["checkerboard"]().log_prob
    outside = torch.tensor([[-4.1, 0.5], [1.0, 4.5], [1.0, -1.0], [40.0, 40.0]])
    assert torch.isneginf(log_prob(outside)).all()
    assert torch.isfinite(log_prob(draw("checkerboard", 200_000))).all()


@pytest.mark.parametrize("name", POINTS)
def test_log_prob_far_away_and_of_any_batch(name):
    density = POINTS[name]()
    x = draw(name, 12)
    assert density.log_prob(x).dtype == torch.float64
    assert torch.equal(density.log_prob(x.reshape(3, 4, 2)), density.log_prob(x).reshape(3, 4))
    assert not density.log_prob(torch.tensor([[1e6, -1e6], [0.0, 0.0]])).isnan().any()
    assert density.log_prob(torch.tensor([[math.nan, 0.0]])).isnan().all()


@pytest.mark.parametrize("name", [name for name in POINTS if name != "checkerboard"])
def test_log_prob_has_the_gradient_of_finite_differences(name):
    x = draw(name, 20).double().requires_grad_()
    assert torch.autograd.gradcheck(POINTS[name]().log_prob, x)


@pytest.mark.parametrize("name, noise", [("moons", 0.1), ("moons", 1.0), ("swiss_roll", 0.15)])
def test_curves_with_other_noise(name, noise):
    density = POINTS[name](noise=noise)
    assert density.quadrature(noise / 2)[0] == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="noise must be at least"):
        POINTS[name](noise=1e-4)
