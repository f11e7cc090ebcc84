"""Print what each recipe of a likelihood family reaches beside what its method reached elsewhere at the same compute.

Usage: snakemake --cores all --config study=likelihoods && python tests/benchmarks/recipes.py [--results results]

recipes.csv holds the expected values: measured before genbench was written, one seed each, with plain scripts of the methods
(networks and updates as its column `compute` says); a row without one has nothing measured to compare with, and its value is
printed alone. nll in nats and bpd in bits/dim are of the test split, as the study scores them: exact for an energy by quadrature,
k = 200 importance samples for a VAE unless the settings say otherwise. w2 is the exact 2-Wasserstein distance of up to 2,000
samples and as many test points, in raw units (images: grey values from 0 to 1); beside it that of training data, its floor.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import ot
import pandas as pd

from genbench.data import Dataset, load
from genbench.results.study import Results, read

EXPECTED = Path(__file__).with_suffix(".csv")
POINTS = 2000


def w2(a: np.ndarray, b: np.ndarray, levels: int | None) -> float:
    """Exact 2-Wasserstein distance of as many of both as there are of the fewer, POINTS at most."""
    n = min(len(a), len(b), POINTS)
    a, b = (each[:n].reshape(n, -1).astype(np.float64) / (levels - 1 if levels else 1) for each in (a, b))
    return math.sqrt(ot.emd2([], [], ot.dist(a, b, metric="sqeuclidean"), numItermax=10**7))


def obtained(row, results: Results, data: dict[str, Dataset]) -> list[float]:
    """The row's quantity, seed by seed."""
    trials = results.trials[(results.trials["dataset"] == row.dataset) & (results.trials["model"] == row.model)]
    if row.metric == "w2":
        each = data[row.dataset]
        test = each.splits["test"].numpy()
        files = [results.store / trial / "samples.npz" for trial in trials.loc[trials["status"] == "ok", "trial"]]
        return [w2(np.load(file)["samples"], test, each.levels) for file in files]
    scores = results.scores[results.scores["trial"].isin(trials["trial"]) & (results.scores["metric"] == row.metric)]
    return list(scores.loc[scores["kind"] == row.kind, "value"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="where the study's results are")
    parser.add_argument("--study", default="likelihoods")
    args = parser.parse_args()
    results = read(args.results / "studies" / args.study, args.results / "store")
    expected = pd.read_csv(EXPECTED, keep_default_na=False)
    data = {name: load(results.data / name) for name in results.datasets}
    seconds = results.trials.groupby(["dataset", "model"])["cost_seconds"].mean()
    rows = []
    for row in expected.itertuples():
        found = obtained(row, results, data) if row.dataset in data else []
        spread = f" ± {np.std(found, ddof=1):.3f}" if len(found) > 1 else ""
        rows.append(
            {
                "dataset": row.dataset,
                "model": row.model,
                "of": f"{row.metric} {row.kind}",
                "obtained": f"{np.mean(found):.3f}{spread}" if found else "no score",
                "expected": row.expected or "–",
                "gap": f"{np.mean(found) - float(row.expected):+.3f}" if found and row.expected else "–",
                "train s": f"{seconds[row.dataset, row.model]:.1f}" if found else "–",
                "expected's compute": row.compute,
            }
        )
    print(pd.DataFrame(rows).to_string(index=False))
    for name, each in data.items():
        train, test = (each.splits[split].numpy() for split in ("train", "test"))
        entropy = f", entropy {each.density().entropy:.3f} nats" if each.kind == "points" else ""
        print(f"{name}: w2 of training data and test data {w2(train, test, each.levels):.3f}{entropy}")


if __name__ == "__main__":
    main()
