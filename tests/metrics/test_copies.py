"""Copies: shares and tests against known truth, on real digits and on planted copies."""

import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact
from sklearn.datasets import load_digits

from genbench.metrics import copies as module
from genbench.metrics.card import ALARM
from genbench.metrics.cards import scores as scores_of
from genbench.metrics.copies import Originals, closeness
from genbench.metrics.references import Training
from genbench.metrics.sets import Images, Points

KEYS = ("exact_copies", "pixel_copies", "feature_copies")
DIGITS = torch.from_numpy(load_digits().images.astype(np.uint8))[:, None]
MIX = torch.from_numpy(np.random.default_rng(9).normal(size=(64, 20))).float()


def codes(images):
    """Features that are no pixels: a random map with a kink."""
    return (images.flatten(1).float() @ MIX).abs()


def split(seed):
    """Training, held-out and fresh digits, disjoint."""
    return DIGITS[torch.randperm(len(DIGITS), generator=torch.Generator().manual_seed(seed))].split([1000, 397, 400])


def scores(samples, train, held_out, **further):
    training = Training("e", None, None, originals=Originals.fit(train, codes(train), held_out, codes(held_out)))
    images = Images(codes(samples), samples=samples, training=training, splits={"train": train, "test": held_out, **further})
    return {score.metric: score for score in scores_of(images, KEYS)}


def flagged(found):
    return {key for key, score in found.items() if score.settings["p"] <= score.settings["level"]}


def planted(seed, share, change):
    """Fresh digits of which a share repeats training digits, changed; and what they are compared with."""
    train, held_out, fresh = split(seed)
    count = round(share * len(fresh))
    return torch.cat([change(train[:count]), fresh[count:]]), train, held_out


def noisy(images):
    step = 2 * torch.randint(2, images.shape, generator=torch.Generator().manual_seed(0)) - 1
    return (images.int() + step).clamp(0, 16).to(torch.uint8)


def test_closeness_equals_its_definition(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5000)  # blocks of few rows
    train, _, fresh = split(0)
    rows, others = fresh.flatten(1) + 1000.0, train.flatten(1) + 1000.0  # where expanded squares lose digits
    near = torch.cdist(rows.double(), others.double(), compute_mode="donot_use_mm_for_euclid_dist").topk(2, largest=False).values
    assert torch.allclose(closeness(rows, others).double(), near[:, 0] / near[:, 1], rtol=1e-3)
    assert closeness(others[:50], others).abs().max() == 0
    assert closeness(rows[:3], torch.zeros(4, 64)).tolist() == [1, 1, 1]  # all others coincide


def test_fresh_digits_are_near_copies_as_often_as_is_said_and_flagged_no_more_often():
    runs = [scores(fresh, train, held_out) for train, held_out, fresh in map(split, range(60))]
    assert sum(bool(flagged(run)) for run in runs) <= 2 and ALARM == 0.01
    for key in ("pixel_copies", "feature_copies"):
        expected = runs[0][key].settings["expected"]
        assert expected == pytest.approx(100 * 3 / 398)
        assert np.mean([run[key].value for run in runs]) == pytest.approx(expected, abs=0.25)  # splits of the same digits


@pytest.mark.parametrize(
    ("share", "change", "keys"),
    [(0.03, lambda x: x, {"exact_copies"}), (0.1, noisy, {"pixel_copies"}), (0.3, noisy, {"pixel_copies", "feature_copies"})],
)
def test_copies_are_found(share, change, keys):
    for seed in range(3):
        found = scores(*planted(seed, share, change))
        assert keys <= flagged(found)
        assert found["exact_copies"].value == (100 * share if change is not noisy else 0)
        assert found["pixel_copies"].value == pytest.approx(100 * share, abs=2)


def test_shifted_copies_are_not_found():
    """What the card says of them: an honest limit."""
    assert not flagged(scores(*planted(0, 0.3, lambda x: torch.nn.functional.pad(x, (1, 0))[..., :8])))


def test_the_least_share_is_the_least_that_is_flagged():
    train, held_out, fresh = split(1)
    least = scores(fresh, train, held_out)["exact_copies"].settings["least"]
    for count, told in ((round(4 * least), True), (round(4 * least) - 1, False)):
        found = scores(torch.cat([train[:count], fresh[count:]]), train, held_out)
        assert found["exact_copies"].value == count / 4 and (flagged(found) >= {"exact_copies"}) == told


def test_exact_copies_have_fishers_p():
    train, held_out, fresh = split(2)
    score = scores(torch.cat([train[:6], fresh[6:]]), train, held_out)["exact_copies"]
    n, m = 400, 397 + 500  # training digits show repeats among themselves in pairs
    assert score.settings["p"] == pytest.approx(fisher_exact([[6, n - 6], [0, m]], alternative="greater").pvalue)


def test_what_real_data_repeat_is_no_copying():
    """Every example is there twice or more: fresh ones repeat training ones as held-out ones do."""
    generator = torch.Generator().manual_seed(0)
    train, held_out, fresh = (DIGITS[torch.randint(500, (n,), generator=generator)] for n in (1000, 397, 400))
    found = scores(fresh, train, held_out)
    assert found["exact_copies"].value > 50 and not flagged(found)
    assert found["exact_copies"].settings["real"] == pytest.approx(found["exact_copies"].value, abs=10)


@pytest.mark.parametrize(("name", "count"), [("test", 397), ("validation", 400), ("test", 100)])
def test_another_split_is_noticed(name, count):
    train, held_out, validation = split(3)
    handed = {"test": held_out, "validation": validation}[name][:count]
    found = scores(handed, train, held_out, validation=validation)
    about = found["exact_copies"].settings
    assert about[f"{name}_share"] == 100 and about[f"{name}_p"] <= about["level"] < about["p"] and not flagged(found)


def test_the_order_of_samples_does_not_matter():
    samples, train, held_out = planted(4, 0.1, noisy)
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(1))
    one, other = scores(samples, train, held_out), scores(samples[order], train, held_out)
    assert [each.as_dict() for each in one.values()] == [each.as_dict() for each in other.values()]


def test_copies_of_a_repeated_training_image_are_found():
    """It has no second neighbour but for its twin, which counts once."""
    train, held_out, fresh = split(5)
    train = torch.cat([train, train[:1]])
    samples = torch.cat([noisy(train[:1]).repeat(40, 1, 1, 1), fresh[40:]])
    assert "pixel_copies" in flagged(scores(samples, train, held_out))


def test_points_are_compared_exactly():
    train, test, fresh = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 500, 2))).float()
    train[0] = 0.0
    splits = {"train": train, "test": test}
    (new,) = scores_of(Points(fresh, splits=splits), KEYS)
    assert new.metric == "exact_copies" and new.value == 0 and new.settings["p"] == 1
    (copied,) = scores_of(Points(torch.cat([-train[:1], train[1:10], fresh[10:]]), splits=splits), KEYS)
    assert copied.value == 2 and copied.settings["p"] <= copied.settings["level"]  # -0.0 is 0.0
    assert not scores_of(Points(fresh), KEYS)


def test_originals_survive_a_file():
    train, held_out, _ = split(6)
    made = Originals.fit(torch.cat([train, train[:3]]), codes(torch.cat([train, train[:3]])), held_out, codes(held_out))
    again = Originals.from_arrays(made.arrays())
    assert torch.equal(made.distinct, again.distinct) and len(again.distinct) == 1000
    assert torch.equal(made.pixels, again.pixels) and torch.equal(made.codes, again.codes)
    with pytest.raises(ValueError, match="1 distinct"):
        Originals.fit(train[:1].repeat(5, 1, 1, 1), codes(train[:1].repeat(5, 1, 1, 1)), held_out, codes(held_out))
