from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from genbench.report.chapters.game import chapter, collapse

from genbench.report import style
from genbench.report.blocks import Figure, Points, Table
from genbench.results.files import write_parquet
from genbench.results.study import read

UPDATES = np.arange(40, 2001, 40)
ENDS = {"ns_gan": (0.55, 0.52), "wgan_gp": (0.97, 0.95)}  # shares of real and fake examples that a critic gets right


def _series(values: dict[str, np.ndarray], updates=UPDATES) -> pd.DataFrame:
    parts = [pd.DataFrame({"update": updates, "series": f"diagnostic/{key}", "value": v}) for key, v in values.items()]
    return pd.concat(parts, ignore_index=True).assign(seconds=0.0)


@pytest.fixture(scope="module")
def blocks(make_run, tmp_path_factory):
    """The chapter of the synthetic run with diagnostics of its GANs on ring8: wgan_gp's seed 1 collapses at update 1,200,
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
        return chapter(results).blocks


def test_a_study_without_diagnostics_has_no_chapter(results):
    assert chapter(results) is None
    assert chapter(replace(results, trials=results.trials[results.trials["family"] != "gan"])) is None


def test_the_table_holds_means_over_the_last_tenth_of_trials_that_ended_ok(blocks):
    table = next(block for block in blocks if isinstance(block, Table))
    rows = table.frame.set_index("model")
    assert list(rows.index) == ["ns_gan", "wgan_gp"] and table.name == "ring8_end"
    assert rows.loc["wgan_gp", "real taken for real"] == pytest.approx(0.98)
    assert rows.loc["ns_gan", "fakes taken for fakes"] == pytest.approx(0.525)  # seeds 0 and 1
    assert rows.loc["ns_gan", ["trials", "ended ok", "collapsed"]].tolist() == [3, 2, 0]
    assert rows.loc["wgan_gp", "collapsed"] == 1 and np.isnan(rows.loc["wgan_gp", "Jensen-Shannon, nats"])
    assert table.shown["real taken for real"] == ["0.555 (0.550 to 0.560)", "0.980 (0.970 to 0.990)"]
    assert table.shown["Jensen-Shannon, nats"][1] == "–"


def test_every_trial_stands_in_the_folded_table(blocks):
    table = [block for block in blocks if isinstance(block, Table)][1]
    assert table.folded and len(table.frame) == 6
    assert table.frame["collapsed from"].dropna().tolist() == [1200]
    assert table.frame["broke off at"].dropna().tolist() == [900]


def test_sentences_name_who_was_ahead_what_collapsed_and_what_broke_off(blocks):
    said = [block for block in blocks if isinstance(block, Points)][1].items
    assert said[0].startswith("At the end the critic is ahead for wgan_gp (97 %); the game is even for ns_gan (54 %):")
    assert said[1:] == (
        "ns_gan: training broke off: seed 2 at update 900.",
        "wgan_gp: 1 of 3 trials collapsed: seed 1 from update 1,200 of 2,000 on (diversity 0.050).",
    )


def test_only_diagnostics_that_were_recorded_are_explained_and_drawn(blocks):
    told = next(block for block in blocks if isinstance(block, Points)).items
    assert [each.split(":")[0] for each in told] == [
        "real taken for real", "fakes taken for fakes", "Jensen-Shannon, nats", "diversity of fakes"
    ]  # fmt: skip
    figures = [block for block in blocks if isinstance(block, Figure)]
    axes = figures[0].drawing.axes
    assert len(figures) == 1 and [ax.get_title(loc="left") for ax in axes] == [each.split(":")[0] for each in told]
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
