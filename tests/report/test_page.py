import math
import re
import shutil
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure as Drawing

from genbench.config.errors import UserError
from genbench.metrics.cards import METRICS
from genbench.report import build
from genbench.report.blocks import Chapter, Figure, Fold, Heading, Paragraph, Points, Table
from genbench.results.files import read_json, write_json

MODELS = ("vae", "realnvp", "ns_gan", "wgan_gp", "ebm", "gmm")


def of(scores: pd.DataFrame, dataset: str, metric: str) -> pd.DataFrame:
    """A metric's rows of models."""
    return scores[(scores["dataset"] == dataset) & (scores["metric"] == metric) & ~scores["model"].str.startswith("(")]


def test_page_names_every_model_and_counts_failures(built):
    assert all(f"{model} " in built.section("scores") for model in MODELS)
    numbers = re.findall(r"\d+", built.section("summary", folds=False))
    assert {"36", "5", "31"} <= set(numbers)  # trials, failed, others
    assert "3 of 3 failed" in built.section("scores") and "samples are constant" in built.section("failures")
    assert built.section("failures").count("diverged") == 4
    assert "2 of 3" in built.rows("Distance to the data")["wgan_gp"]


def test_findings_follow_from_the_numbers(built):
    seen = built.section("findings", folds=False)
    fid = of(built.frame("scores"), "digits", "fid")
    best = fid.loc[fid["mean"].idxmin()]
    finding = seen[seen.index(METRICS["fid"].title) :]
    low, high = best["mean"] - best["half_width"], best["mean"] + best["half_width"]
    assert f"{best['model']} is best, {best['mean']:.2f} (95 % interval {low:.2f} to {high:.2f}; 3 seeds)" in finding
    w1 = of(built.frame("scores"), "ring8", "w1")
    finding = seen[seen.index(METRICS["w1"].title) : seen.index("nats")]
    assert all(model in finding for model in w1.loc[w1["state"] == "tie", "model"])
    folded = built.section("findings")
    assert len(folded.split()) > 2 * len(seen.split()) and folded.count("χ² test") == 2 and "vae, 3.375 bits/dim" in folded


def test_at_most_three_sentences_a_finding_stand_before_a_fold(built):
    section = re.search(r'<section id="findings">(.*?)</section>', built.html, re.DOTALL).group(1)
    items = re.findall(r"<li>(.*?)</li>", re.sub(r"<details>.*?</details>", "", section, flags=re.DOTALL), re.DOTALL)
    assert items and all(len(re.findall(r"[.] (?=[A-Z])|[.]$", unescape(item))) <= 3 for item in items)
    above = sum(len(built.section(name, folds=False).split()) for name in ("summary", "findings", "samples", "curves"))
    assert above < 400


def test_page_explains_metrics_and_shows_differences_variation_and_encoders(built):
    setup = built.section("setup")
    for key in ("fid", "w1", "ct", "bpd"):
        card = METRICS[key]
        assert all(text in setup for text in (card.what, card.range, card.floor, card.uncertainty, card.traps))
    assert f'title="{METRICS["kl"].what}' in unescape(built.html)
    scores = built.section("scores")
    assert "97.8 %" in scores and "Classes and diversity (1 of 2)" in scores and "reference examples 500" in scores
    assert "classifier-1" in scores and scores.count("training's share") == 2
    assert not re.search(r"\b(bias|subset_std|clipped) ", scores)
    assert "Uniform over grey levels 4.09" in scores


def test_floors_are_ranges_and_a_perfect_copier_stands_below(built):
    floors = built.frame("floors")
    values = floors.query("dataset == 'digits' and metric == 'fid' and role == 'real' and encoder == 'genbench-cnn-1a2b3c4d'")[
        "value"
    ]
    assert len(values) == 4
    shown = f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"
    seen = built.section("scores")
    assert shown in seen and shown in built.section("findings", folds=False)
    copier = seen[seen.index("a perfect copier") :][:60]
    assert "2.90 n = 800" in copier and "3.70" not in copier  # 3.70 is by another encoder
    scores = built.frame("scores")
    floor = scores[(scores["model"] == "(floor)") & (scores["metric"] == "fid")].iloc[0]
    assert (floor["lowest"], floor["highest"]) == pytest.approx((values.min(), values.max())) and pd.isna(floor["half_width"])


def test_annealed_tables_show_how_reliable_they_are(built):
    rows = built.rows("Likelihood, annealed bounds")
    assert "14.5 of 16" in rows["vae"] and "1 seed" in rows["vae"]
    assert "annealing gap 0.040 nats; standard error over test examples 0.10; 1 of 3 seeds" in built.section("findings")
    assert set(built.rows("Surrogate likelihood")) == {"ns_gan", "wgan_gp"}


def test_references_stand_above_and_are_never_best(copied, plain):
    path = copied[0] / "study.json"
    write_json(path, read_json(path) | {"references": {"ring8": ["gmm"]}})
    page = plain(*copied)
    seen = page.section("findings", folds=False)
    assert "gmm" not in seen[seen.index("ring8") : seen.index("digits")] and "gmm, 0.1" in page.section("findings")
    rows = page.rows("Distance to the data (1 of 2)")
    assert list(rows)[:2] == ["Real data against real data", "gmm reference"]
    assert not re.search(r'class="(best|tie)', rows["gmm reference"])


def test_values_worse_than_uniform_and_single_seeds_are_marked_in_their_cells(copied, plain):
    path = copied[0] / "scores.parquet"
    scores = pd.read_parquet(path)
    scores.loc[(scores["metric"] == "bpd") & (scores["model"] == "vae"), "value"] += 5
    scores.to_parquet(path, index=False)
    page = plain(*copied)
    assert page.html.count('<br><small class="bad">worse than uniform</small>') == 1
    assert "uniform distribution, 4.09; 3 seeds" in page.section("findings")
    assert re.search(r'<td class="" data-v="3.2">3.20 <small>1 seed</small></td>', page.html)  # of three that ended ok


def test_likelihoods_of_models_say_points_or_images(built):
    rows = built.section("setup")
    assert "points: bound; images: bound" in rows and "points: exact; images: exact" in rows and "gan none" in rows
    assert "vae (a lower bound: IWAE, k=200)" in built.section("samples", folds=False)


def test_page_asks_nothing_of_the_network(built):
    text = built.html
    for tag, address in re.findall(r"<(\w+)\b[^>]*?\b(?:src|href|xlink:href|action)=\"([^\"]*)\"", text):
        assert tag == "a" or address.startswith(("data:", "#")), (tag, address[:80])
    assert not re.search(r"url\((?!#)|@import|<link|<iframe|fetch\(", text)


def test_no_nan_is_printed(built):
    for name in ("summary", "findings", "samples", "scores", "cost", "curves", "costs", "failures", "trials"):
        assert not re.search(r"\b(nan|inf|None|NaT)\b", built.section(name)), name
    assert not re.search(r'data-v="(nan|inf|None)"', built.html)


def test_ids_are_unique_and_references_resolve(built):
    ids = re.findall(r'\bid="([^"]+)"', built.html)
    assert len(ids) == len(set(ids))
    used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', built.html)
    assert {a or b for a, b in used} <= set(ids)


def test_figures_and_tables_lie_beside_the_page(built):
    out = built.path.parent
    made = {path.name for path in (out / "figures").iterdir()}
    assert {f"{d}-{f}.svg" for d in ("ring8", "digits") for f in ("dots", "tradeoff", "curves")} <= made
    assert "ring8-densities.svg" in made
    for name in ("scores", "costs", "failures", "trials", "floors", "variation", "encoders"):
        assert len(built.frame(name))
    assert len(built.frame("failures")) == 5
    assert built.path.stat().st_size < 2_000_000


def test_equal_files_give_equal_bytes(built, run, tmp_path):
    build(*run, tmp_path)
    first = built.path.parent
    for path in sorted(first.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / path.relative_to(first)).read_bytes(), path.name


def test_chapters_are_drawn_with_what_is_folded(run, plain):
    def drawing():
        figure = Drawing(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        return figure

    frame = pd.DataFrame({"model": ["<a>", "b"], "seeds": [3, 4], "gap": [0.123456, math.nan], "FID": [1.0, 2.0]})
    table = Table("inner", frame, "Numbers", shown={"FID": ["1 ± 2", "2 ± 3"]})
    deep = Fold("deeper", (Points(("one", "arXiv:1406.2661")), Figure("deep", drawing(), "A line"), table))
    blocks = (Heading("Head"), Paragraph("Seen."), Paragraph("Small.", fine=True), Fold("Under", (Paragraph("Hidden."), deep)))
    page = plain(*run, lambda results: [Chapter("lead", "First", blocks, lead=True), Chapter("last", "Last", (Paragraph("Z"),))])
    above, whole = page.section("lead", folds=False), page.section("lead")
    assert "Seen." in above and "Small." not in above and "Small." in whole and "Hidden." in whole and "<a>" in whole
    assert '<a href="https://arxiv.org/abs/1406.2661">' in page.html and page.html.count('id="lead-deep-') > 1
    places = [page.html.index(f'<section id="{name}">') for name in ("summary", "lead", "findings", "curves", "last", "costs")]
    assert places == sorted(places)
    row = page.rows("Numbers")["<a>"]
    assert '<td data-v="0.123456">0.123</td>' in row and '<td data-v="1">1 ± 2</td>' in row and '<td data-v="3">3</td>' in row
    assert '<td data-v="">–</td>' in page.rows("Numbers")["b"] and page.frame("lead_inner")["gap"][0] == 0.123456
    assert (page.path.parent / "figures" / "lead-deep.svg").read_text() in page.html


def test_text_of_others_is_escaped_and_old_figures_go(copied, plain, tmp_path):
    path = copied[0] / "study.json"
    write_json(path, read_json(path) | {"title": "<script>alert(1)</script>"})
    (tmp_path / "out" / "figures").mkdir(parents=True)
    (tmp_path / "out" / "figures" / "gone-dots.svg").touch()
    assert "<script>alert" not in plain(*copied).html and not (tmp_path / "out" / "figures" / "gone-dots.svg").exists()


def test_whole_parts_may_be_missing(copied, plain):
    study, store = copied
    for folder in (store, store.parent / "reference"):
        shutil.rmtree(folder)
    (study / "floors.parquet").unlink()
    page = plain(study, store)
    assert "<img" not in page.html and "No histories" in page.section("curves")
    (study / "scores.parquet").unlink()
    trials = pd.read_parquet(study / "trials.parquet").assign(status="failed", cause=None, step=math.nan)
    trials.to_parquet(study / "trials.parquet", index=False)
    page = plain(study, store)
    assert "36 of 36 trials failed" in page.section("summary") and "<figure" not in page.section("scores")
    assert not re.search(r"\b(nan|None)\b", page.section("summary") + page.section("findings") + page.section("scores"))


def test_one_seed_separates_nothing(copied, plain):
    path = copied[0] / "trials.parquet"
    trials = pd.read_parquet(path)
    trials[trials["seed"] == 0].to_parquet(path, index=False)
    page = plain(*copied)
    assert not re.search(r'class="(best|tie)"', page.html)  # "best key" of the legend apart
    assert set(page.frame("scores")["state"].dropna()) <= {"best", "open", "equal"} and "95 % interval" not in page.section(
        "findings", folds=False
    )


def test_no_study_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="not found; gather the study"):
        build(tmp_path, tmp_path, tmp_path / "out")
    assert not Path(tmp_path / "out").exists()
