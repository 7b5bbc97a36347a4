"""Annotations: errors and warnings with their place in the sources, parsed from the output of tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

ERROR, WARNING = "error", "warning"
LONGEST = 600
"""Maximum length of an annotation's text in characters; the log has the rest."""

# Patterns are compiled on first use, because every run imports this module.


class Annotation(Struct, frozen=True, kw_only=True):
    """A message about a line of the sources."""

    level: str
    """`error` or `warning`; empty if the tool gave no level."""
    message: str
    path: str = ""
    """Relative to the project, with `/`; empty if the message is about no file."""
    line: int = 0
    """From 1; 0 if unknown."""
    column: int = 0
    title: str = ""


class Line(Struct, frozen=True, kw_only=True):
    """One line of a log, and the folder of the command that printed it."""

    text: str
    folder: str


Place = Callable[[str, str], str]
"""Maps a path that a tool printed, and the folder where the tool ran, to a path in the project; empty if outside."""


def annotations_in(log: str, *, failed: bool, place: Place) -> tuple[Annotation, ...]:
    """The errors and warnings in a step's log about files of the project, without duplicates, errors first.

    `failed`: whether the step failed; the messages of a successful step are warnings at most.
    """
    lines = _lines(log)
    annotations: dict[Annotation, None] = {}
    for form in FORMS:
        for places, folder in form(lines):
            placed = ((annotation, place(annotation.path, folder)) for annotation in places)
            for annotation, path in ((a, path) for a, path in placed if path):
                annotations[_with_level(replace(annotation, path=path), failed)] = None
                break
    return tuple(sorted(annotations, key=lambda a: (a.level != ERROR, a.path, a.line, a.column)))


def _with_level(annotation: Annotation, failed: bool) -> Annotation:
    level = (annotation.level or ERROR) if failed else WARNING
    return replace(annotation, level=level, message=plain_line(annotation.message))


_COLOUR = r"\x1b\[[0-9;?]*[A-Za-z]"


def plain_line(text: str) -> str:
    """The text as one printable line without colours, at most `LONGEST` characters."""
    text = "".join(c if c.isprintable() else " " for c in re.sub(_COLOUR, "", text))
    text = re.sub(r" {2,}", " ", text).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


_COMMAND = r"\$ .*   # in (?P<folder>.+)"


def _lines(log: str) -> tuple[Line, ...]:
    """The lines; before each command the log names the folder that it runs in (`process/step_log.py`)."""
    folder, lines = "", []
    for text in re.sub(_COLOUR, "", log).splitlines():
        if command := re.fullmatch(_COMMAND, text):
            folder = command["folder"]
        lines.append(Line(text=text.rstrip(), folder=folder))
    return tuple(lines)


Matches = Iterator[tuple[tuple[Annotation, ...], str]]
"""Pairs: an annotation at every place where it may be shown (the first one in the project counts), and its folder."""

_HEAD = r"\s*(?P<level>error|warning|note|help)(?:\[(?P<code>[^\]]+)\])?: (?P<message>.+)"
_ARROW = r"\s*--> (?P<path>.+?):(?P<line>\d+):(?P<column>\d+)"
_RULE = r"(?P<message>[A-Z]+\d+ .+|[a-z-]+: .+)"


def _arrows(lines: Sequence[Line]) -> Matches:
    """rustc, cargo and ruff: a message, and below it `--> path:line:column`."""
    for number, line in enumerate(lines):
        if arrow := re.fullmatch(_ARROW, line.text):
            head = _head(line.text for line in reversed(lines[max(0, number - 6) : number]))
            if head and head["level"] in ("", ERROR, WARNING):
                message = head["message"] + (f" ({head['code']})" if head["code"] else "")
                yield (_at(arrow, head["level"], message),), line.folder


def _head(above: Iterable[str]) -> dict[str, str]:
    """The message above an arrow, which may span several lines; empty if it has no known form."""
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


def _concise(lines: Sequence[Line]) -> Matches:
    """`path:line:column: message` of C compilers, mypy, ruff and pytest, and `path(line,column): message` of MSVC."""
    reason = ""
    for line in lines:
        if line.text.startswith("E   "):
            reason = reason or line.text[4:]
        elif match := re.fullmatch(_CONCISE, line.text):
            level = _LEVELS.get(match["level"] or "", "")
            if level != "note":
                yield (_at(match, level, reason or match["message"]),), line.folder
            reason = ""


_PANIC = r"\s*thread .* panicked at (?P<path>[^']+?):(?P<line>\d+):(?P<column>\d+):"


def _panics(lines: Sequence[Line]) -> Matches:
    """A panic of a Rust program or build script; its message is on the next line."""
    for line, following in zip(lines, (*lines, Line(text="", folder=""))[1:], strict=True):
        if match := re.fullmatch(_PANIC, line.text):
            yield (_at(match, ERROR, f"panicked: {following.text}"),), line.folder


_FRAME = r'\s+File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in .*)?'


def _tracebacks(lines: Sequence[Line]) -> Matches:
    """A Python traceback, at the innermost frame in the project."""
    frames: list[re.Match[str]] = []
    for line in lines:
        if match := re.fullmatch(_FRAME, line.text):
            frames.append(match)
        elif frames and line.text[:1] not in ("", " ", "\t"):
            yield tuple(_at(frame, ERROR, line.text) for frame in reversed(frames)), line.folder
            frames = []


FORMS = (_arrows, _concise, _panics, _tracebacks)
"""The message formats of tools."""


def _at(match: re.Match[str], level: str, message: str) -> Annotation:
    groups = match.groupdict()
    line, column = (groups.get(key) or groups.get(f"{key}2") or "0" for key in ("line", "column"))
    return Annotation(
        level="" if level not in (ERROR, WARNING) else level, message=message,
        path=groups["path"], line=int(line[:9]), column=int(column[:9]),
    )  # fmt: skip
