"""The project's files and folders that are named by words of a command line, of flags or of a setting."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from cartwheel.filesystem.read_set import SKIPPED, ReadSet, is_generated, relative_name, source_top
from cartwheel.process.command_words import split_command

_DEPTH = 3
"""The nesting limit of argument files (`@file`) and of scripts that name other files."""
_SCRIPTS = frozenset({
    ".sh", ".bash", ".py", ".pl", ".rb", ".lua", ".js", ".mjs", ".cjs", ".ts", ".ps1", ".cmd", ".bat", ".mk", ".ld",
    ".lds", ".x",
})  # fmt: skip
"""Suffixes of scripts and linker scripts; other programs begin with `#!`."""
_LONGEST = 2**16
_OF_PROGRAMS = {
    "make": ("Makefile", "makefile", "GNUmakefile"), "just": ("justfile", "Justfile", ".justfile"),
    "npm": ("package.json",), "pnpm": ("package.json",), "yarn": ("package.json",), "nox": ("noxfile.py",),
    "task": ("Taskfile.yml", "Taskfile.yaml"), "tox": ("tox.ini",),
}  # fmt: skip
"""Files that a program reads in its folder without being told (their manuals, November 2026)."""
_FLAG = re.compile(r"^-(?:isystem|iquote|idirafter|include|imacros|[A-Za-z])")
"""Flags that a path follows without a blank: those of one letter, and those of C compilers (gcc's and clang's manuals,
November 2026)."""
_LITERAL = re.compile(r'"(?=([^"\\\n]{2,200})")')
"""What stands between two quotation marks of a line: which of them open a literal cannot be told by one line."""
_VARIABLE_PARTS = re.compile(r"[^/]*[*?{\[][^/]*")
"""The parts of a pattern or of a formatted name that are not fixed."""
_READ_AS_SCRIPTS = frozenset(name for names in _OF_PROGRAMS.values() for name in names)


def named_files(words: Iterable[str], places: Iterable[Path], root: Path) -> ReadSet:
    """The files and folders in the project or its repository that words name, relative to one of `places`.

    A path may follow `=`, `,`, `@` or a flag. Arguments in a file named by `@` count as words too, and files
    that a script names, also from its own folder, and folders beside it. Folders that contain one of `places`, and
    folders of generated files, are left out.
    """
    files: set[str] = set()
    folders: set[str] = set()
    tops = tuple(dict.fromkeys(Path(os.path.abspath(place)) for place in places))
    top = source_top(root)
    for path in _paths(tuple(words), tops, _DEPTH, set()):
        if not path.is_relative_to(top):
            continue
        mode = _mode(path)
        name = relative_name(_as_listed(path) if S_ISREG(mode) else path, root)
        parts = name.split("/")
        if S_ISREG(mode) and parts[0] != "dist" and not {".cartwheel", ".git"}.intersection(parts):
            files.add(name)
        elif S_ISDIR(mode) and not (
            SKIPPED & set(parts)
            or parts[0] == "dist"
            or any(place.is_relative_to(path) for place in (*tops, root))
            or is_generated(path)
        ):
            folders.add(name)
    return ReadSet(files=tuple(sorted(files)), folders=tuple(sorted(folders)))


def _paths(words: Iterable[str], places: tuple[Path, ...], depth: int, opened: set[Path]) -> Iterator[Path]:
    """The paths that words may mean. `opened`: files whose words were taken already."""
    for word in words:
        for part in dict.fromkeys(_parts(word)):
            for place in places:
                path = Path(os.path.abspath(place / part))
                yield path
                if not depth or path in opened or not S_ISREG(_mode(path)):
                    continue
                if word.endswith("@" + part):
                    opened.add(path)
                    yield from _paths(_arguments(path), places, depth - 1, opened)
                elif text := script_text(path):
                    opened.add(path)
                    inner = tuple(dict.fromkeys((path.parent, *places)))
                    yield from (
                        file for file in _paths(_mentions(text), inner, depth - 1, opened) if S_ISREG(_mode(file))
                    )
                    if not any(place.is_relative_to(path.parent) for place in places):
                        yield from _folders_beside(path, text)


def _mode(path: Path) -> int:
    """The file's mode; 0 if it is missing or the text is not a valid path (too long, for example)."""
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return 0


def _as_listed(path: Path) -> Path:
    """The path with the name that its folder lists: Windows and macOS find a file by other cases of its name too."""
    if sys.platform == "linux":
        return path
    names = os.listdir(path.parent)
    alike = (path.with_name(name) for name in names if name.casefold() == path.name.casefold())
    return path if path.name in names else next(alike, path)


def _parts(word: str) -> Iterator[str]:
    pieces = {word, *re.split(r"[=,]", word), *re.split(r"[=,:;]", word)}
    for piece in pieces:
        for part in (piece, piece.lstrip("@"), _FLAG.sub("", piece)):
            if part and part not in (".", "..", os.sep) and not part.startswith("-") and "\0" not in part:
                yield part


def _arguments(path: Path) -> list[str]:
    try:
        return split_command(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []


def source_text(path: Path) -> str:
    """The text of a source; empty if it cannot be read, as a broken link or a folder of that name."""
    try:
        return path.read_text("utf-8", "replace") if path.is_file() else ""
    except (OSError, ValueError):
        return ""


def script_text(path: Path) -> str:
    """The text of a script or of a linker script; empty for other files."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
            if start != b"#!" and path.suffix not in _SCRIPTS and path.name not in _READ_AS_SCRIPTS:
                return ""
            return (start + file.read(_LONGEST)).decode("utf-8", "replace")
    except OSError:
        return ""


def _mentions(text: str) -> tuple[str, ...]:
    """The words of a script that may be paths."""
    words = [word.strip("/") for word in re.findall(r"[\w./@%+-]+", text)]
    words += _modules(_imported(text))
    return tuple(dict.fromkeys(word for word in words if "." in word.strip(".") or "/" in word))


def _folders_beside(script: Path, text: str) -> Iterator[Path]:
    """The folders beside a script that it names in quotes, such as a generator's `"templates"`."""
    for word in dict.fromkeys(re.findall(r"""["']([\w-]+)/?["']""", text)):
        if S_ISDIR(_mode(script.parent / word)):
            yield script.parent / word


def _imported(text: str) -> Iterator[str]:
    """The modules that a Python script may import: for `from a import b` both `a` and `a.b`."""
    for line in re.findall(r"^\s*import\s+([\w., ]+)", text, re.MULTILINE):
        yield from (name.split()[0] for name in line.split(",") if name.strip())
    for module, names in re.findall(r"^\s*from\s+([\w.]+)\s+import\s+(\([^)]*\)|[^\n#;]*)", text, re.MULTILINE):
        yield from (module, *(f"{module}.{name}" for name in re.findall(r"(?<!as )\b\w+", names)))
    yield from re.findall(r"\s-m\s+([\w.]+)", text)


def _modules(modules: Iterable[str]) -> list[str]:
    """The files that Python's modules may have."""
    names = ["/".join(part for part in name.split(".") if part) for name in modules]
    return [file for name in names if name for file in (f"{name}.py", f"{name}/__init__.py", f"{name}/__main__.py")]


def command_words(command: Iterable[str]) -> tuple[str, ...]:
    """The words of a command, with the files that its programs read by themselves, and Python's modules as files."""
    parts = [part for word in command for part in words_of(word)]
    modules = [after for flag, after in pairwise(parts) if flag == "-m"]
    return (*parts, *(name for part in parts for name in _OF_PROGRAMS.get(part, ())), *_modules(modules))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a setting: the whole text, and its parts between spaces or cargo's separator of encoded flags."""
    return tuple(dict.fromkeys((text, *re.split(r"[\s\x1f]+", text))))


def words_of_source(text: str) -> tuple[str, ...]:
    """The words in a Rust source's string literals that may be paths.

    They are whole literals, the paths in command lines, and the folders of patterns and of formatted names:
    `data` for `"data/*.json"` and for `"{top}/data/{name}.json"`.
    """
    words: list[str] = []
    for literal in _LITERAL.findall(text):
        # `concat!(env!("CARGO_MANIFEST_DIR"), "/data.txt")` names a path of the package.
        words += (literal, literal.lstrip("/"), *_OF_PROGRAMS.get(literal, ()))
        for part in literal.split():
            if "/" in part or "." in part.strip("."):
                words += (piece.strip("/") for piece in _VARIABLE_PARTS.split(part))
    return tuple(dict.fromkeys(filter(None, words)))
