import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from genbench.statistics.search_curve import Pair, best_contrast, search_curve
from genbench.statistics.verdict import decide


def contrast(own, other, k, cap=math.inf, few=None):
    """Of two searches, each (validation, test) or scores that are both."""
    own, other = (each if isinstance(each, tuple) else (each, each) for each in (own, other))
    return best_contrast("a", "b", [Pair(own, other, cap)], k, few)


def best_of(subset, validation, test, cap):
    ok = [i for i in subset if math.isfinite(validation[i])]
    if not ok:
        return cap
    test = test[min(ok, key=lambda i: validation[i])]
    return min(test, cap) if math.isfinite(test) else cap


@pytest.mark.parametrize("cap", [1.0, 50.0, math.inf])
def test_mean_plug_in_and_median_equal_enumeration(cap):
    rng = np.random.default_rng(0)
    validation, test = rng.lognormal(size=(2, 7))
    validation[2] = math.nan
    test[5] = math.inf
    for best in search_curve(validation, test, range(1, 6), cap):
        without = [best_of(s, validation, test, cap) for s in combinations(range(7), best.k)]
        replaced = [best_of(s, validation, test, cap) for s in product(range(7), repeat=best.k)]
        assert best.mean == pytest.approx(np.mean(without))
        assert best.plug_in == pytest.approx(np.mean(replaced))
        if cap > 1:  # the median needs no cap
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
    same = contrast((validation, 1.3 * validation), validation, 4)
    assert same.estimate == pytest.approx(math.log(1.3)) and same.error == pytest.approx(0, abs=1e-12)
    other = rng.lognormal(size=20)
    apart = contrast(validation, other, 4)
    means = [search_curve(each, ks=[4])[0].mean for each in (validation, other)]
    assert apart.estimate == pytest.approx(math.log(means[0] / means[1]))
    shuffled = rng.permutation(20)
    moved = contrast(validation[shuffled], other[shuffled], 4)
    assert moved.error == pytest.approx(apart.error)


def test_a_contrast_decides_nothing_where_searches_may_fail_altogether():
    fine, failing = np.arange(1.0, 9.0), np.array([1.0, *[math.nan] * 7])
    assert math.isnan(contrast(failing, fine, 2).estimate)
    assert contrast(failing, fine, 2, 100.0).estimate > 0
    assert math.isnan(contrast(np.full(8, math.nan), fine, 2, 100.0).estimate)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: search_curve([1.0], [1.0, 2.0]), "same configurations"),
        (lambda: search_curve([]), "at least one"),
        (lambda: search_curve([1.0, 2.0], ks=[3]), "1 to 2"),
        (lambda: contrast(([1.0, 2.0], [-1.0, 2.0]), [1.0, 2.0], 1), "a: .*positive"),
        (lambda: contrast([1.0, 2.0], [1.0] * 3, 1), "equal numbers"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_budget_contrast_is_the_difference_of_two_contrasts():
    rng = np.random.default_rng(0)
    a, b = (np.exp(rng.normal(size=24) * spread) for spread in (1.0, 0.3))
    change, few, many = contrast(a, b, 8, few=2), contrast(a, b, 2), contrast(a, b, 8)
    assert change.estimate == pytest.approx(many.estimate - few.estimate) and change.estimate < 0  # the wider one gains
    ratios = []
    for i in range(24):
        left = [np.delete(each, i) for each in (a, b)]
        means = [[search_curve(each, each, [k])[0].mean for k in (8, 2)] for each in left]
        ratios.append(math.log(means[0][0] / means[0][1]) - math.log(means[1][0] / means[1][1]))
    assert change.error == pytest.approx(math.sqrt(23 / 24 * np.square(ratios - np.mean(ratios)).sum()))
    assert change.freedom == many.freedom


def test_how_often_a_budget_contrast_is_wrong():
    """Two models with the same distribution of scores: no budget changes their ratio, and the interval covers 0."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(400):
        scores = np.exp(0.5 * rng.normal(size=(2, 16)))
        found = decide([contrast(*scores, 4, few=1)], 1.1)[0]
        hits += found.p_difference <= 0.05
    assert hits <= 0.05 * 400 + 2 * math.sqrt(0.05 * 0.95 * 400)


def test_pairs_are_averaged_and_leave_a_configuration_out_together():
    rng = np.random.default_rng(0)
    cases = [tuple(np.exp(rng.normal(size=(2, 16)))) for _ in range(3)]
    pairs = [Pair((a, a), (b, b), 4.0) for a, b in cases]
    found = best_contrast("a", "b", pairs, 4)
    singly = [best_contrast("a", "b", [pair], 4) for pair in pairs]
    assert found.estimate == pytest.approx(np.mean([each.estimate for each in singly]))
    without = []
    for i in range(16):
        left = [Pair(*((np.delete(s, i), np.delete(s, i)) for s in case), 4.0) for case in cases]
        without.append(np.mean([best_contrast("a", "b", [pair], 4).estimate for pair in left]))
    assert found.error == pytest.approx(math.sqrt(15 / 16 * np.square(without - np.mean(without)).sum()))
    assert found.freedom == pytest.approx(singly[0].freedom)
    same = best_contrast("a", "b", [pairs[0]] * 3, 4)  # a case three times over says nothing new
    assert (same.estimate, same.error) == pytest.approx((singly[0].estimate, singly[0].error))
    short = Pair(*((s[:8], s[:8]) for s in cases[1]), 4.0)  # of other lengths
    assert math.isfinite(best_contrast("a", "b", [pairs[0], short], 4).error)


def test_a_cap_takes_the_luck_out_of_failures():
    """Nine models fail one time in ten at 50 times the score: capped, equal ones are not told apart."""
    rng, wrong = np.random.default_rng(0), {}
    for name, cap in (("capped", 3.0), ("not", math.inf)):
        wrong[name] = 0
        for _ in range(300):
            scores = np.exp(0.2 * rng.normal(size=(2, 8))) * np.where(rng.random((2, 8)) < 0.3, 50, 1)
            wrong[name] += abs(contrast(*scores, 2, cap).estimate) > math.log(2)
    assert wrong["capped"] < 0.5 * wrong["not"]
