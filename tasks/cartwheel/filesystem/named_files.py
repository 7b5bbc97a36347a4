"""The project's files and folders that are named by words of a command line, of flags or of a setting."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from cartwheel.filesystem.read_set import SKIPPED, ReadSet, is_made_again, relative_name, source_top
from cartwheel.process.command_words import split_command

_DEPTH = 3
"""The nesting limit of argument files (`@file`)."""


def named_in(words: Iterable[str], places: Iterable[Path], root: Path) -> ReadSet:
    """The files and folders in the project or its repository that words name, relative to one of `places`.

    A path may follow `=`, `,`, `@` or a one-letter flag. Arguments in a file named by `@` count as words too. Folders
    that contain one of `places`, and folders of generated files, are left out.
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
    """The file's mode; 0 if it is missing or the text is not a valid path (too long, for example)."""
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
        return split_command(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []


def words_of(text: str) -> tuple[str, ...]:
    """The words of a setting: the whole text, and its parts between spaces or cargo's separator of encoded flags."""
    return tuple(dict.fromkeys((text, *re.split(r"[\s\x1f]+", text))))
