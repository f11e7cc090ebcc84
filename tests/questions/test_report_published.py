"""Published values beside a study's own, and the cost of serial samples, on made-up numbers."""

import json
import math
import types

import pandas as pd
import pytest
from genbench.report.chapters.published import CLAIM, NAMES, SETS, chapter

from genbench.report import style
from genbench.report.blocks import Figure, Points, Table
from genbench.report.chapters import autoregressive
from genbench.report.published import published
from genbench.results.study import Results

NATS = 784 * math.log(2)
META = {"kind": "images", "shape": [1, 28, 28], "levels": 2, "n": {"train": 50000}}


def made(values, dataset="mnist_binary"):
    """Results of trials: values by model, kind and seed, in bits per dimension."""
    trials, scores = [], []
    for (model, kind), each in values.items():
        for seed, value in enumerate(each):
            trial = f"{dataset}-{model}-{seed}"
            head = {"trial": trial, "dataset": dataset, "model": model, "label": model, "seed": seed, "status": "ok"}
            trials.append(head | {"cost_updates": 1000, "cost_samples": 100_000, "cost_seconds": 60.0 + 4 * seed})
            settings = json.dumps({"estimator": "IWAE, k=200" if kind == "lower_bound" else "log_prob"})
            scores.append(head | {"metric": "bpd", "value": value, "kind": kind, "se": 0.001, "n": 1000, "settings": settings})
            scores.append(scores[-1] | {"metric": "fid", "value": 7.0, "kind": ""})
    study = {"datasets": {dataset: META}}
    return Results(study, pd.DataFrame(trials), pd.DataFrame(scores), pd.DataFrame(), None)


def tables(made):
    return {block.name: block for block in made.blocks if isinstance(block, Table)}


def test_nats_stand_beside_the_published_ones_with_their_gaps():
    found = chapter(made({("made", "exact"): [90 / NATS, 91 / NATS], ("vae", "lower_bound"): [100 / NATS], ("ns_gan", ""): [1]}))
    frame = tables(found)["mnist_binary"].frame
    own = frame[frame["model"] == "made"]
    assert own["ours, nats"].tolist() == pytest.approx([90.5] * 3)
    theirs = [float(text) for text in own["published, nats"]]
    assert own["gap"].tolist() == pytest.approx([90.5 - each for each in theirs]) and set(theirs) == {84.87, 88.40, 86.64}
    assert own["seeds"].tolist() == [2] * 3 and own["updates"].tolist() == [1000] * 3 and own["training s"].iloc[0] == 62
    vae = frame[frame["model"] == "vae"].iloc[0]
    assert vae["kind"] == "at most (bound), IWAE, k=200" and vae["published, nats"] == "≤ 86.77"
    assert vae["gap"] == pytest.approx(100 - 86.77)
    assert "ns_gan" not in set(frame["model"])  # the literature has no likelihood of it
    (said,) = [block.items for block in found.blocks if isinstance(block, Points)]
    assert said[0] == (
        "made: 90.50 nats over 2 seeds, with a standard error of 0.54 over 1,000 test images, is 5.6 above 84.87, 2.1 above "
        "88.40 and 3.9 above 86.64, after 1,000 updates (2.0 passes over 50,000 training images) in 62 s each."
    )
    assert said[1].startswith("vae: at most 100.0 nats over 1 seed, with") and "is 13 above ≤ 86.77" in said[1]


def test_grey_images_are_compared_in_bits_per_dimension():
    frame = tables(chapter(made({("realnvp", "lower_bound"): [1.5, 1.7]}, "mnist")))["mnist"].frame
    assert frame["ours, bits/dim"].tolist() == pytest.approx([1.6]) and frame["gap"].tolist() == pytest.approx([0.54])


def test_flows_of_grey_levels_are_bounds():
    """Densities of dequantised images bound the likelihood of grey levels, in the literature, too."""
    known = published(CLAIM)
    known = known[known["what"].str.startswith("bits/dim of ")]
    assert len(known) and known["published"].str.startswith("≤ ").all() and known["source"].str.contains("dequantisation").all()


def test_no_chapter_without_a_dataset_and_a_model_of_the_literature():
    assert chapter(made({("made", "exact"): [1.0]}, "digits")) is None
    assert chapter(made({("ns_gan", "exact"): [1.0]})) is None


def test_every_published_value_has_a_model_and_every_name_a_value():
    known = published(CLAIM)
    names = {what.split(" of ")[1] for what in known["what"]}
    assert names == set(NAMES.values()) and not known.empty
    assert {what.split(" of ")[0] for what in known["what"]} == {unit for _, unit in SETS.values()}


# ---- what a sample costs


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
    experiment = types.SimpleNamespace(settings={"batch": 32}, tables={"costs": pd.DataFrame(rows)})
    with style.theme():
        return autoregressive.chapter(types.SimpleNamespace(experiment={"sampling_cost": experiment}.get))


def test_the_sentences_say_the_ratio_and_how_it_grows(cost):
    (said,) = [block.items for block in cost.blocks if isinstance(block, Points)]
    assert said[0] == (
        "mnist5k_binary, side 16: a sample takes, in times of a training example, 32 ± 0 for made (256 passes) and "
        "0.100 ± 0 for vae (1 pass)."
    )
    assert "to the power 1.0 for made and 0.0 for vae" in said[1].replace("-0.0", "0.0")


def test_the_table_has_a_row_for_each_side(cost):
    frame = tables(cost)["cost_mnist5k_binary"].frame.set_index(["model", "side"])
    assert frame.loc[("made", 8), "sampling / training"] == pytest.approx(16)
    assert frame.loc[("made", 16), "sampling, ms per sample"] == pytest.approx(48)
    assert frame.loc[("made", 16), "FLOPs, sample / training"] == pytest.approx(256 / 3)
    (figure,) = [block for block in cost.blocks if isinstance(block, Figure)]
    assert "core" not in figure.caption + figure.drawing.axes[0].get_ylabel()  # on a GPU they are not cores


def test_no_chapter_without_the_experiment():
    assert autoregressive.chapter(types.SimpleNamespace(experiment={}.get)) is None
