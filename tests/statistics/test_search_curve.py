import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from genbench.statistics.search_curve import best_contrast, budget_contrast, search_curve
from genbench.statistics.verdict import decide


def best_of(subset, validation, test, failure):
    ok = [i for i in subset if math.isfinite(validation[i])]
    if not ok:
        return failure
    test = test[min(ok, key=lambda i: validation[i])]
    return test if math.isfinite(test) else failure


@pytest.mark.parametrize("failure", [50.0, math.inf])
def test_mean_plug_in_and_median_equal_enumeration(failure):
    rng = np.random.default_rng(0)
    validation, test = rng.lognormal(size=(2, 7))
    validation[2] = math.nan
    test[5] = math.inf
    for best in search_curve(validation, test, range(1, 6), failure):
        without = [best_of(s, validation, test, failure) for s in combinations(range(7), best.k)]
        replaced = [best_of(s, validation, test, failure) for s in product(range(7), repeat=best.k)]
        assert best.mean == pytest.approx(np.mean(without))
        assert best.plug_in == pytest.approx(np.mean(replaced))
        assert (np.array(without) <= best.median).mean() >= 0.5 - 1e-9
        assert (np.array(without) < best.median).mean() <= 0.5 + 1e-9


def test_without_test_scores_the_best_is_a_minimum_and_failures_rank_last():
    scores = [4.0, math.nan, 2.0, 1.0]
    one, two, three = search_curve(scores, ks=[1, 2, 3])
    assert (one.mean, two.none) == (math.inf, 0)
    assert (two.mean, one.none) == pytest.approx(((3 * 1 + 2 * 2 + 4) / 6, 0.25))
    assert three.mean == pytest.approx((3 * 1 + 2) / 4)
    assert math.isnan(three.low) and math.isnan(three.high)
    assert two.plug_in == math.inf
    flipped = search_curve([-each for each in (4.0, 2.0, 1.0)], ks=[3])
    assert flipped[0].mean == pytest.approx(-4)


def test_configurations_that_validation_cannot_tell_apart_are_equally_likely():
    (best,) = search_curve([1.0, 1.0, 2.0], [10.0, 20.0, 30.0], [2])
    assert best.mean == pytest.approx(15)
    a, b = (search_curve([1.0, 1.0, 2.0], test, [2])[0].mean for test in ([10.0, 20.0, 30.0], [20.0, 10.0, 30.0]))
    assert a == b


def test_the_interval_is_the_jackknifes_with_few_degrees_of_freedom():
    rng = np.random.default_rng(1)
    validation, test = rng.lognormal(size=(2, 12))
    (best,) = search_curve(validation, test, [4])
    left = [search_curve(np.delete(validation, i), np.delete(test, i), [4])[0].mean for i in range(12)]
    half = stats.t.ppf(0.975, 5) * math.sqrt(11 * np.var(left))
    assert (best.low, best.high) == pytest.approx((best.mean - half, best.mean + half))


def test_the_mean_is_unbiased_and_the_plug_in_too_high_on_uniform_scores():
    # the expected minimum of k uniform scores is 1 / (k + 1)
    rng = np.random.default_rng(0)
    curves = np.array([[(b.mean, b.plug_in) for b in search_curve(rng.random(20), ks=(1, 5, 10))] for _ in range(1000)])
    truth = 1 / np.array([2, 6, 11])
    errors = curves.std(0) / math.sqrt(1000)
    assert (abs(curves.mean(0)[:, 0] - truth) < 3.5 * errors[:, 0]).all()
    assert (curves.mean(0)[1:, 1] - truth[1:] > 5 * errors[1:, 1]).all()


def test_intervals_of_mean_and_median_cover():
    rng = np.random.default_rng(0)
    repeats, ks = 800, (2, 4, 16)
    hits = np.zeros((2, len(ks)))
    for _ in range(repeats):
        for i, best in enumerate(search_curve(rng.random(32), ks=ks)):
            hits[0, i] += best.low <= 1 / (best.k + 1) <= best.high
            hits[1, i] += best.median_low <= 1 - 0.5 ** (1 / best.k) <= best.median_high
    assert (hits[0] / repeats > 0.91).all()
    assert all(stats.binomtest(int(h), repeats, 0.95, alternative="less").pvalue > 0.001 for h in hits[1])


def test_a_contrast_is_the_log_ratio_of_two_curves():
    rng = np.random.default_rng(0)
    validation = rng.lognormal(size=20)
    same = best_contrast(("a", validation, 1.3 * validation), ("b", validation, validation), 4)
    assert same.estimate == pytest.approx(math.log(1.3)) and same.error == pytest.approx(0, abs=1e-12)
    other = rng.lognormal(size=20)
    apart = best_contrast(("a", validation, validation), ("b", other, other), 4, shared=False)
    means = [search_curve(each, ks=[4])[0].mean for each in (validation, other)]
    assert apart.estimate == pytest.approx(math.log(means[0] / means[1]))
    shuffled = rng.permutation(20)
    moved = best_contrast(("a", validation[shuffled], validation[shuffled]), ("b", other[shuffled], other[shuffled]), 4)
    kept = best_contrast(("a", validation, validation), ("b", other, other), 4)
    assert moved.error == pytest.approx(kept.error)


def test_a_contrast_decides_nothing_where_searches_may_fail_altogether():
    fine, failing = np.arange(1.0, 9.0), np.array([1.0, *[math.nan] * 7])
    assert math.isnan(best_contrast(("a", failing, failing), ("b", fine, fine), 2).estimate)
    assert best_contrast(("a", failing, failing), ("b", fine, fine), 2, failure=100.0).estimate > 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: search_curve([1.0], [1.0, 2.0]), "same configurations"),
        (lambda: search_curve([]), "at least one"),
        (lambda: search_curve([1.0, 2.0], ks=[3]), "1 to 2"),
        (lambda: best_contrast(("a", [1.0, 2.0], [1.0, 2.0]), ("b", [1.0, 2.0], [1.0, 2.0]), 2), "a: the best of 2"),
        (lambda: best_contrast(("a", [1.0, 2.0], [-1.0, 2.0]), ("b", [1.0, 2.0], [1.0, 2.0]), 1), "positive"),
        (lambda: best_contrast(("a", [1.0, 2.0], [1.0, 2.0]), ("b", [1.0] * 3, [1.0] * 3), 1), "equal numbers"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_budget_contrast_is_the_difference_of_two_contrasts():
    rng = np.random.default_rng(0)
    a, b = (np.exp(rng.normal(size=24) * spread) for spread in (1.0, 0.3))
    pair = ("a", a, a), ("b", b, b)
    change, few, many = budget_contrast(*pair, 8, 2), best_contrast(*pair, 2), best_contrast(*pair, 8)
    assert change.estimate == pytest.approx(many.estimate - few.estimate) and change.estimate < 0  # the wider one gains
    ratios = []
    for i in range(24):
        left = [np.delete(each, i) for each in (a, b)]
        means = [[search_curve(each, each, [k])[0].mean for k in (8, 2)] for each in left]
        ratios.append(math.log(means[0][0] / means[0][1]) - math.log(means[1][0] / means[1][1]))
    assert change.error == pytest.approx(math.sqrt(23 / 24 * np.square(ratios - np.mean(ratios)).sum()))
    assert change.freedom == best_contrast(*pair, 8).freedom


def test_how_often_a_budget_contrast_is_wrong():
    """Two models with the same law of scores: no budget changes their ratio; the interval covers 0 as often as it says."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(400):
        scores = np.exp(0.5 * rng.normal(size=(2, 16)))
        found = decide([budget_contrast(("a", scores[0], scores[0]), ("b", scores[1], scores[1]), 4)], 1.1)[0]
        hits += found.p_difference <= 0.05
    assert hits <= 0.05 * 400 + 2 * math.sqrt(0.05 * 0.95 * 400)
