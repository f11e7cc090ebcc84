from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genbench.report import figures, style
from genbench.report.tables import tables
from genbench.results.files import write_npz
from genbench.results.study import read


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


def test_histograms_count_the_samples_outside(copied):
    results = read(*copied)
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


def test_panels_without_differences_are_left_out_and_references_marked(results):
    scores = results.scores.copy()
    scores.loc[scores["metric"] == "w1", "value"] = 0.5
    made = replace(results, scores=scores, study=results.study | {"references": {"ring8": ["gmm"]}})
    with style.theme():
        figure = figures.dots(made, "ring8", tables(made, "ring8"))
    titles = {ax.get_title(loc="left").rstrip(" ↓↑→") for ax in figure.axes}
    assert "Wasserstein-1" not in titles and "Samples under the true density" in titles
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][-1] == "gmm (reference)"


def test_a_floor_s_band_goes_from_the_lowest_to_the_highest_redraw(results):
    with style.theme():
        figure = figures.dots(results, "ring8", tables(results, "ring8"))
    ax = next(ax for ax in figure.axes if ax.get_title(loc="left").startswith("Wasserstein"))
    values = results.floors.query("dataset == 'ring8' and metric == 'w1'")["value"]
    box = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((values.min(), values.max()))


def test_models_without_a_validation_loss_have_no_empty_panel(copied):
    results = read(*copied)
    for trial in results.of("ring8", "gmm")["trial"]:
        path = results.store / trial / "history.parquet"
        history = pd.read_parquet(path)
        history[history["series"] != "validation"].to_parquet(path, index=False)
    with style.theme():
        figure = figures.curves(results, "ring8")
    assert all(ax.has_data() for ax in figure.axes) and len(figure.axes) == 2 * 6 - 1


def test_pictures_of_densities_say_whose_they_are(results):
    assert figures.density_words(results, "ring8") == "vae (a lower bound: IWAE, k=200)"
    scores = results.scores.copy()
    chosen = (scores["model"] == "ebm") & (scores["metric"] == "nll")
    scores.loc[chosen, "settings"] = '{"estimator": "probability-flow ODE"}'
    made = figures.density_words(replace(results, scores=scores), "ring8")
    assert "ebm (its probability-flow ODE, not the sampled chain)" in made
