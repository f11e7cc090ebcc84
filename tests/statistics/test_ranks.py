import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genbench.statistics.ranks import agreement, concordance, rank_probabilities

# Lucic et al. 2018, best FID on MNIST, Fashion, CIFAR-10, CelebA
PUBLISHED = {
    "mm": (9.8, 29.6, 72.7, 65.6),
    "ns": (6.8, 26.5, 58.5, 55.0),
    "ls": (7.8, 30.7, 87.1, 53.9),
    "wgan": (6.7, 21.5, 55.2, 41.3),
    "wgan_gp": (20.3, 24.5, 55.8, 30.0),
    "dragan": (7.6, 27.7, 69.8, 42.3),
    "began": (13.1, 22.9, 71.4, 38.9),
}


def trials(scores, seeds, noise, rng):
    """A frame of noisy log scores around {model: (rater 0, rater 1, ...)}."""
    rows = [
        {"model": m, "dataset": d, "seed": s, "score": np.exp(value + noise * rng.standard_normal())}
        for m, row in scores.items()
        for d, value in enumerate(row)
        for s in range(seeds)
    ]
    return pd.DataFrame(rows)


def test_concordance_is_friedmans_statistic_also_with_ties():
    rng = np.random.default_rng(0)
    for table in (rng.standard_normal((4, 6)), rng.integers(0, 4, (5, 6)).astype(float)):
        raters, models = table.shape
        statistic = stats.friedmanchisquare(*table.T).statistic
        assert raters * (models - 1) * concordance(table) == pytest.approx(statistic)
    assert concordance(np.tile(np.arange(5), (3, 1))) == pytest.approx(1)
    assert math.isnan(concordance(np.zeros((3, 4))))


def test_the_published_table_has_its_concordance():
    frame = trials({m: np.log(row) for m, row in PUBLISHED.items()}, 1, 0.0, np.random.default_rng(0))
    found = agreement(frame, repeats=10)
    assert found.w == pytest.approx(0.50, abs=0.005)
    assert (found.raters, found.models) == (4, 7)
    # by 400,000 draws of four random orders 0.040; the chi-squared approximation of Friedman's test gives 0.062
    assert found.p == pytest.approx(0.040, abs=0.006)
    columns = np.log(np.array(list(PUBLISHED.values())))
    taus = [stats.kendalltau(columns[:, i], columns[:, j]).statistic for i in range(4) for j in range(i)]
    assert found.tau == pytest.approx(np.mean(taus))
    assert found.low == pytest.approx(found.high)


def test_agreement_is_certain_for_clear_models_and_absent_for_equal_ones():
    rng = np.random.default_rng(0)
    clear = agreement(trials({m: (m, m + 1, m + 2, m) for m in range(5)}, 4, 0.1, rng), repeats=200)
    assert (clear.w, clear.tau, clear.low, clear.high) == pytest.approx((1, 1, 1, 1))
    assert clear.p < 0.001
    equal = agreement(trials({m: (0.0,) * 4 for m in range(5)}, 4, 0.1, rng), repeats=200)
    assert equal.p > 0.02 and equal.low < 0.2 < equal.high + 0.2


def test_permutations_are_calibrated():
    rng = np.random.default_rng(0)
    p = [agreement(trials({m: (0.0,) * 3 for m in range(4)}, 1, 1.0, rng), repeats=1).p for _ in range(40)]
    assert stats.binomtest(int((np.array(p) <= 0.1).sum()), 40, 0.1, alternative="greater").pvalue > 0.01


def test_rank_probabilities_are_those_of_resampled_seeds():
    rng = np.random.default_rng(0)
    frame = trials({"a": (0.0,), "b": (0.0,), "c": (5.0,)}, 5, 0.3, rng)
    frame.loc[frame["model"] == "b", "score"] = frame.loc[frame["model"] == "a", "score"].to_numpy()
    table = rank_probabilities(frame, repeats=4000)
    assert table.sum(axis=1).to_numpy() == pytest.approx(1)
    assert table.loc[0, "c"].tolist() == [0, 0, 1]
    assert table.loc[(0, "a"), 1] == pytest.approx(0.5, abs=0.04)


def test_failed_seeds_come_last():
    frame = pd.DataFrame(
        {"model": ["a", "a", "b", "b"], "dataset": "x", "seed": [0, 1, 0, 1], "score": [1.0, math.nan, 2.0, 3.0]}
    )
    # draws of a: both fine (1/4), both failed (1/4), else one of each, which ties with b
    table = rank_probabilities(frame, repeats=8000)
    assert table.loc[("x", "a")].tolist() == pytest.approx([0.5, 0.5], abs=0.02)
    frame.loc[1, "score"] = 1.5
    assert rank_probabilities(frame, repeats=100).loc[("x", "a"), 1] == 1


def test_shared_trials_are_resampled_together():
    rng = np.random.default_rng(0)
    first = trials({m: (0.0,) for m in "abcd"}, 3, 1.0, rng)
    frame = pd.concat([first.assign(dataset="one"), first.assign(dataset="two")])
    together, apart = (agreement(frame, shared=shared, repeats=200) for shared in (True, False))
    assert (together.low, together.high) == pytest.approx((1, 1))
    assert apart.low < 0.9


def test_models_that_a_rater_lacks_are_left_out():
    frame = trials({m: (m, m) for m in range(3)}, 2, 0.0, np.random.default_rng(0))
    frame = frame[~((frame["model"] == 0) & (frame["dataset"] == 1))]
    assert agreement(frame, repeats=10).models == 2
    with pytest.raises(ValueError, match="two raters"):
        agreement(frame[frame["dataset"] == 0], repeats=10)
