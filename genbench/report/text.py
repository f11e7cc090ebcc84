"""Numbers and lists as words."""

import math
from collections.abc import Sequence

from genbench.report.tables import Cell

__all__ = ["count", "listing", "names", "number", "plural", "value"]


def number(x: float | None, digits: int = 3) -> str:
    """A number for people with that many significant digits, a dash if there is none."""
    if x is None or not math.isfinite(x):
        return "–"
    if x == 0:
        return "0"
    size = math.floor(math.log10(abs(x)))
    if size >= 6 or size < -4:
        mantissa = f"{x / 10.0**size:.{digits - 1}f}"
        return f"{mantissa}e{size}"
    return f"{x:,.{max(0, digits - 1 - size)}f}"


def count(x: float | None) -> str:
    """A whole number with thousands separated, in powers of ten from a hundred million on."""
    if x is None or not math.isfinite(x):
        return "–"
    return number(x) if abs(x) >= 1e8 else f"{x:,.0f}"


def value(cell: Cell) -> str:
    """mean ± half-width, rounded to two digits of the half-width; the note if there is no mean."""
    if not math.isfinite(cell.mean):
        return cell.note or "–"
    if not math.isfinite(cell.half):
        return number(cell.mean)
    if cell.half == 0:
        return f"{cell.mean:,.0f} ± 0" if cell.mean == round(cell.mean) else f"{number(cell.mean)} ± 0"
    places = 1 - math.floor(math.log10(cell.half))
    if places > 6 or max(abs(cell.mean), cell.half) >= 1e6:
        return f"{number(cell.mean)} ± {number(cell.half, 2)}"
    places = max(0, places)
    return f"{cell.mean:,.{places}f} ± {cell.half:,.{places}f}"


def listing(items: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def plural(n: int, word: str) -> str:
    """1 seed, 2 seeds."""
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def names(labels: list[str], others: int) -> str:
    """Names, or how many of the others where the list would be long."""
    if len(labels) <= 8:
        return listing(labels)
    return f"{len(labels)} of the {others} others" if len(labels) < others else f"any of the {others} others"
