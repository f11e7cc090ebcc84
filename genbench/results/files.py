"""Atomic files: a reader sees a whole file or none, also after a kill."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["atomic", "read_json", "read_npz", "write_json", "write_npz", "write_parquet", "write_text"]


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o644)  # mkstemp makes private files; results are shared with colleagues
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically; NaN and infinities raise ValueError (they are no JSON)."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_npz(path: str | Path) -> dict[str, Any]:
    """Read numpy arrays by name; nothing pickled."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def write_npz(path: str | Path, **arrays: Any) -> None:
    """Write compressed numpy arrays atomically."""
    import numpy as np

    with atomic(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def write_parquet(path: str | Path, frame: Any) -> None:
    """Write a pandas frame as parquet atomically, without its index."""
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)
