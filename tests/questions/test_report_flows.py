"""Sentences of the chapter on a flow's samples, from planted numbers."""

import itertools
import types

import pandas as pd
import pytest

from genbench.report import style
from genbench.report.chapters import flows
from genbench.results.study import Answer

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


def made(**more):
    with style.theme():
        return flows.chapter(types.SimpleNamespace(experiment={"flow_samples": Answer(SIZE, tables(**more))}.get))


def sentences(chapter):
    return [item for block in chapter.blocks if block.kind == "points" for item in block.items]


def test_no_chapter_without_the_experiment():
    assert flows.chapter(types.SimpleNamespace(experiment={}.get)) is None


def test_what_the_temperature_trades_is_said():
    said = sentences(made())[0]
    assert said.startswith("digits: FID is lowest at temperature 0.7, 2.00; from 1 down to there FID falls (-3")
    assert "precision rises (0.1" in said and "recall falls (-0.2" in said and "; at 0 FID rises (78" in said


def test_a_change_from_the_picked_temperature_has_to_stand_among_all_pairs():
    """p = 0.019 of FID from 1 to 0.7, and 0.057 after Holm's correction over three pairs."""
    frames = tables()
    fid = {(0.0, k): v for k, v in enumerate((80.0, 20.0, 200.0))} | {(1.0, k): v for k, v in enumerate((3.0, 3.31, 2.79))}
    own = frames["temperatures"]
    own["fid"] = [fid.get((row.temperature, row.seed), row.fid) for row in own.itertuples()]
    with style.theme():
        chapter = flows.chapter(types.SimpleNamespace(experiment={"flow_samples": Answer(SIZE, frames)}.get))
    assert "from 1 down to there FID does not clearly change (-1.0" in sentences(chapter)[0]


def test_temperatures_and_training_images_have_a_row_each():
    table = next(block for block in made().blocks if block.kind == "table" and block.name == "temperatures")
    assert table.frame["samples"].tolist() == ["temperature 0", "temperature 0.7", "temperature 1", "training images"]
    assert table.frame["recall"].tolist() == pytest.approx([0, 0.7, 0.9, 0.85])


@pytest.mark.parametrize(
    ("latents", "words"), [(0.8, "more precision (0.5"), (0.1, "less precision (-0.2"), (0.3, "no clearly other")]
)
def test_halfway_between_two_images(latents, words):
    said = sentences(made(latents=latents))[1]
    assert words in said and "no clearly other confidence" in said


def test_figures_show_every_line():
    drawn = {block.name: block.drawing for block in made().blocks if block.kind == "figure"}
    assert set(drawn) == {"temperatures", "samples", "paths", "mixtures"}
    images = {name: sum(len(ax.images) for ax in drawing.axes) for name, drawing in drawn.items()}
    assert images["samples"] == 3 * 4 and images["mixtures"] == 2 * 2 * 3
