"""Blocks as values; how the page draws them: test_page.py."""

from genbench.report.blocks import Table
from genbench.report.means import Mean, averaged


def test_a_table_of_cells_keeps_means_and_shows_intervals():
    rows = [{"model": "a", "gap": averaged([1.0, 3.0, float("nan")])}, {"model": "b", "gap": Mean()}]
    table = Table.of_cells("gaps", rows, "Gaps")
    assert table.frame["gap"][0] == 2 and table.frame["gap"].isna().tolist() == [False, True]
    assert table.shown == {"gap": ["2 ± 13", "–"]}  # t of 0.975 with one degree of freedom: 12.7
    assert Table.of_cells("none", [], "None").frame.empty
