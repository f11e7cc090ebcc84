"""The synthetic run and its page as fixtures (loaded by path: tests are no package)."""

import importlib.util
import re
import shutil
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from genbench.report import build, page
from genbench.report.tables import tables
from genbench.results.study import Results, read

_spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).parents[1] / "synthetic.py")
synthetic = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(synthetic)


@dataclass(frozen=True)
class Page:
    """A built page, taken apart."""

    path: Path

    @property
    def html(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def section(self, name: str, folds: bool = True) -> str:
        """What a reader sees of a section, with or without what is folded."""
        html = re.search(rf'<section id="{name}">(.*?)</section>', self.html, re.DOTALL).group(1)
        return words(html if folds else re.sub(r"<details>.*?</details>", " ", html, flags=re.DOTALL))

    def rows(self, caption: str) -> dict[str, str]:
        """HTML of the rows of the table with that caption, by what heads them."""
        table = re.search(rf"<caption>{re.escape(caption)}</caption>(.*?)</table>", self.html, re.DOTALL).group(1)
        found = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table, re.DOTALL)
        return {words(head): row for head, row in found}

    def frame(self, name: str) -> pd.DataFrame:
        """A table beside it."""
        return pd.read_csv(self.path.parent / "tables" / f"{name}.csv")


def words(html: str) -> str:
    """What a reader sees of HTML."""
    html = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


@pytest.fixture(scope="session")
def make_run():
    """The function that writes a run: make_run(root) -> the study's folder."""
    return synthetic.make_run


@pytest.fixture(scope="session")
def run(make_run, tmp_path_factory):
    """A run that no test changes: the study's folder and the store."""
    root = tmp_path_factory.mktemp("run") / "results"
    return make_run(root), root / "store"


@pytest.fixture
def copied(run, tmp_path):
    """A copy of the run that a test may change: the study's folder and the store."""
    shutil.copytree(run[1].parent, tmp_path / "results")
    return tmp_path / "results" / "studies" / run[0].name, tmp_path / "results" / "store"


@pytest.fixture(scope="session")
def built(run, tmp_path_factory):
    """Its page, with figures."""
    return Page(build(*run, tmp_path_factory.mktemp("report")))


@pytest.fixture
def plain(monkeypatch, tmp_path):
    """The function that builds a page without figures, which take most of the time: plain(study, store, **options)."""
    monkeypatch.setattr(page, "_figures", lambda *_: {})
    return lambda study, store, *chapters: Page(build(study, store, tmp_path / "out", *chapters))


@pytest.fixture(scope="session")
def _read(run):
    return read(*run)


@pytest.fixture
def results(_read) -> Results:
    """What the report reads of the run, with frames of scores and floors that a test may change."""
    return replace(_read, scores=_read.scores.copy(), floors=_read.floors.copy())


@pytest.fixture(scope="session")
def every(_read):
    """All its tables, by dataset."""
    return {dataset: tables(_read, dataset) for dataset in _read.datasets}
