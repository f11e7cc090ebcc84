"""The job that writes a study's report."""

from pathlib import Path

from genbench.questions.chapters import chapters
from genbench.report.page import build
from genbench.results.paths import Paths

__all__ = ["write_report"]


def write_report(study: str, paths: Paths, out: Path) -> Path:
    """Write out/index.html with its tables and figures beside it; returns the page's path. UserError if nothing was gathered."""
    return build(paths.study(study), paths.store, out, chapters)
