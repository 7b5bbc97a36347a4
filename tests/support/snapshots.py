"""Generated text, compared with files of the repository."""

from __future__ import annotations

import os
from pathlib import Path

SNAPSHOTS = Path(__file__).resolve().parents[1] / "snapshots"
WRITE = os.environ.get("CARTWHEEL_TEST_WRITE", "") not in ("", "0")
"""Write the snapshots instead of comparing them."""


def alike(path: str, text: str) -> None:
    """The snapshot holds this text."""
    if WRITE:
        (SNAPSHOTS / path).parent.mkdir(parents=True, exist_ok=True)
        (SNAPSHOTS / path).write_text(text, encoding="utf-8")
    assert (SNAPSHOTS / path).read_text(encoding="utf-8") == text, "CARTWHEEL_TEST_WRITE=1 writes it anew; look at it"
