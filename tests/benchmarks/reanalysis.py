"""Print what the searches of finished studies say by the design of before and by that of now.

Usage: python tests/benchmarks/reanalysis.py STUDY.yaml SEARCHED.parquet [SEARCHED.parquet ...]

Before: every pair of models on every dataset, the best of a quarter of the configurations, failures charged the worst score,
margin 1.1, Holm over the pairs and Bonferroni over the datasets. Now: genbench.statistics.looks.
"""

import argparse
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from genbench.config.schema import Study
from genbench.results.searched import Arena, arenas
from genbench.statistics.looks import caps, one_by_one, replay, sized
from genbench.statistics.search_curve import Pair, best_contrast
from genbench.statistics.verdict import Verdict, decide

LEVEL = 0.05


def before(arena: Arena) -> list[str]:
    """The words on all pairs of GANs of every dataset, with the baseline's own pairs first."""
    words = []
    for models in arena.scores.values():
        worst = max(float(np.nanmax(test)) for _, test in models.values())
        found = []
        for a, b in combinations([arena.baseline, *arena.rivals], 2):
            if a in models and b in models:
                k = len(models[a][1]) // 4
                found.append(best_contrast(a, b, [Pair(models[a], models[b], worst)], k))
        words += [v.word for v in decide(found, 1.1, LEVEL / len(arena.scores))]
    return words


def shown(v: Verdict, level: float) -> str:
    word = "not worse" if v.word == "undecided" and v.p_not_worse <= level else v.word
    return f"{v.b} {word} ({v.ratio:.2f}: {v.low:.2f} to {v.high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("searched", type=Path, nargs="+")
    parser.add_argument("--margin", type=float, default=Study.model_fields["margin"].default)
    parser.add_argument("--datasets", nargs="*", help="all by default")
    args = parser.parse_args()
    config = yaml.safe_load(args.study.read_text())
    k = config.get("k", Study.model_fields["k"].default)
    for path in args.searched:
        frame = pd.read_parquet(path)
        frame = frame[frame["dataset"].isin(args.datasets)] if args.datasets else frame
        for arena in arenas(frame, config):
            print(f"\n{path}: {arena.baseline} on {', '.join(arena.scores)}")
            words = Counter(before(arena))
            print(f"  before, {sum(words.values())} pairs of its family: {', '.join(f'{n} {w}' for w, n in words.items())}")
            charged = caps(arena.scores, sized(arena.sizes, 0))
            given = arena.sizes, k, charged, args.margin, LEVEL
            for names, what in ((arena.rivals, "its family"), (arena.others, "others")):
                last = replay(arena.scores, arena.baseline, names, *given)[-1].verdicts.values() if names else []
                print(f"  now, {what}, over all datasets: {'; '.join(shown(v, LEVEL) for v in last)}")
            for dataset, found in one_by_one(arena.scores, arena.baseline, arena.rivals, *given).items():
                print(f"  now, on {dataset}: {'; '.join(shown(v, LEVEL) for v in found)}")


if __name__ == "__main__":
    main()
