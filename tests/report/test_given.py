"""Models that are given class labels rank among themselves: better ones must not take anything from the others."""

import shutil

import pandas as pd
import pytest

from genbench.report import encoders, figures, page, variation
from genbench.report.frames import long
from genbench.report.sentences import findings
from genbench.report.style import theme
from genbench.report.tables import tables
from genbench.results.files import read_json, write_json, write_parquet
from genbench.results.study import GIVEN, read

PLANTED = {"vae": 0.01, "wgan_gp": 0.2}  # factors on the scores of their copies, lower being better
SUFFIX = f" · {GIVEN}"


@pytest.fixture(scope="module")
def planted(run, tmp_path_factory):
    """The synthetic run with copies of two models that are given labels and score far better: its study and store."""
    root = tmp_path_factory.mktemp("given") / "results"
    shutil.copytree(run[1].parent, root)
    study = root / "studies" / run[0].name
    frames = {name: pd.read_parquet(study / f"{name}.parquet") for name in ("trials", "scores", "examples")}
    chosen = {}
    for row in frames["trials"].itertuples():
        if row.dataset == "digits" and row.model in PLANTED:
            chosen[row.trial] = "9" + row.trial[1:]
            shutil.copytree(root / "store" / row.trial, root / "store" / chosen[row.trial])
            file = root / "store" / chosen[row.trial] / "trial.json"
            config = read_json(file)
            write_json(file, {**config, "trial": chosen[row.trial], "net": {**config["net"], "conditional": True}})
    for name, frame in frames.items():
        copies = frame[frame["trial"].isin(chosen)].copy()
        copies["trial"] = copies["trial"].map(chosen)
        if "value" in copies:
            copies["value"] = copies["value"] * copies["model"].map(PLANTED)
        write_parquet(study / f"{name}.parquet", pd.concat([frame, copies], ignore_index=True))
    return study, root / "store"


@pytest.fixture(scope="module")
def both(planted):
    return read(*planted)


def seen(every):
    """What ranks: states, order and means of every table."""
    return [
        (table.title, column.title, row.label, row.cells[place].state, str(row.cells[place].mean), str(row.difference))
        for table in every
        for row in table.rows
        for place, column in enumerate(table.columns)
    ]


def test_labels_say_what_a_model_is_given(both):
    assert set(both.labels("digits")) == {"vae", "realnvp", "ns_gan", "wgan_gp", "ebm", "gmm", *(m + SUFFIX for m in PLANTED)}
    assert list(both.tracks("digits")) == ["", GIVEN] and list(both.tracks("ring8")) == [""]
    assert both.tracks("ring8")[""] is both


def test_tables_of_the_others_do_not_change(results, both):
    every = tables(both, "digits")
    assert seen([table for table in every if not table.given]) == seen(tables(results, "digits"))
    assert seen(tables(both, "ring8")) == seen(tables(results, "ring8"))


def test_a_better_score_given_labels_is_best_only_among_its_like(both):
    every = tables(both, "digits")
    best = {
        (table.given, column.metric): row.label
        for table in every
        for place, column in enumerate(table.columns)
        for row in table.rows
        if row.cells[place].state == "best"
    }
    assert best[GIVEN, "fid"] == "vae" + SUFFIX and best["", "fid"] in ("gmm", "realnvp")
    values = {row.label: row.cells[0].mean for table in every for row in table.rows if table.columns[0].metric == "fid"}
    assert values["vae" + SUFFIX] < min(value for label, value in values.items() if SUFFIX not in label)  # it would have won
    for table in every:
        assert all((SUFFIX in row.label) == bool(table.given) for row in table.rows)
        assert table.title.endswith(f", {GIVEN}") == bool(table.given)
        assert all((GIVEN in column.title) == bool(table.given) for column in table.columns)


def test_sentences_keep_them_apart(results, both):
    plain, more = findings(results, "digits", tables(results, "digits")), findings(both, "digits", tables(both, "digits"))
    assert more[: len(plain)] == plain and len(more) > len(plain)
    assert all(GIVEN in " ".join((each.short, *each.more)) for each in more[len(plain) :])
    assert any(f"vae{SUFFIX} is best" in each.short for each in more[len(plain) :])


def test_agreement_of_encoders_and_variation_are_those_of_the_others(results, both):
    def told(made):
        every = tables(made, "digits")
        agreed = [encoders.sentence(each) for each in encoders.agreements(made, "digits", every)]
        return [*filter(None, agreed), *variation.sentences(variation.variations(made, "digits", every))]

    before, after = told(results), told(both)
    assert before and set(before) <= set(after)
    assert all(GIVEN in sentence for sentence in set(after) - set(before))


def test_figures_show_one_kind_each(both):
    with theme():
        drawn = page._figures(both, "digits", tables(both, "digits"))
        assert {"dots", "dots-given", "tradeoff", "tradeoff-given"} <= set(drawn)
        own = both.tracks("digits")[GIVEN]
        figure = figures.dots(own, "digits", [t for t in tables(both, "digits") if t.given])
    shown = {text.get_text() for text in figure.axes[0].get_yticklabels()}
    assert shown == {m + SUFFIX for m in PLANTED}


def test_page_and_frame_name_both(planted, plain):
    page = plain(*planted)
    assert set(page.rows(f"Distance to the data, {GIVEN}")) >= {f"{model}{SUFFIX}" for model in PLANTED}
    scores = page.frame("scores")
    fid = scores[(scores["dataset"] == "digits") & (scores["metric"] == "fid") & ~scores["model"].str.startswith("(")]
    assert (fid["table"].str.contains(GIVEN) == fid["model"].str.contains(GIVEN)).all()
    assert fid.groupby("table")["state"].apply(lambda each: (each == "best").sum()).tolist() == [1, 1]


def test_a_study_of_labels_only_has_one_kind(both):
    only = both.tracks("digits")[GIVEN]
    every = tables(only, "digits")
    assert every and all(table.given for table in every)
    assert long(every)["model"].str.contains(SUFFIX).any() and findings(only, "digits", every)
