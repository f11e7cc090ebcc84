import numpy as np
import pandas as pd
import pytest
import torch

from genbench.data import space
from genbench.models.glow import Glow
from genbench.questions.flow_samples import run as flow_samples
from genbench.questions.flow_samples.run import _latents, _pairs, _picture
from genbench.questions.flow_samples.settings import Settings as FlowSamples
from genbench.training.replicas import build


@pytest.fixture(scope="module")
def tables(bench):
    small = FlowSamples(
        seeds=2, updates=16, batch=32, temperatures=(0.0, 1.0), samples=100, pairs=20, steps=3, shown=2, encoder_epochs=2
    )
    return flow_samples.run(small, bench)


def test_tables(tables):
    frame = tables["temperatures"]
    assert list(frame.columns) == ["dataset", "seed", "temperature", "fid", "precision", "recall"]
    assert frame[["seed", "temperature"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert np.isfinite(frame[["fid", "precision", "recall"]].to_numpy()).all()
    real = tables["real"].iloc[0]
    assert real["fid"] < frame["fid"].min() and real["recall"] > 0.5
    assert (frame.query("temperature == 0")["recall"] == 0).all()  # all samples are one
    paths = tables["paths"]
    assert len(paths) == 2 * 3 * 2 and paths["confidence"].between(0.1, 1).all() and paths["precision"].between(0, 1).all()


def test_both_ways_meet_at_the_images_themselves(tables):
    """Also the flow's: its inverse of the latents of an image is that image, in all grey values."""
    pictures = tables["pictures"]
    ends = pictures[pictures["place"].isin([0, 2])].pivot_table(
        index=["line", "place", "row", "column"], columns="what", values="value"
    )
    ends = ends.dropna()
    assert len(ends) == 2 * 2 * 64
    pd.testing.assert_series_equal(ends["latents"], ends["pixels"], check_names=False)
    middle = pictures[pictures["place"] == 1].pivot_table(
        index=["line", "row", "column"], columns="what", values="value"
    ).dropna()  # fmt: skip
    assert (middle["latents"] - middle["pixels"]).abs().max() > 0.1


def test_pairs_are_of_different_classes(bench):
    data = bench.data["digits"]
    first, second = _pairs(data, 30)
    assert first.shape == second.shape == (30, 1, 8, 8)
    labels = {image.numpy().tobytes(): int(label) for image, label in zip(data.splits["test"], data.labels["test"], strict=True)}
    assert all(labels[a.numpy().tobytes()] != labels[b.numpy().tobytes()] for a, b in zip(first, second, strict=True))


def test_latents_are_those_of_the_dequantised_images(bench):
    data = bench.data["digits"]
    seen = space(data, "logit")
    flow = build(lambda: Glow(data.shape, data.levels, steps=2, width=4), 0).eval().requires_grad_(False)
    images = _pairs(data, 5)
    z = _latents(flow, seen, images, 0)
    assert z.shape == (2, 5, 64)
    for mine, raw in zip(z, images, strict=True):
        assert torch.equal(seen.decode(flow.inverse(mine).unflatten(-1, data.shape)), raw)


def test_picture_is_a_row_per_pixel(bench):
    data = bench.data["digits"]
    image = torch.arange(64).reshape(1, 8, 8) % 17
    frame = _picture(image, data, "samples", 0.5, 3)
    assert len(frame) == 64 and set(frame["line"]) == {0.5} and set(frame["place"]) == {3}
    grid = frame.pivot(index="row", columns="column", values="value").to_numpy()
    np.testing.assert_allclose(grid, image[0] / 16)


def test_temperatures_are_not_negative():
    with pytest.raises(ValueError, match="temperatures"):
        FlowSamples(temperatures=(-1.0,))
