"""How much of a delivery has been sent, while it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cartwheel.destinations.protocol import Item


class CountedBody:
    """The body of a request; adds the bytes that are read for sending to `SENT`."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        """Read the next part."""
        part: bytes = self._body.read(size)
        SENT.bytes += len(part)
        return part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


class _Sent:
    bytes = 0


SENT = _Sent()
"""The bytes of request bodies that this process has sent.  One delivery sends at a time."""


class UploadCount:
    """Counts the files and bytes of one delivery."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._sizes = {item.name: item.path.stat().st_size for item in items if item.path.is_file()}
        self._done: list[str] = []
        self._current, self._start = "", 0

    def begin(self, item: Item) -> None:
        """A file is about to be sent, for the first time or again."""
        self._current, self._start = item.name, SENT.bytes

    def end(self, item: Item) -> None:
        """The destination has the file."""
        self._done.append(item.name)
        self._current = ""

    def words(self) -> str:
        """`2/5 files, 4.1/12.4 MB`; empty if the files are not counted here."""
        total = sum(self._sizes.values())
        if not total:
            return ""
        sent = sum(self._sizes.get(name, 0) for name in self._done)
        sent += min(SENT.bytes - self._start, self._sizes.get(self._current, 0)) if self._current else 0
        return f"{len(self._done)}/{len(self._sizes)} files, {sent / 1e6:.1f}/{total / 1e6:.1f} MB"
