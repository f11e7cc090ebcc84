"""Memorisation: copies, held-out and blurred data; statistics against brute force; standard errors by simulation."""

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from sklearn.neighbors import NearestNeighbors

from genbench.metrics import memorisation as module
from genbench.metrics.cards import scores as scores_of
from genbench.metrics.memorisation import Memory, nearest
from genbench.metrics.references import Training
from genbench.metrics.sets import Images
from genbench.results.files import write_npz

CENTRES = np.random.default_rng(0).normal(size=(10, 16)) * 1.5


def world(n, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    return torch.tensor(CENTRES[rng.integers(10, size=n)] + noise * rng.normal(size=(n, 16))).float()


TRAIN, TEST = world(2000, 1), world(1500, 2)


def copies(n, seed, share):
    """Some of the samples are training examples, the rest new: drawn one by one, as a model would."""
    rng = np.random.default_rng(seed)
    copied = torch.from_numpy(rng.random(n) < share)[:, None]
    return torch.where(copied, TRAIN[rng.integers(len(TRAIN), size=n)], world(n, seed + 10**6))


@pytest.fixture(scope="module")
def memory():
    return Memory.fit(TRAIN, TEST)


def memorisation(x, memory):
    return scores_of(Images(x, training=Training("e", memory)), ("authpct", "ct", "nn_distance"))


def scores(x, memory):
    return {score.metric: score for score in memorisation(x, memory)}


def test_nearest_equals_brute_force(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5000)  # blocks of two rows
    x, y = world(101, 3) + 1000, TRAIN + 1000  # far from the origin, where expanded squares lose digits
    distances, indices = nearest(x, y)
    expected, found = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(y.double()).kneighbors(x.double())
    assert np.array_equal(indices, found[:, 0])
    assert np.allclose(distances, expected[:, 0], rtol=1e-4)
    distances, indices = nearest(y, y)
    assert distances.abs().max() == 0 and torch.equal(indices, torch.arange(2000))
    distances, indices = nearest(TRAIN, TRAIN, leave_out_self=True)
    expected, found = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(TRAIN.double()).kneighbors(TRAIN.double())
    assert np.array_equal(indices, found[:, 1]) and np.allclose(distances, expected[:, 1], rtol=1e-5)


def test_authenticity_equals_its_definition(memory):
    x = world(300, 4, noise=1.1)
    gap = torch.cdist(TRAIN.double(), TRAIN.double()).fill_diagonal_(torch.inf).min(1).values
    shares = []
    for sample in (x, TEST):
        distance, index = torch.cdist(sample.double(), TRAIN.double()).min(1)
        shares.append(100 * float((distance > gap[index]).double().mean()))
    score = scores(x, memory)["authpct"]
    assert score.value == pytest.approx(shares[0] - shares[1], abs=1e-9)
    assert score.settings["authentic"] == pytest.approx(shares[0]) and score.settings["held_out"] == pytest.approx(shares[1])
    nn_distance = torch.cdist(x, TRAIN).min(1).values.mean() / torch.cdist(TEST, TRAIN).min(1).values.mean()
    assert scores(x, memory)["nn_distance"].value == pytest.approx(float(nn_distance), rel=1e-5)


def test_ct_equals_scipys_mann_whitney(memory):
    """z of each cell from scipy's U, distances within the cell, averaged by the held-out examples' share."""
    x = world(400, 5, noise=0.9)
    cells = [torch.cdist(part, memory.centres).argmin(1) for part in (x, TEST, TRAIN)]
    total, weights = 0.0, 0
    for c in range(3):
        mine, theirs, train = x[cells[0] == c], TEST[cells[1] == c], TRAIN[cells[2] == c]
        k, t = len(mine), len(theirs)
        u = mannwhitneyu(*(torch.cdist(part.double(), train.double()).min(1).values for part in (mine, theirs))).statistic
        total += t * (u - k * t / 2) / (k * t * (k + t + 1) / 12) ** 0.5
        weights += t
    score = scores(x, memory)["ct"]
    assert score.value == pytest.approx(total / weights, abs=0.02) and score.settings["cells"] == 3  # float32 ties


def test_t18_copies_have_no_authentic_example(memory):
    held_out = scores(world(1500, 6), memory)
    assert abs(held_out["authpct"].value) < 6 and abs(held_out["ct"].value) < 3
    assert held_out["nn_distance"].value == pytest.approx(1, abs=0.03)
    copied = scores(TRAIN[:1500], memory)
    assert copied["authpct"].settings["authentic"] == 0 and copied["authpct"].value < -50
    assert copied["ct"].value < -20 and copied["nn_distance"].value == 0
    near = scores(TRAIN[:1500] + 0.01 * world(1500, 7), memory)
    assert near["authpct"].settings["authentic"] < 1 and near["ct"].value < -20 and near["nn_distance"].value < 0.1
    half = scores(copies(1500, 8, 0.5), memory)
    assert half["authpct"].value < -25 and half["ct"].value < -10 and half["nn_distance"].value == pytest.approx(0.5, abs=0.05)
    wide = scores(world(1500, 9, noise=1.3), memory)
    assert wide["authpct"].value > 10 and wide["ct"].value > 10 and wide["nn_distance"].value > 1.15


def test_t18_held_out_data_give_zero_by_construction(memory):
    own = scores(TEST, memory)
    assert own["authpct"].value == 0 and own["nn_distance"].value == pytest.approx(1)
    assert own["ct"].value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("draw", [lambda r: world(600, r), lambda r: world(600, r, 1.3), lambda r: copies(600, r, 0.3)])
def test_standard_errors_given_training_and_held_out_data(memory, draw):
    runs = [scores(draw(1000 + r), memory) for r in range(80)]
    for key in ("authpct", "ct", "nn_distance"):
        spread, se = np.std([r[key].value for r in runs], ddof=1), np.mean([r[key].se for r in runs])
        assert 0.75 < spread / se < 1.3, (key, spread / se)


def test_ct_keeps_its_null_over_all_three_sets():
    values = [
        scores(world(400, 3 * s), Memory.fit(world(800, 3 * s + 1), world(400, 3 * s + 2)))["ct"].value for s in range(1000, 1030)
    ]
    assert abs(np.mean(values)) < 0.5 and 0.45 < np.std(values) < 1.1


def test_a_cell_without_held_out_data_is_avoided():
    far = torch.cat([world(200, 1), world(5, 2) + 100])  # k-means gives the five outliers a cell of their own
    memory = Memory.fit(far, world(100, 3))
    assert len(memory.centres) < 3
    memorisation(world(100, 4), memory)[1].as_dict()


def test_memory_survives_a_file_and_says_what_it_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "KEPT", 500)
    memory = Memory.fit(TRAIN, TEST, seed=3)
    assert torch.equal(memory.train, Memory.fit(TRAIN, TEST, seed=3).train)
    write_npz(tmp_path / "memory.npz", **memory.arrays())
    with np.load(tmp_path / "memory.npz", allow_pickle=False) as file:
        again = Memory.from_arrays(file)
    x = world(100, 5)
    found = memorisation(x, again)
    assert [s.as_dict() for s in found] == [s.as_dict() for s in memorisation(x, memory)]
    assert [s.name for s in found] == [f"{key}(e, n=100, train=500)" for key in ("authpct", "ct", "nn_distance")]
    assert found[0].settings["n_train"] == 2000 and found[0].settings["n_held_out"] == 1500


def test_bad_input_is_refused(memory):
    with pytest.raises(ValueError, match="1 of 100"):
        memorisation(torch.cat([world(99, 1), torch.full((1, 16), torch.inf)]), memory)
    with pytest.raises(ValueError, match="at least 60"):
        memorisation(world(20, 1), memory)
    with pytest.raises(ValueError, match="equal widths"):
        Memory.fit(TRAIN, TEST[:, :3])
    with pytest.raises(ValueError, match="shape"):
        Memory.fit(TRAIN, torch.zeros(0, 16))
