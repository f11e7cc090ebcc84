"""Values without a spread, which a table shows as they are."""

import math
from dataclasses import replace

from genbench.report.means import Mean

__all__ = ["LEAST", "bare", "bared"]

LEAST = 1e-6  # of the value: a half-width below it is rounding


def bare(cell: Mean) -> Mean:
    """The cell, without its half-width where that is 0 or below LEAST of the value."""
    return replace(cell, half=math.nan, se=math.nan) if cell.half == 0 or cell.half < LEAST * abs(cell.mean) else cell


def bared(rows: list[dict]) -> list[dict]:
    """Rows of a table with `bare` cells."""
    return [{key: bare(each) if isinstance(each, Mean) else each for key, each in row.items()} for row in rows]
