"""Verdicts: their words, on claims and on pairs of models, and what would decide where they are open."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from genbench.report.text import count, listing, span
from genbench.statistics.verdict import BETTER, EQUIVALENT, NOT_WORSE, UNDECIDED, WORSE

__all__ = [
    "BETTER",
    "EQUIVALENT",
    "HOLDS",
    "IN_PART",
    "NOT_WORSE",
    "OPEN",
    "REFUTED",
    "UNDECIDED",
    "VERDICTS",
    "WORSE",
    "counted",
    "deciding",
    "enough",
    "pooled_first",
    "tally",
    "together",
]

HOLDS, IN_PART, REFUTED, OPEN = VERDICTS = ("holds", "holds in part", "does not hold", "undecided")
MANY = 10_000  # larger numbers of configurations or seeds are no advice
POWER = 1.43  # (z of 97.5 % + z of 80 %) / z of 97.5 %: an interval that is narrow enough in four of five repetitions


def together(verdicts: Iterable[str]) -> str:
    """Return the verdict on a claim from verdicts on its cases (datasets, pairs).

    It holds where it holds in all, in part where it holds (in part) in some; it does not hold where that is shown in some and the
    contrary in none. So more evidence for it never makes a weaker word.
    """
    found = set(verdicts)
    if found == {HOLDS}:
        return HOLDS
    if found & {HOLDS, IN_PART}:
        return IN_PART
    return REFUTED if REFUTED in found else OPEN


def pooled_first(pooled: str, cases: Iterable[str]) -> str:
    """Return the verdict on a claim whose cases were first taken together, and then one by one.

    What they say together, unless a case shows the contrary: then it holds in part. Where they leave it open, what cases say.
    """
    found = set(cases)
    if pooled not in (HOLDS, REFUTED):
        return together(found)
    return IN_PART if {HOLDS: REFUTED, REFUTED: HOLDS}[pooled] in found else pooled


def tally(cases: Mapping[str, str]) -> str:
    """Return verdicts on cases in a few words: which case got which, in the order of VERDICTS."""
    named = {word: [case for case, verdict in cases.items() if verdict == word] for word in VERDICTS}
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in named.items() if names)


def counted(words: Sequence[str], margin: float, what: str = "pairs", directed: bool = False) -> str:
    """Return how many pairs got which word, as a clause: "of 6 pairs, 2 are different and 4 are undecided".

    `directed`: which of two is better has a meaning, as against a baseline; else better and worse are "different".
    """
    if not words:
        return f"no {what} could be compared"
    if set(words) == {UNDECIDED}:
        return f"none of the {len(words):,} {what} could be decided"
    ways = {BETTER: "better", WORSE: "worse"} if directed else dict.fromkeys((BETTER, WORSE), "different")
    said = ways | {EQUIVALENT: f"equivalent within a factor of {margin:g}", NOT_WORSE: f"not worse by a factor of {margin:g}"}
    counts = Counter(said.get(word, word) for word in words)
    order = dict.fromkeys((*said.values(), UNDECIDED))
    parts = [f"{counts[each]:,} {'is' if counts[each] == 1 else 'are'} {each}" for each in order if counts[each]]
    return f"of {len(words):,} {what}, {listing(parts)}"


def enough(n: int, half: float, gap: float) -> int | None:
    """Return how many values, of which n gave an interval of this half-width, make one narrower than the gap to a bar.

    With a chance of 80 %, if the estimate stays and the width falls with the root of n; None above 10,000.
    """
    if not (gap > 0 and math.isfinite(half)):
        return None
    needed = math.ceil(n * max(POWER * half / gap, 1.0) ** 2)
    return needed if needed <= MANY else None


def deciding(needed: Mapping[str, Sequence[float | None]], tried: Iterable[int], unit: str, each: str = "") -> str:
    """Return a sentence on what would decide half of the open cases of every group; empty without such cases.

    `needed`: by group (dataset), the numbers that would decide a case, None or nan where none would. `tried`: how many there
    were. `unit`: what is counted, in the plural. `each`: what one costs, in brackets.
    """
    middles = []
    for numbers in needed.values():
        known = sorted(n if n and math.isfinite(n) else math.inf for n in numbers)
        middles += [known[(len(known) - 1) // 2]] if known else []
    if not middles:
        return ""
    possible = [n for n in middles if math.isfinite(n)]
    sizes = sorted(set(tried))
    few = f"{span(sizes, count)} {unit} are too few"
    if not possible:
        return f"{few}, and {MANY:,} would not decide half of the open cases, if ratios and spreads stay as seen."
    rest = f" on {len(possible)} of {len(middles)} datasets" if len(possible) < len(middles) else ""
    apart = ", depending on the dataset," * (len(set(possible)) > 1)
    return f"{few}: about {span(possible, count)}{each}{apart} would decide half of the open cases{rest}."
