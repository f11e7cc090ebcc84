import math

import numpy as np
import pytest
from scipy import stats

from genbench.statistics.search_curve import search_curve
from genbench.statistics.verdict import Verdict
from tests.simulated import Truth, confirm, error_rates, of_search, of_seeds, of_winners, search

MARGIN = 1.1
EQUAL = Truth(dict.fromkeys("abcd", 1.0))
AT_MARGIN = Truth({"a": 1.0, "b": 1.1, "c": 1.21, "d": 1.331})
MIXED = Truth({"a": 1.0, "b": 1.0, "c": 1.1, "d": 1.5})
STUDIES = 250


def at_most_nominal(share, studies=STUDIES):
    """Whether an observed error rate may be one of 5 %, at a chance of 0.001 to be told otherwise."""
    return stats.binomtest(round(share * studies), studies, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("truth", [EQUAL, AT_MARGIN, MIXED], ids=["equal", "at the margin", "mixed"])
@pytest.mark.parametrize("seeds", [3, 12])
def test_false_verdicts_are_at_most_nominal(truth, seeds):
    found = error_rates(of_seeds(truth, seeds, MARGIN), truth, MARGIN, STUDIES)
    assert at_most_nominal(found.false_better) and at_most_nominal(found.false_equivalent)


def test_many_seeds_find_what_is_true():
    found = error_rates(of_seeds(MIXED, 40, MARGIN), MIXED, MARGIN, 60)
    assert found.found_better > 0.95 and found.found_equivalent > 0.9


def test_false_verdicts_are_at_most_nominal_with_failures_uneven_spreads_and_pairs():
    failing = Truth(EQUAL.ratios, fails=0.2)
    assert at_most_nominal(error_rates(of_seeds(failing, 5, MARGIN), failing, MARGIN, 60).false_better, 60)
    uneven = Truth(AT_MARGIN.ratios, spreads={"a": 3.0, "c": 0.3})
    found = error_rates(of_seeds(uneven, 6, MARGIN), uneven, MARGIN, STUDIES)
    assert at_most_nominal(found.false_better) and at_most_nominal(found.false_equivalent)
    shared = Truth(MIXED.ratios, shared=0.9)
    rates = [error_rates(of_seeds(shared, 8, MARGIN, paired), shared, MARGIN, STUDIES) for paired in (True, False)]
    assert all(at_most_nominal(r.false_better) and at_most_nominal(r.false_equivalent) for r in rates)
    assert rates[0].found_better > rates[1].found_better


def test_seeds_of_two_winners_do_not_compare_their_models():
    truth = Truth(dict.fromkeys("ab", 1.0))
    winners = error_rates(of_winners(truth, 16, 10, MARGIN), truth, MARGIN, STUDIES)
    assert winners.false_better > 0.3
    found = error_rates(of_search(truth, 16, 4, MARGIN), truth, MARGIN, STUDIES)
    assert at_most_nominal(found.false_better) and at_most_nominal(found.false_equivalent)


def test_searches_that_share_configurations_find_more():
    shared, apart = (Truth({"a": 1.0, "b": 1.3}, common=common) for common in (0.9, 0.0))
    found = [error_rates(of_search(truth, 32, 4, MARGIN), truth, MARGIN, 100).found_better for truth in (shared, apart)]
    assert found[0] > 0.8 > found[1]


def test_simulated_scores_have_the_stated_distribution():
    truth = Truth({"a": 1.0, "b": 2.0}, common=0.75, seed=0.1, evaluation=0.0, fails=0.1, collapses={"b": 0.2})
    rng = np.random.default_rng(0)
    found = search(truth, 4000, rng)
    logs = np.log(found["effect"].to_numpy()).reshape(2, 4000)
    assert logs.mean(1) == pytest.approx([0, math.log(2)], abs=0.03)
    assert logs.std(1) == pytest.approx([0.4, 0.4], rel=0.05)
    assert np.corrcoef(logs)[0, 1] == pytest.approx(0.75, abs=0.03)
    assert np.isinf(found["test"]).mean() == pytest.approx(0.1, abs=0.015)
    seeds = confirm({"a": 1.0, "b": 2.0}, truth, 20000, rng)
    for model, scores in seeds.items():
        assert np.log(scores[np.isfinite(scores)]).mean() == pytest.approx(truth.mean(model), abs=0.02)


def test_false_verdicts_are_counted():
    words = iter(["better", "worse", "equivalent", "undecided"])

    def study(rng):
        return [Verdict("a", "b", next(words), 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, None)]

    found = error_rates(study, Truth({"a": 1.0, "b": 1.2}), MARGIN, 4)
    assert (found.false_better, found.false_equivalent, found.found_better) == (0.25, 0.25, 0.25)
    assert math.isnan(found.found_equivalent)


def test_the_curve_of_a_simulated_search_is_its_expected_best():
    truth = Truth({"a": 1.0}, configuration=0.5, seed=0.0, evaluation=0.2)
    rng = np.random.default_rng(0)
    estimates = []
    for _ in range(600):
        found = search(truth, 16, rng)
        estimates.append(search_curve(found["validation"], found["test"], [4])[0].mean)
    # the test score of the one of four that validation likes best
    effects, noise = 0.5 * rng.standard_normal((100_000, 4)), 0.2 * rng.standard_normal((2, 100_000, 4))
    chosen = (effects + noise[0]).argmin(1)[:, None]
    expected = np.exp(np.take_along_axis(effects + noise[1], chosen, 1)).mean()
    assert np.mean(estimates) == pytest.approx(expected, abs=3.5 * np.std(estimates) / math.sqrt(600))


@pytest.mark.parametrize("configurations", [8])
def test_equal_models_are_not_told_apart_where_much_of_a_search_does_not_train(configurations):
    truth = Truth(dict.fromkeys("abcdefghi", 1.0), untrained=0.4)
    found = error_rates(of_search(truth, configurations, 4, 1.1), truth, 1.1, 150)
    assert found.false_better <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 150)
