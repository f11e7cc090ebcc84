"""The report on the cost of serial samples, on planted numbers."""

import pandas as pd
import pytest

from genbench.questions.sampling_cost import report as sampling_cost
from genbench.results.study import Answer
from tests.questions.planted import figures, numbers, reported, sentences, table


@pytest.fixture(scope="module")
def cost():
    """made: ratio 2 side; vae: a tenth; equal for both seeds."""
    rows = []
    for side in (8, 16):
        for seed in (0, 1):
            for model, ratio, passes in (("made", 2.0 * side, side**2), ("vae", 0.1, 1)):
                rows.append(
                    {"dataset": "mnist5k_binary", "model": model, "side": side, "seed": seed, "train_seconds": 1e-3 * (1 + seed)}
                    | {"sample_seconds": 1e-3 * (1 + seed) * ratio, "train_passes": 1.0, "sample_passes": float(passes)}
                    | {"train_flops": 3e6, "sample_flops": 1e6 * passes}
                )
    return reported(sampling_cost, "images", sampling_cost=Answer({"batch": 32}, {"costs": pd.DataFrame(rows)}))


def test_the_sentences_say_the_ratio_and_how_it_grows(cost):
    ratio, growth = sentences(cost)
    assert numbers(ratio) == [16, 32, 0, 256, 0.1, 0, 1] and numbers(growth) == [1, 0]


def test_the_table_has_a_row_for_each_side(cost):
    frame = table(cost, "cost_mnist5k_binary").frame.set_index(["model", "side"])
    assert frame.loc[("made", 8), "sampling / training"] == pytest.approx(16)
    assert frame.loc[("made", 16), "sampling, ms per sample"] == pytest.approx(48)
    assert frame.loc[("made", 16), "FLOPs, sample / training"] == pytest.approx(256 / 3)
    (figure,) = figures(cost).values()
    assert "core" not in figure.caption + figure.drawing.axes[0].get_ylabel()  # on a GPU they are not cores


def test_a_study_that_does_not_ask_has_no_report():
    assert reported(sampling_cost) is None
