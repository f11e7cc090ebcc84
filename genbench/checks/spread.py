"""How much seeds differ, as it was measured: what a study's margin should exceed."""

import math

__all__ = ["SPREAD", "enough"]

# Standard deviation over seeds of the log score that searches choose by (sliced_w1 of points, fid of images): the median over
# datasets and models of what reports/examples/laptop confirmed, as `python tests/benchmarks/spread.py` prints it
SPREAD = {"points": 0.26, "images": 0.10}
TIMES = 2.0  # standard deviations


def enough(kind: str) -> float:
    """The smallest ratio of two scores on data of a kind that is a margin above two standard deviations over seeds."""
    return math.exp(TIMES * SPREAD[kind])
