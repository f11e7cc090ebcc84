"""docs/metrics.md, made from the cards."""

import re

from genbench.metrics.card import GROUPS, Card
from genbench.metrics.cards import METRICS

__all__ = ["markdown"]

HEAD = """# Metrics

Made from the cards in `genbench/metrics/` and `genbench/likelihood/` by `genbench metrics --markdown > docs/metrics.md`: change
those, not this file.

Where real data can be scored against real data, a value stands beside what those get. It carries its number of examples, its
encoder and its reference.
A standard error of a sample metric is over the generated sample, given the reference; one of a likelihood is over test examples.
The report subtracts the first from the variance over seeds, to tell a finite sample from training.
"""
BETTER = {"lower": "lower", "higher": "higher", "target": "at the target", "none": "neither by itself"}
APPLIES = {"points": "points", "images": "images", "both": "points and images"}


def markdown() -> str:
    """All cards as one Markdown page: an overview, then a section per group with every field of its metrics."""
    groups = {group: [card for card in METRICS.values() if card.group == group] for group in GROUPS}
    rows = [_row(card) for cards in groups.values() for card in cards]
    overview = ["| metric | key | group | of | better | unit |", "|---|---|---|---|---|---|", *rows]
    parts = [HEAD, "\n".join(overview) + "\n"]
    for group, cards in groups.items():
        if cards:
            parts += [f"## {group}\n", *map(_section, cards)]
    return "\n".join(parts)


def _row(card: Card) -> str:
    title = card.title.replace("|", r"\|")
    cells = (f"[{title}](#{_anchor(card)})", f"`{card.key}`", card.group, APPLIES[card.applies], _better(card), card.unit)
    return f"| {' | '.join(cells)} |"


def _section(card: Card) -> str:
    facts = {
        "Better": _better(card) + (f"; unit: {card.unit}" if card.unit else ""),
        "Range": card.range,
        "Floor": card.floor,
        "Ranks up to": "" if card.best is None else f"{card.best:g}, what a perfect sampler gets; values past it count as it.",
        "Uncertainty": card.uncertainty,
        "Traps": card.traps,
        "Source": _linked(card.source),
    }
    lines = [f"- **{name}.** {text}" for name, text in facts.items() if text]
    return "\n".join([f"### {_heading(card)}", "", card.what, "", *lines, ""])


def _heading(card: Card) -> str:
    return f"{card.title} (`{card.key}`)"


def _anchor(card: Card) -> str:
    """The anchor that Markdown viewers give the heading: lower case, hyphens for spaces, without punctuation."""
    return re.sub(r"[^\w\- ]", "", _heading(card).lower()).replace(" ", "-")


def _better(card: Card) -> str:
    return BETTER[card.direction] + ("" if card.ranked or card.direction == "none" else " (not ranked)")


def _linked(source: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", source)
