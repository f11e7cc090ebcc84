"""Published values beside a study's own, on planted numbers."""

import json
import math

import pandas as pd
import pytest

from genbench.questions.published_values.report import CLAIM, NAMES, SETS, report
from genbench.report.published import published
from genbench.results.study import Results
from tests.questions.planted import numbers, sentences, table

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


def test_nats_stand_beside_the_published_ones_with_their_gaps():
    found = report(made({("made", "exact"): [90 / NATS, 91 / NATS], ("vae", "lower_bound"): [100 / NATS], ("ns_gan", ""): [1]}))
    frame = table(found, "mnist_binary").frame
    own = frame[frame["model"] == "made"]
    assert own["ours, nats"].tolist() == pytest.approx([90.5] * 3)
    theirs = [float(text) for text in own["published, nats"]]
    assert own["gap"].tolist() == pytest.approx([90.5 - each for each in theirs]) and set(theirs) == {84.87, 88.40, 86.64}
    assert own["seeds"].tolist() == [2] * 3 and own["updates"].tolist() == [1000] * 3 and own["training s"].iloc[0] == 62
    vae = frame[frame["model"] == "vae"].iloc[0]
    assert vae["kind"].endswith(", IWAE, k=200") and vae["published, nats"] == "≤ 86.77"
    assert vae["gap"] == pytest.approx(100 - 86.77)
    assert "ns_gan" not in set(frame["model"])  # the literature has no likelihood of it
    ours, bound = sentences(found)
    assert numbers(ours) == [90.5, 5.6, 84.87, 2.1, 88.4, 3.9, 86.64, 2, 0.54, 1000, 1000, 2, 50000, 62]
    assert bound.startswith("vae: at most") and numbers(bound)[:3] == [100, 13, 86.77]


def test_grey_images_are_compared_in_bits_per_dimension():
    frame = table(report(made({("realnvp", "lower_bound"): [1.5, 1.7]}, "mnist")), "mnist").frame
    assert frame["ours, bits/dim"].tolist() == pytest.approx([1.6]) and frame["gap"].tolist() == pytest.approx([0.54])


def test_flows_of_grey_levels_are_bounds():
    """Densities of dequantised images bound the likelihood of grey levels, in the literature, too."""
    known = published(CLAIM)
    known = known[known["what"].str.startswith("bits/dim of ")]
    assert len(known) and known["published"].str.startswith("≤ ").all() and known["source"].str.contains("dequantisation").all()


def test_nice_is_the_papers_own_value_in_the_unit_that_ours_has():
    """1980.50 nats of images dequantised and scaled to [0, 1] (Dinh et al. 2014): 256 times the density of grey levels, a pixel.

    The same conversion gives the 4.48 bits/dim that the literature quotes for CIFAR-10: 5371.78 nats there, scaled to [-1, 1].
    """
    known = published(CLAIM).set_index("what").loc["bits/dim of NICE"]
    assert float(known["published"].removeprefix("≤ ")) == round(8 - 1980.50 / NATS, 2) == 4.36
    assert "1410.8516" in known["source"] and "1980.50" in known["source"]
    assert round(7 - 5371.78 / (3072 * math.log(2)), 2) == 4.48


def test_no_report_without_a_dataset_and_a_model_of_the_literature():
    assert report(made({("made", "exact"): [1.0]}, "digits")) is None
    assert report(made({("ns_gan", "exact"): [1.0]})) is None


def test_every_published_value_has_a_model_and_every_name_a_value():
    known = published(CLAIM)
    names = {what.split(" of ")[1] for what in known["what"]}
    assert names == set(NAMES.values()) and not known.empty
    assert {what.split(" of ")[0] for what in known["what"]} == {unit for _, unit in SETS.values()}
