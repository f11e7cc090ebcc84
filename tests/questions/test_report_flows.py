"""Reports of the questions on flows, from planted numbers."""

import itertools

import numpy as np
import pandas as pd
import pytest

from genbench.questions.flow_samples import report as flow_samples
from genbench.questions.planar_flows import report as planar_flows
from genbench.questions.planar_flows.settings import Settings as PlanarFlows
from genbench.results.study import Answer
from tests.questions.planted import figures, numbers, reported, sentences, table

SIZE = {"updates": 400, "batch": 128, "samples": 500}
JITTER = (0.0, 0.01, -0.01)  # of three seeds
PLANTED = {0.0: (80.0, 1.0, 0.0), 0.7: (2.0, 0.6, 0.7), 1.0: (5.0, 0.5, 0.9)}  # FID, precision, recall


def tables(latents=0.8):
    seeds = list(enumerate(JITTER))
    temperatures = [
        {"dataset": "digits", "seed": k, "temperature": t, "fid": fid + j, "precision": p + j, "recall": r - j}
        for (k, j), (t, (fid, p, r)) in itertools.product(seeds, PLANTED.items())
    ]
    paths = [
        {
            "dataset": "digits",
            "seed": k,
            "way": way,
            "weight": w,
            "precision": middle + j if w == 0.5 else 0.9,
            "confidence": 0.9 + j,
        }
        for (k, j), (way, middle), w in itertools.product(seeds, (("latents", latents), ("pixels", 0.3)), (0.0, 0.5, 1.0))
    ]
    lines = [("samples", t, i) for t in PLANTED for i in range(4)]
    lines += [(way, float(pair), i) for way in ("latents", "pixels") for pair in range(2) for i in range(3)]
    pictures = [
        {"dataset": "digits", "what": what, "line": line, "place": place, "row": y, "column": x, "value": 0.5}
        for what, line, place in lines
        for y in range(2)
        for x in range(2)
    ]
    real = [{"dataset": "digits", "fid": 0.4, "precision": 0.9, "recall": 0.85}]
    frames = {"temperatures": temperatures, "paths": paths, "pictures": pictures, "real": real}
    return {name: pd.DataFrame(rows) for name, rows in frames.items()}


def samples(**more):
    return reported(flow_samples, flow_samples=Answer(SIZE, tables(**more)))


@pytest.mark.parametrize("module", [flow_samples, planar_flows])
def test_a_study_that_does_not_ask_has_no_report(module):
    assert reported(module) is None


def test_what_the_temperature_trades():
    best, cooler, coolest, _ = sentences(samples())
    assert numbers(best) == [2, 0.7]
    assert numbers(cooler)[:2] == [1, 0.7] and [word for word in cooler.split() if word in ("rises", "falls")] == [
        "falls", "rises", "falls"
    ]  # fmt: skip
    assert numbers(cooler)[2::2] == pytest.approx([-3, 0.1, -0.2])
    assert numbers(coolest)[:3] == pytest.approx([0.7, 0, 78]) and "FID rises" in coolest


def test_a_change_from_the_picked_temperature_has_to_stand_among_all_pairs():
    """p = 0.019 of FID from 1 to 0.7, and 0.057 after Holm's correction over three pairs."""
    frames = tables()
    fid = {(0.0, k): v for k, v in enumerate((80.0, 20.0, 200.0))} | {(1.0, k): v for k, v in enumerate((3.0, 3.31, 2.79))}
    own = frames["temperatures"]
    own["fid"] = [fid.get((row.temperature, row.seed), row.fid) for row in own.itertuples()]
    assert "FID does not clearly change (-1.0" in sentences(reported(flow_samples, flow_samples=Answer(SIZE, frames)))[1]


def test_temperatures_and_training_images_have_a_row_each():
    frame = table(samples(), "temperatures").frame
    assert frame["samples"].tolist() == ["temperature 0", "temperature 0.7", "temperature 1", "training images"]
    assert frame["recall"].tolist() == pytest.approx([0, 0.7, 0.9, 0.85])


@pytest.mark.parametrize(("latents", "word", "gain"), [(0.8, "more", 0.5), (0.1, "less", -0.2), (0.3, "no clearly other", 0)])
def test_halfway_between_two_images(latents, word, gain):
    said = sentences(samples(latents=latents))[-1]
    assert f"{word} precision" in said and "no clearly other confidence" in said and numbers(said)[0] == pytest.approx(gain)


def test_figures_show_every_line():
    found = figures(samples())
    assert set(found) == {"temperatures", "samples", "paths", "mixtures"}
    (sheet,), (mixed,) = found["samples"].drawing.axes, found["mixtures"].drawing.axes
    # images of 2 x 2 pixels with a line between: three temperatures of four, then two pairs by two ways of three
    assert sheet.images[0].get_array().shape == (8, 11) and mixed.images[0].get_array().shape == (11, 8)
    assert [label.get_text() for label in mixed.get_yticklabels()] == ["latents", "pixels"] * 2


# ---- planar and radial layers


def planar_maps(targets, layers, flows=("planar", "radial")):
    """A flat density for every panel."""
    cells = pd.DataFrame({"x": [-1.0, 1.0, -1.0, 1.0], "y": [-1.0, -1.0, 1.0, 1.0], "density": 1 / 64})
    kinds = [("exact", 0), *itertools.product(flows, layers)]
    maps = [cells.assign(target=target, flow=flow, layers=n) for target in targets for flow, n in kinds]
    pushed = [cells.assign(flow=flow, layers=n) for flow in flows for n in layers]
    return {"maps": pd.concat(maps), "pushed": pd.concat(pushed)}


def test_planar_and_radial_flows_are_compared_energy_by_energy():
    """Planted: planar better by 0.5 at U1, no difference at U2, one fit lost."""
    settings = PlanarFlows(seeds=3, layers=(2, 8), targets=("U1", "U2"))
    rows = [
        {"target": target, "flow": flow, "layers": layers, "seed": seed, "status": "ok", "kl": 8 / layers + 0.01 * seed}
        for target, flow, layers, seed in itertools.product(("U1", "U2"), ("planar", "radial"), (2, 8), range(3))
    ]
    fits = pd.DataFrame(rows)
    fits.loc[(fits["target"] == "U1") & (fits["flow"] == "radial"), "kl"] += 0.5 + 0.001 * fits["seed"]
    fits.loc[(fits["target"] == "U2") & (fits["flow"] == "radial"), "kl"] += 0.02 * (fits["seed"] - 1)
    fits.loc[(fits["target"] == "U2") & (fits["layers"] == 2) & (fits["seed"] == 2), ["status", "kl"]] = ["diverged", np.nan]
    shown = {"fits": fits, "targets": pd.DataFrame({"target": ["U1", "U2"], "log_z": [1.0, 2.0]})}
    answer = Answer(settings.model_dump(mode="json"), shown | planar_maps(("U1", "U2"), (2, 8)))
    found = reported(planar_flows, planar_flows=answer)
    planar, _, against, lost = sentences(found)
    assert numbers(planar)[:6] == pytest.approx([2, 8, 4.01, 0.025, 1.01, 0.025])
    assert "planar flows are nearer at U1 (by 0.50 nats)" in against and "neither is clearly nearer at U2" in against
    assert numbers(lost) == [2, 24]
    assert list(figures(found)) == ["fitted", "pushed"]
