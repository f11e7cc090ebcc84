import math
import re
import shutil
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from genbench.config.errors import UserError
from genbench.metrics.cards import METRICS
from genbench.report import build
from genbench.results.files import read_json, write_json


@pytest.fixture(scope="module")
def page(make_run, tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    study = make_run(root / "results")
    path = build(study, root / "results" / "store", root / "reports" / "tiny")
    return {"root": root, "study": study, "path": path, "text": path.read_text(encoding="utf-8")}


def words(html: str) -> str:
    """What a reader sees."""
    html = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_page_names_every_model_and_counts_failures(page):
    seen = words(page["text"])
    assert all(f"{model} " in seen for model in ("vae", "realnvp", "ns_gan", "wgan_gp", "ebm", "gmm"))
    assert "31 ended ok, 5 did not" in seen and "5 of 36 trials did not end ok" in seen
    assert "3 of 3 failed" in seen and "evaluation: samples are constant" in seen
    assert "2 of 3 , 1 failed" in seen


def test_summary_follows_from_the_numbers(page):
    seen = words(page["text"])
    scores = pd.read_csv(page["path"].parent / "tables" / "scores.csv")
    fid = scores[(scores["dataset"] == "digits") & (scores["metric"] == "fid") & ~scores["model"].str.startswith("(")]
    best = fid.loc[fid["mean"].idxmin(), "model"]
    assert f"best mean {best}" in seen
    for model in fid.loc[fid["state"] == "tie", "model"]:
        assert model in re.search(r"Fréchet distance \(lower is better\).*?Floor", seen).group()
    assert "Of one model only, so without a ranking: Bits per dimension, at most (bound): vae, 3." in seen
    assert "nothing to rank" not in seen and seen.index("First seed that ended ok") < seen.index("Model ±")


def test_page_says_what_its_numbers_do_not(page):
    seen = words(page["text"])
    care = seen[seen.index("Read with care") : seen.index("Model ±")]
    assert "ring8: the last update was the best on validation in all seeds of vae: more training may help them." in care
    assert "digits: weights from before half of the budget were best in all seeds of realnvp: the rest" in care
    assert re.search(r"ring8: training FLOPs differ by a factor of [\d.]+ between models \(without the baseline\)", care)
    assert "ring8: whether samples copy training data was not measured" in care and "no metric of memorisation" not in seen
    assert "digits, overfitting: Train-test gap above twice its standard error" in care
    assert re.search(r"digits, copies of training data.*? Data-copying test below -3.0 for gmm \(-25", care)
    assert "No memorisation metric separates memorisation from underfitting" in care
    assert "SE over test examples" in seen and "Uniform over grey values 4.09" in seen
    assert "(not Inception)" in seen and "Read precision and recall together" in seen
    assert "500 reference examples" not in seen and "reference examples 500" in seen
    assert not re.search(r"\b(bias|subset_std|clipped) ", seen[: seen.index("What was run")])


def test_page_explains_metrics_variation_encoders_and_differences(page):
    seen = words(page["text"])
    for key in ("fid", "w1", "ct", "bpd"):
        card = METRICS[key]
        assert all(text in seen for text in (card.what, card.range, card.floor, card.uncertainty, card.traps))
    assert f'title="{METRICS["kl"].what}' in unescape(page["text"])
    assert "difference to the best (paired)" in seen and "Compared on the same 200 test examples" in seen
    assert "Where the variation comes from" in seen and "seeds differ by more than their finite samples explain" in seen
    assert "Do other encoders rank the models alike?" in seen and "Kendall's tau of the ranking by classifier is" in seen
    assert "counts of a classifier that reaches 97.8 %" in seen and "Classes and diversity (1 of 2)" in seen


def test_floors_are_ranges_and_a_perfect_copier_stands_below(page):
    seen = words(page["text"])
    floors = pd.read_csv(page["path"].parent / "tables" / "floors.csv")
    values = floors.query("dataset == 'digits' and metric == 'fid' and role == 'real' and encoder == 'genbench-cnn-1a2b3c4d'")[
        "value"
    ]
    shown = f"({values.min():.2f} to {values.max():.2f})"
    assert f"Real data against real data {values.mean():.2f} {shown}" in seen
    assert re.search(r"Training data against the test split \(a perfect copier\) 2\.90 n = 800", seen)
    assert "3.70" not in seen[seen.index("a perfect copier") :][:60]  # by another encoder
    assert "without an interval, since the redraws overlap" in seen and "n = 2,000" in seen  # w1's floor, of other n
    scores = pd.read_csv(page["path"].parent / "tables" / "scores.csv")
    floor = scores[(scores["model"] == "(floor)") & (scores["metric"] == "fid")].iloc[0]
    assert (floor["lowest"], floor["highest"]) == pytest.approx((values.min(), values.max())) and pd.isna(floor["half_width"])


def test_annealed_tables_show_how_far_to_trust_them(page):
    seen = words(page["text"])
    assert "ESS of the chains" in seen and "14.5 of 16" in seen and "IWAE, same examples [nats] 3.2 1 seed" not in seen
    assert "annealing gap 0.040 nats (test SE 0.10; 1 of 3 seeds)" in seen and "less than a share of 0.2 of the chains" in seen
    assert re.search(r"sigma .*? ns_gan 2 of 3 , 1 failed", seen) and "Train-test gap: SE over examples" in seen


def test_references_stand_above_and_are_named_in_the_summary(page, tmp_path, plain):
    shutil.copytree(page["study"], tmp_path / "study")
    path = tmp_path / "study" / "study.json"
    write_json(path, read_json(path) | {"references": {"ring8": ["gmm"]}})
    html = build(tmp_path / "study", page["root"] / "results" / "store", tmp_path / "out").read_text()
    seen = words(html)
    summary = seen[seen.index("ring8 Wasserstein-1") : seen.index("digits Fréchet")]
    assert "Reference (no contender): gmm, 0.1" in summary and "best mean gmm" not in summary
    assert "realnvp, " in summary and "reference (no contender): gmm, 2." in summary  # the only contender's exact likelihood
    table = html[html.index("<caption>Distance to the data") :]
    assert re.search(r'<tbody class="floor">\s*<tr><th scope="row"><i[^>]*></i>gmm <small>reference</small>', table)
    assert not re.search(
        r'gmm <small>reference</small></th>.*?class="(best|tie)', table[: table.index("</tbody>\n<tbody>")], re.DOTALL
    )


def test_values_worse_than_uniform_and_single_seeds_are_marked_in_their_cells(page, tmp_path, plain):
    shutil.copytree(page["study"], tmp_path / "study")
    path = tmp_path / "study" / "scores.parquet"
    scores = pd.read_parquet(path)
    scores.loc[(scores["metric"] == "bpd") & (scores["model"] == "vae"), "value"] += 5
    scores.to_parquet(path, index=False)
    html = build(tmp_path / "study", page["root"] / "results" / "store", tmp_path / "out").read_text()
    assert html.count('<br><small class="bad">worse than uniform</small>') == 1
    assert "(worse than uniform, 4.09; test SE 0.020; 3 seeds)" in words(html)
    assert re.search(r'<td class="" data-v="3.2">3.20 <small>1 seed</small></td>', html)  # of three that ended ok


def test_likelihoods_of_models_say_points_or_images(page):
    seen = words(page["text"])
    rows = seen[seen.index("model method family likelihood") : seen.index("What each of")]
    assert "points: bound; images: bound" in rows and "points: exact; images: exact" in rows and "gan none" in rows
    assert "exact up to the accuracy of" not in seen  # no solver and no grid among the exact ones
    assert "Not the density that samples follow: vae (a bound from below: IWAE, k=200)." in seen


def test_page_asks_nothing_of_the_network(page):
    text = page["text"]
    for tag, address in re.findall(r"<(\w+)\b[^>]*?\b(?:src|href|xlink:href|action)=\"([^\"]*)\"", text):
        assert tag == "a" or address.startswith(("data:", "#")), (tag, address[:80])
    assert not re.search(r"url\((?!#)|@import|<link|<iframe|fetch\(", text)


def test_no_nan_is_printed(page):
    text = re.sub(r'<dl class="facts card">.*?</dl>', "", page["text"], flags=re.DOTALL)  # cards are prose
    assert not re.search(r"\b(nan|inf|None|NaT)\b", words(text))
    assert not re.search(r'data-v="(nan|inf|None)"', page["text"])


def test_ids_are_unique_and_references_resolve(page):
    ids = re.findall(r'\bid="([^"]+)"', page["text"])
    assert len(ids) == len(set(ids))
    used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page["text"])
    assert {a or b for a, b in used} <= set(ids)


def test_figures_and_tables_lie_beside_the_page(page):
    out = page["path"].parent
    made = {path.name for path in (out / "figures").iterdir()}
    assert {f"{d}-{f}.svg" for d in ("ring8", "digits") for f in ("dots", "tradeoff", "curves")} <= made
    assert "ring8-densities.svg" in made
    for name in ("scores", "costs", "failures", "trials", "floors", "variation", "encoders"):
        assert len(pd.read_csv(out / "tables" / f"{name}.csv"))
    assert len(pd.read_csv(out / "tables" / "failures.csv")) == 5
    assert page["path"].stat().st_size < 2_000_000


def test_equal_files_give_equal_bytes(page):
    other = page["root"] / "again"
    build(page["study"], page["root"] / "results" / "store", other)
    first = page["path"].parent
    for path in sorted(first.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (other / path.relative_to(first)).read_bytes(), path.name


def test_text_of_others_is_escaped_and_old_figures_go(page, tmp_path, plain):
    shutil.copytree(page["study"], tmp_path / "study")
    study = read_json(tmp_path / "study" / "study.json")
    write_json(tmp_path / "study" / "study.json", study | {"title": "<script>alert(1)</script>"})
    (tmp_path / "out" / "figures").mkdir(parents=True)
    (tmp_path / "out" / "figures" / "gone-dots.svg").touch()
    path = build(tmp_path / "study", page["root"] / "results" / "store", tmp_path / "out")
    assert "<script>alert" not in path.read_text() and not (tmp_path / "out" / "figures" / "gone-dots.svg").exists()


def test_whole_parts_may_be_missing(make_run, tmp_path):
    root = tmp_path / "results"
    study = make_run(root)
    for folder in (root / "store", root / "reference"):
        shutil.rmtree(folder)
    (study / "floors.parquet").unlink()
    text = build(study, root / "store", tmp_path / "out").read_text()
    assert "No pictures of samples" in text and "No histories" in text
    (study / "scores.parquet").unlink()
    trials = pd.read_parquet(study / "trials.parquet").assign(status="failed", cause=None, step=math.nan)
    trials.to_parquet(study / "trials.parquet", index=False)
    text = words(build(study, root / "store", tmp_path / "out").read_text())
    assert "0 ended ok, 36 did not" in text and "No scores." in text
    assert not re.search(r"\b(nan|None)\b", text)


def test_one_seed_separates_nothing(make_run, tmp_path, plain):
    root = tmp_path / "results"
    study = make_run(root)
    trials = pd.read_parquet(study / "trials.parquet")
    trials[trials["seed"] == 0].to_parquet(study / "trials.parquet", index=False)
    html = (
        build(study, root / "store", tmp_path / "out").read_text().replace('class="best key"', "").replace('class="tie key"', "")
    )
    text = words(html)
    assert "One seed per model" in text and "Not separable from it" not in text
    assert 'class="best' not in html and 'class="tie' not in html  # "best key" of the legend apart
    assert "Not testable with a single seed" in text


def test_no_study_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="not found; gather the study"):
        build(tmp_path, tmp_path, tmp_path / "out")
    assert not Path(tmp_path / "out").exists()
