"""Print how often verdicts on simulated studies are wrong, and how often intervals cover what they should.

Usage: python tests/benchmarks/verdicts.py [--studies 1000] [--seed 0] [--parts seeds searches ...]

Lognormal scores where nothing else is said: seeds 12 % apart (standard deviation of the log), configurations 80 %, the medians
of the study `laptop`; margin 25 %. Errors are family-wise: shares of studies with any false "better" or "worse", any false
"equivalent". A nominal rate of 5 % is observed within 5 % plus or minus two standard errors, which the first line prints.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from genbench.statistics.distribution import quantile
from genbench.statistics.factors import grid, tuned_shares
from genbench.statistics.ranks import agreement
from genbench.statistics.regularisation import always_helps, contrasts, never_hurts
from genbench.statistics.search_curve import degrees, search_curve
from genbench.statistics.uncertainty import welch
from genbench.statistics.variance import components, shares

sys.path.insert(0, str(Path(__file__).parents[1]))
from simulated import ErrorRates, Truth, crossed, error_rates, of_seeds, of_winners
from simulated_searches import SEED, SHAPES, SPREAD, Searches, rates

MARGIN = 1.25
SEEN = {"configuration": SPREAD, "seed": SEED}
FACTORS = ("loss", "regularisation", "architecture")
EQUAL = Truth(dict.fromkeys("abcdef", 1.0), **SEEN)
AT_MARGIN = Truth({m: MARGIN**i for i, m in enumerate("abcde")}, **SEEN)
PAIR = Truth(dict.fromkeys("ab", 1.0), **SEEN)
MIXED = Truth({"a": 1.0, "b": 1.0, "c": MARGIN, "d": 2.0, "e": 2.0}, **SEEN)


def row(name: str, found: ErrorRates) -> None:
    cells = (found.false_better, found.false_equivalent, found.found_better, found.found_equivalent)
    text = " ".join(f"{'-':>9}" if math.isnan(c) else f"{c:9.1%}" for c in cells)
    print(f"  {name:<64}{found.studies:>6} {text}", flush=True)


def head(title: str) -> None:
    print(f"\n{title:<66}{'runs':>6} {'false':>9} {'false':>9} {'found':>9} {'found':>9}")
    print(f"{'':<72} {'better':>9} {'equival.':>9} {'better':>9} {'equival.':>9}")


def seeds(studies: int, seed: int) -> None:
    head("Seeds of given configurations")
    for name, truth in (
        ("two equal models", PAIR),
        ("two, the margin apart", Truth({"a": 1.0, "b": MARGIN}, **SEEN)),
        ("six equal models", EQUAL),
        ("five, each the margin apart", AT_MARGIN),
        ("two equal pairs and one between", MIXED),
    ):
        for n in (3, 5, 10, 30, 60):
            row(f"{name}, {n} seeds", error_rates(of_seeds(truth, n, MARGIN), truth, MARGIN, studies, seed))
    shared = replace(MIXED, shared=0.8)
    for paired in (False, True):
        name = f"two pairs, seeds share 80 % of their variance, 5 {'paired' if paired else 'unpaired'}"
        row(name, error_rates(of_seeds(shared, 5, MARGIN, paired), shared, MARGIN, studies, seed))
    uneven = replace(AT_MARGIN, spreads={"a": 3.0, "c": 0.3})
    row(
        "the margin apart, spreads of seeds 4 % to 36 %, 5 seeds",
        error_rates(of_seeds(uneven, 5, MARGIN), uneven, MARGIN, studies, seed),
    )
    for what, truth in (("two equal", PAIR), ("six equal", EQUAL)):
        failing = replace(truth, fails=0.2)
        found = error_rates(of_seeds(failing, 10, MARGIN), failing, MARGIN, studies // 5, seed)
        row(f"{what}, 20 % of seeds fail, 10 seeds", found)
    rare = replace(PAIR, collapses={"b": 0.1})
    for n in (10, 28, 29):
        name = f"equal but for 10 % of b's seeds scoring 5 times as high, {n} seeds"
        row(name, error_rates(of_seeds(rare, n, MARGIN), rare, MARGIN, studies, seed))


def winners(studies: int, seed: int) -> None:
    head("Seeds of the winners of one search each, taken for their models")
    for configurations in (16, 64):
        study = of_winners(PAIR, configurations, 10, MARGIN)
        row(f"10 seeds of the winners of one search of {configurations}", error_rates(study, PAIR, MARGIN, studies, seed))


def searches(studies: int, seed: int) -> None:
    """A baseline against six rivals over four datasets, by the best of 4, at one look or several."""
    words = " ".join(f"{word:>9}" for word in ("better", "equival.", "not worse", "better", "equival.", "not worse"))
    title = "Baseline against six rivals on four datasets, best of 4"
    print(f"\n{title:<66}{'false':>9} {'':>19} {'found':>9} {'':>19}   mean")
    print(f"{'':<66}{words} {'n':>6}")

    def shown(name: str, truth: Searches, sizes: tuple[int, ...], n: int = studies) -> None:
        found = rates(truth, sizes, MARGIN, n, seed)
        cells = (found.better, found.equivalent, found.not_worse, found.found, found.found_equivalent, found.found_not_worse)
        text = " ".join(f"{'-':>9}" if math.isnan(c) else f"{c:9.1%}" for c in cells)
        print(f"  {name:<64}{text} {found.size:6.0f}", flush=True)

    six, looks = "abcdef", (16, 32, 64, 128)
    for size in (3, 4, 8, 16, 64, 128):
        shown(f"equal, {size} configurations", Searches(dict.fromkeys(six, 1.0)), (size,))
    for many in (2, 3, 4):
        shown(f"equal, looks at {', '.join(map(str, looks[:many]))}", Searches(dict.fromkeys(six, 1.0)), looks[:many])
    for share in (0.0, 1.0):
        truth = Searches(dict.fromkeys(six, 1.0), across=share)
        shown(f"equal, datasets share {share:.0%} of what a configuration does, 16", truth, (16,))
    for shape in list(SHAPES)[1:]:
        for own in (shape, "lognormal"):
            what = f"all {shape}" if own == shape else f"rivals {shape}"
            for sizes in ((8,), (16,), looks):
                size = f"{sizes[0]}" if len(sizes) == 1 else "4 looks"
                shown(f"equal, {what}, {size}", Searches(dict.fromkeys(six, 1.0), shape, own), sizes)
    for way in (MARGIN, 1 / MARGIN):
        shown(f"at the margin, {way:g}, 4 looks", Searches(dict.fromkeys(six, way)), looks)
    for ratio in (1.3, 2.0, 4.0):
        for sizes in ((8,), (16,), (32,), looks):
            size = f"{sizes[0]} configurations" if len(sizes) == 1 else "looks at 16, 32, 64, 128"
            shown(f"rivals {ratio:g} times worse, {size}", Searches(dict.fromkeys(six, 1 / ratio)), sizes, studies // 2)
    mixed = dict.fromkeys("abc", 1.0) | dict.fromkeys("def", 0.5)
    shown("three equal, three 2 times worse, 4 looks", Searches(mixed), looks)


def tables(studies: int, seed: int) -> None:
    """How often any of several equal models is called apart from the best."""
    print(f"\n{'Equal models in a table, any apart from the best':<66}{'t':>9} {'together':>9}")
    rng = np.random.default_rng(seed)
    for models in (5, 9):
        for seeds in (3, 5, 10):
            for name, spread in (("alike", 0.1), ("from 2 to 30 %", rng.uniform(0.02, 0.3, (models, 1)))):
                wrong = np.zeros(2)
                for _ in range(studies):
                    scores = np.exp(spread * rng.standard_normal((models, seeds)))
                    best = scores.mean(1).argmin()
                    for i, of in enumerate((2, models)):
                        wrong[i] += any(s.mean() - scores[best].mean() > welch(s, scores[best], of=of) for s in scores)
                text = " ".join(f"{share:9.1%}" for share in wrong / studies)
                print(f"  {f'{models} models, {seeds} seeds, spreads {name}':<64}{text}", flush=True)


def curves(studies: int, seed: int) -> None:
    titles = f"{'bias of mean':>14}{'of plug-in':>14}{'cover: mean':>13}{'n - 1 df':>10}{'median':>9}"
    print(f"\n{'Best of k of n lognormal scores':<49}{titles}")
    rng = np.random.default_rng(seed)
    for n in (16, 100):
        ks = sorted({2, n // 8, n // 4, n // 2})
        minima = np.exp(0.4 * rng.standard_normal((100_000, n // 2)))
        truth = {k: (minima[:, :k].min(1).mean(), math.exp(0.4 * stats.norm.ppf(1 - 0.5 ** (1 / k)))) for k in ks}
        curve = [[*search_curve(np.exp(0.4 * rng.standard_normal(n)), ks=ks)] for _ in range(studies)]
        for place, k in enumerate(ks):
            mean, median = truth[k]
            best = [each[place] for each in curve]
            # the same standard error with the degrees of freedom of n configurations
            wide = stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, degrees(n, k))
            print(
                f"  n {n:<4} k {k:<36}{np.mean([b.mean for b in best]) / mean - 1:14.1%}"
                f"{np.mean([b.plug_in for b in best]) / mean - 1:14.1%}"
                f"{np.mean([b.low <= mean <= b.high for b in best]):13.1%}"
                f"{np.mean([abs(b.mean - mean) <= wide * (b.high - b.mean) for b in best]):10.1%}"
                f"{np.mean([b.median_low <= median <= b.median_high for b in best]):9.1%}",
                flush=True,
            )
    print("  (bias against the truth; plug-in: the bootstrap with replacement, mean: without)")


def scores(rows: int, effects: Sequence[np.ndarray], noise: float, rng: np.random.Generator) -> pd.DataFrame:
    model, dataset, repeat = np.indices((effects[0].size, effects[1].size, rows)).reshape(3, -1)
    log = effects[0][model] + effects[1][dataset] + effects[2][model, dataset] + noise * rng.standard_normal(model.size)
    return pd.DataFrame({"model": model, "dataset": dataset, "seed": repeat, "score": np.exp(log)})


def planted(shape: tuple[int, ...], sizes: dict[tuple[int, ...], float], rng: np.random.Generator) -> np.ndarray:
    """Random effects of the axes in `sizes`, each with exactly that mean square."""
    out = np.zeros(shape)
    for axes, size in sizes.items():
        effect = rng.standard_normal(shape)
        for axis in range(len(shape)):
            mean = effect.mean(axis, keepdims=True)
            effect = effect - mean if axis in axes else np.broadcast_to(mean, shape)
        out = out + effect * math.sqrt(size / (effect**2).mean())
    return out


def leads(studies: int, seed: int) -> None:
    titles = f"{'leads':>9} {'behind':>9} {'no share':>9} {'share':>9} {'cover':>9}"
    print(f"\n{'Architecture against loss and regularisation, 3 x 4 x 2 cells':<66}{'runs':>6} {titles}")
    alike = {(2,): 0.04, (0,): 0.01, (1,): 0.01, (0, 1): 0.02, (0, 2): 0.0025, (1, 2): 0.0025}
    for name, sizes, n, more in (
        ("equal, 8 configurations", alike, 8, {}),
        ("equal, 24 configurations", alike, 24, {}),
        ("equal, 24, no variance of configurations common", alike, 24, {"common": 0.0}),
        ("equal, 24, 20 % of trials fail", alike, 24, {"fails": 0.2}),
        ("equal, 24, effects a fourth", {axes: size / 16 for axes, size in alike.items()}, 24, {}),
        ("none differ, 24", {}, 24, {}),
        ("architecture 4 times the others, 24", alike | {(2,): 0.16}, 24, {}),
        ("regularisation 3 times the architecture, 24", alike | {(1,): 0.12}, 24, {}),
    ):
        rng = np.random.default_rng(seed)
        total, own = sum(sizes.values()), sizes.get((2,), 0.0)
        truth = (own - sum(s for axes, s in sizes.items() if 2 not in axes)) / total if total else math.nan
        found = []
        for _ in range(studies):
            frame = crossed(planted((3, 4, 2), sizes, rng), FACTORS, n, rng, **{"common": 0.8} | more)
            found.append(tuned_shares(grid(frame, FACTORS)).lead)
        known = [lead for lead in found if math.isfinite(lead.share)]
        cells = [np.mean([lead.low > 0 for lead in found]), np.mean([lead.high < 0 for lead in found])]
        cells += [1 - len(known) / studies, np.median([lead.share for lead in known]) - (truth if total else 0.0)]
        cells += [np.mean([lead.low <= truth <= lead.high for lead in known]) if total else math.nan]
        text = " ".join(f"{'-':>9}" if math.isnan(c) else f"{c:9.1%}" for c in cells)
        print(f"  {name:<64}{studies:>6} {text}", flush=True)
    print("  (share: median of the difference of shares, less the true one)")


def helps(studies: int, seed: int) -> None:
    titles = " ".join(f"{word:>9}" for word in ("better", "worse", "equival.", "not worse", "always", "never"))
    print(f"\n{'Regularisation against none, 2 x 2 crossings, 24 configurations':<66}{'':>6} {'false':>9}" + f" {'false':>9}" * 5)
    print(f"{'':<66}{'runs':>6} {titles}")
    sharp = {"common": 0.98, "seed": 0.02}
    for name, ratios, n, more in (
        ("two kinds that change nothing, 8", (1, 1, 1), 8, {}),
        ("two kinds that change nothing", (1, 1, 1), 24, {}),
        ("the same, 98 % of configurations' variance common", (1, 1, 1), 24, sharp),
        ("the same, 20 % of trials fail", (1, 1, 1), 24, {"fails": 0.2}),
        ("both worse by the margin", (1, MARGIN, MARGIN), 24, sharp),
        ("one halves scores, one changes nothing", (1, 0.5, 1), 24, {}),
        ("one halves scores, one is worse by the margin", (1, 0.5, MARGIN), 24, sharp),
    ):
        rng = np.random.default_rng(seed)
        effects = np.log(ratios)[None, :, None] * np.ones((2, 1, 2))
        wrong = np.zeros((studies, 6))
        for i in range(studies):
            frame = crossed(effects, FACTORS, n, rng, **{"common": 0.8} | more)
            frame["regularisation"] = frame["regularisation"].replace("0", "none")
            table = contrasts({"": grid(frame, FACTORS)}, MARGIN)
            ratio, word = table["regularisation"].map(lambda r, at=ratios: at[int(r)]), table["verdict"]
            far, behind = (ratio - MARGIN).abs() < 1e-9, ratio > MARGIN - 1e-9
            wrong[i] = [
                ((word == "better") & (ratio >= 1)).any(),
                ((word == "worse") & (ratio <= 1)).any(),
                ((word == "equivalent") & far).any(),
                (word.isin(["not worse", "equivalent", "better"]) & behind).any(),
                always_helps(table) is True and max(ratios[1:]) >= 1,
                never_hurts(table) is True and max(ratios[1:]) >= MARGIN,
            ]
        print(f"  {name:<64}{studies:>6} " + " ".join(f"{share:9.1%}" for share in wrong.mean(0)), flush=True)


def grids(studies: int, seed: int) -> None:
    leads(studies // 8, seed)
    helps(studies // 8, seed)


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(0) - (x.mean(1, keepdims=True) - x.mean() if x.ndim == 2 else 0)


def covers(name: str, studies: int, draw: Callable[[], tuple[float, float]], truth: float) -> None:
    found = [draw() for _ in range(studies)]
    print(f"  {name:<64}{studies:>6}{np.mean([low <= truth <= high for low, high in found]):10.1%}", flush=True)


def intervals(studies: int, seed: int) -> None:
    print(f"\n{'Intervals of 95 %':<66}{'runs':>6}{'cover':>10}")
    rng = np.random.default_rng(seed)
    for q in (0.1, 0.5):
        truth = math.inf if q > 0.9 else math.exp(stats.norm.ppf(q / 0.9))
        for n in (20, 100):

            def fresh(n: int = n, q: float = q) -> tuple[float, float]:
                found = quantile(np.where(rng.random(n) < 0.1, math.inf, rng.lognormal(size=n)), q)
                return found.low, found.high

            covers(f"quantile {q} of {n} trials, 10 % of them failed", studies, fresh, truth)
    effects = [centred(s * rng.standard_normal(n)) for s, n in ((0.2, 5), (0.3, 4), (0.1, (5, 4)))]
    for rows in (3, 5, 10):
        for noise in (0.1, 0.4):
            size = 20 * rows
            squares = np.array([*(size * (e**2).mean() for e in effects), (size - 1) * noise**2])
            tables = [shares(scores(rows, effects, noise, rng), ["model", "dataset"]) for _ in range(studies // 10)]
            for i, name in enumerate(("model", "dataset", "model x dataset", "seed")):
                each = iter([(t[i].low, t[i].high) for t in tables])
                truth, r2 = squares[i] / squares.sum(), np.mean([t[i].r2 for t in tables])
                mean = np.mean([t[i].share for t in tables])
                covers(
                    f"share of {name}, {rows} seeds: {truth:.3f}, mean {mean:.3f}, R^2 {r2:.3f}",
                    len(tables), lambda each=each: next(each), truth,
                )  # fmt: skip
    for sd in (0.1, 0.3):

        def nested(sd: float = sd) -> tuple[float, float]:
            effect = np.repeat(0.2 * rng.standard_normal(24), 3)
            score = np.exp(effect + sd * rng.standard_normal(72))
            cell, configuration, _ = np.indices((3, 8, 3)).reshape(3, -1)
            found = components(pd.DataFrame({"model": cell, "configuration": configuration, "score": score}), ["model"])
            return found.low, found.high

        covers(
            f"share of configurations, 8 x 3 seeds in 3 cells: {0.04 / (0.04 + sd**2):.2f}",
            studies // 2,
            nested,
            0.04 / (0.04 + sd**2),
        )
    level = np.linspace(0, 0.5, 6)[:, None]
    for name, across in (("agree", 0.0), ("differ", 0.15)):
        means = level + across * rng.standard_normal((6, 4))
        truth = np.mean([stats.kendalltau(means[:, i], means[:, j]).statistic for i in range(4) for j in range(i)])
        for noise in (0.05, 0.2):

            def taus(means: np.ndarray = means, noise: float = noise) -> tuple[float, float]:
                found = agreement(scores(5, [np.zeros(6), np.zeros(4), means], noise, rng), repeats=300)
                return found.low - 1e-9, found.high + 1e-9

            what = f"tau of 4 datasets that {name}, models .1 apart, seeds {noise}: {truth:.2f}"
            covers(what, studies // 20, taus, truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    every = {part.__name__: part for part in (seeds, winners, searches, tables, curves, grids, intervals)}
    parser.add_argument("--parts", nargs="+", choices=every, default=list(every))
    args = parser.parse_args()
    start = time.process_time()
    print(f"{args.studies} studies: 5 % is observed as {100 * 2 * math.sqrt(0.05 * 0.95 / args.studies):.1f} points more or less")
    for part in args.parts:
        every[part](args.studies, args.seed)
    print(f"\n{time.process_time() - start:.0f} CPU seconds")


if __name__ == "__main__":
    main()
