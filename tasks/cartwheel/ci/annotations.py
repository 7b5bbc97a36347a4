"""Annotations: errors and warnings with their place, found in what the tools of a step said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

ERROR, WARNING = "error", "warning"
LONGEST = 600
"""Characters of one annotation's text; the rest is in the log."""

# Patterns are compiled when first used: this module is loaded by every run.


class Annotation(Struct, frozen=True, kw_only=True):
    """Something to be shown beside a line of the sources."""

    level: str
    """`error` or `warning`; empty where the tool did not say which."""
    message: str
    path: str = ""
    """Relative to the project, with `/`; empty where it belongs to no file."""
    line: int = 0
    """From 1; 0 where it is not known."""
    column: int = 0
    title: str = ""


class Line(Struct, frozen=True, kw_only=True):
    """One line of a log, and the folder in which the command was run that said it."""

    text: str
    folder: str


Place = Callable[[str, str], str]
"""From a path as a tool wrote it, and the folder where it ran, to the path in the project; empty where it is none."""


def found_in(log: str, *, failed: bool, place: Place) -> tuple[Annotation, ...]:
    """Every error and warning in a step's log that belongs to a file of the project, each once, errors first.

    What a step says that succeeds is a warning at most: it was no reason to fail.
    """
    lines = _lines(log)
    found: dict[Annotation, None] = {}
    for form in FORMS:
        for places, folder in form(lines):
            placed = ((annotation, place(annotation.path, folder)) for annotation in places)
            for annotation, path in ((a, path) for a, path in placed if path):
                found[_levelled(replace(annotation, path=path), failed)] = None
                break
    return tuple(sorted(found, key=lambda a: (a.level != ERROR, a.path, a.line, a.column)))


def _levelled(annotation: Annotation, failed: bool) -> Annotation:
    level = (annotation.level or ERROR) if failed else WARNING
    return replace(annotation, level=level, message=plain(annotation.message))


_COLOUR = r"\x1b\[[0-9;?]*[A-Za-z]"


def plain(text: str) -> str:
    """One line of printable text, without colours and of bounded length."""
    text = "".join(c if c.isprintable() else " " for c in re.sub(_COLOUR, "", text))
    text = re.sub(r" {2,}", " ", text).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


_COMMAND = r"\$ .*   # in (?P<folder>.+)"


def _lines(log: str) -> tuple[Line, ...]:
    """The lines; the log says before each command where it is run (`process/run.py`)."""
    folder, lines = "", []
    for text in re.sub(_COLOUR, "", log).splitlines():
        if command := re.fullmatch(_COMMAND, text):
            folder = command["folder"]
        lines.append(Line(text=text.rstrip(), folder=folder))
    return tuple(lines)


Found = Iterator[tuple[tuple[Annotation, ...], str]]
"""Each with all places that it may be shown at, of which the first in the project counts, and its folder."""

_HEAD = r"\s*(?P<level>error|warning|note|help)(?:\[(?P<code>[^\]]+)\])?: (?P<message>.+)"
_ARROW = r"\s*--> (?P<path>.+?):(?P<line>\d+):(?P<column>\d+)"
_RULE = r"(?P<message>[A-Z]+\d+ .+|[a-z-]+: .+)"


def _arrows(lines: Sequence[Line]) -> Found:
    """rustc, cargo and ruff: what is wrong, and below it `--> path:line:column`."""
    for number, line in enumerate(lines):
        if arrow := re.fullmatch(_ARROW, line.text):
            head = _head(line.text for line in reversed(lines[max(0, number - 6) : number]))
            if head and head["level"] in ("", ERROR, WARNING):
                message = head["message"] + (f" ({head['code']})" if head["code"] else "")
                yield (_at(arrow, head["level"], message),), line.folder


def _head(above: Iterable[str]) -> dict[str, str]:
    """What stands above an arrow, perhaps on several lines; empty where nothing does that is known."""
    for distance, text in enumerate(above):
        if not text:
            break
        if match := re.fullmatch(_HEAD, text):
            return {key: value or "" for key, value in match.groupdict().items()}
        if distance == 0 and (match := re.fullmatch(_RULE, text)):
            return {"level": "", "code": "", "message": match["message"]}
    return {}


_LEVELS = {"fatal error": ERROR, "error": ERROR, "warning": WARNING, "note": "note", "info": "note", "help": "note"}
_CONCISE = (
    r"(?P<path>(?:[A-Za-z]:[\\/])?[^\s:'\"`(][^:'\"`(]*)"
    r"(?::(?P<line>\d+)(?::(?P<column>\d+))?|\((?P<line2>\d+)(?:,(?P<column2>\d+))?\)\s?):\s+"
    rf"(?:(?P<level>{'|'.join(_LEVELS)})\b:?\s*)?(?P<message>\S.*)"
)


def _concise(lines: Sequence[Line]) -> Found:
    """`path:line:column: message` of C compilers, mypy, ruff and pytest, and `path(line,column): message` of MSVC."""
    said = ""
    for line in lines:
        if line.text.startswith("E   "):
            said = said or line.text[4:]
        elif match := re.fullmatch(_CONCISE, line.text):
            level = _LEVELS.get(match["level"] or "", "")
            if level != "note":
                yield (_at(match, level, said or match["message"]),), line.folder
            said = ""


_PANIC = r"\s*thread .* panicked at (?P<path>[^']+?):(?P<line>\d+):(?P<column>\d+):"


def _panics(lines: Sequence[Line]) -> Found:
    """A Rust program or build script that panicked; its words are on the next line."""
    for line, following in zip(lines, (*lines, Line(text="", folder=""))[1:], strict=True):
        if match := re.fullmatch(_PANIC, line.text):
            yield (_at(match, ERROR, f"panicked: {following.text}"),), line.folder


_FRAME = r'\s+File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in .*)?'


def _tracebacks(lines: Sequence[Line]) -> Found:
    """A Python traceback, at the innermost frame that is the project's own."""
    frames: list[re.Match[str]] = []
    for line in lines:
        if match := re.fullmatch(_FRAME, line.text):
            frames.append(match)
        elif frames and line.text[:1] not in ("", " ", "\t"):
            yield tuple(_at(frame, ERROR, line.text) for frame in reversed(frames)), line.folder
            frames = []


FORMS = (_arrows, _concise, _panics, _tracebacks)
"""The forms in which tools say where something is wrong."""


def _at(match: re.Match[str], level: str, message: str) -> Annotation:
    found = match.groupdict()
    line, column = (found.get(key) or found.get(f"{key}2") or "0" for key in ("line", "column"))
    return Annotation(
        level="" if level not in (ERROR, WARNING) else level, message=message,
        path=found["path"], line=int(line[:9]), column=int(column[:9]),
    )  # fmt: skip
