"""Files and folders of a project that the words of a command line, of flags or of a setting name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from cartwheel.filesystem.read_set import SKIPPED, ReadSet, is_made_again, relative_name, source_top

_DEPTH = 3
"""How deep files of arguments (`@file`) may name one another."""


def named_in(words: Iterable[str], places: Iterable[Path], root: Path) -> ReadSet:
    """What lies in the project or its repository and is named by a word, as a path from one of `places`.

    A word may hold a path behind `=`, `,`, `@` or a flag of one letter; the arguments in a file that is named by `@`
    count as words too.  A folder that holds a place is not meant, nor one that holds what was made.
    """
    files: set[str] = set()
    folders: set[str] = set()
    tops = tuple(dict.fromkeys(Path(os.path.abspath(place)) for place in places))
    top = source_top(root)
    for path in _paths(tuple(words), tops, _DEPTH):
        if not path.is_relative_to(top):
            continue
        mode = _mode(path)
        if S_ISREG(mode):
            files.add(relative_name(path, root))
        elif S_ISDIR(mode) and not any(place.is_relative_to(path) for place in (*tops, root)):
            name = relative_name(path, root)
            if not (SKIPPED & set(name.split("/")) or name.split("/")[0] == "dist" or is_made_again(path)):
                folders.add(name)
    return ReadSet(files=tuple(sorted(files)), folders=tuple(sorted(folders)))


def _paths(words: Iterable[str], places: tuple[Path, ...], depth: int) -> Iterator[Path]:
    for word in words:
        for part in dict.fromkeys(_parts(word)):
            for place in places:
                path = Path(os.path.abspath(place / part))
                yield path
                if word.endswith("@" + part) and depth and S_ISREG(_mode(path)):
                    yield from _paths(_arguments(path), places, depth - 1)


def _mode(path: Path) -> int:
    """The kind of a file; 0 if it is missing or the text is no path, as what is long."""
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return 0


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
