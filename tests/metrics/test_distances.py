"""Fréchet and kernel distance and the Inception score against closed forms, other libraries and simulation."""

import json
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from kit import gen
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from genbench.metrics.cards import scores
from genbench.metrics.classes import inception_score
from genbench.metrics.distances import FrechetTo, fid, fid_bias, fid_infinity, frechet, kid
from genbench.metrics.order import canonical
from genbench.metrics.references import Reference
from genbench.metrics.sets import Images

KEYS = ["fid", "fid_infinity", "kid", "inception_score", "precision", "recall", "density", "coverage"]


def gaussian(n, d, seed, mean=0.0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale + mean


def standardised(n, d, seed):
    """Sample mean 0 and sample covariance I, so that closed forms hold without sampling error."""
    x = gaussian(n, d, seed).double()
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T


def torchfidelity_fid(a, b):
    statistics = [fid_features_to_statistics(x) for x in (a, b)]
    return fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]


def seen(x, y, logits=None, seed=0, **more):
    return Images(x, logits, Reference("e", "test", y), seed=seed, **more)


def scored(*args, **kwargs):
    return {score.metric: score for score in scores(seen(*args, **kwargs), KEYS)}


def values(*args, **kwargs):
    return {key: score.value for key, score in scored(*args, **kwargs).items()}


def test_t01_fid_equals_sqrtm_and_torchfidelity():
    mix = gaussian(16, 16, 5)
    a, b = gaussian(800, 16, 1, 0.3) @ mix, gaussian(700, 16, 2)
    x, y = a.double().numpy(), b.double().numpy()
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(c1 @ c2).real
    own = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root)
    value = fid(seen(a, b)).value
    assert value == pytest.approx(own, rel=1e-10)
    assert value == pytest.approx(torchfidelity_fid(a, b), rel=1e-6)


def test_t01_fid_equals_torchmetrics():
    from torchmetrics.image.fid import FrechetInceptionDistance

    a, b = gaussian(300, 16, 1, 0.3, 1.2), gaussian(250, 16, 2)
    identity = torch.nn.Flatten()
    identity.num_features = 16
    other = FrechetInceptionDistance(feature=identity, normalize=True, input_img_size=(1, 4, 4)).set_dtype(torch.float64)
    other.update(b.double().reshape(-1, 1, 4, 4), real=True)
    other.update(a.double().reshape(-1, 1, 4, 4), real=False)
    assert fid(seen(a, b)).value == pytest.approx(float(other.compute()), rel=1e-6)


def test_t01_fid_with_fewer_examples_than_features():
    a, b = gaussian(40, 64, 1, 0.1), gaussian(30, 64, 2)
    assert frechet(a.double(), b.double())[0] == pytest.approx(torchfidelity_fid(a, b), rel=1e-6)


def test_t01_fid_of_gaussians_is_analytic():
    spread, shift = torch.tensor([2.0, 1.0, 0.5]).double(), torch.tensor([1.0, 0.0, -2.0]).double()
    expected = float((shift**2).sum() + ((spread - 1) ** 2).sum())
    value = fid(seen(standardised(400, 3, 1) * spread + shift, standardised(500, 3, 2))).value
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("d", [5, 60])  # 60 features of 50 rows: a singular covariance
def test_influence_is_the_derivative_in_a_rows_weight(d):
    a, b = gaussian(50, d, 1, 0.3).double(), gaussian(200, d, 2).double()
    influence = frechet(a, b)[1]
    many = a.repeat(200, 1)
    value = frechet(many, b)[0]
    effect = [len(many) * (frechet(torch.cat([many, a[i : i + 1]]), b)[0] - value) for i in range(10)]
    assert np.allclose(effect, influence[:10], atol=0.05 * float(influence.std()))
    assert float(influence.mean()) == pytest.approx(0, abs=1e-10)


def test_t04_self_fid_is_zero_and_never_negative():
    a = gaussian(600, 32, 1)
    found = values(a, a)
    assert 0 <= found["fid"] < 1e-9
    assert found["precision"] == found["recall"] == 1


def test_t04_kid_of_equal_distributions_is_zero_within_its_error():
    drawn = [kid(seen(gaussian(300, 8, 10 + i), gaussian(200, 8, 90 + i))) for i in range(60)]
    found, both = np.array([s.value for s in drawn]), np.array([s.settings["se_both"] or math.nan for s in drawn])
    known = ~np.isnan(both)
    assert known.sum() > 50 and np.mean((np.abs(found) < 3 * both)[known]) > 0.95
    assert abs(found.mean()) < 3 * found.std(ddof=1) / len(found) ** 0.5
    assert 0.75 < found.std(ddof=1) / both[known].mean() < 1.3


def test_t07_fid_bias_formula():
    a, b = gaussian(2000, 64, 1), gaussian(2000, 64, 2)
    score = fid(seen(a, b))
    assert score.value == pytest.approx(fid_bias(b, 2000, 2000), rel=0.15)
    assert score.settings["bias"] == pytest.approx(fid_bias(b, 2000, 2000), rel=1e-6)
    isotropic = 64 * (1 + 65 / 4) * 2 / 2000
    assert fid_bias(b, 2000, 2000) == pytest.approx(isotropic, rel=0.05)


def test_t07_fid_infinity_removes_the_generators_bias():
    reference = gaussian(500, 16, 1, scale=1.2).double()
    truth, _ = frechet(standardised(40, 16, 2), reference)  # the generator's own mean and covariance
    found = []
    for i in range(25):
        images = seen(gaussian(500, 16, 100 + i), reference, seed=i)
        found.append((fid(images).value, fid_infinity(images).value))
    plain, extrapolated = np.array(found).T
    assert plain.mean() - truth > 0.1
    assert abs(extrapolated.mean() - truth) < 3 * extrapolated.std(ddof=1) / len(found) ** 0.5 + 0.1 * (plain.mean() - truth)


def test_fid_infinity_is_left_out_where_it_would_not_be_linear():
    assert fid_infinity(seen(gaussian(63, 8, 1), gaussian(100, 8, 2))) is None
    assert fid_infinity(seen(gaussian(64, 8, 1), gaussian(100, 8, 2))).settings["sizes"] == [32, 64, 15]


def test_kid_equals_torchfidelity_with_one_full_subset():
    a, b = gaussian(400, 16, 1, 0.2, 1.1), gaussian(400, 16, 2)
    other = kid_features_to_metric(a.double(), b.double(), kid_subsets=1, kid_subset_size=400, rng_seed=1, verbose=False)
    assert kid(seen(a, b)).value == pytest.approx(other["kernel_inception_distance_mean"], rel=1e-9)


def test_kid_equals_its_definition(monkeypatch):
    monkeypatch.setattr("genbench.metrics.distances.BLOCK", 7)
    a, b = gaussian(20, 3, 1, 0.5).double(), gaussian(15, 3, 2).double()

    def mean(x, y, apart):
        pairs = [(float(p @ q) / 3 + 1) ** 3 for i, p in enumerate(x) for j, q in enumerate(y) if not apart or i != j]
        return np.mean(pairs)

    assert kid(seen(a, b)).value == pytest.approx(mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False), rel=1e-10)


def test_a_negative_variance_gives_no_standard_error():
    found = [kid(seen(gaussian(10, 2, i), gaussian(300, 2, 99))) for i in range(100)]
    none = [score for score in found if score.se is None]
    assert 0 < len(none) < 50
    assert all(score.se is None or score.se > 0 for score in found)
    assert all(score.as_dict()["se"] is None for score in none)


def test_inception_score_equals_torchfidelity():
    (logits,) = canonical(3 * gaussian(503, 7, 1).double())  # the order that is shuffled
    other = isc_features_to_metric(logits, splits=10, shuffle=True, rng_seed=5)
    score = inception_score(seen(logits, logits, logits, seed=5))
    assert score.value == pytest.approx(other["inception_score_mean"], rel=1e-12)
    assert score.se == pytest.approx(other["inception_score_std"] / 3, rel=1e-9)  # of n divided by n - 1, over root 10


def test_inception_score_at_its_ends():
    for logits, expected in ((torch.zeros(100, 5), 1), (1000 * torch.eye(4).repeat(2500, 1), 4)):
        assert inception_score(seen(logits, logits, logits)).value == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("mean, scale", [(0.0, 1.0), (0.3, 1.3)])
def test_standard_errors_are_those_of_fresh_samples(mean, scale):
    reference, found = gaussian(250, 6, 0), {}
    for i in range(80):
        x = gaussian(250, 6, 1 + i, mean, scale)
        for key, score in scored(x, reference, 3 * x).items():
            found.setdefault(key, []).append((score.value, score.se))
    assert list(found) == KEYS
    assert all(se is None for _, se in found.pop("recall"))
    for key, pairs in found.items():
        drawn, se = np.array(pairs).T
        low = 0.4 if key == "coverage" else 0.7  # the jackknife of a nearly full coverage is conservative
        assert low < drawn.std(ddof=1) / se.mean() < 1.4, key


def test_scores_say_what_they_are():
    settings = {"encoder": "e", "reference": "test"}
    x = gaussian(50, 4, 1)
    found = scored(x, gaussian(40, 4, 2), x)
    assert list(found) == KEYS
    for score in found.values():
        plain = json.loads(json.dumps(score.as_dict()))
        assert plain["n"] == 50 and (plain["se"] is None) == (score.metric == "recall") and (plain["se"] or 1) > 0
        assert plain["settings"].items() >= {**settings, "n_reference": 40}.items()
    assert "inception_score" not in values(x, x)


def test_scores_are_repeatable_by_seed():
    a, b = gaussian(100, 4, 1), gaussian(100, 4, 2)
    assert values(a, b, seed=1) == values(a, b, seed=1) != values(a, b, seed=2)
    assert values(a, b, seed=1)["kid"] == values(a, b, seed=2)["kid"]


def test_a_constant_generator_is_scored():
    found = values(torch.ones(50, 4), gaussian(50, 4, 2))
    assert all(np.isfinite(value) for value in found.values()) and found["recall"] == 0


def test_bad_features_are_refused():
    a, b = gaussian(50, 4, 1), gaussian(50, 4, 2)
    a[3:5, 0] = float("nan")
    for pair, said in (((a, b), "2 of 50"), ((b, b, a), "2 of 50"), ((b, gaussian(50, 5, 1)), "width"), ((b[:5], b), "n >= 10")):
        with pytest.raises(ValueError, match=said):
            values(*pair)


def test_further_encoders_give_two_distances_and_the_same():
    x, y = gaussian(200, 8, 1, 0.3), gaussian(150, 8, 2)
    every = scored(x, y)
    assert scores(seen(x, y, x, further=True)) == [every["fid"], every["kid"]]


def test_many_sets_to_the_same_references_have_the_distances_of_each_alone():
    mixed = torch.randn(12, 12, generator=gen(9))
    a, b, c = (torch.randn(n, 12, generator=gen(n)) @ mixed for n in (80, 300, 9_000))
    measure = FrechetTo({"few": a, "many": c})
    for features in (b, a, 3 * c[:50] + 1):
        alone = {name: frechet(features.double(), rows.double())[0] for name, rows in (("few", a), ("many", c))}
        assert measure(features) == pytest.approx(alone, rel=1e-9, abs=1e-9)
    with pytest.raises(ValueError, match="finite"):
        measure(b * torch.nan)
