"""How many crates a running cargo has finished, counted in its JSON messages."""

from __future__ import annotations

import json
from pathlib import Path


class CrateCount:
    """Counts the crates in a file of cargo's JSON messages while cargo writes it; `total`: 0 if unknown."""

    def __init__(self, messages: Path, total: int) -> None:
        self._messages = messages
        self._total = total
        self._position = 0
        self._finished: set[str] = set()

    def words(self) -> str:
        """`12/45 crates`, or `12 crates` if the total is unknown; empty before the first one.

        Raises `OSError` if the file cannot be read.
        """
        if not self._messages.is_file():
            return ""
        with open(self._messages, "rb") as file:
            file.seek(self._position)
            whole, _, _ = file.read().rpartition(b"\n")
        self._position += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            if line.startswith(b'{"reason":"compiler-artifact"'):
                self._finished.add(json.loads(line)["package_id"])
        done = len(self._finished)
        if not done:
            return ""
        return f"{done}/{max(done, self._total)} crates" if self._total else f"{done} crates"
