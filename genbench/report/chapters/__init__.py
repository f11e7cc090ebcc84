"""The chapters of the report in their order; each gives None where a study has nothing of it."""

from collections.abc import Callable

from genbench.report.chapter import Chapter
from genbench.report.read import Results

CHAPTERS: tuple[Callable[[Results], Chapter | None], ...] = ()
