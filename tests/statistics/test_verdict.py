import math

import numpy as np
import pytest
from scipy import stats

from genbench.statistics.uncertainty import welch
from genbench.statistics.verdict import RARE, Contrast, compare, decide, holm, seeds_needed, verdicts


def around(centre, sd, n, seed):
    """Positive scores whose logs have exactly this mean and sd."""
    z = np.random.default_rng(seed).standard_normal(n)
    return np.exp(math.log(centre) + sd * (z - z.mean()) / z.std(ddof=1))


def test_welch_and_paired_contrasts_equal_scipys():
    a, b = around(1.0, 0.1, 6, 0), around(1.2, 0.3, 9, 1)
    found, test = compare("a", "b", a, b), stats.ttest_ind(np.log(a), np.log(b), equal_var=False)
    assert (found.estimate / found.error, found.freedom) == pytest.approx((test.statistic, test.df))
    assert found.error * stats.t.ppf(0.975, found.freedom) == pytest.approx(welch(np.log(a), np.log(b)))
    (verdict,) = decide([found], 1.1)
    assert verdict.p_difference == pytest.approx(test.pvalue)
    assert verdict.ratio == pytest.approx(1 / 1.2)
    interval = test.confidence_interval()
    assert (verdict.low, verdict.high) == pytest.approx((math.exp(interval.low), math.exp(interval.high)))
    together = compare("a", "b", a, b[:6], paired=True)
    assert decide([together], 1.1)[0].p_difference == pytest.approx(stats.ttest_rel(np.log(a), np.log(b[:6])).pvalue)


def test_equivalence_is_two_one_sided_tests():
    a, b = np.log(around(1.0, 0.08, RARE, 0)), np.log(around(1.01, 0.1, RARE, 1))
    (verdict,) = verdicts({"a": np.exp(a), "b": np.exp(b)}, 1.1)
    limit = math.log(1.1)
    below = stats.ttest_ind(a, b + limit, equal_var=False, alternative="less").pvalue
    above = stats.ttest_ind(a, b - limit, equal_var=False, alternative="greater").pvalue
    assert verdict.p_equivalence == pytest.approx(max(below, above))
    assert verdict.p_not_worse == pytest.approx(below)
    assert verdict.word == "equivalent"


@pytest.mark.parametrize(
    ("ratio", "sd", "n", "word"),
    [
        (1.5, 0.05, 5, "better"),
        (1 / 1.5, 0.05, 5, "worse"),
        (1.0, 0.05, RARE, "equivalent"),
        (1.0, 0.003, RARE - 1, "undecided"),  # a collapse of one in ten could have been missed
        (1.0, 0.3, 5, "undecided"),
        # certain, but smaller than the margin: no reason to prefer a model
        (1.02, 0.005, RARE, "equivalent"),
    ],
)
def test_words(ratio, sd, n, word):
    (verdict,) = verdicts({"a": around(1.0, sd, n, 0), "b": around(ratio, sd, n, 1)}, 1.1)
    assert verdict.word == word
    (turned,) = verdicts({"b": around(ratio, sd, n, 1), "a": around(1.0, sd, n, 0)}, 1.1)
    assert turned.word == {"better": "worse", "worse": "better"}.get(word, word)
    assert (verdict.seeds is not None) == (word == "undecided")


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


def test_pairs_are_the_family():
    scores = {m: around(c, 0.1, 6, i) for i, (m, c) in enumerate({"a": 1.0, "b": 1.2, "c": 1.0, "d": 1.0}.items())}
    every = {(v.a, v.b): v for v in verdicts(scores, 1.1)}
    (one,) = verdicts(scores, 1.1, pairs=[("a", "b")])
    assert len(every) == 6
    assert every["a", "b"].p_difference > one.p_difference
    assert (one.word, every["a", "b"].word) == ("better", "undecided")


def test_numbers_of_seeds_for_equal_models_are_the_textbooks():
    # two one-sided t-tests, power 0.8: about 2 sd^2 (z(.95) + z(.9))^2 / log(1.1)^2 and a little more
    for cv, textbook in ((0.05, 5), (0.075, 11), (0.1, 19), (0.25, 118)):
        needed = seeds_needed(Contrast("a", "b", 0.0, 0.1, 8, (cv**2, cv**2)), 1.1)
        assert abs(needed - textbook) <= 1


@pytest.mark.parametrize(("ratio", "margin"), [(1.3, 1.1), (1.0, 1.25), (1.05, 1.25)])
def test_the_number_of_seeds_has_the_power(ratio, margin):
    rng = np.random.default_rng(0)
    variances = (0.1**2, 0.2**2)
    variances = tuple((3 if ratio < 1.2 else 1) * v for v in variances)  # so that more than RARE are needed
    n = seeds_needed(Contrast("a", "b", math.log(ratio), 0.1, 8, variances, least=RARE), margin)

    def decided(n):
        count = 0
        for _ in range(800):
            a, b = (math.sqrt(v) * rng.standard_normal(n) for v in variances)
            (verdict,) = verdicts({"a": ratio * np.exp(a), "b": np.exp(b)}, margin)
            count += verdict.word in ("worse", "equivalent")
        return count / 800

    assert decided(n) > 0.75
    assert decided(n) < 0.92


def test_no_number_of_seeds_where_none_decides():
    assert seeds_needed(Contrast("a", "b", 0.0, 3.0, 4, (9.0, 9.0)), 1.01) is None
    assert seeds_needed(Contrast("a", "b", math.nan, math.nan, math.nan), 1.1) is None


def test_failed_seeds_are_the_worst_and_never_equivalent():
    good = around(1.0, 0.01, 6, 0)
    failed = np.full(6, math.nan)
    (verdict,) = verdicts({"a": good, "b": failed}, 1.1)
    assert verdict.word == "better" and math.isnan(verdict.ratio) and verdict.seeds is None
    # 1 / C(12, 6) on either side
    assert verdict.p_difference == pytest.approx(2 / 924, rel=0.4)
    one_failed = np.append(good[:5], math.inf)
    (verdict,) = verdicts({"a": good, "b": one_failed}, 1.1)
    assert verdict.word == "undecided" and verdict.p_equivalence == 1
    (verdict,) = verdicts({"a": failed, "b": failed}, 1.1)
    assert (verdict.word, verdict.p_difference) == ("undecided", 1)
    (verdict,) = verdicts({"a": failed, "b": good}, 1.1, paired=True)
    assert verdict.word == "worse" and verdict.p_difference == pytest.approx(2 / 64)


def test_rank_sums_agree_with_scipys_exact_test():
    rng = np.random.default_rng(0)
    a, b = rng.lognormal(size=8), rng.lognormal(2.0, size=7)
    found = compare("a", "b", np.append(a, math.inf), np.append(b, 10 * b.max()))
    # a failed seed counts as the largest score
    exact = stats.mannwhitneyu(np.append(a, 100 * b.max()), np.append(b, 10 * b.max()), method="exact").pvalue
    assert abs(found.p_rank) == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert found.p_rank < 0


def test_equal_seeds_are_no_evidence_and_single_ones_decide_nothing():
    same = [1.1] * RARE
    (verdict,) = verdicts({"a": same, "b": same}, 1.1)
    assert (verdict.p_difference, verdict.p_equivalence, verdict.word) == (1, 0, "equivalent")
    (verdict,) = verdicts({"a": [1.0], "b": [2.0, 2.1]}, 1.1)
    assert (verdict.word, verdict.seeds) == ("undecided", None)


@pytest.mark.parametrize(
    ("scores", "options", "words"),
    [
        ({"a": [1.0, 2.0], "b": [0.0, 1.0]}, {"margin": 1.1}, "a, b: a log ratio needs positive"),
        ({"a": [1.0, 2.0], "b": [1.0, 2.0]}, {"margin": 1.0}, "ratio above 1"),
        ({"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}, {"margin": 1.1, "paired": True}, "equal numbers, got 2 and 3"),
    ],
)
def test_errors(scores, options, words):
    with pytest.raises(ValueError, match=words):
        verdicts(scores, **options)


def test_a_rare_collapse_is_seldom_missed_by_what_is_called_equivalent():
    """One of two models collapses one time in ten: "equivalent" in 5 % of studies at most, with whatever number of seeds."""
    rng, found = np.random.default_rng(0), {}
    for n in (5, 10, RARE):
        said = 0
        for _ in range(400):
            a, b = np.exp(0.02 * rng.normal(size=(2, n)))
            b = b * np.where(rng.random(n) < 0.1, 5.0, 1.0)
            said += verdicts({"a": a, "b": b}, 1.1)[0].word == "equivalent"
        found[n] = said / 400
    assert found[5] == found[10] == 0 and found[RARE] < 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)
