from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats

from genbench.report.encoders import agreements, described, frame, sentence
from genbench.report.notes import encoders_used
from genbench.report.tables import tables
from genbench.results.scores import primary
from genbench.tracking.runs import record

FIRST, SECOND = "genbench-cnn-1a2b3c4d", "genbench-cnn-5e6f7a8b"


def test_tables_and_floors_are_of_the_primary_encoder(results, every):
    assert set(results.scores["encoder"]) == {"", FIRST} and set(results.further_scores["encoder"]) == {SECOND}
    fid = next(c for t in every["digits"] for c in t.columns if c.metric == "fid")
    assert fid.floor.mean < 3.5 and fid.kind == ""  # 4 by the other
    assert SECOND not in fid.settings


def test_the_primary_encoder_is_the_first_listed_or_the_busiest():
    used = [SECOND, FIRST, FIRST, ""]
    assert primary({"encoders": [{"hash": "5e6f7a8b"}, {"hash": "1a2b3c4d"}]}, used) == SECOND
    assert primary({"encoders": [{"hash": "00000000"}]}, used) == FIRST == primary({}, used)
    assert primary({}, []) == "" == primary({}, [""])


def test_tau_is_of_the_means_and_told(results, every):
    fid, kid = agreements(results, "digits", every["digits"])
    assert (fid.column.metric, kid.column.metric) == ("fid", "kid") and fid.encoders == (FIRST, SECOND)
    means = pd.concat([results.scores, results.further_scores]).query("dataset == 'digits' and metric == 'fid'")
    means = means.pivot_table(index="label", columns="encoder", values="value", aggfunc="mean")
    assert fid.tau[SECOND] == pytest.approx(stats.kendalltau(means[FIRST], means[SECOND]).statistic)
    assert fid.pairs[SECOND] == 10 and fid.tau[SECOND] == pytest.approx(1 - 2 * fid.swapped[SECOND] / 10, abs=0.15)
    text = sentence(fid)
    assert "gmm by classifier; realnvp by classifier-1" in text
    assert f"classifier-1 (tau {fid.tau[SECOND]:.2f}; {fid.swapped[SECOND]} of 10 pairs" in text
    assert fid.floors[SECOND].mean == pytest.approx(4.15)


def test_equal_rankings_agree_by_all(results):
    same = results.scores.query("dataset == 'digits' and metric == 'fid'").assign(encoder=SECOND)
    made = replace(results, further_scores=same.assign(value=3 * same["value"]))
    (fid,) = agreements(made, "digits", tables(made, "digits"))
    assert fid.tau[SECOND] == pytest.approx(1) and fid.swapped[SECOND] == 0 and sentence(fid).endswith("gmm is best by both.")


def test_points_and_single_encoders_have_no_agreement(results, every):
    assert agreements(results, "ring8", every["ring8"]) == [] and encoders_used(results, "ring8") == ""
    alone = replace(results, further_scores=results.further_scores[:0])
    assert agreements(alone, "digits", tables(alone, "digits")) == []
    assert "not Inception" in encoders_used(alone, "digits") and SECOND not in encoders_used(alone, "digits")
    assert f"classifier ({FIRST})" in encoders_used(results, "digits") and "classifier-1" in encoders_used(results, "digits")


def test_encoders_say_what_they_share(results):
    same = described(results, "digits")
    assert same.startswith("classifier-1 and classifier")
    assert described(results, "ring8") == ""
    facts = results.meta("digits")["encoders"]
    other = results.meta("digits") | {"encoders": [facts[0], facts[1] | {"features": 128}]}
    study = results.study | {"datasets": results.study["datasets"] | {"digits": other}}
    assert described(replace(results, study=study), "digits") not in ("", same)
    unnamed = replace(results, study=results.study | {"config": {}})
    assert unnamed.short("digits", SECOND) == SECOND


def test_references_have_no_part_in_the_rankings(results):
    made = replace(results, study=results.study | {"references": {"digits": ["gmm"]}})
    fid, _ = agreements(made, "digits", tables(made, "digits"))
    assert fid.pairs[SECOND] == 6 and "gmm" not in fid.labels and "gmm" not in sentence(fid)


def test_frame_has_a_row_per_encoder_and_model(results, every):
    made = frame({"digits": agreements(results, "digits", every["digits"])})
    assert len(made) == 2 * 2 * 5 and made.loc[made["encoder"] == FIRST, "tau"].isna().all()


def test_mlflow_keeps_encoders_apart(results):
    row = results.trials.query("dataset == 'digits' and label == 'gmm' and seed == 0").iloc[0].to_dict()
    made = {key: value for key, value, *_ in record(row, results.store, results.study).metrics}
    own = results.scores.query("trial == @row['trial'] and metric == 'fid'")["value"].item()
    assert made["fid"] == own != made[f"fid_{SECOND}"] and "bpd_exact" in made
