import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genbench.metrics.card import GROUPS
from genbench.metrics.cards import METRICS
from genbench.report.frames import long
from genbench.report.likelihoods import note
from genbench.report.means import Mean
from genbench.report.ranking import against_best, on_same_examples
from genbench.report.sentences import _ranking, arrow, findings, settings
from genbench.report.tables import WIDEST, _split, mains, tables
from genbench.report.text import count, ends, listing, number, value
from genbench.results.study import read
from genbench.statistics.uncertainty import Difference, paired


def test_judge_knows_directions():
    values = {"a": [1.0, 1.1, 0.9], "b": [1.1, 1.2, 1.0], "c": [5.0, 5.1, 4.9], "d": []}
    assert against_best(values, "lower") == {"a": "best", "b": "tie", "c": "apart"}
    assert against_best(values, "higher") == {"a": "apart", "b": "apart", "c": "best"}
    assert against_best(values, "target", 5.05) == {"a": "apart", "b": "apart", "c": "best"}
    assert against_best(values, "target", None) == {} == against_best(values, "none")


def test_judge_separates_nothing_with_one_seed():
    assert against_best({"a": [1.0], "b": [9.0]}, "lower") == {"a": "best", "b": "open"}
    assert against_best({"a": [1.0]}, "lower") == {}
    assert against_best({"a": [8, 8], "b": [8, 8], "c": [7, 7]}, "higher") == {"a": "best", "b": "best", "c": "apart"}
    assert against_best({"a": [8, 8], "b": [8, 8]}, "higher") == {"a": "equal", "b": "equal"}


@pytest.mark.parametrize("shift", np.linspace(0.1, 3, 12))
def test_a_tie_is_what_welchs_test_does_not_reject(shift):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=3), rng.normal(shift, 0.2, size=5)
    a -= a.mean()
    b -= b.mean() - shift
    p = stats.ttest_ind(a, b, equal_var=False).pvalue
    assert against_best({"a": a, "b": b}, "lower")["b"] in (("tie", "unclear") if p >= 0.05 else ("apart",))


def test_precision_and_equal_columns_are_not_ranked(every):
    for table in [*every["digits"], *every["ring8"]]:
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
    edge = 1.1  # the worst redraw
    for model, values in {"vae": [edge - 0.01] * 3, "gmm": [edge - 1, edge, edge + 1.03]}.items():
        scores.loc[chosen & (scores["model"] == model), "value"] = values
    scores.loc[chosen & ~scores["model"].isin(["vae", "gmm"]), "value"] = 9.0
    made = replace(results, scores=scores, floors=floors)
    text = findings(made, "ring8", tables(made, "ring8"))[0].short
    assert text.endswith("; vae reaches it.")


def test_bounds_and_values_worse_than_uniform_are_called_so(results):
    scores = results.scores.copy()
    chosen = (scores["dataset"] == "digits") & (scores["metric"] == "bpd") & scores["model"].isin(["vae", "realnvp"])
    scores.loc[chosen, "kind"] = "lower_bound"
    scores.loc[chosen & (scores["model"] == "vae"), "value"] += 5
    made = replace(results, scores=scores)
    every = tables(made, "digits")
    found = next(each for each in findings(made, "digits", every) if "realnvp is best" in each.short)
    more = " ".join(found.more)
    assert "(4.09): vae (8." in more and "(log-density of dequantised images, one draw; IWAE, k=200)" in more
    table = next(table for table in every if table.kind == "lower_bound")
    assert table.errors and table.rows[0].cells[0].se == pytest.approx(0.02) and table.uniform == math.log2(17)
    assert "at least the true one" in table.title


def test_clipping_is_told_where_it_happened(results, every):
    scores = results.scores.copy()
    assert not any("clipped" in c.settings or "floor -50" in c.settings for t in every["ring8"] for c in t.columns)
    one = scores.index[scores["metric"] == "data_nll"][0]
    scores.loc[one, "settings"] = '{"floor": -50.0, "clipped": 0.004}'
    made = replace(results, scores=scores)
    assert any(c.settings.endswith("clipped up to 0.004") for t in tables(made, "ring8") for c in t.columns)


def test_numbers_for_people():
    assert number(math.nan) == number(None) == count(math.inf) == "–"
    assert number(0.012345) == "0.0123" and number(1.23e12) == "1.23e12" and number(-0.00001) == "-1.00e-5"
    assert value(Mean(1.23456, 0.0123, (1, 2))) == "1.235 ± 0.012"
    assert value(Mean(1234.5, 56.0, (1, 2))) == "1,234 ± 56" and value(Mean(8, 0.0, (8, 8))) == "8 ± 0"
    assert value(Mean(2.0, math.nan, (2.0,))) == "2.00" and value(Mean(note="n/a")) == "n/a"
    assert number(3.94e-62) == "0" and value(Mean(-0.001, math.nan, (-0.001,), se=0.4)) == "0.00"
    assert value(Mean(2.83412, 0.0012, (1, 2), se=0.019)) == "2.834 ± 0.001"  # no digits that the test set does not give
    assert value(Mean(2.83412, 0.0001, (1, 2), se=0.19)) == "2.83 ± 0.00010"
    assert value(Mean(81.0615, math.nan, (81.0615,), se=2.5)) == "81.1"
    assert ends(Mean(0.146, math.nan, (0.108, 0.171, 0.159))) == "0.146 (0.108 to 0.171)"
    assert ends(Mean(10.0, math.nan, (10.0, 10.0))) == "10" and ends(Mean(0.05, math.nan, (0.05,))) == "0.0500"
    assert listing(["a"]) == "a" and listing(["a", "b", "c"]) == "a, b and c"


def test_kinds_of_likelihood_are_apart(every):
    kinds = {table.kind: [row.label for row in table.rows] for table in every["ring8"] if table.kind}
    assert set(kinds["exact"]) == {"realnvp", "gmm"} and kinds["lower_bound"] == ["vae"]
    exact = next(table for table in every["ring8"] if table.kind == "exact")
    assert exact.columns[0].floor.mean == pytest.approx(2.837)
    assert exact.absent == ("vae", "ns_gan", "wgan_gp", "ebm")


def test_failed_trials_stay_in_the_denominator(every):
    table = every["digits"][0]
    rows = {row.label: row for row in table.rows}
    assert (rows["wgan_gp"].ok, rows["wgan_gp"].trials, rows["wgan_gp"].cells[0].n) == (2, 3, 2)
    assert rows["ns_gan"].cells[0].note == "3 of 3 failed" and table.rows[-1].label == "ns_gan"


def test_cells_of_one_model_are_never_averaged(make_run, tmp_path):
    root = tmp_path / "results"
    study = make_run(root)
    from genbench.results.files import read_json, write_json

    trials = pd.read_parquet(study / "trials.parquet")
    chosen = trials[(trials["model"] == "gmm") & (trials["seed"] == 0)]["trial"]
    for trial in chosen:
        path = root / "store" / trial / "trial.json"
        write_json(path, read_json(path) | {"budget": {"unit": "updates", "value": 500}})
    assert {"gmm · 2000 updates", "gmm · 500 updates"} <= set(read(study, root / "store").labels("ring8"))


def test_tables_follow_the_cards(results, every):
    for dataset, kind in (("ring8", "points"), ("digits", "images")):
        for table in every[dataset]:
            assert len(table.columns) <= WIDEST
            groups = {column.card.group for column in table.columns if column.metric in METRICS and not table.kind}
            assert len(groups) <= 1 and (not groups or table.title.startswith(groups.pop()))
        shown = [column.metric for table in every[dataset] for column in table.columns]
        assert set(mains(kind)) <= set(shown)
        order = [metric for metric in METRICS if metric in shown and not METRICS[metric].group.endswith("ikelihood")]
        in_groups = sorted(order, key=lambda metric: GROUPS.index(METRICS[metric].group))
        assert [metric for metric in shown if metric in order] == in_groups
        assert set(results.scores.loc[results.scores["dataset"] == dataset, "metric"]) == set(shown)


def test_a_wide_group_is_split_evenly():
    parts = _split([(str(i), "") for i in range(2 * WIDEST + 1)])
    assert [len(part) for part in parts] == [4, 4, 3] and sum(parts, []) == [(str(i), "") for i in range(2 * WIDEST + 1)]
    assert _split([]) == []


def test_what_is_not_ranked_is_not_shaded(every):
    for table in every["digits"]:
        for place, column in enumerate(table.columns):
            if not column.card.ranked or column.card.direction == "none":
                assert not any(row.cells[place].state for row in table.rows)


def test_surrogates_and_annealed_bounds_are_ranked_apart(results, every):
    kinds = {table.kind: table for table in every["ring8"] if table.kind}
    assert {row.label for row in kinds["surrogate"].rows} == {"ns_gan", "wgan_gp"}
    assert [column.metric for column in kinds["annealed"].columns] == ["ais_nll", "bdmc_gap"]
    assert [row.label for row in kinds["annealed"].rows] == ["vae"]
    assert [column.metric for column in kinds["surrogate"].columns] == ["surrogate_nll", "bdmc_gap"]
    assert "temperatures 200" in kinds["surrogate"].columns[0].settings and "sigma" not in kinds["surrogate"].columns[0].settings
    for kind in ("exact", "lower_bound", "estimate"):
        assert {column.metric for column in kinds[kind].columns} <= {"nll", "kl", "bpd"}
        assert not {"ns_gan", "wgan_gp"} & {row.label for row in kinds[kind].rows}
    assert any(each.short.startswith("Likelihood with noise") for each in findings(results, "ring8", every["ring8"]))


def test_likelihoods_are_compared_on_the_same_examples(results, every):
    table = next(table for table in every["ring8"] if table.kind == "exact")
    best, other = table.rows
    frame = results.examples[(results.examples["dataset"] == "ring8") & (results.examples["kind"] == "exact")]
    a, b = (frame[frame["label"] == row.label].pivot(index="trial", columns="index", values="value") for row in (other, best))
    assert best.difference is None and other.difference == paired(a.to_numpy(), b.to_numpy())
    assert other.difference.mean == pytest.approx(other.cells[0].mean - best.cells[0].mean)
    rows = long([table]).set_index(["metric", "model"])
    assert rows.loc[("nll", other.label), "difference_half_width"] == pytest.approx(other.difference.half)
    assert math.isnan(rows.loc[("nll", best.label), "difference_to_best"])


def test_pairing_separates_what_seeds_alone_do_not():
    a, b = [2.80, 2.86, 2.83], [2.88, 2.85, 2.91]
    wide, narrow = Difference(0.05, 0.01, 0.02, 0.06, 100), Difference(0.05, 0.01, 0.01, 0.03, 100)
    assert against_best({"a": a, "b": b}, "lower")["b"] == "tie"
    assert against_best({"a": a, "b": b}, "lower", against=lambda *_: wide)["b"] == "tie"
    assert against_best({"a": a, "b": [2.87, 2.88, 2.9]}, "lower", against=lambda *_: wide)["b"] == "unclear"
    assert against_best({"a": a, "b": b}, "lower", against=lambda *_: narrow)["b"] == "apart"
    assert against_best({"a": a, "b": b[:1]}, "lower", against=lambda *_: narrow)["b"] == "open"


def test_without_common_examples_seeds_decide(results):
    none = replace(results, examples=results.examples[:0])
    assert not any(table.differences for table in tables(none, "ring8"))
    examples = results.examples.copy()
    chosen = (examples["model"] == "gmm") & (examples["dataset"] == "ring8")
    examples.loc[chosen, "index"] += 10_000
    apart = replace(results, examples=examples)
    assert on_same_examples(apart, "ring8", "nll", "exact")("realnvp", "gmm") is None
    examples.loc[chosen, "index"] = results.examples.loc[chosen, "index"] + 150
    assert on_same_examples(replace(results, examples=examples), "ring8", "nll", "exact")("realnvp", "gmm").n == 50
    examples.loc[chosen, "value"] = math.inf
    assert on_same_examples(replace(results, examples=examples), "ring8", "nll", "exact")("realnvp", "gmm") is None
    twice = replace(results, examples=pd.concat([results.examples, results.examples]))
    assert on_same_examples(twice, "ring8", "nll", "exact")("realnvp", "gmm") is None


def test_kl_is_compared_as_nll_is(results, every):
    columns = next(table for table in every["ring8"] if table.kind == "exact").columns
    assert [column.metric for column in columns] == ["nll", "kl"]
    made = [on_same_examples(results, "ring8", column.metric, "exact")("realnvp", "gmm") for column in columns]
    assert made[0] == made[1] is not None


def test_floors_of_likelihoods_say_whether_models_saw_the_same_points(results):
    def exact(made):
        return next(table for table in tables(made, "ring8") if table.kind == "exact")

    assert exact(results).floor_name == "Entropy of the data" and exact(results).columns[0].entropy
    row = {"dataset": "ring8", "metric": "nll", "repeat": 0, "value": 2.837, "unit": "nats", "n": 1000, "settings": "{}"}
    measured = replace(results, floors=pd.concat([results.floors, pd.DataFrame([row])]))
    assert exact(measured).floor_name == "True density (entropy 2.837)" and not exact(measured).columns[0].entropy


def test_classes_told_by_a_poor_classifier_are_marked(every):
    table = next(t for t in every["digits"] for c in t.columns if c.metric == "classes_covered")
    text = " ".join(settings(table))
    assert "classifier that reaches 97.8 %" in text and text.count("97.8") == 1
    assert "accuracy" not in text and "reliable" not in text


def test_kinds_of_an_ungrouped_metric_are_named(results):
    scores = results.scores.copy()
    scores.loc[scores["metric"] == "nll_gap", "kind"] = scores["model"].map({"vae": "lower_bound"}).fillna("exact")
    columns = [c for t in tables(replace(results, scores=scores), "ring8") for c in t.columns if c.metric == "nll_gap"]
    assert [column.title.split("(")[1] for column in columns] == ["exact)", "bound)"]


def test_seeds_that_happen_to_agree_are_no_evidence():
    values = {"a": [0.100, 0.101, 0.102], "b": [0.102, 0.103, 0.104]}
    close = {"a": [0.1000, 0.1001, 0.1002], "b": [0.1005, 0.1006, 0.1007]}
    assert against_best(close, "lower")["b"] == "apart"
    assert against_best(close, "lower", errors={"a": 0.01**2, "b": 0.01**2})["b"] == "unclear"
    assert against_best(close, "lower", errors={"a": 1e-6**2, "b": 1e-6**2})["b"] == "apart"
    assert against_best(values, "lower", errors={"b": 0.01**2})["b"] == "tie"  # one seed is as good as one of the best's


def test_behind_in_every_seed_is_unclear_and_not_a_tie(results):
    values = {"a": [1.0, 1.1, 1.2], "b": [1.3, 2.0, 9.0], "c": [1.15, 1.2, 1.3]}
    assert against_best(values, "lower") == {"a": "best", "b": "unclear", "c": "tie"}
    assert against_best({"a": [-1.0, -1.1, -1.2], "b": [-1.3, -2.0, -9.0]}, "higher")["b"] == "unclear"
    scores = results.scores.copy()
    chosen = (scores["dataset"] == "ring8") & (scores["metric"] == "w1")
    for model, each in {"vae": values["a"], "gmm": values["b"], "ebm": values["c"]}.items():
        scores.loc[chosen & (scores["model"] == model), "value"] = each
    scores.loc[chosen & ~scores["model"].isin(["vae", "gmm", "ebm"]), "value"] = 90.0
    made = replace(results, scores=scores.assign(se=0.0))
    found = findings(made, "ring8", tables(made, "ring8"))[0]
    assert "indistinguishable from it: ebm." in found.short and found.more[0].endswith(": gmm.")
    scores.loc[chosen & (scores["model"] == "ebm"), "value"] = 90.0
    alone = replace(results, scores=scores.assign(se=0.0))
    assert "prove gmm worse" in findings(alone, "ring8", tables(alone, "ring8"))[0].short


def test_nothing_ranks_past_a_perfect_sampler(results):
    assert against_best({"a": [0.40, 0.45], "b": [0.50, 0.50], "c": [0.7, 0.71]}, "lower", best=0.5) == {
        "a": "best",
        "b": "best",
        "c": "apart",
    }
    assert against_best({"a": [1.0, 1.0], "b": [0.99, 0.989]}, "higher", best=0.98889) == {"a": "equal", "b": "equal"}
    assert against_best({"a": [-0.2, 0.2], "b": [0.09, 0.09]}, "lower", best=0.0)["b"] == "best"  # luck cancels nothing
    assert METRICS["c2st"].best == 0.5
    scores = results.scores.copy()
    chosen = (scores["dataset"] == "ring8") & (scores["metric"] == "c2st")
    scores.loc[chosen, "value"] = 0.8
    scores.loc[chosen & (scores["model"] == "vae"), "value"] = [0.49, 0.48, 0.47]
    scores.loc[chosen & (scores["model"] == "gmm"), "value"] = [0.499, 0.5, 0.498]
    made = replace(results, scores=scores)
    table, place = next((t, i) for t in tables(made, "ring8") for i, c in enumerate(t.columns) if c.metric == "c2st")
    assert {row.label for row in table.rows if row.cells[place].state == "best"} == {"vae", "gmm"}
    text = _ranking(table, place).short
    assert "0.500" in text and ("vae and gmm" in text or "gmm and vae" in text) and "All others are worse." in text


def test_references_are_shown_first_and_never_ranked(results):
    made = replace(results, study=results.study | {"references": {"ring8": ["gmm"]}})
    for table in tables(made, "ring8"):
        labels = [row.label for row in table.rows]
        if "gmm" in labels:
            assert labels[0] == "gmm" and [row.reference for row in table.rows] == [True] + [False] * (len(labels) - 1)
            assert not any(cell.state for cell in table.rows[0].cells) and table.rows[0].difference is None
            assert "gmm" not in [row.label for row in table.contenders]
    found = findings(made, "ring8", tables(made, "ring8"))
    assert any("(no contender): gmm, 0." in line for line in found[0].more) and not any("gmm" in each.short for each in found)
    assert not any(row.reference for table in tables(made, "digits") for row in table.rows)


def test_annealed_tables_have_columns_of_their_own(results, every):
    kinds = {table.kind: table for table in every["ring8"] if table.kind}
    assert kinds["annealed"].details == {
        "ESS of the chains": {"vae": "14.5 of 16"},
        "IWAE, same examples [nats]": {"vae": "3.210"},
    }
    assert set(kinds["surrogate"].details) == {"ESS of the chains", "sigma"}
    assert kinds["surrogate"].details["sigma"] == {"ns_gan": "0.0505", "wgan_gp": "0.0510"}
    scores = results.scores.copy()
    chosen = scores["metric"] == "ais_nll"
    moved = scores[chosen].assign(dataset="digits", trial=results.of("digits", "vae")["trial"].iloc[0], value=64 * math.log(2))
    made = replace(results, scores=pd.concat([scores, moved]))
    table = next(table for table in tables(made, "digits") if table.kind == "annealed")
    assert table.details["bits/dim"] == {"vae": "1.00"}


def test_gaps_show_their_error_over_examples(every):
    table = next(table for table in every["digits"] for column in table.columns if column.metric == "nll_gap")
    assert table.details["Train-test gap: SE over examples"]["gmm"] == "0.030"


def test_the_same_examples_are_counted_for_every_pair(results):
    kinds = results.scores["kind"].replace({"estimate": "exact"})
    scores = results.scores.assign(kind=kinds, settings=results.scores["settings"].str.replace("quadrature", "log_prob"))
    examples = results.examples.assign(kind=results.examples["kind"].replace({"estimate": "exact"}))
    short = (examples["model"] == "ebm") & (examples["index"] >= 50)
    chosen = (scores["model"] == "ebm") & scores["metric"].isin(["nll", "kl"])
    scores.loc[chosen, "n"] = 50
    made = replace(results, scores=scores, examples=examples[~short])
    every = tables(made, "ring8")
    found = next(each for each in findings(made, "ring8", every) if each.short.startswith("Negative log-likelihood, exact"))
    assert "same 50 to 200 test examples" in found.more[0]
    table = next(table for table in every if table.kind == "exact")
    assert {row.label: row.cells[0].size for row in table.rows} == {"gmm": "1,000", "realnvp": "1,000", "ebm": "50"}
    assert not any(row.cells[0].size for table in tables(results, "ring8") for row in table.rows)


def test_copies_of_training_data_are_a_floor_of_the_primary_encoder(results, every):
    fid = next(column for table in every["digits"] for column in table.columns if column.metric == "fid")
    assert fid.copier.values == (2.9,) and fid.copier_size == "800" and fid.size == ""
    assert len(fid.floor.values) == 4 and math.isnan(fid.floor.half)
    assert fid.edge(worst=True) == max(fid.floor.values) and fid.edge(worst=False) == min(fid.floor.values)
    older = replace(results, copies=results.copies[:0])
    assert not any(column.copier.n for table in tables(older, "digits") for column in table.columns)


def test_notes_name_only_models_of_their_table():
    assert "gmm" not in note("exact", {"gmm": "the model's log-density"}, True)
    text = note("exact", {"cnf": "the model's log-density", "ebm": "quadrature"}, False)
    assert "a solver (cnf) or a grid (ebm: quadrature)" in text
    text = note("estimate", {"ddpm": "probability-flow ODE (another distribution)", "ebm": "AIS"}, True)
    assert "ddpm" in text and "dequantised images" in text and "ebm" not in text
    assert "dequantised" not in note("estimate", {"ddpm": "probability-flow ODE"}, False)
    assert "ODE" not in note("estimate", {"ebm": "AIS"}, True)


def test_the_bound_of_a_long_chain_has_a_table_of_its_own(results):
    scores = results.scores
    chosen = (scores["dataset"] == "digits") & (scores["metric"] == "bpd") & (scores["kind"] == "lower_bound")
    made = replace(results, scores=pd.concat([scores, scores[chosen].assign(metric="long_bound", value=1.5)]))
    (table,) = [t for t in tables(made, "digits") for column in t.columns if column.metric == "long_bound"]
    assert table.kind == "long" and "bits/dim" not in table.details  # it is in that unit already
    (text,) = findings(made, "digits", tables(made, "digits"))[-1].more
    assert "bound of a long chain: vae, 1.5" in text


def test_a_floor_of_other_sizes_gives_way_to_the_formula(results):
    chosen = results.scores["metric"] == "class_kl"
    scores = results.scores.copy()
    settings = [json.loads(text) | {"floor": 0.125} for text in scores.loc[chosen, "settings"]]
    scores.loc[chosen, "settings"] = [json.dumps(each) for each in settings]
    floors = results.floors.copy()
    floors.loc[floors["metric"] == "class_kl", "n"] = 7
    for frame, expected in ((results.floors, False), (floors, True)):
        found = tables(replace(results, scores=scores, floors=frame), "digits")
        (column,) = [c for table in found for c in table.columns if c.metric == "class_kl"]
        assert (column.floor.mean == 0.125) == expected == column.settings.endswith("; floor by formula")
