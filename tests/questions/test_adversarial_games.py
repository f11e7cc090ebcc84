from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genbench.questions.adversarial_games.report import collapse, report
from genbench.report import style
from genbench.report.blocks import Points, leaves
from genbench.results.files import write_parquet
from genbench.results.study import read
from tests.questions.planted import figures, numbers, sentences, table

UPDATES = np.arange(40, 2001, 40)
ENDS = {"ns_gan": (0.55, 0.52), "wgan_gp": (0.97, 0.95)}  # shares of real and fake examples that a critic gets right


def _series(values: dict[str, np.ndarray], updates=UPDATES) -> pd.DataFrame:
    parts = [pd.DataFrame({"update": updates, "series": f"diagnostic/{key}", "value": v}) for key, v in values.items()]
    return pd.concat(parts, ignore_index=True).assign(seconds=0.0)


@pytest.fixture(scope="module")
def blocks(make_run, tmp_path_factory):
    """The report of the synthetic run with diagnostics of its GANs on ring8: wgan_gp's seed 1 collapses at update 1,200,
    ns_gan's seed 2 broke off at 900; the ends of seeds differ by 0.01."""
    root = tmp_path_factory.mktemp("games")
    results = read(make_run(root), root / "store")
    for model, (real, fake) in ENDS.items():
        for row in results.of("ring8", model).itertuples():
            updates = UPDATES[: int(row.step) // 40 if pd.notna(row.step) else None]
            end = {"accuracy_real": real + 0.01 * row.seed, "accuracy_fake": fake + 0.01 * row.seed, "diversity": 1.0}
            values = {key: np.where(updates > 1800, value, 0.7) for key, value in end.items()}
            if (model, row.seed) == ("wgan_gp", 1):
                values["diversity"] = np.where(updates >= 1200, 0.05, 0.9)
            if model == "ns_gan":
                values["js"] = np.linspace(0, 0.4, len(updates))
            path = results.store / row.trial / "history.parquet"
            write_parquet(path, pd.concat([pd.read_parquet(path), _series(values, updates)], ignore_index=True))
    with style.theme():
        return report(results)


def test_a_study_without_diagnostics_has_no_report(results):
    assert report(results) is None
    assert report(replace(results, trials=results.trials[results.trials["family"] != "gan"])) is None


def test_the_table_holds_means_over_the_last_tenth_of_trials_that_ended_ok(blocks):
    end = table(blocks, "ring8_end")
    rows = end.frame.set_index("model")
    assert list(rows.index) == ["ns_gan", "wgan_gp"]
    assert rows.loc["wgan_gp", "accuracy on real"] == pytest.approx(0.98)
    assert rows.loc["ns_gan", "accuracy on fakes"] == pytest.approx(0.525)  # seeds 0 and 1
    assert rows.loc["ns_gan", ["trials", "ended ok", "collapsed"]].tolist() == [3, 2, 0]
    assert rows.loc["wgan_gp", "collapsed"] == 1 and np.isnan(rows.loc["wgan_gp", "Jensen-Shannon, nats"])
    assert end.shown["accuracy on real"] == ["0.555 (0.550 to 0.560)", "0.980 (0.970 to 0.990)"]
    assert end.shown["Jensen-Shannon, nats"][1] == "–"


def test_every_trial_stands_in_a_table(blocks):
    frame = table(blocks, "ring8_trials").frame
    assert len(frame) == 6
    assert frame["collapsed from"].dropna().tolist() == [1200]
    assert frame["broke off at"].dropna().tolist() == [900]


def test_sentences_name_who_was_ahead_what_collapsed_and_what_broke_off(blocks):
    ahead, even, broke, collapsed = sentences(blocks)
    assert "ahead for wgan_gp (97 %)" in ahead and "even for ns_gan (54 %)" in even
    assert broke.startswith("ns_gan") and numbers(broke) == [2, 900]
    assert collapsed.startswith("wgan_gp") and numbers(collapsed) == [1, 3, 1, 1200, 2000, 0.05]


def test_only_diagnostics_that_were_recorded_are_explained_and_drawn(blocks):
    explained = [block for block in leaves(blocks) if isinstance(block, Points)][-1].items
    titles = ["accuracy on real", "accuracy on fakes", "Jensen-Shannon, nats", "diversity of fakes"]
    assert [each.split(":")[0] for each in explained] == titles
    ((_, figure),) = figures(blocks).items()
    axes = figure.drawing.axes
    assert [ax.get_title(loc="left") for ax in axes] == titles
    # a line per seed, one for each model's mean, and a cross for the seed that broke off
    assert [len(ax.lines) for ax in axes] == [9, 9, 5, 9]
    assert [line.get_xdata()[0] for line in axes[0].lines if line.get_marker() == "x"] == [880]
    thick = [line for line in axes[0].lines if line.get_linewidth() > 1.5 and line.get_marker() != "x"]
    assert thick[1].get_ydata()[-1] == pytest.approx(0.98)


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ([1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 30),
        ([0.1] * 10, 10),
        ([0.1] * 9 + [0.5], None),  # it recovered
        ([0.1] * 8 + [0.5, 0.1], 100),
        ([1.0] * 10, None),
        ([0.25] * 10, None),  # the threshold itself is no collapse
    ],
)
def test_collapse_lasts_to_the_end(values, start):
    found = collapse(pd.DataFrame({"update": np.arange(10, 101, 10), "value": values}))
    assert found == start or (start is None and np.isnan(found))


def test_a_last_look_alone_is_no_collapse():
    values = np.ones(50)
    values[-3:] = 0.1  # of the five looks of the last tenth
    assert np.isnan(collapse(pd.DataFrame({"update": np.arange(20, 1001, 20), "value": values})))
    values[-5:] = 0.1
    assert collapse(pd.DataFrame({"update": np.arange(20, 1001, 20), "value": values})) == 920
