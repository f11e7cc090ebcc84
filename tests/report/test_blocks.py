import pandas as pd
from matplotlib.figure import Figure as Drawing

from genbench.report import page
from genbench.report.blocks import Chapter, Figure, Heading, Paragraph, Points, Table
from genbench.report.means import Mean, averaged


def _chapter(results):
    drawing = Drawing(figsize=(3, 2))
    drawing.subplots().plot([0, 1], [0, 1])
    frame = pd.DataFrame({"model": ["a<b", "c"], "seeds": [3, 4], "gap": [0.123456, float("nan")], "FID": [1.0, 2.0]})
    return Chapter(
        "told",
        "A tale",
        (
            Heading("First"),
            Paragraph("As in arXiv:1711.10337."),
            Points(("one", "two, arXiv 1811.11357")),
            Figure("line", drawing, "A line"),
            Table("gaps", frame, "Gaps", shown={"FID": ["1 ± 2", "2 ± 3"]}),
        ),
    )


def test_a_chapter_puts_its_blocks_tables_and_figures_into_the_report(run, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "CHAPTERS", (_chapter, lambda results: None))
    out = tmp_path / "report"
    html = page.build(*run, out).read_text()
    assert '<section id="told">' in html and '<a href="#told">A tale</a>' in html
    assert '<a href="https://arxiv.org/abs/1711.10337">' in html and 'two, <a href="https://arxiv.org/abs/1811.11357">' in html
    assert "a&lt;b" in html and '<td data-v="0.123456">0.123</td>' in html and '<td data-v="">–</td>' in html
    assert '<td data-v="1">1 ± 2</td>' in html and '<td data-v="3">3</td>' in html
    assert (out / "figures" / "told-line.svg").read_text() in html
    assert pd.read_csv(out / "tables" / "told_gaps.csv")["gap"][0] == 0.123456


def test_a_table_of_cells_keeps_means_and_shows_intervals():
    rows = [{"model": "a", "gap": averaged([1.0, 3.0, float("nan")])}, {"model": "b", "gap": Mean()}]
    table = Table.of_cells("gaps", rows, "Gaps")
    assert table.frame["gap"][0] == 2 and table.frame["gap"].isna().tolist() == [False, True]
    assert table.shown == {"gap": ["2 ± 13", "–"]}  # t of 0.975 with one degree of freedom: 12.7
    assert Table.of_cells("none", [], "None").frame.empty


def test_a_leading_chapter_comes_before_the_samples(run, plain, tmp_path, monkeypatch):
    lead = Chapter("first", "First", (Paragraph("x"),), lead=True)
    last = Chapter("last", "Last", (Paragraph("y"),))
    monkeypatch.setattr(page, "CHAPTERS", (lambda r: last, lambda r: lead))
    html = page.build(*run, tmp_path / "report").read_text()
    places = [html.index(f'<section id="{key}">') for key in ("summary", "first", "samples", "curves", "last", "costs")]
    assert places == sorted(places)
