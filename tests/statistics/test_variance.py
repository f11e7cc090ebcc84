import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genbench.statistics.variance import components, shares


def crossed(levels, rows, rng, effects, noise):
    """A balanced frame: `effects` maps a term's factors to an array of effects."""
    names = list(levels)
    places = np.indices([*levels.values(), rows]).reshape(len(names) + 1, -1)
    at = dict(zip(names, places[:-1], strict=True))
    log = noise * rng.standard_normal(places.shape[1])
    for term, values in effects.items():
        log = log + np.asarray(values)[tuple(at[f] for f in term)]
    return pd.DataFrame({**at, "repeat": places[-1], "score": np.exp(log)})


def fit(frame, factors):
    """R^2 of least squares on dummies."""
    y = np.log(frame["score"].to_numpy())
    x = np.column_stack([np.ones(len(y)), *(pd.get_dummies(frame[f]).to_numpy(float) for f in factors)])
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return 1 - rest.var() / y.var()


def test_balanced_shares_are_sums_of_squares():
    rng = np.random.default_rng(0)
    effects = {("model",): [0.0, 0.3, 0.5], ("dataset",): [0.0, 1.0], ("model", "dataset"): rng.standard_normal((3, 2))}
    frame = crossed({"model": 3, "dataset": 2}, 4, rng, effects, 0.2)
    y = np.log(frame["score"])
    table = y.groupby([frame["model"], frame["dataset"]]).mean().unstack()
    m, d = table.mean(axis=1) - y.mean(), table.mean() - y.mean()
    both = table.sub(table.mean(axis=1), axis=0) - d
    squares = np.array([8 * (m**2).sum(), 12 * (d**2).sum(), 4 * (both.to_numpy() ** 2).sum(), 0, 0])
    squares[4] = 24 * y.var(ddof=0) - squares.sum()
    found = shares(frame, ["model", "dataset", "model:dataset"])
    assert [s.term for s in found] == ["model", "dataset", "model:dataset", "other interactions", "within cells"]
    assert [s.r2 for s in found] == pytest.approx(squares / squares.sum(), abs=1e-9)
    noise = squares[4] / 18
    assert [s.share for s in found] == pytest.approx((squares - noise * np.array([2, 1, 2, 0, -5])) / squares.sum(), abs=1e-9)
    lumped = shares(frame, ["model", "dataset"])
    assert lumped[2].r2 == pytest.approx(found[2].r2)
    ordered = np.sort(table.mean(axis=1))
    assert found[0].gain == pytest.approx(math.exp((ordered[1] + ordered[2]) / 2 - ordered[0]))
    ordered = np.sort(table.mean())
    assert found[1].gain == pytest.approx(math.exp(ordered[1] - ordered[0])) and math.isnan(found[2].gain)


def test_gains_do_not_depend_on_the_number_of_levels():
    effects = {(name,): [0.0] + [math.log(2)] * more for name, more in (("a", 1), ("b", 2), ("c", 3))}
    found = shares(crossed({"a": 2, "b": 3, "c": 4}, 2, np.random.default_rng(0), effects, 0.0), ["a", "b", "c"])
    assert [s.gain for s in found[:3]] == pytest.approx([2, 2, 2])


def test_unbalanced_shares_average_over_all_orders():
    rng = np.random.default_rng(1)
    effects = {("a",): [0.0, 1.0, 2.0], ("b",): [0.0, 0.5], ("c",): [0.0, 0.2, 0.1, 0.7]}
    frame = crossed({"a": 3, "b": 2, "c": 4}, 3, rng, effects, 0.5).sample(40, random_state=0)
    factors = ["a", "b", "c"]
    gains = dict.fromkeys(factors, 0.0)
    for order in permutations(factors):
        for i, factor in enumerate(order):
            gains[factor] += (fit(frame, order[: i + 1]) - (fit(frame, order[:i]) if i else 0)) / 6
    found = shares(frame, factors)
    assert [s.r2 for s in found[:3]] == pytest.approx(list(gains.values()))
    assert sum(s.r2 for s in found) == pytest.approx(1)
    assert sum(s.share for s in found) == pytest.approx(1)


def test_noise_has_no_share_of_a_factor():
    rng = np.random.default_rng(0)
    found = np.array(
        [
            [(s.r2, s.share) for s in shares(crossed({"model": 6, "dataset": 3}, 3, rng, {}, 1.0), ["model", "dataset"])]
            for _ in range(40)
        ]
    )
    assert found.mean(0)[0, 0] == pytest.approx(5 / 53, abs=0.03)
    assert found.mean(0)[:, 1] == pytest.approx([0, 0, 0, 1], abs=0.06)


def test_failed_trials_are_left_out_and_intervals_need_repeats():
    rng = np.random.default_rng(0)
    frame = crossed({"model": 3, "dataset": 2}, 3, rng, {("model",): [0.0, 1.0, 2.0]}, 0.1)
    broken = pd.concat([frame, frame.head(2).assign(score=[math.nan, math.inf])])
    assert shares(broken, ["model", "dataset"]) == shares(frame, ["model", "dataset"])
    single = shares(frame[frame["repeat"] == 0], ["model", "dataset"])
    assert all(math.isnan(s.low) and math.isnan(s.high) for s in single)
    assert single[-1].share == pytest.approx(0) and single[0].share == pytest.approx(single[0].r2)


def test_a_stream_of_configurations_is_left_out_together():
    rng = np.random.default_rng(0)
    effects = {("model",): [0.0, 0.5], ("configuration",): rng.standard_normal(8)}
    frame = crossed({"model": 2, "configuration": 8}, 2, rng, effects, 0.05)
    (model, configuration, *_) = shares(frame, ["model", "configuration"], unit="configuration")
    left = []
    for c in range(8):
        left.append([s.share for s in shares(frame[frame["configuration"] != c], ["model", "configuration"])[:2]])
    gaps = np.array(left) - [model.share, configuration.share]
    half = stats.t.ppf(0.975, 7) * np.sqrt(7 / 8 * (gaps**2).sum(0))
    assert [model.high - model.share, configuration.high - configuration.share] == pytest.approx(half)


def test_intervals_of_shares_cover():
    rng = np.random.default_rng(0)
    model, dataset, rows, repeats = np.array([-0.2, 0.0, 0.2]), np.array([-0.3, 0.3]), 5, 80
    squares = np.array([30 * (model**2).mean(), 30 * (dataset**2).mean(), 0, 29 * 0.3**2])
    truth, hits = squares / squares.sum(), 0
    for _ in range(repeats):
        frame = crossed({"model": 3, "dataset": 2}, rows, rng, {("model",): model, ("dataset",): dataset}, 0.3)
        hits = hits + np.array([s.low <= t <= s.high for s, t in zip(shares(frame, ["model", "dataset"]), truth, strict=True)])
    assert (hits / repeats > 0.8).all()


def test_shares_need_positive_scores_that_differ():
    frame = crossed({"model": 2}, 2, np.random.default_rng(0), {}, 0.1)
    for score in (0.0, 1.0):
        with pytest.raises(ValueError, match="positive scores that differ"):
            shares(frame.assign(score=score), ["model"])


def nested(cells, configurations, counts, sd_configuration, sd_seed, rng):
    rows = []
    for cell in range(cells):
        for c in range(configurations):
            effect = cell + sd_configuration * rng.standard_normal()
            values = np.exp(effect + sd_seed * rng.standard_normal(counts[c % len(counts)]))
            rows += [{"model": cell, "dataset": 0, "configuration": c, "score": v} for v in values]
    return pd.DataFrame(rows)


def test_balanced_components_are_the_textbooks():
    frame = nested(1, 6, [4], 0.5, 0.2, np.random.default_rng(0))
    table = np.log(frame["score"].to_numpy()).reshape(6, 4)
    within, between = table.var(axis=1, ddof=1).mean(), 4 * table.mean(axis=1).var(ddof=1)
    found = components(frame)
    assert found.seed**2 == pytest.approx(within)
    assert found.configuration**2 == pytest.approx((between - within) / 4)
    ratio = between / within
    assert stats.f_oneway(*table).statistic == pytest.approx(ratio)
    lowest = (ratio / stats.f.ppf(0.975, 5, 18) - 1) / 4
    assert found.low == pytest.approx(lowest / (1 + lowest))
    assert (found.configurations, found.trials) == (6, 24)


@pytest.mark.parametrize("counts", [[3], [2, 5, 3]])
def test_components_are_unbiased_over_cells_and_their_interval_covers(counts):
    rng = np.random.default_rng(0)
    repeats, truth = 250, 0.4**2 / (0.4**2 + 0.3**2)
    found = [components(nested(3, 6, counts, 0.4, 0.3, rng)) for _ in range(repeats)]
    for values, variance in (([f.configuration**2 for f in found], 0.16), ([f.seed**2 for f in found], 0.09)):
        assert abs(np.mean(values) - variance) < 3.5 * np.std(values) / math.sqrt(repeats)
    hits = sum(f.low <= truth <= f.high for f in found)
    assert stats.binomtest(hits, repeats, 0.95, alternative="less").pvalue > 0.001


def test_components_need_repeats():
    frame = nested(1, 4, [1], 1.0, 1.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="two seeds"):
        components(frame)


def test_published_scores_vary_with_the_models_interaction_with_data():
    # Lucic et al. 2018: mean and standard deviation over seeds on MNIST, Fashion, CIFAR-10, CelebA, without LSGAN
    published = {
        "mm": ((9.8, 0.9), (29.6, 1.6), (72.7, 3.6), (65.6, 4.2)),
        "ns": ((6.8, 0.5), (26.5, 1.6), (58.5, 1.9), (55.0, 3.3)),
        "wgan": ((6.7, 0.4), (21.5, 1.6), (55.2, 2.3), (41.3, 2.0)),
        "wgan_gp": ((20.3, 5.0), (24.5, 2.1), (55.8, 0.9), (30.0, 1.0)),
        "dragan": ((7.6, 0.4), (27.7, 1.2), (69.8, 2.0), (42.3, 3.0)),
        "began": ((13.1, 1.0), (22.9, 0.9), (71.4, 1.6), (38.9, 0.9)),
    }
    z = stats.norm.ppf((np.arange(50) + 0.5) / 50)
    rows = [
        {"model": model, "dataset": dataset, "score": score}
        for model, cells in published.items()
        for dataset, (mean, sd) in enumerate(cells)
        for score in mean * np.exp(sd / mean * z)
    ]
    model, dataset, both, _, seed = shares(pd.DataFrame(rows), ["model", "dataset", "model:dataset"])
    within = 1 - dataset.share
    # the published split within datasets: 18 %, 74 %, 8 %
    assert [model.share / within, both.share / within, seed.share / within] == pytest.approx([0.18, 0.74, 0.08], abs=0.02)
