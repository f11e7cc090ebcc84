"""Which differences between groups of seeds are clear, of several that are looked at together."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from genbench.statistics.verdict import holm

__all__ = ["LEVEL", "clear"]

LEVEL = 0.05


def clear(samples: Sequence[Sequence[np.ndarray]], level: float = LEVEL) -> list[bool]:
    """For each sample, whether the mean of its one array (n,) is told from 0, or those of its two from each other.

    By two-sided t-tests (Student's of one array, such as differences of paired seeds; Welch's of two) with Holm's correction over
    all samples: the chance of any false one is at most `level`, whichever of them is then picked. Fewer than two values tell
    nothing, and values without any spread all.

    References: Student 1908; Welch 1947; Holm 1979.
    """
    return [bool(each) for each in holm([_p(*sample) for sample in samples]) <= level]


def _p(a: np.ndarray, b: np.ndarray | None = None) -> float:
    both = [np.asarray(each, dtype=float) for each in (a, b) if each is not None]
    if min(len(each) for each in both) < 2:
        return 1.0
    gap = both[0].mean() - (both[1].mean() if len(both) > 1 else 0.0)
    if max(np.ptp(each) for each in both) < 1e-12:  # equal seeds leave rounding errors, which are no evidence
        return float(abs(gap) < 1e-12)
    test = stats.ttest_1samp(both[0], 0) if len(both) == 1 else stats.ttest_ind(*both, equal_var=False)
    return float(test.pvalue)
