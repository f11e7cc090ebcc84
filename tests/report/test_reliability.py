import pandas as pd
import pytest

from genbench.report.reliability import RULE, caveat, classifier, estimator
from genbench.report.sentences import findings
from genbench.report.tables import tables
from genbench.results.files import read_json, write_json
from genbench.results.study import read

IWAE = {"estimator": "IWAE, k=200", "ess": 0.01, "elbo": 3.0}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"estimator": "AIS", "ess": 0.03}, "0.03 of the chains, below 0.1"),
        ({"estimator": "AIS", "ess": 0.1}, ""),
        ({"estimator": "AIS"}, ""),
        ({"estimator": "quadrature", "log_z_error": 0.2}, "0.2 nats, more than 0.01"),
        ({"estimator": "quadrature", "log_z_error": -0.2}, "0.2 nats, more than 0.01"),
        ({"estimator": "quadrature", "log_z_error": -0.01}, ""),
        ({"estimator": "quadrature", "ess": 0.03}, ""),
        ({"estimator": "AIS", "ess": 0.5, "log_z_error": 0.2}, ""),
        (
            {"estimator": "AIS", "ess": 0.5, "usable": False, "reason": "half the temperatures change log Z by 2 nats"},
            "by 2 nats",
        ),
        ({"estimator": "AIS", "ess": 0.5, "usable": True}, ""),
        (IWAE, ""),  # a bound holds with any weights
        ({}, ""),
    ],
)
def test_caveat_follows_from_the_settings(settings, words):
    found = caveat([settings])
    assert words in found if words else found == ""


def test_one_bad_seed_is_enough_and_counted():
    bad, good = {"estimator": "AIS", "ess": 0.03}, {"estimator": "AIS", "ess": 0.4}
    assert "(1 of 3 seeds)" in caveat([good, bad, good]) and caveat([good, good]) == ""
    one = [{"estimator": "log_prob"}]
    assert estimator(one, "lower_bound") == "log-density of dequantised images, one draw"
    assert estimator(one, "exact") == "the model's log-density"
    assert estimator([good, bad]) == "AIS" and estimator([IWAE, good, {}]) == "IWAE, k=200, AIS"


def test_caveats_that_are_of_one_metric_only():
    ais, missed = {"estimator": "AIS", "ess": 0.03}, {"inversion_control": 0.62}
    assert caveat([ais], "bpd") and caveat([ais], "kl") and not caveat([ais], "nll_gap")  # log Z is in neither half of a gap
    assert "62 % of the model's own samples" in caveat([missed], "manifold_recall") and not caveat([missed], "nll")
    assert "(1 of 2 seeds)" in caveat([missed, {"inversion_control": 0.97}], "manifold_f1")
    assert not caveat([{"inversion_control": 0.97}], "manifold_recall") and not caveat([missed], "manifold_precision")


@pytest.mark.parametrize("metric", ["ais_nll", "surrogate_nll"])
def test_annealing_is_trusted_with_enough_chains_and_a_small_gap(metric):
    good = {"chains": 16, "ess": 3.3, "gap": 0.9}
    assert caveat([good], metric) == "" == caveat([{}], metric) and caveat([good | {"gap": -0.1}], metric) == ""
    assert caveat([good | {"ess": 3.1}], metric).startswith("only 3.1 of 16 chains")
    assert caveat([good | {"gap": 1.2}], metric).startswith("the annealing gap is 1.2 nats, above 1,")
    both = caveat([good, good | {"ess": 1.9, "gap": 5.8}], metric)
    assert "only 1.9 of 16 chains" in both and "5.8 nats, above 1 (1 of 2 seeds)" in both
    assert "1 nat" in RULE and "20 %" in RULE


def test_raise_stands_on_the_path_of_ais():
    bad = {"estimator": "RAISE", "ess": 0.02, "usable": False, "reason": "half the temperatures change log Z by 2 nats"}
    assert caveat([bad], "raise_nll").startswith("RAISE: half the temperatures")
    assert caveat([{"estimator": "RAISE", "ess": 0.4, "usable": True}], "raise_nll") == ""


def test_a_classifier_is_trusted_from_99_percent_on():
    assert classifier([{"accuracy": 0.993, "reliable": True}]) == "" == classifier([{}])
    assert "97.8 %" in classifier([{"accuracy": 0.993, "reliable": True}, {"accuracy": 0.978, "reliable": False}])


def rows_of(run, dataset, kind):
    table = next(table for table in tables(read(*run), dataset) if table.kind == kind)
    return {row.label: row.cells[0] for row in table.rows}


def test_tables_name_the_estimator_and_mark_the_value(run):
    assert rows_of(run, "ring8", "lower_bound")["vae"].estimator == "IWAE, k=200"
    assert rows_of(run, "ring8", "exact")["gmm"].estimator == "the model's log-density"
    assert "(1 of 3 seeds)" in rows_of(run, "ring8", "estimate")["ebm"].caveat
    assert "(3 of 3 seeds)" in rows_of(run, "digits", "estimate")["ebm"].caveat
    assert not any(cell.caveat for cell in rows_of(run, "ring8", "exact").values())


def test_a_doubtful_value_is_shown_last_and_not_ranked(run, tmp_path):
    results = read(*run)
    scores = results.scores
    chosen = (scores["dataset"] == "digits") & (scores["metric"] == "bpd")
    scores.loc[chosen, "kind"] = "estimate"
    scores.loc[chosen & (scores["model"] == "ebm"), "value"] -= 3  # would be the best
    every = tables(results, "digits")
    table = next(table for table in every if table.kind == "estimate")
    assert [row.label for row in table.rows] == ["gmm", "realnvp", "vae", "ebm"]
    assert [row.cells[0].state for row in table.rows][0::3] == ["best", ""]
    found = next(each for each in findings(results, "digits", every) if each.short.startswith("Bits per dimension"))
    assert "gmm is best" in found.short and "ebm" not in found.short
    assert any("ebm" in line and "AIS: an effective share of 0.03" in line for line in found.more)


def test_page_shows_estimators_marks_notes_and_what_is_unfair(run, plain):
    page = plain(*run)
    assert "IWAE, k=200" in page.rows("Likelihood, bound (the shown value is at least the true one)")["vae"]
    assert "effective share of 0.03 of the chains, below 0.1 (3 of 3 seeds)" in page.section("scores")
    assert "Five critic updates per update" in page.section("setup") and "5 critic updates" in page.section("summary")
    csv = page.frame("scores")
    assert set(csv.loc[csv["not_reliable_because"].notna(), "model"]) == {"ebm"}


def test_older_studies_without_these_keys_are_read(run, tmp_path, plain):
    study, store = run
    about = read_json(study / "study.json")
    del about["unfair"]
    about["models"] = {name: card | {"notes": None} for name, card in about["models"].items()}
    del about["models"]["vae"]["notes"]
    write_json(tmp_path / "study" / "study.json", about)
    for name in ("trials", "floors", "scores"):
        frame = pd.read_parquet(study / f"{name}.parquet")
        if name == "scores":
            frame["settings"] = None
        frame.to_parquet(tmp_path / "study" / f"{name}.parquet", index=False)
    page = plain(tmp_path / "study", store)
    assert "too short" not in page.section("summary") and "not reliable" not in page.section("scores")
    assert ">notes</th>" not in page.html and ">estimator</th>" not in page.html


def test_estimates_of_several_kinds_are_one_column_per_estimator(run, tmp_path):
    study, store = run
    scores = pd.read_parquet(study / "scores.parquet")
    vae = scores[(scores["model"] == "vae") & scores["metric"].isin(["nll", "kl"])]
    twice = pd.concat([scores, vae.assign(settings='{"estimator": "variational bound"}')])
    for name in ("trials", "floors"):
        (tmp_path / "study").mkdir(exist_ok=True)
        pd.read_parquet(study / f"{name}.parquet").to_parquet(tmp_path / "study" / f"{name}.parquet", index=False)
    twice.to_parquet(tmp_path / "study" / "scores.parquet", index=False)
    write_json(tmp_path / "study" / "study.json", read_json(study / "study.json"))
    kinds = {table.kind for table in tables(read(tmp_path / "study", store), "ring8") if "bound" in table.kind}
    assert len(kinds) == 2  # not one per seed, whose effective sizes differ
