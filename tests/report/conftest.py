"""The synthetic run and its page as fixtures (loaded by path: tests are no package)."""

import importlib.util
from pathlib import Path

import pytest

from genbench.report import build, page
from genbench.report.tables import tables
from genbench.results.study import read

_spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).parents[1] / "synthetic.py")
synthetic = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(synthetic)


@pytest.fixture(scope="session")
def make_run():
    """The function that writes a run: make_run(root) -> the study's folder."""
    return synthetic.make_run


@pytest.fixture(scope="session")
def run(make_run, tmp_path_factory):
    """A run that no test changes: the study's folder and the store."""
    root = tmp_path_factory.mktemp("run") / "results"
    return make_run(root), root / "store"


@pytest.fixture(scope="session")
def built(run, tmp_path_factory):
    """Its page, with tables and figures beside it."""
    return build(*run, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def results(run):
    """What the report reads of it; tests change copies only."""
    return read(*run)


@pytest.fixture(scope="session")
def every(results):
    """All its tables, by dataset."""
    return {dataset: tables(results, dataset) for dataset in results.datasets}


@pytest.fixture
def plain(monkeypatch):
    """Pages without figures, which take most of the time."""
    monkeypatch.setattr(page, "_figures", lambda *_: {})
