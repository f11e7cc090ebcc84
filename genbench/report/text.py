"""Numbers and lists as words."""

import math
from collections.abc import Callable, Iterable, Sequence

from genbench.report.means import Mean

__all__ = ["count", "ends", "listing", "names", "number", "percent", "plural", "span", "spread", "value"]


def number(x: float | None, digits: int = 3) -> str:
    """A number for people with that many significant digits, 0 if it is below any precision, a dash if there is none."""
    if x is None or not math.isfinite(x):
        return "–"
    if abs(x) < 1e-12:
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


def value(cell: Mean) -> str:
    """mean ± half-width; the note if there is no mean.

    Rounded to two digits of the half-width, or of the standard error of a single value where that is larger.
    """
    if not math.isfinite(cell.mean):
        return cell.note or "–"
    known = [each for each in (cell.half, cell.se) if math.isfinite(each) and each > 1e-12]
    if not known:
        exact = "" if math.isnan(cell.half) else " ± 0"
        return (f"{cell.mean:,.0f}" if exact and cell.mean == round(cell.mean) else number(cell.mean)) + exact
    places = 1 - math.floor(math.log10(max(known)))
    if places > 6 or max(abs(cell.mean), *known) >= 1e6:
        mean, places = number(cell.mean), 0
    else:
        places = max(0, places)
        mean = _fixed(cell.mean, places)
    if math.isnan(cell.half):
        return mean
    half = f"{cell.half:,.{places}f}"
    return f"{mean} ± {half if float(half.replace(',', '')) and places else number(cell.half, 2)}"


def spread(mean: Mean, unit: str = "", facts: Sequence[str] = ()) -> str:
    """mean unit (95 % interval low to high; further facts): as many digits as the half-width has; without one where it is nan."""
    head, *half = value(mean).split(" ± ")
    unit = f" {unit}" if unit else ""
    if half and mean.half > 1e-12 and math.isfinite(mean.half):
        digits = len(head.partition(".")[2]) if "e" not in head else None
        low, high = mean.mean - mean.half, mean.mean + mean.half
        low, high = (number(x) if digits is None else _fixed(x, digits) for x in (low, high))
        facts = [f"95 % interval {low} to {high}", *facts]
    elif half:
        facts = ["the same in every seed", *facts]
    return head + unit + (f" ({'; '.join(filter(None, facts))})" if any(facts) else "")


def ends(cell: Mean) -> str:
    """mean (lowest to highest) of redraws that overlap, for which an interval would be too narrow."""
    low, high = min(cell.values), max(cell.values)
    if low == high:
        return f"{low:,.0f}" if low == round(low) else number(low)
    places = max(0, 1 - math.floor(math.log10(high - low)))
    if places > 6 or max(abs(low), abs(high)) >= 1e6:
        return f"{number(cell.mean)} ({number(low)} to {number(high)})"
    return f"{_fixed(cell.mean, places)} ({_fixed(low, places)} to {_fixed(high, places)})"


def _fixed(x: float, places: int) -> str:
    """That many decimals, and no sign before a zero."""
    return f"{round(x, places) + 0.0:,.{places}f}"


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


def percent(share: float) -> str:
    """A share in percent: whole from ten on, else with one decimal, a dash if there is none."""
    if not math.isfinite(share):
        return "–"
    places = 0 if share == 0 or abs(share) >= 0.0995 else 1
    return f"{round(100 * share, places) + 0.0:.{places}f} %"


def span(values: Iterable[float], show: Callable[[float], str] = number) -> str:
    """lowest to highest, or the one value that both are as shown, with one unit."""
    values = list(values)
    low, high = show(min(values)), show(max(values))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"
