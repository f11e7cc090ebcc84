"""C6 from planted changes of images, and means that are crossed."""

import itertools
import math
import types

import numpy as np
import pandas as pd
import pytest

from genbench.questions.crossed import crossed, exceeds, ratio
from genbench.questions.pixel_distance import report
from genbench.report.means import Mean
from genbench.report.verdicts import HOLDS, IN_PART, OPEN, REFUTED
from genbench.results.study import Answer

IMAGES, SIDE = 40, 8


def planted(most=3.0, spread=0.1, seeds=3, datasets=("digits",), kinds=("plain", "warped"), left_out=0):
    """Tables of the question: shifts matter `most` times as much as noise, and blur a little more than noise."""
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
    frames = {"changes": pd.concat(rows), "sets": pd.DataFrame(sets), "neighbours": pd.concat(spaces)}
    frames["pictures"] = pd.concat(pictures)
    return Answer({"shift": 0.036}, {name: frame.reset_index(drop=True) for name, frame in frames.items()})


@pytest.fixture
def made(told):
    def make(answer, draw=False):
        return told(report, types.SimpleNamespace(answer={"pixel_distance": answer}.get, config={}), draw)

    return make


def test_without_the_question_there_is_no_claim(made):
    assert made(None) is None


@pytest.mark.parametrize(
    ("most", "spread", "seeds", "verdict"),
    [(3.0, 0.1, 3, HOLDS), (1.3, 0.1, 3, REFUTED), (2.0, 0.3, 3, OPEN), (3.0, 0.1, 1, OPEN)],
)
def test_the_verdict_follows_from_the_ratio(made, most, spread, seeds, verdict):
    found = made(planted(most, spread, seeds))
    case = found.tables["c6_cases"]
    assert found.verdict == verdict and set(found.cases.values()) == {verdict}
    assert set(case["most"]) == {"shift"} and set(case["least"]) == {"noise"} and set(case["images"]) == {IMAGES // 2}
    assert np.exp(case["log ratio"].mean()) == pytest.approx(most, rel=0.15)
    assert len(found.claim.because) == {HOLDS: 1, REFUTED: 2, OPEN: 3}[verdict]  # what would decide is said of open ones


def test_kinds_that_differ_make_it_hold_in_part(made):
    answer = planted(3.0)
    changes = answer.tables["changes"]
    loose = (changes["kind"] == "warped") & (changes["change"] == "shift")
    before = changes["feature"].copy()
    changes.loc[loose, "feature"] /= 2.5
    found = made(answer)
    assert found.verdict == IN_PART and found.cases == {"digits (plain)": HOLDS, "digits (warped)": REFUTED}
    changes["feature"] = before
    changes.loc[loose, "feature"] *= changes.loc[loose, "seed"].map({0: 0.3, 1: 1.0, 2: 2.0})
    found = made(answer)
    assert found.cases == {"digits (plain)": HOLDS, "digits (warped)": OPEN} and "instead of 3" in found.claim.because[-1]


def test_the_pair_is_not_compared_on_the_images_that_chose_it():
    """Changes that do nothing but noise: the largest of many means is above the smallest, and a fresh half knows nothing."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        rows = [
            pd.DataFrame({"seed": seed, "image": range(20), "change": f"c{i}", "feature": np.exp(rng.standard_normal(20))})
            for seed in range(2)
            for i in range(8)
        ]
        found.append(report._case("d", "plain", pd.concat(rows), 0.95)["ratio"].mean)
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(20)
    assert np.std(found) > 0.1


def test_sentences_have_the_numbers(made):
    found = made(planted(3.0, spread=1e-6, left_out=2), draw=True)
    assert "shift 0.90 (0 %), blur 0.33 (0 %) and noise 0.30 (0 %)" in found.text
    assert all(part in found.text for part in ("75 % in pixels and 25 % in features", "0 % in pixels and 0 % in features"))
    assert "2 of 42 images" in found.text and "2 of 42" not in made(planted()).text
    assert found.figures == ["c6_panel", "c6_distances"] and set(found.tables) == {"c6_changes", "c6_cases", "c6_published"}


def test_datasets_may_lack_a_kind_or_all_images(made):
    both, alone = planted(datasets=("digits", "mnist5k")), planted(datasets=("polygons",), kinds=("plain",))
    mixed = Answer(both.settings, {name: pd.concat([frame, alone.tables[name]]) for name, frame in both.tables.items()})
    found = made(mixed)
    table = found.tables["c6_changes"].set_index("dataset")
    assert found.verdict == HOLDS and len(found.cases) == 5 and table.loc["polygons", "feature distance, warped"].isna().all()
    empty = planted(left_out=40)
    empty.tables["changes"] = empty.tables["changes"].iloc[:0]
    assert made(empty).verdict == OPEN


@pytest.mark.parametrize(("network", "redraw"), [(0.5, 0.5), (0.0, 0.5), (0.5, 0.0), (0.0, 0.0)])
def test_crossed_means_have_the_interval_of_both_sources(network, redraw):
    """Covered about as often as 95 % says, by intervals no wider than three degrees of freedom make them."""
    rng = np.random.default_rng(0)
    hits, widths, runs = 0, [], 400
    for _ in range(runs):
        rest = 0.2 * rng.standard_normal((4, 10))
        cell = crossed(pd.DataFrame(1 + network * rng.standard_normal((4, 1)) + redraw * rng.standard_normal((1, 10)) + rest))
        hits += abs(cell.mean - 1) < cell.half
        widths.append(cell.half)
    assert 0.91 < hits / runs < 1
    assert np.median(widths) < 4.5 * math.sqrt(network**2 / 4 + redraw**2 / 10 + 0.04 / 40)


def test_crossed_means_of_little():
    assert math.isnan(crossed(pd.DataFrame([[1.0, 2.0]])).half) and math.isnan(crossed(pd.DataFrame([[1.0], [2.0]])).half)
    assert crossed(pd.DataFrame([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])).mean == 2 and math.isnan(crossed(pd.DataFrame()).mean)
    assert crossed(pd.DataFrame([[1.0, 1.0], [1.0, 1.0]])).half == 0
    known = crossed(pd.DataFrame([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]))  # redraws alone: a t-interval of three values
    assert known.half == pytest.approx(4.3026527 / math.sqrt(3), rel=1e-6)


def test_bars_and_ratios():
    assert [exceeds(Mean(math.log(x), 0.1), 2.0) for x in (3, 2, 1)] == [HOLDS, OPEN, REFUTED]
    assert exceeds(Mean(9.0, math.nan), 2.0) == OPEN
    assert ratio(Mean(0.0, math.log(2))) == "1.00 times (0.500 to 2.00)" and ratio(Mean(0.0, math.nan)) == "1.00 times"
