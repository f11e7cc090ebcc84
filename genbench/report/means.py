"""Means over seeds with their intervals: what most numbers of a report are."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from genbench.statistics.uncertainty import interval

__all__ = ["Mean", "averaged", "redrawn"]


@dataclass(frozen=True)
class Mean:
    """A mean over seeds and what belongs to it.

    `mean`, `half`: the mean and the half-width of its 95 % interval; `half` is nan for a single value, both are for none.
    `values`: one per seed. `se`: mean standard error of a single value, over test examples for a likelihood, else over the
    generated sample. In tables of scores also `state`, as in `against_best`; `note`: why there is no value; `estimator`: of a
    likelihood; `caveat`: why the value is not reliable, and so not ranked; `size`: its number of examples where the models of
    a column differ in that.
    """

    mean: float = math.nan
    half: float = math.nan
    values: tuple[float, ...] = ()
    state: str = ""
    note: str = ""
    estimator: str = ""
    caveat: str = ""
    se: float = math.nan
    size: str = ""

    @property
    def n(self) -> int:
        return len(self.values)


def averaged(values: Iterable[float]) -> Mean:
    """Mean and half-width of its 95 % interval of a value per seed; what is not finite is left out."""
    values = tuple(value for value in values if math.isfinite(value))
    return Mean(*interval(values), values)


def redrawn(values: tuple[float, ...]) -> Mean:
    """Mean of values of redraws that overlap, without an interval, which would be too narrow."""
    return Mean(float(np.mean(values)), math.nan, values) if values else Mean()
