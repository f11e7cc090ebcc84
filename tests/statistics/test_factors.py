"""Shares of tuned scores in crossed factors."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genbench.statistics.factors import grid, pooled_lead, single_shares, tuned_shares
from genbench.statistics.search_curve import search_curve
from genbench.statistics.variance import shares
from tests.simulated import crossed

FACTORS = ("loss", "regularisation", "architecture")
SHAPE = (3, 4, 2)


def planted(sizes, shape=SHAPE, seed=0):
    """Effects of the axes in `sizes`, each with exactly that mean square."""
    rng, out = np.random.default_rng(seed), np.zeros(shape)
    for axes, size in sizes.items():
        effect = rng.standard_normal(shape)
        for axis in range(len(shape)):
            mean = effect.mean(axis, keepdims=True)
            effect = effect - mean if axis in axes else np.broadcast_to(mean, shape)
        out = out + effect * np.sqrt(size / (effect**2).mean())
    return out


def drawn(effects, n=24, draw=0, **truth):
    return grid(crossed(effects, FACTORS, n, np.random.default_rng(draw), **truth), FACTORS)


def of(found, term):
    return next(share for share in found.shares if share.term == term)


def test_without_noise_shares_are_those_of_the_effects():
    sizes = {(2,): 4.0, (0,): 1.0, (1,): 2.0, (0, 1): 1.0, (0, 2): 1.5, (0, 1, 2): 0.5}
    small = {axes: size / 10 for axes, size in sizes.items()}  # the cap touches no cell
    found = tuned_shares(drawn(planted(small), common=1.0, seed=1e-9, evaluation=1e-9))
    names = {
        (2,): "architecture",
        (0,): "loss",
        (1,): "regularisation",
        (0, 1): "loss:regularisation",
        (0, 2): "loss:architecture",
    }
    for axes, name in names.items():
        assert of(found, name).share == pytest.approx(sizes[axes] / 10, abs=1e-6)
    assert of(found, "regularisation:architecture").share == pytest.approx(0, abs=1e-6)
    assert of(found, "other interactions").share == pytest.approx(0.05, abs=1e-6)
    assert found.lead.share == pytest.approx(0, abs=1e-6) and found.noise < 1e-9
    assert sum(share.share for share in found.shares) == pytest.approx(1)


def test_tuned_scores_and_gains_by_hand():
    effects = np.log([[[1.0], [2.0]], [[2.0], [4.0]], [[8.0], [16.0]]]) * np.ones((3, 2, 2))
    found = drawn(effects, n=16, common=0.5)
    tuned = tuned_shares(found)
    by_hand = [search_curve(v, t, [4], found.cap)[0].mean for v, t in zip(found.validation, found.test, strict=True)]
    assert tuned.best == pytest.approx(by_hand) and tuned.k == 4
    means = pd.Series(np.log(by_hand)).groupby(found.cells["loss"].to_numpy()).mean()
    gain = next(gain for gain in tuned.gains if gain.factor == "loss")
    assert gain.best == "0" and gain.gain == pytest.approx(np.exp((means["1"] + means["2"]) / 2 - means["0"]))
    assert gain.low < gain.gain < gain.high


def test_gains_do_not_depend_on_the_number_of_levels():
    """All other levels score twice the best, of two, three and four; a factor with one level has no gain."""
    exact, effects = {"common": 1.0, "seed": 1e-9, "evaluation": 1e-9}, np.zeros(SHAPE)
    for axis, best in enumerate((1, 3, 0)):
        place = np.arange(SHAPE[axis]) != best
        effects = effects + np.log(2) * np.expand_dims(place, [other for other in range(3) if other != axis])
    gains = tuned_shares(drawn(effects, **exact)).gains
    assert [(gain.factor, gain.best) for gain in gains] == list(zip(FACTORS, "130", strict=True))
    assert [gain.gain for gain in gains] == pytest.approx([2, 2, 2], rel=1e-6)
    assert [gain.factor for gain in tuned_shares(drawn(effects[:, :1], **exact)).gains] == ["loss", "architecture"]


def test_raw_shares_of_an_incomplete_grid_agree_with_those_of_single_scores():
    found = drawn(planted({(2,): 0.1, (0,): 0.1, (1,): 0.1}))
    keep = [i for i in range(24) if i not in (3, 10)]
    part = type(found)(found.cells.iloc[keep], found.validation[keep], found.test[keep], found.coverage[keep], (), found.k)
    tuned = tuned_shares(part)
    terms = [share.term for share in tuned.shares[:-1]]
    for one in shares(part.cells.assign(score=tuned.best), terms):
        if one.term in terms:
            assert of(tuned, one.term).r2 == pytest.approx(one.r2, abs=1e-9)


def test_failures_are_charged_and_seeds_averaged():
    frame = crossed(planted({(2,): 0.1, (0,): 0.1}), FACTORS, 12, np.random.default_rng(0))
    bad = (frame["loss"] == "1") & (frame["configuration"] > 0)
    frame.loc[bad, ["validation", "test"]] = np.nan
    found = grid(frame, FACTORS)
    assert found.failed.sum() == bad.sum() and found.cap < 3 * frame["test"].max()
    lost = tuned_shares(found).best[(found.cells["loss"] == "1").to_numpy()]
    # a search of 4 of 12 finds the only configuration that works with a chance of a third
    ok = frame[(frame["loss"] == "1") & ~bad]["test"].to_numpy()
    assert sorted(lost) == pytest.approx(sorted((ok + 2 * found.cap) / 3))
    twice = pd.concat([frame.assign(seed=0), frame.assign(seed=1, validation=3 * frame["validation"])])
    assert grid(twice, FACTORS).validation == pytest.approx(2 * found.validation, nan_ok=True)


def test_cells_without_all_configurations_are_left_out():
    frame = crossed(np.zeros(SHAPE), FACTORS, 8, np.random.default_rng(0))
    here = (frame[list(FACTORS)] == ["2", "1", "0"]).all(axis=1) & (frame["configuration"] == 5)
    found = grid(frame[~here], FACTORS)
    assert found.left_out == ("2 · 1 · 0",) and len(found.cells) == 23
    with pytest.raises(ValueError, match="4 configurations, got 24 and 3"):
        grid(frame[frame["configuration"] < 3], FACTORS)
    with pytest.raises(ValueError, match="positive scores"):
        grid(frame.assign(test=np.nan), FACTORS)


def test_cells_that_differ_by_noise_only_have_no_shares_to_speak_of():
    leads = [tuned_shares(drawn(np.zeros(SHAPE), n=12, draw=i)).lead for i in range(20)]
    none = sum(np.isnan(lead.share) for lead in leads)
    assert 5 <= none <= 18 and sum(lead.low > 0 or lead.high < 0 for lead in leads) <= 2


def test_cells_that_do_not_differ_have_no_shares():
    flat = drawn(np.zeros((2, 2, 2)), common=1.0, seed=0, evaluation=0)
    with pytest.raises(ValueError, match="differ"):
        tuned_shares(flat)


def test_single_configurations_mostly_differ_within_cells():
    found = {share.term: share for share in single_shares(drawn(planted({(2,): 0.04}), n=16, common=0.8))}
    assert found["within cells"].share > 0.6 and found["architecture"].share > found["regularisation"].share
    assert found["architecture"].low < 0.04 / (0.04 + 0.164) < found["architecture"].high


def test_factors_of_equal_weight_seldom_lead_and_a_heavy_one_does():
    rng = np.random.default_rng(0)
    sizes = {(2,): 0.04, (0,): 0.01, (1,): 0.01, (0, 1): 0.02, (1, 2): 0.003}
    wrong, corrected = 0, []
    for i in range(50):
        found = tuned_shares(grid(crossed(planted(sizes, seed=i), FACTORS, 16, rng, common=0.5), FACTORS))
        wrong += found.lead.low > 0 or found.lead.high < 0
        corrected.append(of(found, "architecture").share)
    assert stats.binomtest(int(wrong), 50, 0.05, alternative="greater").pvalue > 0.001
    # what errors add is taken off: the raw shares miss the truth by more
    assert np.mean(corrected) == pytest.approx(0.04 / 0.083, abs=0.03)
    for axes, sign in (((2,), 1), ((1,), -1)):
        heavy = tuned_shares(drawn(planted({(0,): 0.002, (1,): 0.002, (2,): 0.002} | {axes: 0.1}), common=0.8))
        assert sign * heavy.lead.low > 0 and sign * heavy.lead.high > 0


@pytest.mark.parametrize("asked", ["architecture", "regularisation"])
def test_the_lead_is_the_difference_of_the_shares_that_it_names(asked):
    found = drawn(planted({axes: 0.02 for n in (1, 2) for axes in product(range(3), repeat=n) if len(set(axes)) == n}))
    rivals = [name for name in FACTORS if name != asked]
    tuned = tuned_shares(found, asked, rivals)
    pair = next(share.term for share in tuned.shares if set(share.term.split(":")) == set(rivals))
    assert tuned.lead.share == pytest.approx(of(tuned, asked).share - sum(of(tuned, t).share for t in (*rivals, pair)))


def test_a_lead_over_several_grids_leaves_a_configuration_out_of_all():
    found = [tuned_shares(drawn(planted({(2,): 0.2, (0,): 0.1}), draw=draw, common=0.8)) for draw in (0, 1)]
    pooled = pooled_lead(found)
    assert pooled.share == pytest.approx(np.mean([tuned.lead.share for tuned in found]))
    half = np.sqrt(np.square(sum(tuned.influence for tuned in found) / 2).sum())
    assert (pooled.high - pooled.low) / 2 == pytest.approx(stats.t.ppf(0.975, 11) * half)
    twice = pooled_lead([found[0], found[0]])  # the same grid once more says nothing new
    assert (twice.low, twice.high) == pytest.approx((found[0].lead.low, found[0].lead.high))
