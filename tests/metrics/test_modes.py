"""T16 and T20: mode coverage, optimal transport and the cross-entropy to a known density."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from genbench.data.points import grid25
from genbench.metrics import modes, transport
from genbench.metrics.cards import scores
from genbench.metrics.sets import Points

STD = 0.5 / math.sqrt(2)
ANGLES = torch.arange(8) * math.pi / 4
MEANS = torch.stack([ANGLES.cos(), ANGLES.sin()], 1) * 4 / math.sqrt(2)


def ring(n, seed, std=0.02, means=MEANS):
    generator = torch.Generator().manual_seed(seed)
    return means[torch.randint(0, len(means), (n,), generator=generator)] + std * torch.randn(n, 2, generator=generator)


def named(samples, means=MEANS, std=0.02):
    found = scores(Points(samples, density=SimpleNamespace(means=means, std=std)), ("modes", "high_quality", "mode_kl"))
    return {score.metric: score for score in found}


def w1(x, y, n=2000, seed=0):
    return transport.w1(Points(x, y, seed=seed), n)


def data_nll(samples, log_prob):
    return modes.data_nll(Points(samples, density=SimpleNamespace(log_prob=log_prob, entropy=None)))


@pytest.mark.parametrize("std", [0.02, STD])
def test_t16_perfect_sampler(std):
    # wide modes overlap: a point may be near a mode that is not its own, so the share lies above the ceiling there
    found = named(ring(10_000, 0, std), std=std)
    assert found["modes"].value == 8
    assert found["high_quality"].value == pytest.approx(0.989, abs=0.01)
    assert found["high_quality"].settings["ceiling"] == pytest.approx(1 - math.exp(-4.5), rel=1e-12)
    assert 0 <= found["mode_kl"].value < 5 * found["mode_kl"].settings["floor"]
    assert found["mode_kl"].settings["floor"] == 7 / (2 * found["mode_kl"].settings["n_high_quality"])
    assert found["high_quality"].se == pytest.approx(math.sqrt(0.989 * 0.011 / 10_000), rel=0.1)


def test_t16_perfect_sampler_of_25_modes():
    grid = grid25()
    found = named(torch.from_numpy(grid.sample(np.random.default_rng(0), 2500)), grid.means, grid.std)
    assert found["modes"].value == 25 and abs(found["high_quality"].value - 0.98889) < 3 * found["high_quality"].se
    assert 0 <= found["mode_kl"].value < 5 * found["mode_kl"].settings["floor"]


@pytest.mark.parametrize(("near", "far"), [(40, 0), (30, 10), (0, 40)])
def test_high_quality_has_the_interval_of_wilson(near, far):
    score = named(torch.cat([MEANS[:1].repeat(near, 1), torch.zeros(far, 2)]))["high_quality"]
    expected = binomtest(near, 40).proportion_ci(method="wilson")
    assert score.settings["interval"] == pytest.approx([expected.low, expected.high], abs=1e-5)
    assert score.se == pytest.approx((expected.high - expected.low) / 3.92, rel=1e-4) and score.se > 0


def test_t16_collapsed_sampler():
    found = named(ring(2500, 0, means=MEANS[2:3]))
    assert found["modes"].value == 1
    assert found["mode_kl"].value == pytest.approx(math.log(8), rel=1e-12)


def test_a_mode_that_is_never_drawn_is_not_covered_by_its_neighbours_tails():
    """With std 0.354, one sample in some thousands lies nearest to the mode beside its own and within three std of it."""
    strays = 0
    for seed in range(20):
        x = ring(10_000, seed, STD, MEANS[1:])
        distance, nearest = torch.cdist(x, MEANS).min(1)
        strays += bool(((nearest == 0) & (distance <= 3 * STD)).any())
        assert named(x, std=STD)["modes"].value == 7
    assert strays > 10  # what a single sample would have counted


def test_a_mode_needs_a_quarter_of_its_share():
    few = torch.cat([MEANS[1:].repeat(35, 1), MEANS[:1].repeat(8, 1), torch.zeros(3, 2)])  # of 256 samples, 32 to a mode
    assert named(few)["modes"].value == 8 and named(few[:-11])["modes"].value == 7
    assert named(torch.cat([few, torch.zeros(1, 2)]))["modes"].value == 7  # 257 samples: more than 8 are needed
    assert named(few)["modes"].settings["least_share"] == 0.25


def test_samples_off_all_modes_have_no_mode_kl():
    found = named(torch.zeros(100, 2))
    assert found["modes"].value == 0 and found["high_quality"].value == 0 and "mode_kl" not in found


def test_t20_w1_of_a_translated_sample_is_the_shift():
    x = ring(700, 0, STD)
    assert w1(x + torch.tensor([0.25, 0.0]), x).value == pytest.approx(0.25, abs=1e-6)  # float32 rounding
    x = x.double()
    score = w1(x + torch.tensor([0.3, 0.4]).double(), x)
    assert score.value == pytest.approx(0.5, abs=1e-7)
    assert score.n == 700 and score.settings["n_reference"] == 700


def test_t20_w1_in_one_dimension_is_the_sorted_difference():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 300, 1, generator=generator).double().unbind(0)
    expected = (a.sort(0).values - b.sort(0).values).abs().mean()
    assert w1(a, b).value == pytest.approx(float(expected), rel=1e-12)


def test_w1_subsamples_repeatably_and_grows_with_distance():
    a, b = ring(3000, 0, STD), ring(2500, 1, STD)
    score = w1(a, b, n=500, seed=3)
    assert score.n == score.settings["n_reference"] == 500
    assert score.value == w1(a, b, n=500, seed=3).value != w1(a, b, n=500, seed=4).value
    assert score.value < w1(a + 2, b, n=500, seed=3).value


def test_data_nll_of_perfect_samples_is_the_entropy():
    normal = torch.distributions.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    score = data_nll(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)), normal.log_prob)
    assert abs(score.value - float(normal.entropy())) < 4 * score.se
    assert score.se == pytest.approx(1 / math.sqrt(20_000), rel=0.05)  # chi-squared/2 with two degrees of freedom
    assert score.settings == {"cut": -50.0, "clipped": 0.0}


def test_data_nll_clips_points_outside_the_support():
    inside = torch.zeros(4, 2)
    inside[0] = 5.0

    def log_prob(x):
        return torch.where((x.abs() <= 1).all(1), math.log(0.25), -math.inf)

    score = data_nll(inside, log_prob)
    assert score.value == pytest.approx((50 + 3 * math.log(4)) / 4) and score.settings["clipped"] == 0.25
    score.as_dict()


def test_bad_samples_are_refused():
    x = ring(50, 0)
    bad = x.clone()
    bad[:3, 1] = float("inf")
    calls = (
        lambda: named(bad),
        lambda: w1(bad, x),
        lambda: data_nll(bad, lambda y: y[:, 0]),
    )
    for call in calls:
        with pytest.raises(ValueError, match="3 of 50"):
            call()
    with pytest.raises(ValueError, match="NaN"):
        data_nll(x, lambda y: y[:, 0] * float("nan"))
