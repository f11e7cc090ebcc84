"""Chapters of the report: a study's further questions, each a module of genbench/report/chapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing

from genbench.report import style, text
from genbench.report.means import Mean

__all__ = ["Chapter", "Figure", "Heading", "Paragraph", "Points", "Table"]


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
        """A table of rows with the same keys, in which a Mean is kept as its mean and shown with its interval."""
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
class Chapter:
    """What a chapter puts on the page. `lead`: before the samples, not after the training curves."""

    key: str
    title: str
    blocks: tuple[Heading | Paragraph | Points | Figure | Table, ...]
    lead: bool = False

    def figures(self) -> dict[str, Markup]:
        """SVGs by name."""
        return {block.name: Markup(block.svg(self.key)) for block in self.blocks if isinstance(block, Figure)}

    def tables(self) -> dict[str, pd.DataFrame]:
        """Frames by the name of their file."""
        return {f"{self.key}_{block.name}": block.frame for block in self.blocks if isinstance(block, Table)}
