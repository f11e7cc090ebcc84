"""The FID's weaknesses from planted numbers."""

import itertools
import math
import re
import types

import numpy as np
import pandas as pd
import pytest
from genbench.report.claims import fid
from genbench.report.claims.exact import bare
from genbench.report.claims.fid import swaps

from genbench.report import style
from genbench.report.means import Mean
from genbench.results.study import Answer

CLASSIFIERS = ["classifier 0", "classifier 1", "classifier 2"]
ENCODERS = [*CLASSIFIERS, "pixels"]
REDRAWS = 8
FAULTS = {"fresh data": 1.0, "noise": 1.05, "blur": 3.0, "few images": 9.0}


def planted(biased=4.0, loss=3.0, copied=0.9, swapped=True, datasets=("digits",), noise=0.02):
    rng = np.random.default_rng(0)

    def some(mean):
        return mean * np.exp(noise * rng.standard_normal())

    bias, dropping, scored, copies = [], [], [], []
    for dataset, encoder, redraw in itertools.product(datasets, ENCODERS, range(REDRAWS)):
        key = {"dataset": dataset, "encoder": encoder, "redraw": redraw}
        for i in range(5):
            value = biased ** (i / 2)
            bias.append({**key, "n": 400 // 2**i, "fid": some(value), "predicted": 2.0**i})
        for kept in (10, 8, 6):
            shares = (
                {"coverage": kept / 10, "recall": kept / 10}
                if encoder == "classifier 0"
                else {"coverage": np.nan, "recall": np.nan}
            )
            dropping.append({**key, "kept": kept, "classes": 10, "n": 100, "fid": some(loss ** ((10 - kept) / 2)), **shares})
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


def made(experiment):
    with style.theme():
        return fid.claim(types.SimpleNamespace(experiment={"fid_faults": experiment}.get, config={"margin": 1.1}))


def answers(claim):
    """Verdicts by question."""
    said = claim.because.split(". ")[0].removeprefix("By question: ")
    return dict(part.split(": ") for part in said.split("; "))


def sentences(claim):
    return [item for block in claim.blocks if block.kind == "points" for item in block.items]


def test_no_experiment_no_claim():
    assert made(None) is None


def test_all_four_hold():
    claim = made(planted())
    assert claim.verdict == "holds" and set(answers(claim).values()) == {"holds"} and len(answers(claim)) == 4
    assert (
        "on digits 3 certain swaps, 3 between a trained classifier and raw pixels and none between two trained" in claim.because
    )
    assert "the FID of blur is 0.3" in claim.because and "which tells them" in claim.because
    names = [block.name for block in claim.blocks if block.kind in ("figure", "table")]
    assert names == ["fid_faults", "fid_bias", "fid_dropping", "fid_samplers", "fid_copies", "fid_published"]


@pytest.mark.parametrize(
    ("planting", "question"),
    [
        ({"biased": 1.0}, "biased in the number of samples"),
        ({"loss": 1.0}, "sees lost classes"),
        ({"swapped": False}, "depends on its encoder"),
        ({"copied": 1.5}, "does not see copies"),
    ],
)
def test_each_verdict_flips_alone(planting, question):
    claim = made(planted(**planting))
    assert claim.verdict == "holds in part"
    assert answers(claim) == {name: "does not hold" if name == question else "holds" for name in fid.QUESTIONS}


@pytest.mark.parametrize("planting", [{"copied": 1.1}, {"biased": 1.05, "noise": 0.5}])
def test_what_the_numbers_leave_open_is_undecided(planting):
    claim = made(planted(**planting))
    assert "undecided" in answers(claim).values() and claim.verdict in ("undecided", "holds in part")


def test_datasets_that_differ_make_it_a_part():
    first, second = planted(), planted(copied=1.5, datasets=("mnist5k",))
    both = {name: pd.concat([table, second.tables[name]]) for name, table in first.tables.items()}
    assert answers(made(Answer(first.settings, both)))["does not see copies"] == "holds in part"


def test_sentences_are_those_of_the_numbers():
    said = sentences(made(planted(noise=1e-6)))
    assert said[0].startswith("digits: 100 real images have 4.00, 4.00 to 4.00 times the FID of 400 (4.00 in theory)")
    assert "FID from 1.00 to 9.00, coverage from 1.00 to 0.600" in said[1] and "rises in 100 % of single steps" in said[1]
    assert "Certain swaps of two samplers by two encoders: 3, 0 of them by classifiers" in said[2]
    assert said[3].endswith("by classifiers: noise (1.05).") and "1 degraded sampler" in said[3]
    assert any("copies get 0 and fresh data 1.00" in line for line in said)


def test_swaps_of_trained_classifiers_are_counted():
    experiment = planted(swapped=False)
    table = experiment.tables["samplers"]
    for name, value in (("blur", 9.0), ("few images", 3.0)):
        rows = (table["encoder"] == "classifier 2") & (table["sampler"] == name)
        table.loc[rows, "fid"] *= value / FAULTS[name]
    said = made(experiment).because
    assert "3 certain swaps, 1 between a trained classifier and raw pixels and 2 between two trained classifiers" in said


def test_values_without_a_spread_have_no_half_width():
    tables = {block.name: block for block in made(planted()).blocks if block.kind == "table"}
    shown = str(tables["fid_copies"].rows())
    assert "±" in shown and not re.search(r"± 0(?![.\d])", shown)
    cells = [bare(Mean(1.0, half)).half for half in (0.0, 3.4e-12, 1e-3)]
    assert math.isnan(cells[0]) and math.isnan(cells[1]) and cells[2] == 1e-3 and math.isnan(bare(Mean(0.0, 0.0)).half)


def test_copies_are_told_only_beside_fresh_data():
    """A C_T below the bar tells nothing where that of fresh data is there, too."""
    experiment = planted()
    table = experiment.tables["copies"]
    assert "of fresh data, which tells them" in made(experiment).because
    table.loc[table["sampler"] == "fresh data", "ct"] -= 10
    assert "which does not surely tell them" in made(experiment).because


def test_agreement_has_the_level_of_its_question():
    """Bonferroni for two datasets: a wider interval of Kendall's tau than for one."""
    one, two = (planted(swapped=False, noise=0.5, datasets=each) for each in (("digits",), ("digits", "mnist5k")))
    rows = two.tables["samplers"]["dataset"] == "digits"
    one.tables["samplers"] = two.tables["samplers"][rows]
    taus = [next(line for line in sentences(made(each)) if line.startswith("digits: mean Kendall's tau")) for each in (one, two)]
    (low, high), (lower, higher) = (
        [float(end) for end in line.split("all encoders ")[1].split("(")[1].split(")")[0].split(" to ")] for line in taus
    )
    assert lower < low and higher >= high


def test_bars_are_not_called_fixed_beforehand():
    note = next(block.text for block in made(planted()).blocks if block.kind == "paragraph")
    assert "stand in the code; they were chosen while the experiment was built." in note and "beforehand" not in note


def test_theory_alone_gives_its_own_intercept():
    """FID c (1/n + 1/m): the line through it ends at c / m."""
    experiment = planted()
    table = experiment.tables["bias"]
    table["fid"] = table["predicted"] = 100 * (1 / table["n"] + 1 / 200)
    (line,) = [each for each in sentences(made(experiment)) if "endlessly" in each]
    assert "endlessly many would have 0.500 (in theory 0.500, as" in line


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
    false = sum(bool(swaps(table((1, 1), (1, 1), 0.5), 1.0, 0.95)) for _ in range(200))
    assert false <= 10
