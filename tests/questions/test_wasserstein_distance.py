"""C4, on Wasserstein critics, from planted numbers."""

import types

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genbench.questions.wasserstein_distance import parts, report
from genbench.questions.wasserstein_distance.numbers import FREE, Rank, cells, crossover, mostly, prefers, trials
from genbench.report.verdicts import HOLDS, IN_PART, OPEN, REFUTED
from genbench.results.study import Answer

SIZE = {"updates": 400, "batch": 64, "points": 500, "draws": 20, "depth": 2, "width": 8, "limit": 0.01, "gp": 10.0, "lr": 1e-3}
PAIRS = (("funnels, d = 2", "known", 2, 1.0), ("funnels, d = 16", "known", 16, 2.0), ("digits, held out", "images", 64, np.nan))
OK = {"status": "ok"}
ERRORS = (0.8, 0.7, 0.6, 0.9, 0.05)  # of the critics in games


def static(ratios, seeds=4, cosines=(0.9, 0.3)):
    """Critics whose values are these ratios of W1, by pairs; W1 of sets is 4, of batches 5."""
    rows, rng = [], np.random.default_rng(0)
    for critic, each in ratios.items():
        for (pair, _, _, known), ratio in zip(PAIRS, each, strict=True):
            truth = known if np.isfinite(known) else 4.0
            cosine = cosines[critic == "c-transform"]
            for seed in range(seeds):
                noise = 1 + 0.01 * (seed - (seeds - 1) / 2)  # no bias
                own = {"half": 1.0, "bound": 3.5, "cosine": cosine + 0.01 * rng.standard_normal()}
                rows.append({"pair": pair, "critic": critic, "seed": seed, **OK, "value": ratio * truth * noise, **own})
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


class Study(types.SimpleNamespace):
    """A study's answers by question, whose ring8 is points."""

    def answer(self, name):
        return getattr(self, name, None)

    def kind(self, name):
        return "points" if name == "ring8" else "images"


@pytest.fixture
def made(told):
    return lambda draw=False, **answers: told(report, Study(**answers), draw)


def thesis(answer, conditions=""):
    """The statement on the paper's own critics, from games alone."""
    return parts.thesis(trials(answer.tables["looks"], answer.tables["ends"]), Study(), conditions)


def held(answer):
    """Cells of pairs beyond the plane and of those in it, of regularised critics."""
    found = cells(answer.tables["pairs"], answer.tables["critics"])
    found = found[found["critic"] != FREE]
    return found[found["dim"] > 2], found[found["dim"] <= 2]


def test_a_study_without_the_questions_says_nothing(made):
    assert made() is None
    lost = static({"clipping": (1, 1, 1)})
    lost.tables["critics"]["status"] = "diverged"
    assert made(wasserstein_estimates=lost) is None


def test_values_are_compared_with_w1_by_pairs(made):
    ratios = {"clipping": (0.01, 0.02, 0.01), "gradient penalty": (1, 1, 0.3), "c-transform": (1, 1.6, 1.1), FREE: (50, 90, 9)}
    answer = static(ratios)
    found = made(wasserstein_estimates=answer, draw=True)
    assert found.verdict == IN_PART and found.cases == {"(i)": IN_PART, "(ii)": HOLDS, "(iii)": HOLDS}
    assert list(found.tables["c4_statements"]["in the paper"]) == ["yes", "no", "no"] and len(found.claim.because) == 1
    assert found.figures == ["c4_value"] and {"c4_pairs", "c4_critics", "c4_published"} <= set(found.tables)
    high, plane = held(answer)
    words = high.set_index(["critic", "pair"])[["known_word", "set_word"]]
    assert tuple(words.loc[("gradient penalty", "funnels, d = 16")]) == ("W1", "not W1")
    text = " ".join(parts.values(high).lines)
    assert "clipping 1 wrong, 0 right (0.020 times)" in text and "Without them: 1 wrong, 1 right beside" in text
    assert FREE not in text and "0.64 to 0.88 times the raw batch W1" in text
    assert parts.control(plane).verdict == HOLDS and "none clipping" in parts.control(plane).lead


@pytest.mark.parametrize(
    ("ratio", "seeds", "verdict"), [(0.3, 4, HOLDS), (1.05, 4, REFUTED), (1.25, 4, OPEN), (0.3, 1, OPEN), (-0.2, 4, HOLDS)]
)
def test_the_first_statement_follows_the_ratio(ratio, seeds, verdict):
    answer = static({"gradient penalty": (1, ratio, ratio)}, seeds=seeds)
    answer.tables["pairs"].loc[1, "exact"] = PAIRS[1][3]  # both yardsticks alike
    high, _ = held(answer)
    assert parts.values(high).verdict == verdict and parts.directions(high) is None


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


def test_yardsticks_stand_apart():
    """A c-transform that is the sets' W1 on all pairs, and far from the distributions'."""
    answer = static({"gradient penalty": (1, 1, 0.3), "c-transform": (4, 2, 1)})
    own = cells(answer.tables["pairs"], answer.tables["critics"]).set_index(["critic", "pair"]).loc["c-transform"]
    assert list(own["set_word"]) == ["W1"] * 3 and list(own["known_word"]) == ["not W1", "not W1", ""]
    assert list(own["word"]) == ["not W1", "not W1", "W1"] and own["known_ratio"].iloc[1].mean == pytest.approx(2)
    said = parts.values(held(answer)[0])
    assert said.verdict == IN_PART and "Lipschitz constant" not in " ".join(said.lines)


def test_directions_may_differ_between_distributions_and_sets():
    answer = static({"gradient penalty": (1, 1, 0.3), "c-transform": (1, 1.6, 1.1)})
    critics = answer.tables["critics"]
    critics.loc[(critics["pair"] == PAIRS[2][0]) & (critics["critic"] == "c-transform"), "cosine"] += 0.65
    said = parts.directions(held(answer)[0])
    assert said.verdict == IN_PART and "(holds)" in said.lines[1] and "(does not hold)" in said.lines[2]


# ---- games


@pytest.mark.parametrize(("quality", "verdict"), [(8.0, HOLDS), (3.0, OPEN), (1.0, REFUTED)])
def test_the_papers_own_critics_are_compared_by_intervals(quality, verdict):
    said = thesis(game(ERRORS, (5, 3, 3, 4, quality)))
    assert said.verdict == verdict and ("seeds" in said.lead) is (verdict == OPEN)
    assert "0.900 times as far" in said.lines[1] and "1.4 times" in said.lines[1]


def test_datasets_are_told_apart_where_the_better_estimate_is_shown_to_hurt():
    both = game(ERRORS, (5, 3, 3, 4, 8), datasets=("ring8", "digits"))
    ends = both.tables["ends"]
    ends.loc[(ends["dataset"] == "ring8") & (ends["critic"] == "c-transform"), "quality"] = [2.9, 3.1, 3.0, 3.0]
    said = thesis(both)
    assert said.verdict == IN_PART and "exact W1 to test points" in said.lines[0] and "Fréchet" in said.lines[1]
    assert "reverses" in said.lines[1]  # values of 3.8 and 1.2 beside a debiased W1 of 1
    both.tables["looks"]["debiased"] = 4.0
    assert "reverses" not in " ".join(thesis(both).lines)


def test_the_rule_over_critics_needs_seeds_and_critics():
    for qualities, verdict in (((2, 3, 4, 1, 9), HOLDS), ((4, 3, 2, 5, 1), REFUTED), ((9, 3, 4, 1, 8), OPEN)):
        answer = game(ERRORS, qualities)
        said = parts.rule(trials(answer.tables["looks"], answer.tables["ends"]))
        assert said.verdict == verdict and "20 trainings with 5 critics" in said.lines[0]


def test_ranks_are_those_of_scipy_and_p_counts_orders():
    answer = game(ERRORS, (2, 3, 4, 1, 9))
    part = trials(answer.tables["looks"], answer.tables["ends"])
    found = Rank(part, "batch")
    assert found.rho == pytest.approx(stats.spearmanr(part["error_batch"], part["quality"]).statistic)
    means = part.groupby("critic")[["error_batch", "quality"]].mean()
    assert found.means == pytest.approx(stats.spearmanr(means["error_batch"], means["quality"]).statistic)
    assert found.low <= found.rho <= found.high < 0 and found.p == pytest.approx(2 / 120)  # the order and its reverse
    assert Rank(part[part["critic"].isin(CRITICS[:2])], "batch").verdict == OPEN


def test_failures_are_said_and_not_counted(made):
    answer = game(ERRORS, (5, 3, 3, 4, 8))
    answer.tables["ends"].loc[0, ["status", "quality"]] = ["diverged", np.nan]
    pictures = answer.tables["pictures"]
    answer.tables["pictures"] = pictures[pictures["kind"] != "c-transform"]
    looks = answer.tables["looks"]
    looks.loc[(looks["critic"] == CRITICS[0]) & (looks["seed"] == 0), "value"] = 1e6
    found = made(wasserstein_training=answer)
    assert found.figures == ["c4_training", "c4_thesis"] and "1 training failed" in found.text and "19 trainings" in found.text
    assert found.tables["c4_games"]["value"].max() < 10


def test_games_say_their_own_settings_and_why():
    own, other = (f"penalties of {gp}, weights clipped at {c}, learning rate 0.001" for gp, c in ((1, 0.1), (10, 0.01)))
    size = SIZE | {"limit": 0.1, "gp": 1.0}
    assert f"{own} (fixed pairs: {other})" in report._conditions(size, Answer(SIZE, {}))
    assert "fixed pairs" not in report._conditions(size, None)
    assert [report._conditions(size | {"gp": gp}, None).endswith(report.WHY) for gp in (1.0, 3.0)] == [True, False]


# ---- batches


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
    said = parts.blur(prefers(batches({"k = 10": gaps}).tables["batches"]))
    assert said.verdict == verdict and turn in said.lead and "in 6 of 6 cases and nearer in 0" in " ".join(said.lines)


def test_images_decide_where_there_are_any():
    images, normals = (batches({"median": gaps}, kind=k) for gaps, k in (((0.2, 0.5, 1), "images"), ((-3, -2, -1), "normal")))
    other = normals.tables["batches"].replace("digits", "N(0, I), d = 64").query("data != 'polygons'")
    both = pd.concat([images.tables["batches"], other])
    assert parts.blur(prefers(both)).verdict == REFUTED and parts.blur(prefers(other)).verdict == HOLDS


def test_crossovers_lie_between_sizes():
    part = prefers(batches({"k = 10": (-1, -1, 3)}).tables["batches"])
    part = part[(part["candidate"] == "k = 10") & (part["data"] == "digits")]
    size, low, high = crossover(part)
    assert low < size < high and [low, size, high] == pytest.approx([256 * 4**0.25] * 3, rel=0.02)
    assert list(part["word"]) == ["nearer", "nearer", "farther"]
    assert np.isnan(crossover(part.assign(size=[1024, 256, 64]))[0])  # nearer only in larger batches


def test_gaps_that_turn_twice_have_no_size_of_their_own():
    """Nearer, farther, nearer: no size up to which it is nearer, and an interval that is wide for redraws of that kind."""
    found = prefers(batches({"k = 10": (-1, 1, -1), "k = 50": (1, -1, 1), "median": (1, 1, -1)}).tables["batches"])
    assert all(np.isnan(crossover(part)[0]) for _, part in found.query("candidate != 'data'").groupby(["data", "candidate"]))
    assert "up to a batch" not in parts.blur(found).lead
    noisy = batches({"k = 10": (-1, 1, 0)}).tables["batches"]
    last = (noisy["candidate"] == "k = 10") & (noisy["size"] == 1024)
    noisy.loc[last, "raw"] += np.resize([-1, 1.1], last.sum())
    size, low, high = crossover(prefers(noisy).query("data == 'digits' and candidate == 'k = 10'"))
    assert low == pytest.approx(128, rel=0.02) and np.isinf(high) and size == pytest.approx(128, rel=0.02)


def test_debiased_distances_are_told_apart_by_corrected_tests():
    """Noise around 0 in many rows: some intervals lie on one side of it, no corrected test does."""
    rng = np.random.default_rng(5)
    table = batches({f"k = {k}": (0, 0, 0) for k in range(10)}).tables["batches"]
    table["debiased"] = np.where(table["candidate"] == "data", np.nan, rng.standard_normal(len(table)))
    found = prefers(table)
    others = found[found["candidate"] != "data"]
    assert sum(abs(cell.mean) > cell.half for cell in others["debiased"]) > 0 and set(found["debiased_word"]) == {"level"}
    assert "in 0 of 60 cases and nearer in 0" in " ".join(parts.blur(found).lines)
    table["debiased"] -= 3
    assert set(prefers(table).query("candidate != 'data'")["debiased_word"]) == {"nearer"}


def test_verdicts_of_several_statements():
    assert mostly(["W1", "not W1"]) == IN_PART and mostly(["undecided"] * 2 + ["W1"]) == OPEN


def test_all_three_together(made):
    found = made(
        wasserstein_estimates=static({"gradient penalty": (1, 1, 0.3), "c-transform": (1, 1.6, 1.1)}),
        wasserstein_training=game(ERRORS, (5, 3, 3, 4, 8)),
        batch_wasserstein=batches({"k = 10": (-1, 1, 2)}),
        draw=True,
    )
    assert list(found.tables["c4_statements"]["part"]) == ["(i)", "(ii)", "(iii)", "(iv)", "(v)", "(vi)"]
    assert len(found.claim.because) == 3 and len(found.figures) == 5
    published = found.tables["c4_published"]
    ours = published[published["source"] == "this study"]
    assert "W1 estimate, gradient penalty (cosine of its gradient)" in set(ours["what"]) & set(published[len(ours) :]["what"])
