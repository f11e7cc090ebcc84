import math

import numpy as np
import pandas as pd
import pytest
import torch

from genbench.questions.perturb import blurred, equalised, perturbations, shifted
from genbench.questions.pixel_distance import run as pixel_distance
from genbench.questions.pixel_distance.run import _nearest_other, _neighbours, _within
from genbench.questions.pixel_distance.settings import Settings as PixelDistance

NAMES = ["shift", "rotation", "blur", "noise", "brightness", "occlusion", "blend"]


@pytest.fixture(scope="module")
def images(bench):
    return bench.data["digits"].splits["test"][:40].float() / 16


def changes(images, seed=0):
    return perturbations(images, images.flip(0), torch.Generator().manual_seed(seed))


def moved(a, b):
    return (a - b).flatten(1).norm(dim=1)


def test_no_strength_changes_nothing_and_each_stays_in_the_grey_range(images):
    found = changes(images)
    assert list(found) == NAMES
    for name, (limit, at) in found.items():
        # bicubic weights and exponentials are of float32
        torch.testing.assert_close(at(torch.zeros(len(images))), images, rtol=0, atol=2e-6, msg=name)
        most = at(torch.full((len(images),), limit))
        assert most.shape == images.shape and float(most.min()) >= 0 and float(most.max()) <= 1 + 1e-6, name


@pytest.mark.parametrize("target", [0.3, 0.9])
def test_all_changes_are_of_the_same_distance(images, target):
    for name, (limit, at) in changes(images).items():
        strength, made = equalised(images, at, limit, target)
        reached = ~strength.isnan()
        assert reached.float().mean() > 0.9, name
        assert moved(made, images)[reached] == pytest.approx(target, rel=1e-4), name
        assert torch.equal(made[~reached], images[~reached])
        torch.testing.assert_close(at(strength)[reached], made[reached])


def test_the_strength_of_a_blend_is_known(images):
    """Its distance is the strength times that of the two images; what is nearer than the target can't be reached."""
    apart = moved(images, images.flip(0))
    target = float(apart.median())
    strength, _ = equalised(images, changes(images)["blend"][1], 1.0, target)
    far = apart >= target
    assert strength[far] == pytest.approx(target / apart[far], rel=1e-5) and strength[~far].isnan().all()


def test_the_least_of_several_strengths_is_found(images):
    """A change that goes, comes back and goes again."""

    def wave(strength):
        return images + (strength * 2 * math.pi).sin()[:, None, None, None] / 8  # of 64 pixels: |sin| in L2

    strength, _ = equalised(images, wave, 1.0, 0.5)
    assert strength == pytest.approx(np.full(len(images), 1 / 12), rel=1e-5)


def test_shifts_and_blurs_are_what_they_say(images):
    still = torch.zeros(len(images))
    right = shifted(images, still + 1, still)
    torch.testing.assert_close(right[..., 1:], images[..., :-1], rtol=0, atol=1e-5)  # content moves to the right
    torch.testing.assert_close(shifted(images, still, still + 2)[..., 2:, :], images[..., :-2, :], rtol=0, atol=1e-5)
    flat = blurred(images, still + 1e4)
    torch.testing.assert_close(flat, images.mean((2, 3), keepdim=True).expand_as(images), rtol=0, atol=1e-4)
    point = torch.zeros(1, 1, 21, 21)
    point[..., 10, 10] = 1
    profile = blurred(point, torch.tensor([1.5]))[0, 0].sum(0)
    place = torch.arange(21.0)
    assert float((profile * (place - 10) ** 2).sum().sqrt()) == pytest.approx(1.5, rel=1e-3)


def test_tables_of_a_small_run(bench):
    settings = PixelDistance(datasets=["digits"], seeds=2, images=40, encoder_epochs=1, shown=2)
    tables = pixel_distance.run(settings, bench)
    found, sets = tables["changes"], tables["sets"]
    assert list(found["change"].unique()) == NAMES and set(found["kind"]) == {"plain", "warped"}
    assert set(found.groupby(["kind", "seed", "change"]).size()) == {int(sets["images"][0])}
    assert (sets["images"] + sets["left_out"] == 40).all() and sets["images"].min() > 30
    assert np.allclose(found["l2"], sets["target"][0], rtol=1e-4, atol=0) and (found["feature"] > 0).all()
    spaces = tables["neighbours"].groupby(["kind", "seed"]).size()
    assert spaces.to_dict() == {("pixels", 0): 40, **{(kind, seed): 40 for kind in ("plain", "warped") for seed in (0, 1)}}
    assert (tables["neighbours"]["nearest"] <= tables["neighbours"]["nearest_other"] + 1e-4).all()
    shown = tables["pictures"]
    assert shown.groupby(["image", "change"]).size().eq(64).all() and len(shown) == 2 * 8 * 64
    whole = shown.pivot(index=["image", "row", "column"], columns="change", values="value")
    drawn = whole.sub(whole["original"], axis=0).drop(columns="original").pow(2).groupby("image").sum() ** 0.5
    assert np.allclose(drawn, sets["target"][0], rtol=1e-4)
    again = pixel_distance.run(settings, bench)
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(frame, again[name])


def test_neighbours_of_planted_points():
    train, labels = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 1, 1])
    rows, classes = torch.tensor([[0.5], [0.9]]), torch.tensor([0, 0])
    assert _nearest_other(rows, classes, train, labels)[1].tolist() == [1, 1]
    assert _nearest_other(rows, classes, train, labels, least=0.3)[1].tolist() == [1, 2]  # 1.0 is too near to 0.9
    frame = _neighbours(rows, rows + 2, train, torch.tensor([[3.0], [3.0]]), classes, labels)
    assert frame["nearest"].tolist() == pytest.approx([0.5, 0.1]) and frame["nearest_other"].tolist() == pytest.approx([0.5, 0.1])
    assert frame["shifted"].tolist() == pytest.approx([2, 2]) and frame["mean"].tolist() == pytest.approx([2.5, 2.1])


def test_the_unit_is_the_distance_within_classes():
    features = torch.tensor([[0.0], [1.0], [100.0], [103.0]])
    value = _within(features.repeat_interleave(1, 0), torch.tensor([0, 0, 1, 1]))
    assert value == pytest.approx(2, abs=0.25)  # the mean of 1 and 3, of random pairs
