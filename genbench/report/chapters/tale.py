"""Temporary, until chapters come from genbench.questions: the claims of a study as a chapter."""

from genbench.questions import names, part
from genbench.questions.tale import tale
from genbench.report.blocks import Chapter
from genbench.results.study import Results

__all__ = ["chapter"]


def chapter(results: Results) -> Chapter | None:
    """Return the claims that a study has data on; None without any."""
    reports = sorted((part(name, "report") for name in names("report")), key=lambda each: each.PLACE)
    claims = [found for each in reports if each.CHAPTER == "tale" and (found := each.report(results)) is not None]
    return tale(claims) if claims else None
