"""The RECORD file of a wheel: its place, and the hashes in it (binary distribution format)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable


def record_name(names: Iterable[str]) -> str:
    """The name of RECORD among the names of a wheel's files; raises `StopIteration` if it is missing."""
    return next(name for name in names if name.count("/") == 1 and name.endswith(".dist-info/RECORD"))


def record_hash(content: bytes) -> str:
    """The hash of a file as RECORD holds it: `sha256=` and the digest in base64 for URLs, without padding."""
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()}"
