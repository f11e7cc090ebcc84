"""What confirmed seeds differ by, from a report's table of scores: `python tests/benchmarks/spread.py [scores.csv]`.

The median, over datasets of a kind and their models, of the standard deviation over seeds of the log score.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from genbench.config.read import dataset_spec

TABLE = Path(__file__).parents[2] / "reports" / "examples" / "laptop" / "tables" / "scores.csv"
CHOSEN_BY = {"points": "sliced_w1", "images": "fid"}


def spread(path: Path = TABLE) -> dict[str, float]:
    """Standard deviations by kind of data.

    The table has means and half-widths of 95 % intervals by Student's t: from these comes the coefficient of variation cv, and
    the logarithm's standard deviation is sqrt(log(1 + cv^2)), as of log-normal scores. The median of such estimates of few
    seeds is too small, by the median of a chi-square variable over its degrees of freedom, which is divided out.
    """
    table = pd.read_csv(path)
    table = table[(table["trials"] > 1) & (table["failed"] == 0)].dropna(subset="half_width")
    kinds = table["dataset"].map(lambda name: dataset_spec(name).kind)
    table = table.assign(kind=kinds)[table["metric"] == kinds.map(CHOSEN_BY)]
    free = table["trials"] - 1
    sd = table["half_width"] * np.sqrt(table["trials"]) / stats.t.ppf(0.975, free)
    sd /= np.sqrt(stats.chi2.median(free) / free)
    return np.sqrt(np.log1p((sd / table["mean"]) ** 2)).groupby(table["kind"]).median().to_dict()


if __name__ == "__main__":
    for kind, value in spread(*map(Path, sys.argv[1:])).items():
        print(f"{kind}: {value:.3f} in log score; a margin should exceed {np.exp(2 * value):.2f}")
