"""Classes and diversity: collapsed and perfect generators, independent formulas, standard errors by simulation."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from genbench.metrics import classes as module
from genbench.metrics.bins import resampled
from genbench.metrics.cards import scores
from genbench.metrics.references import Reference
from genbench.metrics.sets import Images


def logits(labels, classes):
    return torch.nn.functional.one_hot(torch.as_tensor(labels), classes).float() * 9


KEYS = ("classes_covered", "class_kl", "class_tv", "modes_seen")


def coverage(logits, counts, accuracy=None):
    """Scores by key of logits against the reference's counts of classes."""
    reference = Reference("e", "test", torch.zeros(1, 1), counts, accuracy)
    return {score.metric: score for score in scores(Images(logits, logits, reference), KEYS)}


def vendi(features):
    return module.vendi(Images(features, reference=Reference("e", "test", features)))


def fresh(n, p, seed):
    return logits(np.random.default_rng(seed).choice(len(p), size=n, p=p), len(p))


def test_t16_collapsed_classes():
    found = coverage(logits(torch.full((500,), 3), 10), torch.full((10,), 100))
    assert found["classes_covered"].value == 1
    assert found["class_kl"].value == pytest.approx(math.log(10), abs=1e-12)
    assert found["class_tv"].value == pytest.approx(0.9, abs=1e-12)
    assert set(found) == {"classes_covered", "class_kl", "class_tv"}


def test_t16_values_equal_independent_formulas():
    rng = np.random.default_rng(1)
    labels, counts = rng.integers(4, size=300), np.array([10, 20, 30, 40])
    found = coverage(logits(labels, 4), torch.tensor(counts))
    p = np.bincount(labels, minlength=4) / 300
    assert found["class_kl"].value == pytest.approx(entropy(p, counts / 100), rel=1e-12)
    assert found["class_tv"].value == pytest.approx(abs(p - counts / 100).sum() / 2, rel=1e-12)
    for score in found.values():
        score.as_dict()


@pytest.mark.parametrize(("classes", "n", "m"), [(10, 5000, 1000), (1000, 2500, 20000)])
def test_t16_floors_are_what_a_perfect_sampler_gets(classes, n, m):
    q = np.full(classes, 1 / classes)
    runs = []
    for r in range(20):
        counts = torch.from_numpy(np.random.default_rng(r).multinomial(m, q))
        runs.append(coverage(fresh(n, q, 100 + r), counts))
    for key in ("class_kl", "class_tv") + (("modes_seen",) if classes == 1000 else ()):
        values = [run[key].value for run in runs]
        floor = runs[0][key].settings["floor"]
        assert abs(np.mean(values) - floor) < 4 * np.std(values) / 20**0.5 + 0.06 * floor, key
    if classes == 1000:
        assert abs(runs[0]["modes_seen"].settings["floor"] - 918) < 0.1
        assert np.mean([run["class_kl"].settings["kl_to_uniform"] for run in runs]) == pytest.approx(0.22, abs=0.01)


def test_t16_a_classifiers_errors_make_modes():
    """One true mode of three digits, each digit read wrong 1 % of the time: about 32 modes in 26,000 images."""
    rng = np.random.default_rng(0)
    digits = np.where(rng.random((26000, 3)) < 0.01, rng.integers(1, 10, (26000, 3)), 0)
    found = coverage(logits(digits @ [100, 10, 1], 1000), torch.ones(1000), accuracy=0.97)
    assert 25 <= found["modes_seen"].value <= 50
    assert found["classes_covered"].value == 28  # each of 27 single errors gets 28 images, a quarter of a share being 6.5
    assert found["class_kl"].settings["reliable"] is False


@pytest.mark.parametrize("fault", [0.0, 0.15, 1.5, "lost"])
@pytest.mark.parametrize(("classes", "n", "m"), [(10, 2000, 1000), (300, 1500, 3000)])
def test_standard_errors_given_the_reference(classes, n, m, fault):
    q = np.full(classes, 1 / classes)
    p = q * (np.arange(classes) >= classes // 5) if fault == "lost" else q * np.exp(fault * np.sin(np.arange(classes)))
    counts = torch.from_numpy(np.random.default_rng(5).multinomial(m, q))
    runs = [coverage(fresh(n, p / p.sum(), 10 + r), counts) for r in range(80)]
    assert runs[0]["classes_covered"].se is None
    for key in ("class_kl", "class_tv"):
        spread, se = np.std([r[key].value for r in runs], ddof=1), np.mean([r[key].se for r in runs])
        assert 0.7 < spread / se < 1.4, (key, spread / se)


def test_resampling_the_observed_frequencies_would_be_wrong():
    """Why `resampled` shrinks: of a perfect sampler, the naive bootstrap's spread of the divergence is far too large."""
    q, rng = np.full(100, 0.01), np.random.default_rng(0)

    def js(counts):
        return np.array([jensenshannon(c / c.sum(), q) ** 2 for c in counts])

    seen = rng.multinomial(2000, q, size=40)
    truth = js(seen).std(ddof=1)
    naive = np.mean([js(rng.multinomial(2000, c / 2000, size=50)).std(ddof=1) for c in seen])
    ours = np.mean([js(resampled(c, q, draws=50)).std(ddof=1) for c in seen])
    assert naive / truth > 1.4 and 0.8 < ours / truth < 1.25


def test_a_class_needs_a_quarter_of_its_share():
    labels = torch.cat([torch.zeros(951), torch.full((24,), 1), torch.full((25,), 2)]).long()
    covered = coverage(logits(labels, 10), torch.ones(10), accuracy=0.995)["classes_covered"]
    assert covered.settings["least_share"] == 0.25 and covered.value == 2 and covered.settings["reliable"] is True
    assert covered.name == "classes_covered(e, n=1000, test=10)"
    rare = coverage(logits(labels, 10), torch.tensor([90] + [1] * 9))["classes_covered"]  # 10.1 images expected of each
    assert rare.value == 3


def test_a_class_that_is_never_drawn_is_not_covered_by_errors_of_its_neighbours():
    """Three classes are taken for the lost one 6 % of the time, as of clothes: 2 % of all, a fifth of its share."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(1, 10, size=2000)
        labels[(labels < 4) & (rng.random(2000) < 0.06)] = 0
        assert (labels == 0).sum() > 20  # more than a tenth of an equal share
        assert coverage(logits(labels, 10), torch.full((10,), 100))["classes_covered"].value == 9


def test_a_class_without_reference_counts_half_an_image():
    kl = coverage(logits(torch.tensor([0, 1] * 50), 2), torch.tensor([3, 0]))["class_kl"]
    assert kl.settings["pseudocount"] == 0.5
    assert kl.value == pytest.approx(entropy([0.5, 0.5], [3.5 / 4, 0.5 / 4]))


def test_bad_input_is_refused():
    nan, zero, infinite = (
        torch.full((5, 2), math.nan),
        torch.tensor([[1.0, 2.0], [0, 0]]),
        torch.tensor([[1.0, 2.0], [0, math.inf]]),
    )
    for counts, x in ((torch.zeros(2), zero), (torch.tensor([3, -1]), zero), (torch.ones(3), zero), (torch.ones(2), nan)):
        with pytest.raises(ValueError, match="classes"):
            coverage(x, counts)
    for features in (zero, infinite):
        with pytest.raises(ValueError, match="1 vectors"):
            vendi(features)


def test_conditional_accuracy_counts_agreement():
    given = logits([0, 1, 2, 2, 1], 3)

    def score(given, labels):
        return module.conditional_accuracy(Images(given, given, Reference("e", "test", given), labels=labels))

    found = score(given, torch.tensor([0, 1, 2, 0, 0]))
    assert found.value == 0.6 and found.n == 5 and found.se == pytest.approx((0.6 * 0.4 / 5) ** 0.5)
    assert score(given, None) is None
    for bad, labels in ((given, torch.zeros(4)), (given * math.nan, torch.zeros(5))):
        with pytest.raises(ValueError, match="5 finite|equally many"):
            score(bad, labels)


def test_t19_vendi_of_the_dual_equals_the_kernel_matrix():
    x = torch.randn(300, 20, generator=torch.Generator().manual_seed(0)).double() * torch.arange(1, 21)
    unit = (x / x.norm(dim=1, keepdim=True)).numpy()
    values = np.linalg.eigvalsh(unit @ unit.T / 300).clip(min=1e-300)
    assert vendi(x).value == pytest.approx(math.exp(-(values * np.log(values)).sum()), rel=1e-10)


def test_t19_vendi_counts_orthogonal_vectors():
    for k in (1, 3, 8):
        assert vendi(3 * torch.eye(8)[torch.arange(240) % k]).value == pytest.approx(k, rel=1e-9)


def test_vendi_standard_error():
    mixing = torch.randn(12, 12, generator=torch.Generator().manual_seed(1))
    runs = [vendi(torch.randn(400, 12, generator=torch.Generator().manual_seed(10 + r)) @ mixing) for r in range(100)]
    spread, se = np.std([r.value for r in runs], ddof=1), np.mean([r.se for r in runs])
    assert 0.8 < spread / se < 1.25
    assert vendi(torch.eye(3)).name == "vendi(e, n=3)"
