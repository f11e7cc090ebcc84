"""What all jobs share: devices, progress and where files lie."""

import functools
from pathlib import Path

import pytest
from kit import CPU

from genbench.config.errors import UserError
from genbench.jobs.common import choose_device, progress
from genbench.results.paths import Paths


def test_devices():
    assert choose_device("cpu") == CPU
    for name in ("cuda:99", "nosuch"):
        with pytest.raises(UserError, match="auto, cpu, cuda"):
            choose_device(name)


def test_progress_is_plain_text_in_a_log(capsys):
    tell = progress("ring8/vae", interval=0.0)
    tell(5, 10, {"net": 1.5})
    tell(10, 10, {"net": 0.5})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "5/10" in lines[0] and "net 1.5" in lines[0] and "10/10" in lines[1]
    assert all("\r" not in line and "\033" not in line for line in lines)
    quiet = progress("x", interval=1000.0)
    quiet(1, 10, {})
    assert capsys.readouterr().err == ""


def test_paths():
    paths = Paths(Path("r"))
    make = functools.partial(Path, "r")
    assert paths.trial("abc") == make("store", "abc") and paths.data("x") == make("data", "x")
    assert paths.study("s") == make("studies", "s")
