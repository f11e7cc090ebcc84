import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genbench.report.read import read
from genbench.report.tables import Cell, interval, judge, tables
from genbench.report.words import count, listing, number, value


@pytest.fixture(scope="module")
def results(make_run, tmp_path_factory):
    root = tmp_path_factory.mktemp("tables") / "results"
    return read(make_run(root), root / "store")


@pytest.mark.parametrize("n", [2, 3, 10])
def test_interval_is_scipys(n):
    values = np.random.default_rng(n).normal(size=n)
    low, high = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    mean, half = interval(values)
    assert mean - half == pytest.approx(low) and mean + half == pytest.approx(high)


def test_interval_of_one_or_no_value():
    assert interval([3.0])[0] == 3.0 and math.isnan(interval([3.0])[1])
    assert all(math.isnan(x) for x in interval([]))
    assert interval([1.0, math.nan, 1.0]) == (1.0, 0.0)


def test_judge_knows_directions():
    values = {"a": [1.0, 1.1, 0.9], "b": [1.1, 1.2, 1.0], "c": [5.0, 5.1, 4.9], "d": []}
    assert judge(values, "lower") == {"a": "best", "b": "tie", "c": "apart"}
    assert judge(values, "higher") == {"a": "apart", "b": "apart", "c": "best"}
    assert judge(values, "target", 5.05) == {"a": "apart", "b": "apart", "c": "best"}
    assert judge(values, "target", None) == {} == judge(values, "none")


def test_judge_separates_nothing_with_one_seed():
    assert judge({"a": [1.0], "b": [9.0]}, "lower") == {"a": "best", "b": "open"}
    assert judge({"a": [1.0]}, "lower") == {}
    assert judge({"a": [8, 8], "b": [8, 8]}, "higher") == {"a": "best", "b": "best"}


def test_numbers_for_people():
    assert number(math.nan) == number(None) == count(math.inf) == "–"
    assert number(0.012345) == "0.0123" and number(1.23e12) == "1.23e12" and number(-0.00001) == "-1.00e-5"
    assert value(Cell(1.23456, 0.0123, (1, 2))) == "1.235 ± 0.012"
    assert value(Cell(1234.5, 56.0, (1, 2))) == "1,234 ± 56" and value(Cell(8, 0.0, (8, 8))) == "8 ± 0"
    assert value(Cell(2.0, math.nan, (2.0,))) == "2.00" and value(Cell(note="n/a")) == "n/a"
    assert listing(["a"]) == "a" and listing(["a", "b", "c"]) == "a, b and c"


def test_kinds_of_likelihood_are_apart(results):
    kinds = {table.kind: [row.label for row in table.rows] for table in tables(results, "ring8") if table.kind}
    assert set(kinds["exact"]) == {"realnvp", "gmm"} and kinds["lower_bound"] == ["vae"]
    exact = next(table for table in tables(results, "ring8") if table.kind == "exact")
    assert exact.columns[0].floor.mean == pytest.approx(2.837)
    assert exact.absent == ("vae", "ns_gan", "wgan_gp", "ebm")


def test_failed_trials_stay_in_the_denominator(results):
    table = tables(results, "digits")[0]
    rows = {row.label: row for row in table.rows}
    assert (rows["wgan_gp"].ok, rows["wgan_gp"].trials, rows["wgan_gp"].cells[0].n) == (2, 3, 2)
    assert rows["ns_gan"].cells[0].note == "3 of 3 failed" and table.rows[-1].label == "ns_gan"


def test_cells_of_one_model_are_never_averaged(make_run, tmp_path):
    root = tmp_path / "results"
    study = make_run(root)
    from genbench.files import read_json, write_json

    trials = pd.read_parquet(study / "trials.parquet")
    chosen = trials[(trials["model"] == "gmm") & (trials["seed"] == 0)]["trial"]
    for trial in chosen:
        path = root / "store" / trial / "trial.json"
        write_json(path, read_json(path) | {"budget": {"unit": "updates", "value": 500}})
    assert {"gmm · 2000 updates", "gmm · 500 updates"} <= set(read(study, root / "store").labels("ring8"))
