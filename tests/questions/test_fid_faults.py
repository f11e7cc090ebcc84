import numpy as np
import pandas as pd
import pytest
import torch

from genbench.metrics.memorisation import Memory
from genbench.questions.degraded import FADED, LOST, NOISE, samplers
from genbench.questions.fid_faults import run as fid_faults
from genbench.questions.fid_faults.run import _balanced, _copies, _dropped
from genbench.questions.fid_faults.settings import Settings as FidFaults


@pytest.fixture(scope="module")
def made(bench):
    data = bench.data["digits"]
    x, y = data.splits["train"][:200], data.labels["train"][:200]
    return x, y, samplers(x, y, data.splits["test"][:200], 17, torch.Generator().manual_seed(0))


def test_samplers_have_the_faults_that_they_are_named_for(bench, made):
    x, y, found = made
    assert all(each.shape == x.shape and each.dtype == x.dtype and int(each.max()) <= 16 for each in found.values())
    assert torch.equal(found["fresh data"], bench.data["digits"].splits["test"][:200])
    assert len(found["few images"].unique(dim=0)) == 20
    kept = round((1 - LOST) * 10)
    classes = {tuple(image.flatten().tolist()): int(label) for image, label in zip(x, y, strict=True)}
    assert len({classes[tuple(image.flatten().tolist())] for image in found["lost classes"]}) == kept
    gap = (found["faded"].float() - x.float()).std((2, 3)) / x.float().std((2, 3))
    assert float(gap.mean()) == pytest.approx(1 - FADED, abs=0.03)
    assert float((found["specks"] != x).float().mean()) < 0.03  # of 3 % of the pixels some were so already
    steep = {name: float(each.float().diff().square().mean()) for name, each in {**found, "images": x}.items()}
    assert steep["blur"] < steep["images"] and steep["pairs"] < steep["images"]
    middle = (x > 5) & (x < 11)  # far from where noise is cut
    assert float((found["noise"].float() - x.float())[middle].std()) == pytest.approx(NOISE * 16, rel=0.1)


def test_the_gaussian_has_the_covariance_of_the_images():
    """Of mid-grey images whose draws are not cut; 3000 of them, so to 10 %."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(3000, 64, generator=generator) @ torch.randn(64, 64, generator=generator)
    x = (128 + 2 * mixed).clamp(0, 255).round().to(torch.uint8).view(-1, 1, 8, 8)
    drawn = samplers(x, torch.zeros(3000, dtype=torch.long), x, 256, generator)["Gaussian"].flatten(1).double()
    own = x.flatten(1).double()
    assert float((drawn.T.cov() - own.T.cov()).norm() / own.T.cov().norm()) < 0.1
    assert float((drawn.mean(0) - own.mean(0)).abs().max()) < 1.5
    assert not torch.equal(drawn, own)


def test_tables_of_a_small_run(bench):
    settings = FidFaults(datasets=["digits"], seeds=1, redraws=3, images=100, encoder_epochs=1)
    tables = fid_faults.run(settings, bench)
    encoders = ["classifier 0", "untrained", "pixels"]
    bias = tables["bias"]
    assert list(bias["encoder"].unique()) == encoders and sorted(set(bias["n"])) == [6, 12, 25, 50, 100]
    means = bias.groupby(["encoder", "n"])["fid"].mean().unstack()
    assert (means[6] > 2 * means[100]).all()
    pixels = bias[(bias["encoder"] == "pixels") & (bias["n"] == 100)]  # where nothing was trained, theory is near
    assert pixels["fid"].mean() == pytest.approx(pixels["predicted"].iloc[0], rel=0.25)
    dropping = tables["dropping"]
    assert sorted(set(dropping["kept"])) == [2, 4, 6, 8, 10] and dropping["n"].nunique() == 1
    assert dropping.groupby("encoder")["coverage"].count().to_dict() == {"classifier 0": 15, "pixels": 0, "untrained": 0}
    few, all_of_them = (dropping[dropping["kept"] == kept].groupby("encoder")["fid"].mean() for kept in (2, 10))
    assert (few > 2 * all_of_them).drop("untrained").all() and (few > all_of_them).all()
    assert tables["samplers"].groupby("encoder")["sampler"].nunique().eq(10).all()
    copies = tables["copies"].groupby("sampler").mean(numeric_only=True)
    assert (copies["nn_distance"].drop("fresh data") < 1e-5).all() and copies.loc["fresh data", "nn_distance"] > 0.8
    assert copies.loc["copies", "ct"] < -5 < copies.loc["fresh data", "ct"]
    again = fid_faults.run(settings, bench)
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(frame, again[name])


def test_dropped_classes_are_gone_and_the_number_stays():
    """Four far classes: what is not covered is what was dropped."""
    labels, generator = torch.arange(4).repeat_interleave(50), torch.Generator().manual_seed(0)
    real = 10 * torch.nn.functional.one_hot(labels, 4).double() + 0.1 * torch.randn(
        200, 4, dtype=torch.float64, generator=generator
    )
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    rows = list(_dropped(real, labels, order, real, True))
    assert [row["kept"] for row in rows] == [4, 3, 2] and {row["n"] for row in rows} == {100}
    fids = [row["fid"] for row in rows]
    assert 10 * fids[0] < fids[1] < fids[2]
    coverages = [row["coverage"] for row in rows]
    assert coverages[0] > 0.9 and coverages[1] == pytest.approx(0.75, abs=0.05) and coverages[2] == pytest.approx(0.5, abs=0.05)
    assert all(np.isnan(row["recall"]) for row in _dropped(real, labels, order, real, False))


def test_copies_are_told_from_fresh_data_by_neighbours_and_not_by_the_distance():
    generator = torch.Generator().manual_seed(0)
    train, fresh, test = (torch.randn(300, 3, generator=generator, dtype=torch.float64) for _ in range(3))
    rows = {row["sampler"]: row for row in _copies(train, fresh, train, test, Memory.fit(train, test))}
    assert rows["copies"]["fid"] < 3 * rows["fresh data"]["fid"] and rows["copies"]["fid_training"] < 1e-9
    assert all(rows[name]["nn_distance"] < 1e-6 and rows[name]["ct"] < -5 for name in rows if name != "fresh data")
    assert abs(rows["fresh data"]["ct"]) < 3 and rows["fresh data"]["nn_distance"] == pytest.approx(1, abs=0.2)
    assert rows["copies, a tenth as many"]["fid"] > rows["copies"]["fid"]


def test_balanced_orders_have_the_shares_of_classes_at_every_length():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    order = _balanced(labels, torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(100))
    for n in (10, 20, 50):
        counts = torch.bincount(labels[order[:n]], minlength=3)
        assert ((counts - n * torch.tensor([0.6, 0.3, 0.1])).abs() <= 2).all()
    assert not torch.equal(order, _balanced(labels, torch.Generator().manual_seed(1)))
