"""C6 from planted changes of images."""

import itertools
import math
import types

import numpy as np
import pandas as pd
import pytest
from genbench.report.claims import pixels
from genbench.report.crossed import crossed, exceeds, ratio

from genbench.report import style
from genbench.report.means import Mean
from genbench.results.study import Answer

IMAGES, SIDE = 40, 8


def planted(most=3.0, spread=0.1, seeds=3, datasets=("digits",), kinds=("plain", "warped"), left_out=0):
    """Shifts matter `most` times as much as noise, and blur a little more than noise."""
    rng = np.random.default_rng(0)
    size = {"noise": 0.3, "blur": 0.33, "shift": 0.3 * most}
    rows, sets, spaces, pictures = [], [], [], []
    for dataset, kind, seed in itertools.product(datasets, kinds, range(seeds)):
        sets.append({"dataset": dataset, "kind": kind, "seed": seed, "accuracy": 0.97, "unit": 4.0, "target": 1.0,
                     "images": IMAGES, "left_out": left_out})  # fmt: skip
        for change, mean in size.items():
            felt = mean * np.exp(spread * rng.standard_normal(IMAGES))
            rows.append(pd.DataFrame({"dataset": dataset, "kind": kind, "seed": seed, "image": range(IMAGES), "change": change,
                                      "strength": 1.0, "l2": 1.0, "feature": felt, "flipped": felt > 1}))  # fmt: skip
    for dataset, kind in itertools.product(datasets, ("pixels", *kinds)):
        nearest = np.where(np.arange(IMAGES) < (30 if kind == "pixels" else 10), 1.0, 3.0)
        spaces.append(pd.DataFrame({"dataset": dataset, "kind": kind, "seed": 0, "image": range(IMAGES), "shifted": 2.0,
                                    "nearest": nearest, "nearest_other": nearest + 1.5, "mean": 1.0}))  # fmt: skip
    row, column = np.divmod(np.arange(SIDE * SIDE), SIDE)
    for dataset, change in itertools.product(datasets, ("original", *size)):
        pictures.append(pd.DataFrame({"dataset": dataset, "image": 3, "label": 1, "change": change, "row": row, "column": column,
                                      "value": 0.5}))  # fmt: skip
    frames = {
        "changes": pd.concat(rows),
        "sets": pd.DataFrame(sets),
        "neighbours": pd.concat(spaces),
        "pictures": pd.concat(pictures),
    }
    return Answer({"shift": 0.036}, {name: frame.reset_index(drop=True) for name, frame in frames.items()})


def made(experiment):
    with style.theme():
        return pixels.claim(types.SimpleNamespace(experiment={"pixel_distance": experiment}.get, config={}))


def sentences(claim):
    return [item for block in claim.blocks if block.kind == "points" for item in block.items]


def test_no_experiment_no_claim():
    assert made(None) is None


@pytest.mark.parametrize(
    ("most", "spread", "seeds", "verdict"),
    [(3.0, 0.1, 3, "holds"), (1.3, 0.1, 3, "does not hold"), (2.0, 0.3, 3, "undecided"), (3.0, 0.1, 1, "undecided")],
)
def test_the_verdict_follows_from_the_ratio(most, spread, seeds, verdict):
    claim = made(planted(most, spread, seeds))
    assert claim.verdict == verdict and claim.key == "C6"
    assert "shift moves classifiers' features so many times as far as noise" in claim.because
    assert ("allows no verdict" in claim.because) == (seeds == 1)
    case = next(block for block in claim.blocks if block.kind == "table" and block.name == "c6_cases").frame
    assert np.exp(case["log ratio"].mean()) == pytest.approx(most, rel=0.15) and set(case["images"]) == {IMAGES // 2}


def test_it_says_who_chose_the_pair():
    claim = made(planted())
    note = next(block.text for block in claim.blocks if block.kind == "paragraph")
    assert "by the same classifiers: intervals are fair to other images, and optimistic for other classifiers" in note
    assert "beforehand" not in note and "The two changes were chosen by the same classifiers, on other images." in claim.because


def test_kinds_that_differ_make_it_hold_in_part():
    experiment = planted(3.0)
    changes = experiment.tables["changes"]
    weak = (changes["kind"] == "warped") & (changes["change"] == "shift")
    changes.loc[weak, "feature"] /= 2.5
    claim = made(experiment)
    assert claim.verdict == "holds in part" and "Does not hold only on digits by warped classifiers: " in claim.because
    assert "is below the bar of 2." in claim.because
    assert "The interval is above the bar of 2 in every case." in made(planted(3.0)).because


def test_the_open_case_is_named_with_its_interval():
    experiment = planted(3.0)
    changes = experiment.tables["changes"]
    loose = (changes["kind"] == "warped") & (changes["change"] == "shift")
    changes.loc[loose, "feature"] *= changes.loc[loose, "seed"].map({0: 0.3, 1: 1.0, 2: 2.0})
    claim = made(experiment)
    assert claim.verdict == "holds in part" and "Undecided only on digits by warped classifiers: " in claim.because
    assert " contains the bar of 2." in claim.because and "not W1 itself" in " ".join(
        block.text for block in claim.blocks if block.kind == "paragraph"
    )


def test_the_choice_of_the_pair_is_not_judged_on_the_images_that_chose_it():
    """Changes that do nothing but noise: the largest of many means is above the smallest, and a fresh half knows nothing."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(40):
        rows = [
            pd.DataFrame({"seed": seed, "image": range(20), "change": f"c{i}", "feature": np.exp(rng.standard_normal(20))})
            for seed in range(2)
            for i in range(8)
        ]
        found.append(pixels._case("d", "plain", pd.concat(rows), 0.95)["ratio"].mean)
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(40)
    assert np.std(found) > 0.1


def test_sentences_are_those_of_the_numbers():
    claim = made(planted(3.0, spread=1e-6, left_out=2))
    first, *rest = sentences(claim)
    assert (
        first.startswith("digits, L2 1.00 in pixels in every case")
        and "shift 0.90 (0 %), blur 0.33 (0 %) and noise 0.30" in first
    )
    assert any(
        line.startswith("digits: for 75 % of 40 test images the nearest training image is nearer in pixels") for line in rest
    )
    assert any("shifted by 0.036 of its side; in classifiers' features for 25 %." in line for line in rest)
    assert any("the nearest one of another class 0 % in pixels and 0 % in features" in line for line in rest)
    assert any(line.startswith("digits: 2 of 42 images can't be taken so far") for line in rest)
    assert any(line.endswith("are left out of all changes.") for line in rest) and "count nowhere" not in " ".join(rest)
    shares = next(line for line in rest if "each in its own units" in line)
    assert "by classifiers that learned from warped copies over that by plain ones" in shares and "shift 1.0" in shares
    assert [block.name for block in claim.blocks if block.kind in ("figure", "table")] == [
        "c6_panel", "c6_distances", "c6_changes", "c6_cases", "c6_published",
    ]  # fmt: skip
    assert not any("can't be taken" in line for line in sentences(made(planted())))


def test_one_kind_two_datasets_and_nothing_kept():
    claim = made(planted(datasets=("digits", "mnist5k"), kinds=("plain",)))
    assert (
        claim.verdict == "holds" and "on mnist5k" in claim.because and "warped copies are moved" not in " ".join(sentences(claim))
    )
    both, alone = planted(datasets=("digits",)), planted(datasets=("polygons",), kinds=("plain",))
    mixed = Answer(both.settings, {name: pd.concat([frame, alone.tables[name]]) for name, frame in both.tables.items()})
    table = next(block for block in made(mixed).blocks if block.kind == "table" and block.name == "c6_changes")
    assert table.frame.set_index("dataset").loc["polygons", "feature distance, warped"].isna().all()
    empty = planted(left_out=40)
    empty.tables["changes"] = empty.tables["changes"].iloc[:0]
    assert made(empty).verdict == "undecided"


@pytest.mark.parametrize(("judge", "redraw"), [(0.5, 0.5), (0.0, 0.5), (0.5, 0.0), (0.0, 0.0)])
def test_crossed_means_have_the_interval_of_both_sources(judge, redraw):
    """Covered about as often as 95 % says, by intervals no wider than three degrees of freedom make them."""
    rng = np.random.default_rng(0)
    hits, widths, runs = 0, [], 600
    for _ in range(runs):
        table = (
            1 + judge * rng.standard_normal((4, 1)) + redraw * rng.standard_normal((1, 10)) + 0.2 * rng.standard_normal((4, 10))
        )
        cell = crossed(pd.DataFrame(table))
        hits += abs(cell.mean - 1) < cell.half
        widths.append(cell.half)
    assert 0.92 < hits / runs < 1
    assert np.median(widths) < 4.5 * math.sqrt(judge**2 / 4 + redraw**2 / 10 + 0.04 / 40)


def test_crossed_means_of_little():
    assert math.isnan(crossed(pd.DataFrame([[1.0, 2.0]])).half) and math.isnan(crossed(pd.DataFrame([[1.0], [2.0]])).half)
    assert crossed(pd.DataFrame([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])).mean == 2 and math.isnan(crossed(pd.DataFrame()).mean)
    assert crossed(pd.DataFrame([[1.0, 1.0], [1.0, 1.0]])).half == 0
    known = crossed(pd.DataFrame([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]))  # redraws alone: a t-interval of three values
    assert known.half == pytest.approx(4.3026527 / math.sqrt(3), rel=1e-6)


def test_bars_and_ratios():
    assert [exceeds(Mean(math.log(x), 0.1), 2.0) for x in (3, 2, 1)] == ["holds", "undecided", "does not hold"]
    assert exceeds(Mean(9.0, math.nan), 2.0) == "undecided"
    assert ratio(Mean(0.0, math.log(2))) == "1.00, 0.500 to 2.00" and ratio(Mean(0.0, math.nan)) == "1.00"
