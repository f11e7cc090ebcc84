"""What the report is made of: blocks, claims with their verdicts, and chapters of both."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing

from genbench.report import style, text
from genbench.report.means import Mean
from genbench.report.verdicts import VERDICTS

__all__ = ["Block", "Chapter", "Claim", "Figure", "Fold", "Heading", "Paragraph", "Points", "Table", "bare", "leaves"]

ROUNDING = 1e-6  # of a value: a half-width below it is rounding
SENTENCES = 3  # of a claim before its fold


@dataclass(frozen=True)
class Heading:
    """A sub-title, of a dataset or a question; `large`: of a group of such."""

    text: str
    large: bool = False
    kind: str = "heading"


@dataclass(frozen=True)
class Paragraph:
    """Sentences; arXiv numbers and addresses become links. `fine`: how to read what follows, in small print."""

    text: str
    fine: bool = False
    kind: str = "paragraph"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: str = "points"


@dataclass(frozen=True)
class Figure:
    """A figure made inside the report's theme; written as figures/<chapter>-<name>.svg."""

    name: str
    drawing: Drawing
    caption: str
    kind: str = "figure"

    def svg(self, chapter: str) -> str:
        """The figure with ids of its own on the page."""
        return style.to_svg(self.drawing, f"{chapter}-{self.name}", self.caption)


@dataclass(frozen=True)
class Table:
    """A frame with readable column names; written as tables/<chapter>_<name>.csv with all digits.

    The first column heads its row. `shown`: text for cells whose number needs more than three digits' worth of words, an
    interval for instance, by column, one per row. `folded`: behind a line to click on.
    """

    name: str
    frame: pd.DataFrame
    caption: str
    shown: dict[str, list[str]] | None = None
    folded: bool = False
    kind: str = "table"

    @classmethod
    def of_cells(cls, name: str, rows: Sequence[Mapping[str, Any]], caption: str, folded: bool = False) -> "Table":
        """A table of rows with the same keys, in which a Mean is kept as its mean and shown with its interval, if it has one."""
        rows = [{key: bare(v) if isinstance(v, Mean) else v for key, v in row.items()} for row in rows]
        frame = pd.DataFrame([{key: v.mean if isinstance(v, Mean) else v for key, v in row.items()} for row in rows])
        measured = [key for row in rows[:1] for key, v in row.items() if isinstance(v, Mean)]
        return cls(name, frame, caption, {key: [text.value(row[key]) for row in rows] for key in measured}, folded)

    def columns(self) -> list[tuple[str, bool]]:
        """Names, and whether a column is right-aligned numbers."""
        own = self.shown or {}
        return [(name, name in own or pd.api.types.is_numeric_dtype(self.frame[name])) for name in self.frame.columns]

    def rows(self) -> list[list[tuple[str, str, bool]]]:
        """Per cell: what is shown, what it sorts by, whether it is a number."""
        columns = [
            [(*self._cell(name, i, value), number) for i, value in enumerate(self.frame[name])] for name, number in self.columns()
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def _cell(self, name: str, row: int, value: Any) -> tuple[str, str]:
        own = (self.shown or {}).get(name)
        if isinstance(value, str) or value is None:
            return (own[row] if own else value or "–"), ""
        whole = pd.api.types.is_integer(value)
        key = "" if pd.isna(value) else f"{value:.9g}"
        return (own[row] if own else text.count(value) if whole else text.number(value)), key


@dataclass(frozen=True)
class Fold:
    """Blocks behind a line to click on, which says what they are."""

    title: str
    blocks: "tuple[Block, ...]"
    kind: str = "fold"


Block = Heading | Paragraph | Points | Figure | Table | Fold


def leaves(blocks: Iterable[Block]) -> Iterator[Heading | Paragraph | Points | Figure | Table]:
    """Yield all blocks, those in folds too, in the order of the page."""
    for block in blocks:
        if isinstance(block, Fold):
            yield from leaves(block.blocks)
        else:
            yield block


def bare(cell: Mean) -> Mean:
    """Return the cell, without its half-width where that is 0 or rounding: the value is exact, or all seeds agree."""
    exact = cell.half == 0 or cell.half < ROUNDING * abs(cell.mean)
    return replace(cell, half=math.nan, se=math.nan) if exact else cell


@dataclass(frozen=True)
class Claim:
    """A claim of the literature, tried again on a study's own numbers: the verdict and what it rests on.

    Arguments:
        key: its short name, such as "C4"; in lower case also the start of the names of its figures and tables.
        statement: the claim itself, a sentence without a full stop. source: who says it.
        verdict: one of VERDICTS. because: at most three sentences, what a reader can do with it first; the page shows them.
        blocks: all else, behind folds. short: the verdict's cases in a few words, see `verdicts.tally`.

    Raises ValueError for another verdict, more sentences, or a block of text or numbers outside a fold.
    """

    key: str
    statement: str
    source: str
    verdict: str
    because: tuple[str, ...]
    blocks: tuple[Block, ...]
    short: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.key}: verdict must be one of {', '.join(VERDICTS)}, got {self.verdict!r}")
        if len(self.because) > SENTENCES:
            raise ValueError(f"{self.key}: at most {SENTENCES} sentences before the fold, got {len(self.because)}")
        if open_ := [block.kind for block in self.blocks if not (isinstance(block, Fold) or getattr(block, "folded", False))]:
            raise ValueError(f"{self.key}: blocks must be behind folds, got {', '.join(open_)}")


@dataclass(frozen=True)
class Chapter:
    """What a chapter puts on the page. `lead`: before the samples, not after the training curves."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: bool = False

    def figures(self) -> dict[str, Markup]:
        """SVGs by name."""
        return {block.name: Markup(block.svg(self.key)) for block in leaves(self.blocks) if isinstance(block, Figure)}

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames by the name of their file."""
        return {f"{self.key}_{block.name}": block.frame for block in leaves(self.blocks) if isinstance(block, Table)}
