"""One quasi-random stream of configurations, shared by all models, datasets and variants of all studies."""

import functools
import math
from collections.abc import Mapping
from typing import Any

from genbench.config.cache import cached, keep
from genbench.config.schema import Range, Recipe, Search

__all__ = ["AXES", "configurations"]

# Each hyperparameter has its own axis, so that configuration i gives the same learning rate to every model that searches
# it over the same range. New names go to the end: what stands before them keeps its stream.
AXES = ("lr", "beta1", "critic_steps", "norm", "gp", "limit", "gamma", "rate_k", "beta", "weight_decay", "clip", "reg")
# Of the Sobol sequence, once and for all. Most scrambles leave halves of planes empty for so few points as 15: of 2,500 this one
# has the smallest correlations of hyperparameters that are searched together, at 15, 31 and 63 points.
SCRAMBLE = 2124
LONGEST, DIMENSIONS = 4096, 32  # points and axes that are drawn, used or not: a sequence of another size is another one


def configurations(search: Search, count: int, first: Recipe | None = None) -> list[Recipe]:
    """`count` configurations of a search space: `first`, the authors' defaults, if it is given, then the stream.

    What neither names keeps the recipe's value. More configurations never change the earlier ones.
    """
    head = [] if first is None else [first]
    return head + [_at(search, point) for point in _points()[: count - len(head)]]


def _at(search: Search, point: Mapping[str, float]) -> Recipe:
    return Recipe(
        net={key: _value(each, point[key]) for key, each in search.net.items()},
        hp={key: _value(each, point[key]) for key, each in search.hp.items()},
    )


def _value(range_: Range, u: float) -> Any:
    """The value at u in [0, 1) of a range; numbers have five digits, so that no machine's rounding makes another trial."""
    if range_.choice:
        return range_.choice[int(u * len(range_.choice))]
    if range_.log:
        low, high = map(math.log, range_.log)
        return float(f"{math.exp(low + u * (high - low)):.5g}")
    low, high = range_.uniform
    return float(f"{low + u * (high - low):.5g}")


@functools.cache
def _points() -> list[dict[str, float]]:
    """Points of a scrambled Sobol sequence (Sobol 1967; Owen 1998) in the unit cube, by axis."""
    made_from = f"Sobol {DIMENSIONS} {SCRAMBLE} {LONGEST} {len(AXES)}"
    if (rows := cached("stream", made_from)) is None:
        from scipy.stats.qmc import Sobol  # its import takes longer than the start of a finished study

        rows = Sobol(DIMENSIONS, scramble=True, rng=SCRAMBLE).random(LONGEST)[:, : len(AXES)].tolist()
        keep("stream", made_from, rows)
    return [dict(zip(AXES, row, strict=True)) for row in rows]
