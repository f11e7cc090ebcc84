"""A folder of values that are slow to make anew at every start; losing it loses time only."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["cache_in", "cached", "keep"]

_folder: list[Path] = []


def cache_in(folder: Path | str) -> None:
    """Keep values in this folder from now on."""
    _folder[:] = [Path(folder)]


def cached(name: str, made_from: str) -> Any:
    """The value that was kept under a name, if it was made from the same; None else, and where the file is damaged."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError):
        stored = json.loads((_folder[0] / f"{name}.json").read_text(encoding="utf-8"))
        if stored["made_from"] == made_from:
            return stored["value"]
    return None


def keep(name: str, made_from: str, value: Any) -> None:
    """Keep a JSON-able value. A parallel job reads the old file or the new one; where none can be written, nothing is kept."""
    if not _folder:
        return
    with contextlib.suppress(OSError):
        _folder[0].mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=_folder[0], prefix=f".{name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"made_from": made_from, "value": value}, file, separators=(",", ":"))
            os.replace(temporary, _folder[0] / f"{name}.json")
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
