"""Bins: held-out real data, lost modes and equal sets; the statistic against its definition; standard errors by simulation."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm
from sklearn.datasets import load_digits

from genbench.metrics.bins import Bins, resampled
from genbench.metrics.cards import scores
from genbench.metrics.references import Training
from genbench.metrics.sets import Images
from genbench.results.files import write_npz

CENTRES = np.random.default_rng(0).normal(size=(10, 16)) * 1.5


def world(n, seed, modes=10):
    rng = np.random.default_rng(seed)
    return torch.tensor(CENTRES[rng.integers(modes, size=n)] + rng.normal(size=(n, 16))).float()


def ndb(x, bins):
    """Both scores of samples."""
    return scores(Images(x, samples=x, training=Training("e", None, bins)), ("ndb", "ndb_js"))


@pytest.fixture(scope="module")
def bins():
    return Bins.fit(world(3000, 1))


def test_bins_cover_the_training_rows(bins):
    assert bins.centres.shape == (100, 16) and int(bins.counts.sum()) == 3000 and int(bins.counts.min()) > 0
    assert len(Bins.fit(world(400, 2)).counts) == 20  # a bin for every 20 rows
    again = Bins.fit(world(3000, 1))
    assert torch.equal(again.counts, bins.counts)


def test_equal_rows_leave_no_empty_bin():
    with pytest.warns(UserWarning, match="distinct"):
        few = Bins.fit(torch.arange(3.0)[torch.arange(100) % 3][:, None])
    assert sorted(few.counts.tolist()) == [33, 33, 34]


def test_ndb_is_the_two_proportion_test_of_each_bin(bins):
    x = world(700, 3, modes=8)
    share, divergence = ndb(x, bins)
    seen = np.bincount(torch.cdist(x, bins.centres).argmin(1).numpy(), minlength=100)
    train, different = bins.counts.numpy(), 0
    for a, b in zip(seen, train, strict=True):
        pooled = (a + b) / 3700
        z = (a / 700 - b / 3000) / (pooled * (1 - pooled) * (1 / 700 + 1 / 3000)) ** 0.5
        different += 2 * norm.sf(abs(z)) < 0.05
    assert share.value == pytest.approx(different / 100)
    assert divergence.value == pytest.approx(jensenshannon(seen / 700, train / 3000) ** 2, rel=1e-9)


def test_t17_ndb_of_held_out_data_is_at_its_null():
    values = [ndb(world(1000, 500 + s), Bins.fit(world(3000, 100 + s), seed=s)) for s in range(8)]
    shares, ratios = [v[0].value for v in values], [v[1].value / v[1].settings["floor"] for v in values]
    assert 0.02 < np.mean(shares) < 0.065 and max(shares) <= 0.15
    assert 0.85 < np.mean(ratios) < 1.15


def test_t17_ndb_sees_a_lost_mode_and_no_copying(bins):
    held_out, lost = ndb(world(1000, 4), bins), ndb(world(1000, 4, modes=9), bins)
    assert lost[0].value > 0.1 > held_out[0].value and lost[1].value > 2 * held_out[1].value
    assert [score.value for score in ndb(world(3000, 1), bins)] == pytest.approx([0, 0], abs=1e-12)


def test_t17_ndb_on_pixels_of_digits():
    """Held-out digits are at the null; a digit left out and a Gaussian with the data's first 30 components are not."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(1797)
    images, labels = torch.tensor(images[order]).reshape(-1, 1, 8, 8).to(torch.uint8), labels[order]
    train, test = images[:900], images[900:]
    bins = Bins.fit(train)
    x = train.flatten(1).float()
    _, scales, axes = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    noise = torch.randn(900, 30, generator=torch.Generator().manual_seed(0))
    blurred = x.mean(0) + noise * scales[:30] / 30 @ axes[:30]
    held_out, without, gaussian = (ndb(y, bins) for y in (test, test[torch.from_numpy(labels[900:] != 9)], blurred))
    assert len(bins.counts) == 45 and held_out[0].value <= 0.15 and held_out[1].value < 0.016
    assert without[0].value > held_out[0].value + 0.05 and without[1].value > 0.02
    assert gaussian[0].value > 0.15 and gaussian[1].value > 0.02


@pytest.mark.parametrize("modes", [10, 8])
def test_ndb_standard_errors_given_the_bins(bins, modes):
    runs = [ndb(world(1000, 1000 + r, modes), bins) for r in range(100)]
    for place in range(2):
        spread, se = np.std([r[place].value for r in runs], ddof=1), np.mean([r[place].se for r in runs])
        assert 0.8 < spread / se < 1.25, (place, spread / se)


@pytest.mark.parametrize("k, m, n", [(62, 1257, 270), (62, 1257, 1000), (100, 10_000, 10_000)])
def test_resampled_divergences_vary_as_those_over_fresh_samples(k, m, n):
    """Where the reference's own sampling error is as large as that of the samples, so that half of what differs is real."""
    rng, ratios = np.random.default_rng(0), []
    for _ in range(8):
        p = rng.dirichlet(np.full(k, 8.0))
        q = np.maximum(rng.multinomial(m, p), 1) / m
        q = q / q.sum()

        def divergence(counts, q=q):
            return jensenshannon(counts / n, np.broadcast_to(q, counts.shape), axis=-1) ** 2

        drawn = rng.multinomial(n, p, size=400)
        errors = [divergence(resampled(each, q)).std(ddof=1) for each in drawn[:12]]
        ratios.append(np.mean(errors) / divergence(drawn).std(ddof=1))
    assert 0.87 < np.mean(ratios) < 1.15


def test_bins_survive_a_file(bins, tmp_path):
    write_npz(tmp_path / "bins.npz", **bins.arrays())
    with np.load(tmp_path / "bins.npz", allow_pickle=False) as file:
        again = Bins.from_arrays(file)
    found = ndb(world(200, 5), again)
    assert [s.as_dict() for s in found] == [s.as_dict() for s in ndb(world(200, 5), bins)]
    assert found[0].name == "ndb(n=200, train=3000)"
    assert found[0].settings["null_sd"] == pytest.approx(0.0218, abs=1e-4)


def test_bad_input_is_refused(bins):
    with pytest.raises(ValueError, match="1 of 2"):
        ndb(torch.tensor([[0.0] * 16, [float("nan")] * 16]), bins)
    with pytest.raises(ValueError, match="width"):
        ndb(torch.zeros(5, 3), bins)
    with pytest.raises(ValueError, match="at least 40"):
        Bins.fit(torch.zeros(20, 3))
