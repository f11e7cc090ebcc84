"""Numbers T1-T5 and T7 of the metric checks: torch-fidelity against closed forms, itself and extreme generators."""

import contextlib

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.neighbors import NearestNeighbors
from torch.utils.data import Dataset
from torch_fidelity import FeatureExtractorBase, calculate_metrics, register_feature_extractor

from genbench.metrics.fidelity import fid_bias, fidelity


def gaussian(n, d, seed, mean=0.0, scale=1.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale + mean


def values(*args, **kwargs):
    return {score.metric: score.value for score in fidelity(*args, **kwargs)}


class Identity(FeatureExtractorBase):
    """Extractor whose input is the feature vector."""

    @staticmethod
    def get_provided_features_list():
        return ("features",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "features"

    @staticmethod
    def can_be_compiled():
        return False

    @staticmethod
    def get_dummy_input_for_compile():
        return torch.zeros(1, 16)

    def __init__(self, name, features_list, **kwargs):
        super().__init__(name, features_list)

    def forward(self, x):
        return (x,)


class Rows(Dataset):
    """Dataset of the rows of a tensor, the only container of vectors that torch-fidelity takes."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


def test_t1_fid_equals_own_closed_form():
    mix = gaussian(16, 16, 5)
    a, b = gaussian(800, 16, 1, 0.3) @ mix, gaussian(700, 16, 2)
    x, y = a.double().numpy(), b.double().numpy()
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(c1 @ c2).real
    own = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(root)
    assert values(a, b)["fid"] == pytest.approx(own, rel=1e-6)


def test_t1_fid_of_gaussians_is_analytic():
    def exact(
        x,
    ):  # sample mean 0 and sample covariance I, so that the closed form holds without sampling error
        x = x.double() - x.double().mean(0)
        return x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T

    spread, shift = torch.tensor([2.0, 1.0, 0.5]).double(), torch.tensor([1.0, 0.0, -2.0]).double()
    a, b = exact(gaussian(400, 3, 1)) * spread + shift, exact(gaussian(500, 3, 2))
    expected = float((shift**2).sum() + ((spread - 1) ** 2).sum())
    assert values(a, b)["fid"] == pytest.approx(expected, rel=1e-6)


def test_t2_precision_and_recall_equal_a_brute_force_count():
    a, b = gaussian(300, 8, 1, 0.4), gaussian(250, 8, 2)

    def share_inside(points, manifold):
        radius = NearestNeighbors(n_neighbors=4).fit(manifold).kneighbors(manifold)[0][:, -1]  # itself and 3 others
        return float((np.linalg.norm(points[:, None] - manifold[None], axis=-1) <= radius).any(1).mean())

    x, y = a.double().numpy(), b.double().numpy()
    ours = values(a, b)
    assert ours["precision"] == pytest.approx(share_inside(x, y), abs=1e-7)
    assert ours["recall"] == pytest.approx(share_inside(y, x), abs=1e-7)


def test_t3_features_path_equals_public_path():
    with contextlib.suppress(ValueError):  # registered by an earlier run in the same process
        register_feature_extractor("genbench-test-identity", Identity)
    a, b = gaussian(400, 16, 1, 0.2, 1.1), gaussian(300, 16, 2)
    public = calculate_metrics(
        input1=Rows(a),
        input2=Rows(b),
        fid=True,
        kid=True,
        prc=True,
        feature_extractor="genbench-test-identity",
        cuda=False,
        save_cpu_ram=True,
        kid_subset_size=150,
        rng_seed=2020,
        cache=False,
        verbose=False,
    )
    ours = values(a, b)
    assert ours["fid"] == pytest.approx(public["frechet_inception_distance"], rel=1e-6)
    assert ours["kid"] == pytest.approx(public["kernel_inception_distance_mean"], rel=1e-6)
    assert ours["precision"] == public["precision"] and ours["recall"] == public["recall"]
    assert 0 < ours["precision"] < 1 and 0 < ours["recall"] < 1


def test_t4_self_fid_is_zero_and_never_negative():
    a = gaussian(600, 32, 1)
    scores = values(a, a)
    assert 0 <= scores["fid"] < 1e-3
    assert scores["precision"] == scores["recall"] == 1


def test_t4_kid_of_equal_distributions_is_zero_within_its_error():
    repeats = np.array([values(gaussian(300, 8, 10 + i), gaussian(300, 8, 50 + i))["kid"] for i in range(8)])
    assert abs(repeats.mean()) < 3 * repeats.std(ddof=1) / np.sqrt(len(repeats))


def test_t5_collapsed_generator_has_precision_but_no_recall():
    real = gaussian(1000, 16, 1)
    collapsed = gaussian(1000, 16, 2, scale=1e-3) + real.mean(0)
    ours, mirror = values(collapsed, real), values(real, collapsed)
    assert ours["precision"] > 0.99 and ours["recall"] < 0.01
    assert mirror["precision"] == ours["recall"] and mirror["recall"] == ours["precision"]


def test_t7_fid_bias_formula():
    a, b = gaussian(2000, 64, 1), gaussian(2000, 64, 2)
    score = fidelity(a, b)[0]
    assert score.metric == "fid" and score.value == pytest.approx(fid_bias(b, 2000, 2000), rel=0.15)
    assert score.settings["bias"] == fid_bias(b, 2000, 2000)
    isotropic = 64 * (1 + 65 / 4) * 2 / 2000
    assert fid_bias(b, 2000, 2000) == pytest.approx(isotropic, rel=0.05)


def test_scores_say_what_they_are():
    scores = fidelity(gaussian(50, 4, 1), gaussian(40, 4, 2), settings={"encoder": "e", "reference": "test"})
    for score in scores:
        plain = score.as_dict()
        assert plain["n"] == 50 and plain["se"] is None
        assert plain["settings"]["encoder"] == "e" and plain["settings"]["reference"] == "test"
        assert plain["settings"]["n_reference"] == 40
    assert scores[1].settings["subset_size"] == 20 and scores[1].settings["subset_std"] > 0


def test_kid_is_repeatable_by_seed():
    a, b = gaussian(100, 4, 1), gaussian(100, 4, 2)
    assert values(a, b, seed=1)["kid"] == values(a, b, seed=1)["kid"] != values(a, b, seed=2)["kid"]


def test_bad_features_are_refused():
    a, b = gaussian(50, 4, 1), gaussian(50, 4, 2)
    a[3:5, 0] = float("nan")
    with pytest.raises(ValueError, match="2 of 50 generated"):
        fidelity(a, b)
    with pytest.raises(ValueError, match="width"):
        fidelity(b, gaussian(50, 5, 1))
    with pytest.raises(ValueError, match="n >= 10"):
        fidelity(b[:5], b)
