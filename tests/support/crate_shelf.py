"""A registry of crates whose answers a test scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cartwheel.stand_ins.crates import CrateRequest, CrateShelf


class Scripted(CrateRequest):
    """A registry whose next answers to `publish` are scripted; then it behaves."""

    place: Shelf

    def publish(self, document: dict[str, Any], crate: bytes) -> None:
        """The script first."""
        self.place.posts.append(document["name"])
        self.place.tokens.add(self.headers.get("Authorization", ""))
        if self.place.script:
            self.place.script.pop(0)(self, document, crate)
        else:
            super().publish(document, crate)

    def index(self, name: str) -> None:
        """What was just taken may be hidden for a while."""
        if name in self.place.hidden:
            self.place.hidden[name] -= 1
            if self.place.hidden[name] >= 0:
                self.answer(404)
                return
        super().index(name)


Act = Callable[[Scripted, dict[str, Any], bytes], None]


class Shelf(CrateShelf):
    """A registry that notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[str] = []
        self.tokens: set[str] = set()
        self.script: list[Act] = []
        self.hidden: dict[str, int] = {}
