import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genbench.report.read import read
from genbench.report.tables import Cell, interval, judge, tables
from genbench.report.words import arrow, count, findings, listing, number, value


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
    assert judge({"a": [8, 8], "b": [8, 8], "c": [7, 7]}, "higher") == {"a": "best", "b": "best", "c": "apart"}
    assert judge({"a": [8, 8], "b": [8, 8]}, "higher") == {"a": "equal", "b": "equal"}


@pytest.mark.parametrize("shift", np.linspace(0.1, 3, 12))
def test_a_tie_is_what_welchs_test_does_not_reject(shift):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=3), rng.normal(shift, 0.2, size=5)
    a -= a.mean()
    b -= b.mean() - shift
    p = stats.ttest_ind(a, b, equal_var=False).pvalue
    assert judge({"a": a, "b": b}, "lower")["b"] == ("tie" if p >= 0.05 else "apart")


def test_precision_and_equal_columns_are_not_ranked(results):
    for table in [*tables(results, "digits"), *tables(results, "ring8")]:
        for place, column in enumerate(table.columns):
            states = {row.cells[place].state for row in table.rows} - {""}
            if column.metric in ("precision", "recall"):
                assert not states and column.direction == "none" and arrow(column) == ("", "not ranked")
            if column.metric == "classes_covered":
                assert states == {"equal"}


def test_the_floor_is_reached_by_means_not_by_wide_intervals(results):
    scores, floors = results.scores.copy(), results.floors.copy()
    chosen = (scores["dataset"] == "ring8") & (scores["metric"] == "w1")
    floors.loc[floors["metric"] == "w1", "value"] = [0.9, 1.0, 1.0, 1.1]
    edge = 1 + interval([0.9, 1.0, 1.0, 1.1])[1]
    for model, values in {"vae": [edge - 0.01] * 3, "gmm": [edge - 1, edge, edge + 1.03]}.items():
        scores.loc[chosen & (scores["model"] == model), "value"] = values
    scores.loc[chosen & ~scores["model"].isin(["vae", "gmm"]), "value"] = 9.0
    made = type(results)(results.study, results.trials, scores, floors, results.store)
    text = findings(made, "ring8", tables(made, "ring8"))[0]
    assert "is reached by the mean of vae." in text


def test_bounds_and_values_worse_than_uniform_are_called_so(results):
    scores = results.scores.copy()
    chosen = (scores["dataset"] == "digits") & (scores["metric"] == "bpd") & scores["model"].isin(["vae", "realnvp"])
    scores.loc[chosen, "kind"] = "lower_bound"
    scores.loc[chosen & (scores["model"] == "vae"), "value"] += 5
    made = type(results)(results.study, results.trials, scores, results.floors, results.store)
    every = tables(made, "digits")
    text = next(each for each in findings(made, "digits", every) if "at most (bound)" in each)
    assert "best mean realnvp" in text and "Others (worse than uniform, 4.09): vae, 8." in text
    assert "differ in tightness (log-density of dequantised images, one draw; IWAE, k=200)" in text
    table = next(table for table in every if table.kind == "lower_bound")
    assert table.errors and table.rows[0].cells[0].se == pytest.approx(0.02) and table.uniform == math.log2(17)
    assert "at least the true one" in table.title


def test_clipping_is_told_where_it_happened(results):
    scores = results.scores.copy()
    assert not any("clipped" in c.settings or "floor -50" in c.settings for t in tables(results, "ring8") for c in t.columns)
    one = scores.index[scores["metric"] == "data_nll"][0]
    scores.loc[one, "settings"] = '{"floor": -50.0, "clipped": 0.004}'
    made = type(results)(results.study, results.trials, scores, results.floors, results.store)
    assert any(c.settings.endswith("clipped up to 0.004") for t in tables(made, "ring8") for c in t.columns)


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
