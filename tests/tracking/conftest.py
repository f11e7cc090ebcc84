"""The synthetic run as a fixture (loaded by path: tests are no package)."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).parents[1] / "synthetic.py")
synthetic = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(synthetic)


@pytest.fixture(scope="session")
def make_run():
    """The function that writes a run: make_run(root) -> the study's folder."""
    return synthetic.make_run
