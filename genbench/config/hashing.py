"""Hashes of JSON-able values."""

import hashlib
import json
from typing import Any

__all__ = ["short_hash"]


def short_hash(value: Any, length: int = 12) -> str:
    """First hex digits of the sha256 of canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]
