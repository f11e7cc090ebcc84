"""T20 and T21: distances between two samples of points, against closed forms, enumeration and other libraries."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier

from genbench.data.points import checkerboard, ring8
from genbench.metrics import modes, transport, two_samples
from genbench.metrics.cards import scores
from genbench.metrics.sets import Points

RING = ring8()


def of(metric):
    """A metric of samples and reference points, with options of its own."""
    return lambda x, y, seed=0, **options: metric(Points(x, y, seed=seed), **options)


w1, sliced_w1 = of(transport.w1), of(transport.sliced_w1)
mmd2, knn_kl, c2st = of(two_samples.mmd2), of(two_samples.knn_kl), of(two_samples.c2st)


def normal(n, seed, mean=0.0, std=1.0, d=2):
    return mean + std * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(density, n, seed):
    return torch.from_numpy(density.sample(np.random.default_rng(seed), n)).double()


def seven(n, seed):
    """The ring without the mode at angle 0."""
    points = drawn(RING, 2 * n, seed)
    return points[torch.atan2(points[:, 1], points[:, 0]).abs() > math.pi / 8][:n]


def test_t20_w1_equals_other_solvers():
    x, y = normal(150, 0), normal(150, 1, 0.5)
    cost = cdist(x, y)
    value = w1(x, y).value
    assert value == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-12)
    assert value == pytest.approx(ot.emd2([], [], ot.dist(x.numpy(), y.numpy(), metric="euclidean")), rel=1e-12)


def test_t20_sliced_w1_of_a_shift_is_two_over_pi_of_it():
    x = normal(2000, 0)
    score = sliced_w1(x + torch.tensor([0.3, 0.4]), x)
    assert score.value == pytest.approx(0.5 * 2 / math.pi, rel=0.05)  # 200 directions
    angle = (torch.arange(360) + 0.5) * math.pi / 360
    even = torch.stack([angle.cos(), angle.sin()], 1)
    assert sliced_w1(x + torch.tensor([0.3, 0.4]), x, directions=even).value == pytest.approx(1 / math.pi, rel=1e-4)
    assert score.value < w1(x + torch.tensor([0.3, 0.4]), x).value == pytest.approx(0.5, abs=1e-7)
    assert sliced_w1(x, x).value == pytest.approx(0, abs=1e-15)  # some processors round equal rows of a product differently


@pytest.mark.parametrize("sizes", [(400, 400), (300, 700)])
def test_t20_sliced_w1_equals_pot_on_the_same_directions(sizes):
    x, y = normal(sizes[0], 0, d=3), normal(sizes[1], 1, 0.3, d=3)
    directions = torch.nn.functional.normalize(normal(50, 2, d=3), dim=1)
    expected = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), projections=directions.T.numpy(), p=1)
    assert sliced_w1(x, y, directions=directions).value == pytest.approx(expected, rel=1e-10)


def test_sliced_w1_never_exceeds_w1_and_subsamples():
    x, y = drawn(RING, 500, 0), drawn(RING, 500, 1)
    assert 0 < sliced_w1(x, y).value < w1(x, y).value
    score = sliced_w1(x, y, n=200, seed=1)
    assert (score.n, score.settings["n_reference"]) == (200, 200) and score.value != sliced_w1(x, y, n=200, seed=2).value


def test_mmd2_equals_a_double_loop():
    x, y = normal(12, 0), normal(12, 1, 0.7)
    scale = math.sqrt(((y - y.mean(0)) ** 2).sum(1).mean())

    def kernel(a, b):
        return sum(math.exp(-float(((a - b) ** 2).sum()) / (2 * (scale / 2**i) ** 2)) for i in range(5)) / 5

    same = [sum(kernel(a, b) for a, b in itertools.permutations(z, 2)) / (12 * 11) for z in (x, y)]
    cross = sum(kernel(a, b) for a in x for b in y) / 144
    score = mmd2(x, y)
    assert score.value == pytest.approx(sum(same) - 2 * cross, rel=1e-10)
    assert score.settings["bandwidths"] == pytest.approx([scale / 2**i for i in range(5)])


def test_mmd2_between_gaussians_and_no_bias():
    values = np.array([mmd2(normal(200, i), normal(200, 1000 + i)).value for i in range(60)])
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(60)  # either sign: no floor above 0
    # E k between N(0, I) and N(m, I) in the plane: h^2 / (h^2 + 2) exp(-m^2 / (2 (h^2 + 2))) for a kernel of width h
    x, y = normal(2000, 0), normal(2000, 1, 0.5)
    score = mmd2(x, y)
    width = torch.tensor(score.settings["bandwidths"]) ** 2
    expected = (2 * width / (width + 2) * (1 - torch.exp(-0.5 / (2 * (width + 2))))).mean()
    assert abs(score.value - float(expected)) < 3 * math.sqrt(2) * score.se  # the reference is random here, too


def test_mmd2_variance_equals_the_mean_over_disjoint_pairs():
    """The unbiased variance is U^2 less the mean product of terms that share no sample: enumerated here."""
    x, y = normal(7, 0), normal(7, 1, 0.5)
    widths = mmd2(x, y).settings["bandwidths"]

    def kernel(a, b):
        return sum(np.exp(-cdist(a, b, "sqeuclidean") / (2 * h**2)) for h in widths) / 5

    to_reference = kernel(x, y).mean(1)
    terms = kernel(x, x) - to_reference[:, None] - to_reference
    pairs = list(itertools.permutations(range(7), 2))
    u = np.mean([terms[p] for p in pairs])
    apart = np.mean([terms[p] * terms[q] for p in pairs for q in pairs if not set(p) & set(q)])
    assert mmd2(x, y).se == pytest.approx(math.sqrt(u**2 - apart), rel=1e-9)


def test_a_negative_variance_gives_no_standard_error():
    found = [mmd2(normal(12, seed), normal(12, 1000 + seed)) for seed in range(100)]
    none = [score for score in found if score.se is None]
    assert 0 < len(none) < 50
    assert all(score.se is None or score.se > 0 for score in found)
    assert all(score.as_dict()["se"] is None for score in none)


@pytest.mark.parametrize(("mean", "std", "d"), [(0.0, 1.0, 2), (0.5, 1.0, 2), (0.0, 0.5, 2), (0.3, 1.0, 4)])
def test_knn_kl_of_gaussians(mean, std, d):
    score = knn_kl(normal(5000, 0, mean, std, d), normal(5000, 1, d=d))
    truth = d * (std**2 + mean**2 - 1 - 2 * math.log(std)) / 2
    assert abs(score.value - truth) < 4 * math.sqrt(2) * score.se + 0.02 * truth


def test_knn_kl_equals_the_formula_by_brute_force():
    x, y = normal(60, 0, 0.4, d=3), normal(90, 1, d=3)
    own, other = np.sort(cdist(x, x), 1)[:, 3], np.sort(cdist(x, y), 1)[:, 2]
    expected = 3 * np.log(other / own).mean() + math.log(90 / 59)
    assert knn_kl(x, y, k=3).value == pytest.approx(expected, rel=1e-12)


def test_knn_kl_of_identical_samples_is_large_and_finite():
    score = knn_kl(torch.zeros(500, 2), normal(500, 0))
    assert score.value > 15 and score.settings["identical"] == 1
    score.as_dict()
    with pytest.raises(ValueError, match="more than k=5"):
        knn_kl(normal(5, 0), normal(50, 1))


def test_c2st_equals_leave_one_out_by_scikit_learn():
    x, y = normal(60, 0), normal(60, 1, 0.5)
    points, labels = torch.cat([x, y]).numpy(), np.repeat([0, 1], 60)
    score = c2st(x, y)
    right = []
    for i in range(120):
        others = np.arange(120) != i
        model = KNeighborsClassifier(score.settings["k"]).fit(points[others], labels[others])
        right.append(model.predict(points[i : i + 1])[0] == labels[i])
    assert score.settings["k"] == 9 and score.value == pytest.approx(np.mean(right), abs=1e-12)


def z(score):
    return (score.value - score.settings["null"]) / score.settings["null_sd"]


def test_t21_c2st_finds_what_differs():
    reference = drawn(RING, 2000, 0)
    assert abs(z(c2st(drawn(RING, 2000, 1), reference))) < 4
    assert z(c2st(seven(2000, 2), reference)) > 4
    assert z(c2st(drawn(ring8(std=0.6), 2000, 3), reference)) > 4
    assert c2st(torch.zeros(2000, 2), reference).value > 0.98  # identical points: none is its own neighbour
    assert c2st(reference + 100, reference).value == 1


def test_t21_null_of_c2st_holds_over_fresh_pairs():
    """The spread over shuffled labels is that over fresh samples of one distribution; the binomial one is too small."""
    scores = [c2st(normal(250, i), normal(250, 1000 + i)) for i in range(80)]
    spread = np.std([score.value for score in scores], ddof=1)
    expected = np.mean([score.settings["null_sd"] for score in scores])
    assert 0.8 < spread / expected < 1.25 and expected > 1.15 * 0.5 / math.sqrt(500)
    assert abs(np.mean([z(score) for score in scores])) < 0.4


METRICS = (w1, sliced_w1, mmd2, knn_kl, c2st)
SAMPLERS = {
    "the data": lambda n, seed: drawn(RING, n, seed),
    "shifted": lambda n, seed: drawn(RING, n, seed) + torch.tensor([0.3, 0.0]),
    "wide": lambda n, seed: drawn(ring8(std=0.6), n, seed),
    "a mode missing": seven,
}


@pytest.mark.parametrize(
    ("sampler", "n", "n_reference", "draws"),
    [*((sampler, 400, 500, 80) for sampler in SAMPLERS), pytest.param("the data", 2500, 10_000, 30, marks=pytest.mark.slow)],
)
def test_standard_errors_are_those_over_fresh_samples(sampler, n, n_reference, draws):
    reference = drawn(RING, n_reference, 99)
    found = [[metric(SAMPLERS[sampler](n, seed), reference) for metric in METRICS] for seed in range(draws)]
    for drawn_scores in zip(*found, strict=True):
        errors = [score.se for score in drawn_scores if score.se is not None]
        ratio = np.std([score.value for score in drawn_scores], ddof=1) / np.mean(errors)
        assert len(errors) >= 0.9 * draws
        assert 0.7 < ratio < 1.4, (drawn_scores[0].metric, ratio)


# of the last, four modes get about a quarter of their share
@pytest.mark.parametrize(
    "weights", [[1] * 8, [2, 1, 1, 1, 1, 1, 1, 0], [300, 300, 300, 300, 6, 5, 4, 4], [100, 100, 100, 100, 14.5, 14, 13.5, 13]]
)
def test_standard_errors_of_modes_are_those_over_fresh_samples(weights):
    weights, generator = torch.tensor(weights, dtype=torch.float64), torch.Generator().manual_seed(0)
    found, narrow = [], SimpleNamespace(means=RING.means, std=0.12)
    for _ in range(200):
        centre = RING.means[torch.multinomial(weights, 1000, replacement=True, generator=generator)]
        points = centre + 0.14 * torch.randn(1000, 2, generator=generator, dtype=torch.float64)
        found.append(scores(Points(points, density=narrow), ("modes", "high_quality", "mode_kl")))
    for drawn_scores in zip(*found, strict=True):
        spread, se = np.std([score.value for score in drawn_scores], ddof=1), np.mean([score.se for score in drawn_scores])
        assert 0.7 < spread / se < 1.4 if spread else se < 1e-4, (drawn_scores[0].metric, spread, se)


def test_scores_of_points_hold_every_key_and_repeat():
    test = drawn(RING, 600, 0)
    found, again = (scores(Points(drawn(RING, 500, 1).float(), test.float(), RING, "test", seed=3)) for _ in range(2))
    named = {score.metric: score for score in found}
    expected = ["w1", "sliced_w1", "mmd2", "knn_kl", "c2st", "data_nll", "modes", "high_quality", "mode_kl"]
    assert list(named) == expected
    assert all(score.se is not None for score in found)
    assert named["data_nll"].settings["entropy"] == RING.entropy and named["w1"].name == "w1(n=500, test=500)"
    assert [score.as_dict() for score in again] == [score.as_dict() for score in found]


def test_scores_of_a_density_with_edges():
    board = checkerboard()
    found = scores(Points(drawn(board, 300, 0) + 0.5, drawn(board, 300, 1), board))
    named = {score.metric: score for score in found}
    assert "modes" not in named and named["data_nll"].settings["clipped"] > 0.2
    assert named["data_nll"].value == pytest.approx(
        50 * named["data_nll"].settings["clipped"] + math.log(32) * (1 - named["data_nll"].settings["clipped"])
    )
    for score in found:
        score.as_dict()


def test_samplers_of_all_kinds_meet_the_same_reference_points():
    """A subset of the reference must not depend on the seed: only samples are drawn anew."""
    x, y = normal(100, 0), normal(1000, 1)
    for metric in (w1, mmd2):
        assert metric(x, y, seed=1).value == metric(x, y, seed=2).value  # all 100 samples against 100 of 1000


@pytest.mark.parametrize("metric", METRICS)
def test_bad_points_are_refused(metric):
    x, bad = normal(50, 0), normal(50, 1)
    bad[:3, 1] = math.nan
    for pair in ((bad, x), (x, bad)):
        with pytest.raises(ValueError, match="3 of 50"):
            metric(*pair)
    with pytest.raises(ValueError, match="at least 4|more than k"):
        metric(x[:3], x) if metric is not sliced_w1 else w1(x[:3], x)


def test_data_nll_holds_the_entropy_as_its_target():
    score = modes.data_nll(Points(drawn(RING, 2500, 0), density=RING))
    assert abs(score.value - score.settings["entropy"]) < 4 * score.se
