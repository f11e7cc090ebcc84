import numpy as np
import pandas as pd
import pytest

from genbench.files import write_npz
from genbench.report import figures, style
from genbench.report.read import read
from genbench.report.tables import tables


@pytest.fixture
def results(make_run, tmp_path):
    return read(make_run(tmp_path), tmp_path / "store")


@pytest.mark.parametrize("dataset", ["ring8", "digits"])
def test_dots_stand_at_the_means_of_the_tables(results, dataset):
    scores = results.scores
    scores.loc[(scores["metric"] == "kid") & (scores["model"] == "gmm"), "value"] /= 100  # a logarithmic panel
    every = tables(results, dataset)
    with style.theme():
        figure = figures.dots(results, dataset, every)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    found = {column.title: (table, place) for table in every if not table.kind for place, column in enumerate(table.columns)}
    for ax in figure.axes:
        table, place = found[ax.get_title(loc="left").rstrip(" ↓↑→")]
        drawn = {}
        for line in ax.lines:
            if line.get_marker() not in ("None", "", None):
                drawn |= {labels[int(y)]: x for x, y in line.get_xydata() if np.isfinite(x)}
        assert drawn == pytest.approx({row.label: row.cells[place].mean for row in table.rows if row.cells[place].n})
    assert dataset == "ring8" or [ax.get_xscale() for ax in figure.axes][1] == "log"
    assert dataset == "ring8" or all("3 of 3 failed" in [text.get_text() for text in ax.texts] for ax in figure.axes)


def test_histograms_count_the_samples_outside(results):
    trial = results.of("ring8", "wgan_gp")["trial"].iloc[0]
    inside = np.zeros((25, 2), dtype=np.float32)
    write_npz(results.store / trial / "samples.npz", samples=np.concatenate([inside, inside + 100, inside - 100]))
    with style.theme():
        figure = figures.densities(results, "ring8")
    ax = next(ax for ax in figure.axes if ax.get_title(loc="left") == "wgan_gp (samples)")
    assert ax.collections[0].get_array().sum() * (10 / 50) ** 2 == pytest.approx(1 / 3, rel=1e-3)
    assert len({ax.collections[0].get_clim() for ax in figure.axes}) == 1


def test_curves_have_a_line_per_seed_and_series_and_a_cross_where_training_broke_off(results):
    with style.theme():
        figure = figures.curves(results, "ring8")
    loss = next(ax for ax in figure.axes if ax.get_title(loc="left") == "ns_gan")
    crosses = np.concatenate([each.get_offsets() for each in loss.collections])
    assert len([line for line in loss.lines if len(line.get_xdata())]) == 6
    assert len(crosses) == 2 and set(crosses[:, 0]) <= {881, 888, 900}  # critic and generator of one seed


def test_no_score_no_figure(results):
    empty = type(results)(results.study, results.trials, results.scores[:0], results.floors, results.store / "none")
    assert figures.dots(empty, "ring8", tables(empty, "ring8")) is None is figures.tradeoff(empty, "ring8", [])
    assert figures.curves(empty, "ring8") is None
    blank = results.scores.assign(value=np.nan)
    blank = type(results)(results.study, results.trials, blank, pd.DataFrame(results.floors[:0]), results.store)
    assert figures.dots(blank, "ring8", tables(blank, "ring8")) is None
    assert figures.tradeoff(blank, "ring8", tables(blank, "ring8")) is None
