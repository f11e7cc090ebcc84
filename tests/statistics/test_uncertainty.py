import math

import numpy as np
import pytest
from scipy import stats

from genbench.statistics.uncertainty import critical, interval, paired, pooled_share, spread, welch


@pytest.mark.parametrize("n", [2, 3, 10])
def test_interval_is_scipys(n):
    values = np.random.default_rng(n).normal(size=n)
    low, high = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    mean, half = interval(values)
    assert mean - half == pytest.approx(low) and mean + half == pytest.approx(high)


def test_interval_of_one_or_no_value():
    assert interval([3.0])[0] == 3.0 and math.isnan(interval([3.0])[1])
    assert all(math.isnan(x) for x in interval([]))
    assert interval([1.0, math.nan, 1.0]) == (1.0, 0.0)


def test_welch_is_scipys_interval_of_the_difference():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=3), rng.normal(1, 3, size=5)
    low, high = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert welch(a, b) == pytest.approx((high - low) / 2)


def test_paired_without_seed_variance_is_the_paired_t_interval():
    rng = np.random.default_rng(1)
    hard, a, b = 5 * rng.normal(size=40), rng.normal(size=40), rng.normal(size=40)
    found = paired(np.tile(hard + a, (2, 1)), np.tile(hard + b, (3, 1)))  # every seed gives the same values
    low, high = stats.ttest_rel(hard + a, hard + b).confidence_interval(0.95)
    assert found.half == pytest.approx((high - low) / 2) and found.mean == pytest.approx((a - b).mean())
    assert found.se_training == pytest.approx(0, abs=1e-12) and found.n == 40


def test_paired_without_example_variance_is_welchs_interval():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=3), rng.normal(size=4)
    found = paired(np.tile(a[:, None], (1, 30)), np.tile(b[:, None], (1, 30)))
    assert found.half == pytest.approx(welch(a, b)) and found.se_test == pytest.approx(0, abs=1e-12)


def test_paired_of_equal_models_is_zero_and_one_seed_has_no_interval():
    x = np.random.default_rng(3).normal(size=(3, 20))
    assert paired(np.tile(x[:1], (3, 1)), np.tile(x[:1], (3, 1))).half == 0
    one = paired(x[:1], x)
    assert one.se_test > 0 and math.isnan(one.half) and math.isnan(one.se_training)
    with pytest.raises(ValueError, match="shapes"):
        paired(x, x[:, :5])
    with pytest.raises(ValueError, match="finite"):
        paired(x, np.full((3, 20), np.inf))


def _coverage(seed_sd, example_sd, rest_sd, seeds=3, n=200, shared=10.0, repeats=1000):
    """Share of 95 % intervals that hold the true difference .3, and the mean squared half over the true one."""
    rng, hits, variances, truths = np.random.default_rng(4), 0, [], []
    for _ in range(repeats):
        easy = shared * rng.normal(size=n)  # what is hard for both models

        def values(mean, easy=easy):
            own = easy + example_sd * rng.normal(size=n)
            return mean + own + seed_sd * rng.normal(size=(seeds, 1)) + rest_sd * rng.normal(size=(seeds, n))

        found = paired(values(0.3), values(0.0))
        hits += abs(found.mean - 0.3) <= found.half
        variances.append(found.se_test**2 + found.se_training**2)
        truths.append(found.mean)
    return hits / repeats, np.mean(variances) / np.var(truths)


@pytest.mark.parametrize(
    ("seed_sd", "example_sd", "rest_sd"),
    [
        (0.0, 1.0, 0.3),  # test examples dominate
        (0.5, 1.0, 0.3),  # seeds dominate
        (0.08, 1.0, 0.5),  # both matter
    ],
)
def test_paired_intervals_cover_the_true_difference(seed_sd, example_sd, rest_sd):
    covered, ratio = _coverage(seed_sd, example_sd, rest_sd)
    noise = 3 * math.sqrt(0.05 * 0.95 / 1000)
    assert 0.95 - noise <= covered <= 0.98 + noise  # Welch with 3 seeds is a little wide itself
    assert 0.9 < ratio < 1.25


def test_paired_interval_of_pure_noise_is_wide_but_not_double():
    covered, _ = _coverage(0.0, 0.0, 1.0)
    assert 0.95 <= covered < 1  # the noise is not known to be the same in both parts


def test_pairing_is_what_makes_the_interval_narrow():
    rng = np.random.default_rng(5)
    hard = 10 * rng.normal(size=300)
    a, b = (hard + m + 0.1 * rng.normal(size=(3, 300)) for m in (0.0, 0.05))
    unpaired = math.hypot(a.mean(0).std(ddof=1), b.mean(0).std(ddof=1)) / math.sqrt(300)
    assert paired(b, a).half < unpaired / 20 and abs(paired(b, a).mean - 0.05) < paired(b, a).half


def test_spread_tells_sampling_from_training():
    rng = np.random.default_rng(6)
    errors = np.full(4, 0.3)
    found = [spread(1 + 0.4 * rng.normal(size=4) + 0.3 * rng.normal(size=4), errors) for _ in range(4000)]
    assert np.mean([s.total**2 for s in found]) == pytest.approx(0.25, rel=0.05)
    assert np.mean([s.total**2 - s.sampling**2 for s in found]) == pytest.approx(0.16, rel=0.08)
    assert all(s.training == pytest.approx(math.sqrt(max(0, s.total**2 - s.sampling**2))) for s in found)
    null = [spread(0.3 * rng.normal(size=4), errors).p for _ in range(4000)]
    assert np.mean(np.array(null) < 0.05) == pytest.approx(0.05, abs=0.012)  # the test holds its level


def test_spread_of_constants_and_of_one_seed():
    assert spread([1.0], [0.1]) is None
    flat = spread([8, 8, 8], [0, 0, 0])
    assert flat.training == 0 and math.isnan(flat.share) and flat.p == 1
    assert spread([8, 9, 8], [0, 0, 0]).p == 0 and spread([8, 9, 8], [0, 0, 0]).share == 1


def test_welch_counts_at_least_the_variance_that_is_known():
    a, b = np.array([1.0, 1.0, 1.0]), np.array([1.2, 1.1, 1.3])
    assert welch(a, a) == 0
    same = np.array([-1.0, 0.0, 1.0])  # variance 1
    assert welch(a, b, least=(1.0, 1.0)) == pytest.approx(welch(same, same))
    assert welch(a, b, least=(0.0, 0.001)) == welch(a, b)  # the seeds vary by more than that


def test_welch_with_a_known_sampling_error_holds_its_level_where_nothing_else_varies():
    rng = np.random.default_rng(7)
    pairs = rng.normal(size=(4000, 2, 3))
    missed = [abs(a.mean() - b.mean()) > welch(a, b, least=(1.0, 1.0)) for a, b in pairs]
    assert np.mean(missed) < 0.05


def test_the_pooled_share_has_no_bias_of_single_cuts():
    rng = np.random.default_rng(8)
    null = [spread(0.3 * rng.normal(size=3), np.full(3, 0.3)) for _ in range(4000)]
    assert pooled_share(null) < 0.05 < np.mean([each.share for each in null])
    half = [spread(rng.normal(scale=math.sqrt(2) * 0.3, size=3), np.full(3, 0.3)) for _ in range(4000)]
    assert pooled_share(half) == pytest.approx(0.5, abs=0.03)
    assert math.isnan(pooled_share([])) and math.isnan(pooled_share([spread([8, 8], [0, 0])]))


def test_the_best_of_many_equal_models_is_seldom_apart_from_any():
    """Games and Howell's intervals hold for all models together, whatever their spreads; t-intervals don't."""
    rng, wrong = np.random.default_rng(0), {2: 0, 9: 0}
    spreads = np.array([0.05, 0.1, 0.3, 0.1, 0.05, 0.3, 0.1, 0.2, 0.05])[:, None]
    for _ in range(300):
        seeds = 1 + spreads * rng.normal(size=(9, 5))
        best = seeds.mean(1).argmin()
        for of in wrong:
            wrong[of] += any(each.mean() - seeds[best].mean() > welch(each, seeds[best], of=of) for each in seeds)
    assert wrong[9] <= 300 * 0.05 + 2 * math.sqrt(300 * 0.05 * 0.95) and wrong[2] > 0.2 * 300
    assert critical(0.95, 7.0, 2) == pytest.approx(stats.studentized_range.ppf(0.95, 2, 7) / math.sqrt(2), rel=1e-6)
