"""Finds the file and the line of the project that an annotation is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from cartwheel.ci.annotations import Annotation


class Places:
    """Finds files of the project that tools and error messages name."""

    def __init__(self, root: Path, folders: Iterable[str] = ()) -> None:
        self._root = root
        self._folders = tuple(dict.fromkeys((".", *folders)))

    def place(self, path: str, folder: str) -> str:
        """The project file that a tool means, relative to the project; empty if missing.

        The path is tried from the folder where the tool ran, then from each package.  A copy below `.cartwheel` stands
        for the file that it was copied from.
        """
        named = Path(path)
        tails: list[Path] = [] if named.is_absolute() else [named]
        inside = self._in_project(Path(folder) / named)
        if inside and inside.parts[0] == ".cartwheel":
            tails += (Path(*inside.parts[i:]) for i in range(1, len(inside.parts)))
        elif inside and (self._root / inside).is_file():
            return inside.as_posix()
        candidates = (self._in_project(self._root / base / tail) for tail in tails for base in self._folders)
        return next((p.as_posix() for p in candidates if p and (self._root / p).is_file()), "")

    def with_place(self, annotation: Annotation) -> Annotation:
        """One of cartwheel's own errors with the place that it names first: `PATH: …` or `[tool.cartwheel] KEY: …`."""
        first = annotation.message.partition("\n")[0]
        match = re.match(_OURS, first)
        path = (match["path"] or "pyproject.toml") if match else first.partition(": ")[0]
        try:
            known = bool(path) and (self._root / path).is_file() and self._in_project(self._root / path) is not None
            text = (self._root / path).read_text("utf-8", "replace") if known and match else ""
        except (OSError, ValueError):  # too long for a path, or with a NUL in it
            return annotation
        line = _line_of(text, match["key"] or "") if match else 0
        return replace(annotation, path=path, line=line) if known else annotation

    def _in_project(self, path: Path) -> Path | None:
        """The path relative to the project; None if it lies elsewhere."""
        try:
            return path.resolve().relative_to(self._root.resolve())
        except (ValueError, OSError, RuntimeError):
            return None


_OURS = r"(?:(?P<path>[^\[\]:]*pyproject\.toml) )?\[tool\.cartwheel\](?: (?P<key>[\w-]+))?"


def _line_of(text: str, key: str) -> int:
    """The line of a key in `[tool.cartwheel]` or of its own table, else the line of `[tool.cartwheel]`, else 0."""
    inside, header = False, 0
    for number, line in enumerate(text.splitlines(), 1):
        if table := re.match(r"\s*\[+\s*tool\.cartwheel(?:\.([\w-]+))?[\].]", line):
            inside, header = True, header or number
            if key and table[1] == key:
                return number
        elif line.lstrip().startswith("["):
            inside = False
        elif inside and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
            return number
    return header
