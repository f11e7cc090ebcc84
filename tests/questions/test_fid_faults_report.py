"""The FID's faults from planted numbers."""

import itertools
import re
import types

import numpy as np
import pandas as pd
import pytest

from genbench.questions.fid_faults import report
from genbench.questions.fid_faults.report import ADVICE, swaps
from genbench.report.verdicts import HOLDS, IN_PART, OPEN, REFUTED
from genbench.results.study import Answer

CLASSIFIERS = ["classifier 0", "classifier 1", "classifier 2"]
ENCODERS = [*CLASSIFIERS, "pixels"]
REDRAWS = 8
FAULTS = {"fresh data": 1.0, "noise": 1.05, "blur": 3.0, "few images": 9.0}


def planted(biased=4.0, loss=3.0, copied=0.9, swapped=True, datasets=("digits",), noise=0.02):
    """Tables of the question: FIDs that grow by these factors, and orders that pixels swap, up to noise."""
    rng = np.random.default_rng(0)

    def some(mean):
        return mean * np.exp(noise * rng.standard_normal())

    bias, dropping, scored, copies = [], [], [], []
    for dataset, encoder, redraw in itertools.product(datasets, ENCODERS, range(REDRAWS)):
        key = {"dataset": dataset, "encoder": encoder, "redraw": redraw}
        bias += [{**key, "n": 400 // 2**i, "fid": some(biased ** (i / 2)), "predicted": 2.0**i} for i in range(5)]
        for kept in (10, 8, 6):
            share = kept / 10 if encoder == "classifier 0" else np.nan
            fid = some(loss ** ((10 - kept) / 2))
            dropping.append({**key, "kept": kept, "classes": 10, "n": 100, "fid": fid, "coverage": share, "recall": share})
        for name, value in FAULTS.items():
            other = {"blur": 9.0, "few images": 3.0}.get(name, value) if swapped and encoder == "pixels" else value
            scored.append({**key, "sampler": name, "n": 400, "fid": some(other)})
        if encoder in CLASSIFIERS:
            for name, value in (("fresh data", 1.0), ("copies", copied), ("copies, half as many", 1.5)):
                new = name == "fresh data"
                copies.append({**key, "sampler": name, "n": 400, "fid": some(value), "fid_training": float(new),
                               "ct": some(0.1) if new else some(-15), "authpct": 0.0 if new else -50.0,
                               "nn_distance": float(new)})  # fmt: skip
    frames = {"bias": bias, "dropping": dropping, "samplers": scored, "copies": copies}
    return Answer({"redraws": REDRAWS}, {name: pd.DataFrame(rows) for name, rows in frames.items()})


@pytest.fixture
def made(told):
    def make(answer, draw=False):
        return told(report, types.SimpleNamespace(answer={"fid_faults": answer}.get, margin=1.1), draw)

    return make


def test_without_the_question_there_is_no_claim(made):
    assert made(None) is None


def test_all_four_hold(made):
    found = made(planted(), draw=True)
    assert found.verdict == HOLDS and found.cases == dict.fromkeys(ADVICE, HOLDS)
    assert found.figures == ["fid_faults"]
    assert set(found.tables) == {"fid_bias", "fid_dropping", "fid_samplers", "fid_copies", "fid_published"}
    ratio = found.tables["fid_copies"].set_index(["encoder", "sampler"])["FID"]
    assert ratio[CLASSIFIERS[0], "copies"] / ratio[CLASSIFIERS[0], "fresh data"] == pytest.approx(0.9, rel=0.05)


def test_verdicts_together(made):
    first, second = planted(), planted(copied=1.5, datasets=("mnist5k",))
    both = {name: pd.concat([table, second.tables[name]]) for name, table in first.tables.items()}
    found = made(Answer(first.settings, both))
    assert found.verdict == IN_PART and found.cases == dict.fromkeys(ADVICE, HOLDS) | {"does not see copies": IN_PART}


@pytest.mark.parametrize(
    ("ask", "table", "planting", "verdict"),
    [
        (report._bias, "bias", {"biased": 1.0}, REFUTED),
        (report._bias, "bias", {"biased": 1.05, "noise": 0.5}, OPEN),
        (report._lost, "dropping", {"loss": 1.0}, REFUTED),
        (report._encoders, "samplers", {"swapped": False}, REFUTED),
        (report._copies, "copies", {"copied": 1.5}, REFUTED),
        (report._copies, "copies", {"copied": 1.1}, OPEN),
    ],
)
def test_each_question_follows_its_numbers(ask, table, planting, verdict):
    found = ask(planted(**planting).tables[table], 1.1)
    assert found.verdict == verdict and ("undecided beside 1.1: " in found.short) is (verdict == OPEN)


def test_swaps_of_trained_classifiers_are_counted_apart():
    table = planted(swapped=False).tables["samplers"]
    for name, value in (("blur", 9.0), ("few images", 3.0)):
        table.loc[(table["encoder"] == "classifier 2") & (table["sampler"] == name), "fid"] *= value / FAULTS[name]
    text = " ".join(report._encoders(table, 1.1).lines)
    assert "3 certain swaps, 1 between" in text and "and 2 between two trained" in text


def test_copies_are_detected_only_beside_fresh_data():
    """A C_T below the bar tells nothing where that of fresh data is there, too."""
    table = planted().tables["copies"]
    assert "does not surely" not in report._copies(table, 1.1).short
    table.loc[table["sampler"] == "fresh data", "ct"] -= 10
    assert "does not surely" in report._copies(table, 1.1).short


def test_agreement_has_the_level_of_its_question():
    """Bonferroni for two datasets: a wider interval of Kendall's tau than for one."""
    two = planted(swapped=False, noise=0.5, datasets=("digits", "mnist5k")).tables["samplers"]
    lines = [report._encoders(each, 1.1).lines[0] for each in (two[two["dataset"] == "digits"], two)]
    ends = [re.search(r"\(([\d.-]+) to ([\d.-]+)\) of all", line).groups() for line in lines]
    (low, high), (lower, higher) = (map(float, each) for each in ends)
    assert lower < low and higher >= high


def test_theory_alone_gives_its_own_intercept():
    """FID c (1/n + 1/m): the line through it ends at c / m."""
    table = planted().tables["bias"]
    table["fid"] = table["predicted"] = 100 * (1 / table["n"] + 1 / 200)
    assert "0.500 (theory: 0.500," in report._bias(table, 1.1).lines[1]


def test_swaps_need_both_orders_to_be_certain():
    rng = np.random.default_rng(0)

    def table(one, other, noise):
        return pd.DataFrame(
            [
                {"encoder": e, "sampler": s, "redraw": r, "fid": mean * np.exp(noise * rng.standard_normal())}
                for e, means in {"x": one, "y": other}.items()
                for s, mean in zip("ab", means, strict=True)
                for r in range(8)
            ]
        )

    (found,) = swaps(table((1, 2), (2, 1), 0.01), 1.1, 0.95)
    assert (found.one, found.other, found.a, found.b) == ("x", "y", "a", "b")
    assert found.ratio_one == pytest.approx(0.5, rel=0.05) and found.ratio_other == pytest.approx(2, rel=0.05)
    assert not swaps(table((1, 2), (2, 1), 2.0), 1.1, 0.95)  # noise
    assert not swaps(table((1, 2), (1.05, 1), 0.001), 1.1, 0.95)  # one is within the margin
    assert not swaps(table((1, 2), (1, 3), 0.01), 1.1, 0.95)  # one order
    false = sum(bool(swaps(table((1, 1), (1, 1), 0.5), 1.0, 0.95)) for _ in range(100))
    assert false <= 8
