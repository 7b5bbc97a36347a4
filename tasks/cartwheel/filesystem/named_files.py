"""Files and folders of a project that the words of a command line, of flags or of a setting name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from cartwheel.filesystem.read_set import ReadSet, relative_name, source_top

_DEPTH = 3
"""How deep files of arguments (`@file`) may name one another."""


def named_in(words: Iterable[str], places: Iterable[Path], root: Path) -> ReadSet:
    """What lies in the project or its repository and is named by a word, as a path from one of `places`.

    A word may hold a path behind `=`, `,`, `@` or a flag of one letter; the arguments in a file that is named by `@`
    count as words too.  A folder that holds a place is not meant.
    """
    files: set[str] = set()
    folders: set[str] = set()
    tops = tuple(dict.fromkeys(Path(os.path.abspath(place)) for place in places))
    top = source_top(root)
    for path in _paths(tuple(words), tops, _DEPTH):
        if not path.is_relative_to(top):
            continue
        if path.is_file():
            files.add(relative_name(path, root))
        elif path.is_dir() and not any(place.is_relative_to(path) for place in tops) and path != root:
            folders.add(relative_name(path, root))
    return ReadSet(files=tuple(sorted(files)), folders=tuple(sorted(folders)))


def _paths(words: Iterable[str], places: tuple[Path, ...], depth: int) -> Iterator[Path]:
    for word in words:
        for part in dict.fromkeys(_parts(word)):
            for place in places:
                path = Path(os.path.abspath(place / part))
                yield path
                if word.endswith("@" + part) and depth and path.is_file():
                    yield from _paths(_arguments(path), places, depth - 1)


def _parts(word: str) -> Iterator[str]:
    pieces = {word, *re.split(r"[=,]", word), *re.split(r"[=,:;]", word)}
    for piece in pieces:
        for part in (piece, piece.lstrip("@"), re.sub(r"^-[A-Za-z]", "", piece)):
            if part and part not in (".", "..", os.sep) and not part.startswith("-") and "\0" not in part:
                yield part


def _arguments(path: Path) -> list[str]:
    try:
        return shlex.split(path.read_text(encoding="utf-8"), posix=os.name != "nt")
    except (OSError, ValueError):
        return []


def words_of(text: str) -> tuple[str, ...]:
    """The words of a setting: by spaces, by cargo's separator of encoded flags, and the whole text."""
    return tuple(dict.fromkeys((text, *re.split(r"[\s\x1f]+", text))))
