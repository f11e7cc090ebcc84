"""The claim on Wasserstein critics, from planted numbers."""

import types

import numpy as np
import pandas as pd
import pytest
from genbench.report.claim import HOLDS, IN_PART, OPEN, REFUTED
from genbench.report.claims.wasserstein import claim
from genbench.report.claims.wasserstein_numbers import Rank, cells, crossover, mostly, prefers, trials

from genbench.report import style
from genbench.results.study import Answer

SIZE = {"updates": 400, "batch": 64, "points": 500, "draws": 20, "depth": 2, "width": 8, "limit": 0.01, "gp": 10.0, "lr": 1e-3}
PAIRS = (("funnels, d = 2", "law", 2, 1.0), ("funnels, d = 16", "law", 16, 2.0), ("digits, held out", "images", 64, np.nan))
OK = {"status": "ok"}


def static(ratios, seeds=4, cosines=(0.9, 0.3)):
    """Critics whose values are these ratios of W1, by pairs; W1 of sets is 4, of batches 5."""
    rows, rng = [], np.random.default_rng(0)
    for critic, each in ratios.items():
        for (pair, _, _, known), ratio in zip(PAIRS, each, strict=True):
            truth = known if np.isfinite(known) else 4.0
            cosine = cosines[critic == "c-transform"]
            for seed in range(seeds):
                noise = 1 + 0.01 * (seed - (seeds - 1) / 2)  # no bias
                found = {
                    "value": ratio * truth * noise,
                    "half": 1.0,
                    "bound": 3.5,
                    "cosine": cosine + 0.01 * rng.standard_normal(),
                }
                rows.append({"pair": pair, "critic": critic, "seed": seed, **OK, **found})
    pairs = pd.DataFrame([{"pair": n, "kind": kind, "dim": dim, "n": 500, "known": known} for n, kind, dim, known in PAIRS])
    pairs = pairs.assign(exact=4.0, batch=5.0, batch_se=0.1, debiased=0.5, debiased_se=0.1, nearest=3.0, batch_cosine=0.4)
    return Answer(SIZE, {"pairs": pairs, "critics": pd.DataFrame(rows)})


def game(errors, qualities, seeds=4, datasets=("digits",), **ends):
    looks, last, rng = [], [], np.random.default_rng(1)
    for dataset in datasets:
        for critic, error, quality in zip(CRITICS, errors, qualities, strict=True):
            for seed in range(seeds):
                key = {"dataset": dataset, "critic": critic, "seed": seed}
                value = 4 * (1 - error * (1 + 0.02 * rng.standard_normal()))
                for update in (200, 400):
                    looks.append({**key, "update": update, "value": value, "exact": 3.0, "batch": 4.0, "debiased": 1.0})
                centred = 0.9 if critic == "c-transform" else 1.4
                last.append({**key, **OK, "quality": quality * (1 + 0.02 * rng.standard_normal()), "centred": centred} | ends)
    pictures = [
        {"dataset": "digits", "kind": k, "index": i, "levels": 17, "height": 2, "width": 2, "pixels": [0, 5, 16, 1]}
        for k in ("c-transform", "centroids", "test images")
        for i in range(2)
    ]
    return Answer(
        SIZE | {"critics": list(CRITICS), "limit": 0.1, "gp": 1.0},
        {"looks": pd.DataFrame(looks), "ends": pd.DataFrame(last), "pictures": pd.DataFrame(pictures)},
    )


CRITICS = ("clipping", "gradient penalty", "one-sided penalty", "spectral norm", "c-transform")


def batches(gaps, kind="images"):
    """W1 of batches of 64, 256 and 1024: that of data is 5, that of the candidates differs by these gaps."""
    rows, rng = [], np.random.default_rng(2)
    for data in ("digits", "polygons"):
        for candidate, each in {"data": (0, 0, 0), **gaps}.items():
            for size, gap in zip((64, 256, 1024), each, strict=True):
                for draw in range(20):
                    raw = 5 + gap + 0.01 * rng.standard_normal() * (candidate != "data")
                    row = {"data": data, "kind": kind, "dim": 64, "size": size, "draw": draw, "candidate": candidate, "raw": raw}
                    rows.append(row | {"debiased": np.nan if candidate == "data" else 0.3 + 0.01 * rng.standard_normal()})
    return Answer(SIZE, {"batches": pd.DataFrame(rows)})


def made(**experiments):
    kinds = {"ring8": "points"}
    with style.theme():
        return claim(types.SimpleNamespace(experiment=experiments.get, kind=lambda name: kinds.get(name, "images")))


def sentences(found):
    return {item.split(" ")[0]: item for block in found.blocks if block.kind == "points" for item in block.items}


def names(found, kind):
    return [block.name for block in found.blocks if block.kind == kind]


def test_a_study_without_the_experiments_says_nothing():
    assert made() is None
    lost = static({"clipping": (1, 1, 1)})
    lost.tables["critics"]["status"] = "diverged"
    assert made(wasserstein_estimates=lost) is None


def test_values_are_told_from_w1_by_pairs():
    found = made(
        wasserstein_estimates=static(
            {
                "clipping": (0.01, 0.02, 0.01),
                "gradient penalty": (1, 1, 0.3),
                "c-transform": (1, 1.6, 1.1),
                "no restraint": (50, 90, 9),
            }
        )
    )
    said = sentences(found)
    assert list(said) == ["(i)", "(ii)", "(iii)"] and found.verdict == IN_PART
    assert "against W1 of the laws, on 1 pair (holds in part): clipping 1 wrong, 0 right (value / W1 0.020)" in said["(i)"]
    assert (
        "against W1 of the finite sets, on 2 pairs (holds in part): clipping 2 wrong, 0 right (value / W1 0.010)" in said["(i)"]
    )
    assert "Of the values of critics whose slope is meant to be 1: 1 wrong, 1 right against W1 of the laws" in said["(i)"]
    assert "The slope of clipping is not meant to be 1" in said["(i)"] and "unknown, by design for clipping." in said["(i)"]
    assert "no restraint" not in said["(i)"] and "reports is 0.64 to 0.88 times the raw batch W1" in said["(i)"]
    assert said["(ii)"].startswith("(ii) In the plane some critics find W1: holds.") and "on none clipping" in said["(ii)"]
    assert "a generator less well than the gradient penalty: holds." in said["(iii)"] and "finite sets (holds)" in said["(iii)"]
    assert (
        "right against W1 of the laws on 1 of 1 pairs: gradient penalty; right against W1 of the finite sets on 2 of 2 pairs: no"
        in found.because
        and "(ii) and (iii) do not enter the verdict" in found.because
    )
    assert names(found, "figure") == ["c4_value"] and names(found, "table") == ["c4_pairs", "c4_critics", "c4_published"]
    assert all(name.startswith("c4_") for name in names(found, "figure") + names(found, "table"))


@pytest.mark.parametrize(
    ("ratio", "seeds", "verdict"), [(0.3, 4, HOLDS), (1.05, 4, REFUTED), (1.25, 4, OPEN), (0.3, 1, OPEN), (-0.2, 4, HOLDS)]
)
def test_the_first_statement_follows_the_ratio(ratio, seeds, verdict):
    experiment = static({"gradient penalty": (1, ratio, ratio)}, seeds=seeds)
    experiment.tables["pairs"].loc[1, "exact"] = PAIRS[1][3]  # both yardsticks alike
    found = made(wasserstein_estimates=experiment)
    assert found.verdict == verdict
    assert f"within a factor of 1.25: {verdict}." in sentences(found)["(i)"] and "(iii)" not in sentences(found)


def test_words_are_corrected_for_all_critics():
    """A critic just outside the margin is called so alone, and not beside many others."""
    rng = np.random.default_rng(3)
    few = static({"gradient penalty": (0.77, 1, 1)}, seeds=4)
    few.tables["critics"].loc[few.tables["critics"]["pair"] == PAIRS[0][0], "value"] = [0.76, 0.77, 0.78, 0.775]
    many = few.tables["critics"]
    for i in range(30):
        more = many[many["critic"] == "gradient penalty"].assign(critic=f"other {i}", value=0.8 + 0.1 * rng.standard_normal(12))
        many = pd.concat([many, more])
    alone, beside = (cells(few.tables["pairs"], each).iloc[0] for each in (few.tables["critics"], many))
    assert alone["word"] == "not W1" and beside["word"] == "undecided" and alone["ratio"] == beside["ratio"]


def test_the_papers_own_pair_is_judged_by_intervals():
    errors = (0.8, 0.7, 0.6, 0.9, 0.05)
    for quality, verdict in ((8.0, HOLDS), (3.0, OPEN), (1.0, REFUTED)):
        found = made(wasserstein_training=game(errors, (5, 3, 3, 4, quality)))
        assert f"makes the worse generator: {verdict}." in sentences(found)["(iv)"]
    assert "the Fréchet distance of its samples is smaller" in sentences(found)["(iv)"]
    assert "lie at 0.900 times" in sentences(found)["(iv)"] and "those of other critics at 1.4 times" in sentences(found)["(iv)"]
    assert names(found, "figure") == ["c4_training", "c4_thesis", "c4_alike_digits"]
    assert (
        "exact W1 to test points"
        in sentences(made(wasserstein_training=game(errors, (5, 3, 3, 4, 8), datasets=("ring8",))))["(iv)"]
    )


def test_datasets_are_told_apart_where_the_better_estimate_is_shown_to_hurt():
    both = game((0.8, 0.7, 0.6, 0.9, 0.05), (5, 3, 3, 4, 8), datasets=("ring8", "digits"))
    ends = both.tables["ends"]
    ends.loc[(ends["dataset"] == "ring8") & (ends["critic"] == "c-transform"), "quality"] = [2.9, 3.1, 3.0, 3.0]
    found = made(wasserstein_training=both)
    assert "makes the worse generator: holds in part." in sentences(found)["(iv)"]
    assert "not on ring8, where the better estimate makes no surely worse generator (error 0.0" in found.because
    assert "shown on digits (error 0.0" in found.because
    turned = "against debiased W1 the order of the estimators reverses"
    assert turned in sentences(found)["(iv)"]  # values of 3.8 and 1.2 beside a debiased W1 of 1
    both.tables["looks"]["debiased"] = 4.0
    assert turned not in sentences(made(wasserstein_training=both))["(iv)"]


def test_yardsticks_are_judged_apart():
    """A c-transform that is the sets' W1 on all pairs, and far from the laws'."""
    experiment = static({"gradient penalty": (1, 1, 0.3), "c-transform": (4, 2, 1)})
    found = cells(experiment.tables["pairs"], experiment.tables["critics"]).set_index(["critic", "pair"])
    own = found.loc["c-transform"]
    assert list(own["set_word"]) == ["W1"] * 3 and list(own["law_word"]) == ["not W1", "not W1", ""]
    assert list(own["word"]) == ["not W1", "not W1", "W1"] and own["law_ratio"].iloc[1].mean == pytest.approx(2)
    said = made(wasserstein_estimates=experiment)
    assert "sets on 2 of 2 pairs: c-transform" in said.because and "laws on 1 of 1 pairs: gradient penalty" in said.because
    assert "slope" not in sentences(said)["(i)"] and said.verdict == IN_PART


def test_directions_may_differ_between_laws_and_sets():
    experiment = static({"gradient penalty": (1, 1, 0.3), "c-transform": (1, 1.6, 1.1)})
    critics = experiment.tables["critics"]
    sets = (critics["pair"] == PAIRS[2][0]) & (critics["critic"] == "c-transform")
    critics.loc[sets, "cosine"] += 0.65
    said = made(wasserstein_estimates=experiment)
    assert "than the gradient penalty: holds in part." in sentences(said)["(iii)"]
    assert "on known laws less well, cosines of" in said.because and "on finite sets better, cosines of" in said.because


def test_the_rule_over_critics_needs_seeds_and_critics():
    errors = (0.8, 0.7, 0.6, 0.9, 0.05)
    for qualities, verdict in (((2, 3, 4, 1, 9), HOLDS), ((4, 3, 2, 5, 1), REFUTED), ((9, 3, 4, 1, 8), OPEN)):
        found = made(wasserstein_training=game(errors, qualities))
        assert f"the worse the generator: {verdict}." in sentences(found)["(v)"]
    assert "of 20 trainings with 5 critics" in sentences(found)["(v)"]


def test_ranks_are_those_of_scipy_and_p_counts_orders():
    from scipy import stats

    experiment = game((0.8, 0.7, 0.6, 0.9, 0.05), (2, 3, 4, 1, 9))
    part = trials(experiment.tables["looks"], experiment.tables["ends"])
    found = Rank(part, "batch")
    assert found.rho == pytest.approx(stats.spearmanr(part["error_batch"], part["quality"]).statistic)
    means = part.groupby("critic")[["error_batch", "quality"]].mean()
    assert found.means == pytest.approx(stats.spearmanr(means["error_batch"], means["quality"]).statistic)
    assert f"of means {found.means:.1f}, p = 0.017" in sentences(made(wasserstein_training=experiment))["(v)"]
    assert found.low <= found.rho <= found.high < 0 and found.p == pytest.approx(2 / 120)  # the order and its reverse
    assert Rank(part[part["critic"].isin(CRITICS[:2])], "batch").verdict == OPEN


def test_failures_are_said_and_not_counted():
    experiment = game((0.8, 0.7, 0.6, 0.9, 0.05), (5, 3, 3, 4, 8))
    experiment.tables["ends"].loc[0, ["status", "quality"]] = ["diverged", np.nan]
    pictures = experiment.tables["pictures"]
    experiment.tables["pictures"] = pictures[pictures["kind"] != "c-transform"]
    looks = experiment.tables["looks"]
    looks.loc[(looks["critic"] == CRITICS[0]) & (looks["seed"] == 0), "value"] = 1e6
    found = made(wasserstein_training=experiment)
    said = sentences(found)
    assert names(found, "figure") == ["c4_training", "c4_thesis"]
    training = next(block for block in found.blocks if getattr(block, "name", "") == "c4_training").drawing
    assert max(np.max(line.get_ydata()) for ax in training.axes for line in ax.lines) < 10
    assert said["(v)"].endswith("1 training failed and counts in no number.") and "of 19 trainings" in said["(v)"]


@pytest.mark.parametrize(
    ("gaps", "verdict", "turn"),
    [
        ((-1, -0.5, -0.2), HOLDS, "at every size"),
        ((0.2, 0.5, 1), REFUTED, "at no size"),
        ((-1, 1, 2), IN_PART, "up to a batch of about 128"),
        ((0, 0, 0), OPEN, ""),
    ],
)
def test_batches_prefer_blur_or_not(gaps, verdict, turn):
    found = made(batch_wasserstein=batches({"k = 10": gaps}))
    assert found.verdict == verdict and f"judged on images: {verdict}." in sentences(found)["(vi)"]
    assert (
        turn in sentences(found)["(vi)"]
        and "centres are farther than data in 6 of 6 cases and nearer in 0" in sentences(found)["(vi)"]
    )
    assert names(found, "figure") == ["c4_blur"] and "c4_batches" in names(found, "table")


def test_images_decide_where_there_are_any():
    images, normals = batches({"median": (0.2, 0.5, 1)}), batches({"median": (-3, -2, -1)}, kind="normal")
    both = pd.concat(
        [images.tables["batches"], normals.tables["batches"].replace("digits", "N(0, I), d = 64").query("data != 'polygons'")]
    )
    assert made(batch_wasserstein=Answer(SIZE, {"batches": both})).verdict == REFUTED
    alone = made(batch_wasserstein=normals)
    assert alone.verdict == HOLDS and "judged on images" not in sentences(alone)["(vi)"]


def test_crossovers_lie_between_sizes():
    part = prefers(batches({"k = 10": (-1, -1, 3)}).tables["batches"])
    part = part[(part["candidate"] == "k = 10") & (part["data"] == "digits")]
    size, low, high = crossover(part)
    assert low < size < high and [low, size, high] == pytest.approx([256 * 4**0.25] * 3, rel=0.02)
    assert list(part["word"]) == ["nearer", "nearer", "farther"]
    assert np.isnan(crossover(part.assign(size=[1024, 256, 64]))[0])  # nearer only in larger batches


def test_gaps_that_turn_twice_have_no_size_of_their_own():
    """Nearer, farther, nearer: no size up to which it is nearer, and an interval that is wide for redraws of that kind."""
    experiment = batches({"k = 10": (-1, 1, -1), "k = 50": (1, -1, 1), "median": (1, 1, -1)})
    said = sentences(made(batch_wasserstein=experiment))["(vi)"]
    assert "k = 10 at 64 and 1024 but not at 256, so that no size parts them; k = 50 at 256 but not at 64 and 1024" in said
    assert "median at 1024 but not at 64 and 256" in said and "up to a batch" not in said
    noisy = batches({"k = 10": (-1, 1, 0)}).tables["batches"]
    last = (noisy["candidate"] == "k = 10") & (noisy["size"] == 1024)
    noisy.loc[last, "raw"] += np.resize([-1, 1.1], last.sum())
    part = prefers(noisy).query("data == 'digits' and candidate == 'k = 10'")
    size, low, high = crossover(part)
    assert low == pytest.approx(128, rel=0.02) and np.isinf(high) and size == pytest.approx(128, rel=0.02)
    assert (
        "up to a batch of about 128 (interval: 12" in sentences(made(batch_wasserstein=Answer(SIZE, {"batches": noisy})))["(vi)"]
    )


def test_debiased_distances_are_told_apart_by_corrected_tests():
    """Noise around 0 in many rows: some intervals lie on one side of it, no corrected test does."""
    rng = np.random.default_rng(5)
    table = batches({f"k = {k}": (0, 0, 0) for k in range(10)}).tables["batches"]
    table["debiased"] = np.where(table["candidate"] == "data", np.nan, rng.standard_normal(len(table)))
    found = prefers(table)
    others = found[found["candidate"] != "data"]
    assert sum(abs(cell.mean) > cell.half for cell in others["debiased"]) > 0
    assert set(others["debiased_word"]) == {"level"} and set(found.loc[found["candidate"] == "data", "debiased_word"]) == {
        "level"
    }
    said = sentences(made(batch_wasserstein=Answer(SIZE, {"batches": table})))["(vi)"]
    assert "farther than data in 0 of 60 cases and nearer in 0." in said and "clearly" not in said
    table["debiased"] -= 3
    assert set(prefers(table).query("candidate != 'data'")["debiased_word"]) == {"nearer"}


def test_games_say_their_own_settings_and_why():
    games = game((0.8, 0.7, 0.6, 0.9, 0.05), (5, 3, 3, 4, 8))
    both = made(wasserstein_estimates=static({"clipping": (1, 1, 1)}), wasserstein_training=games)
    (caption,) = [block.caption for block in both.blocks if getattr(block, "name", "") == "c4_games"]
    own = "Settings of games: penalties of 1, weights clipped at 0.1, learning rate 0.001"
    beside = " (fixed pairs: penalties of 10, weights clipped at 0.01, learning rate 0.001)."
    for said in (caption, sentences(both)["(iv)"]):
        assert own + beside in said and "chosen after seeing that at 10 the two-sided one keeps" in said
    assert f"{own}. The penalty" in sentences(made(wasserstein_training=games))["(iv)"]
    other = Answer(games.settings | {"gp": 3.0}, games.tables)
    assert "penalties of 3," in sentences(made(wasserstein_training=other))["(iv)"]
    assert "chosen" not in sentences(made(wasserstein_training=other))["(iv)"]


def test_verdicts_of_several_statements():
    assert mostly(["W1", "not W1"]) == IN_PART and mostly(["undecided"] * 2 + ["W1"]) == OPEN


def test_all_three_together():
    found = made(
        wasserstein_estimates=static({"gradient penalty": (1, 1, 0.3), "c-transform": (1, 1.6, 1.1)}),
        wasserstein_training=game((0.8, 0.7, 0.6, 0.9, 0.05), (5, 3, 3, 4, 8), datasets=("ring8", "digits")),
        batch_wasserstein=batches({"k = 10": (-1, 1, 2)}),
    )
    assert list(sentences(found)) == ["(i)", "(ii)", "(iii)", "(iv)", "(v)", "(vi)"] and found.key == "C4"
    published = next(block for block in found.blocks if getattr(block, "name", "") == "c4_published").frame
    ours = published[published["source"] == "this study"]
    assert "W1 estimate, gradient penalty (cosine of its gradient)" in set(ours["what"]) & set(published[len(ours) :]["what"])
    for block in found.blocks:
        if block.kind == "figure":
            assert "<svg" in block.svg("tale")
        elif block.kind == "table":
            block.rows()
