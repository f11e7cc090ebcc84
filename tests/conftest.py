"""What folders of tests share."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from kit import ROOT


def pytest_addoption(parser):
    parser.addoption(
        "--sample", type=int, metavar="N", help="of what -m leaves, the run of the workflow and N drawn by the commit"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: "tests/workflow/" not in item.nodeid)  # the longest first, so that no process waits at the end
    count = config.getoption("--sample")
    if count is None:
        return
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    kept = [item for item in items if "tale" in item.fixturenames and "finished" not in item.fixturenames]
    others = [item for item in items if item not in kept and "test_smoke.py" not in item.nodeid]
    left = set(items) - {*kept, *random.Random(commit).sample(others, min(count, len(others)))}
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """once(name, make): a folder that make(folder) fills once for all of pytest's processes. Tests change copies only."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        place, done = base / name, base / f"{name}.done"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir()
                make(place)
                done.touch()
        return place

    return folder


@pytest.fixture(scope="session")
def copy_project() -> Callable[[Path], None]:
    """copy_project(folder): what a run needs of the repository."""

    def copy(folder: Path) -> None:
        for name in ("genbench", "workflow", "config"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", folder)
        (folder / "profiles").symlink_to("workflow/profiles")

    return copy
