import math

import numpy as np
import pytest
from scipy import stats

from genbench.statistics.distribution import failures, quantile
from genbench.statistics.uncertainty import wilson


def test_a_quantile_is_an_observed_score_with_failures_last():
    scores = [3.0, math.nan, 1.0, 2.0, math.inf]
    assert [quantile(scores, q).value for q in (0.2, 0.4, 0.6)] == [1.0, 2.0, 3.0]
    assert quantile(scores, 0.8).value == math.inf
    assert quantile(np.arange(10), 0.3).value == 2


def test_bounds_of_a_median_are_the_textbook_order_statistics():
    # n = 20: the 6th and the 15th, Conover's table
    found = quantile(np.arange(1, 21), 0.5)
    assert (found.low, found.high) == (6, 15)
    few = quantile([1.0, 2.0, 3.0], 0.5)
    assert (few.low, few.high) == (-math.inf, math.inf)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
def test_the_interval_covers_any_law_with_failures(q):
    rng = np.random.default_rng(0)
    n, repeats, fails = 25, 1500, 0.15
    truth = math.inf if q > 1 - fails else stats.lognorm.ppf(q / (1 - fails), 1.0)
    hits = 0
    for _ in range(repeats):
        scores = rng.lognormal(size=n)
        scores[rng.random(n) < fails] = math.nan
        found = quantile(scores, q)
        hits += found.low <= truth <= found.high
    assert stats.binomtest(hits, repeats, 0.95, alternative="less").pvalue > 0.001


def test_failures_are_a_share_of_all_trials():
    found = failures([1.0, math.nan, math.inf, 2.0, 3.0])
    centre, half = wilson(0.4, 5, 1.959964)
    assert (found.n, found.failed, found.share) == (5, 2, 0.4)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    for empty in (failures, lambda scores: quantile(scores, 0.5)):
        with pytest.raises(ValueError, match="at least one trial"):
            empty([])
