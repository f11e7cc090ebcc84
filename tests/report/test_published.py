"""Published values, as the file has them."""

import pandas as pd
import pytest

from genbench.report.published import COLUMNS, published


@pytest.mark.parametrize("claim", ["C1", "C2", "C3", "C4", "C5", "C6", "FID", "L1"])
def test_every_claim_has_values_with_their_source(claim):
    table = published(claim)
    assert tuple(table.columns) == COLUMNS and len(table) and list(table.index) == list(range(len(table)))
    assert table.map(lambda text: isinstance(text, str) and text.strip() == text != "").all(axis=None)
    assert table["source"].str.endswith("not the same budget").all()
    assert not table.duplicated(["what", "dataset", "source"]).any()


def test_values_are_the_papers():
    first = published("C1").set_index(["what", "dataset"])
    assert len(first) == 8 * 4 and first.loc[("FID of NS GAN", "CelebA"), "published"] == "55.0 ± 3.3"
    memory = first["source"].str.contains("from memory").groupby("what").sum()
    assert memory["FID of VAE"] == 4 and memory["FID of LSGAN"] == 3 and memory.sum() == 7
    bias = published("FID").query("dataset == 'CIFAR-10'")
    assert list(bias["published"]) == ["5.19 ± 0.02"] and bias["source"].str.contains("from memory").all()


def test_what_is_not_there_is_empty(tmp_path):
    for table in (published("C1", tmp_path), published("C99")):
        assert tuple(table.columns) == COLUMNS and table.empty
    file = pd.DataFrame([["C1", "a", "b", "007", "c"]], columns=["claim", *COLUMNS])
    file.to_csv(tmp_path / "reference_values.csv", index=False)
    assert published("C1", tmp_path)["published"].tolist() == ["007"]  # no text becomes a number
