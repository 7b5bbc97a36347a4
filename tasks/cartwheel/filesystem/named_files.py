"""The project's files and folders that are named by words of a command line, of flags or of a setting."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from cartwheel.filesystem.read_set import SKIPPED, ReadSet, is_generated, relative_name, source_top
from cartwheel.process.command_words import split_command

_DEPTH = 3
"""The nesting limit of argument files (`@file`) and of scripts that name other files."""
_SCRIPTS = frozenset({".sh", ".bash", ".py", ".pl", ".ps1", ".cmd", ".bat", ".ld", ".lds", ".x"})
"""Suffixes of scripts and linker scripts; other programs begin with `#!`."""
_LONGEST = 2**16


def named_in(words: Iterable[str], places: Iterable[Path], root: Path) -> ReadSet:
    """The files and folders in the project or its repository that words name, relative to one of `places`.

    A path may follow `=`, `,`, `@` or a one-letter flag. Arguments in a file named by `@` count as words too, and files
    that a script names, also from its own folder. Folders that contain one of `places`, and folders of generated files,
    are left out.
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
            if not (SKIPPED & set(name.split("/")) or name.split("/")[0] == "dist" or is_generated(path)):
                folders.add(name)
    return ReadSet(files=tuple(sorted(files)), folders=tuple(sorted(folders)))


def _paths(words: Iterable[str], places: tuple[Path, ...], depth: int) -> Iterator[Path]:
    for word in words:
        for part in dict.fromkeys(_parts(word)):
            for place in places:
                path = Path(os.path.abspath(place / part))
                yield path
                if not (depth and S_ISREG(_mode(path))):
                    continue
                if word.endswith("@" + part):
                    yield from _paths(_arguments(path), places, depth - 1)
                elif mentions := _mentions(path):
                    below = _paths(mentions, tuple(dict.fromkeys((path.parent, *places))), depth - 1)
                    yield from (file for file in below if S_ISREG(_mode(file)))


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


def script_text(path: Path) -> str:
    """The text of a script or of a linker script; empty for other files."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
            if start != b"#!" and path.suffix not in _SCRIPTS:
                return ""
            return (start + file.read(_LONGEST)).decode("utf-8", "replace")
    except OSError:
        return ""


def _mentions(path: Path) -> tuple[str, ...]:
    """The words of a script that may be paths; empty for other files."""
    words = (word.strip("/") for word in re.findall(r"[\w./@%+-]+", script_text(path)))
    return tuple(dict.fromkeys(word for word in words if "." in word.strip(".") or "/" in word))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a setting: the whole text, and its parts between spaces or cargo's separator of encoded flags."""
    return tuple(dict.fromkeys((text, *re.split(r"[\s\x1f]+", text))))
