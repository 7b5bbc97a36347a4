"""Writes to the user's terminal.  The only module that knows colour, cursor movement and rich.

A plain screen writes lines.  A live screen also shows, below them, one line for each step at work.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.process import run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

_REFRESH = 0.125
"""Seconds between two pictures of the steps at work."""

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES = "|/-\\"
"""For code pages without Braille, and Windows consoles without VT sequences, whose fonts lack it."""


class WorkingStep(Struct, frozen=True, kw_only=True):
    """A step at work, as shown."""

    name: str
    seconds: float
    progress: str
    """The tool's own count, such as `12/45 crates`; empty if it gives none."""
    last: str
    """The last line of the step's log."""


AtWork = Callable[[], Iterable[WorkingStep]]

Place = Callable[[str], Path | None]
"""The file of the project that a tool means by a path; None if missing."""


def drop_output() -> None:
    """From now on what is written to stdout is lost: its reader has left (`| head -1`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more at exit


def terminal_columns(stream: Any) -> int:
    """The width of the terminal that a stream writes to; 0 for a pipe or a file."""
    with suppress(OSError, ValueError, AttributeError):
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    return 0


def fold_line(text: str, columns: int) -> str:
    """A line broken between words, so that a terminal breaks none; unchanged if a word is too long for that."""
    if not columns or len(text) < columns:
        return text
    from textwrap import wrap

    indent = " " * (len(text) - len(text.lstrip()))
    lines = wrap(
        text.lstrip(), columns - 1, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return text if any(len(line) >= columns for line in lines) else "\n".join(lines)


class PlainScreen:
    """Lines without colour, for pipes, files, CI systems and terminals that cannot move the cursor."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._mutex = threading.Lock()

    def write(self, text: str) -> None:
        """Write whole lines; characters that the stream cannot encode become `?`.  Work goes on without a reader."""
        with self._mutex:
            try:
                self._stream.write(_encodable(text, self._stream) + "\n")
                self._stream.flush()
            except BrokenPipeError:
                drop_output()

    def begin(self) -> None:
        """A step starts."""

    def pause(self) -> None:
        """Another program writes to the terminal until the next `begin`."""

    def end(self) -> None:
        """The run is over."""


class LiveScreen(PlainScreen):
    """Coloured lines, and below them the steps at work.  rich is imported when the first step starts."""

    def __init__(self, stream: Any, at_work: AtWork, place: Place) -> None:
        super().__init__(stream)
        self._at_work = at_work
        self._place = place
        self._console: Console | None = None
        self._live: Live | None = None
        self._over = threading.Event()
        self._paused = False
        self._thread: threading.Thread | None = None
        self._picture = 0

    def begin(self) -> None:
        """Show the steps at work from now on."""
        with self._mutex:
            self._paused = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._redraw, daemon=True)
                self._thread.start()

    def pause(self) -> None:
        """Take the steps at work off the screen until the next `begin`."""
        with self._mutex:
            self._paused = True
            self._hide()

    def end(self) -> None:
        """Take the steps at work off the screen for good."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        with self._mutex:
            self._hide()

    def write(self, text: str) -> None:
        """Write whole lines above the steps at work."""
        with self._mutex:
            console = self._terminal()
            for line in _encodable(text, self._stream).split("\n"):
                console.print(style_line(line, self._place), soft_wrap=True, highlight=False, markup=False)

    def _terminal(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
        return self._console

    def _redraw(self) -> None:
        while not self._over.wait(_REFRESH):
            with self._mutex, suppress(OSError, ValueError):  # the terminal is gone
                if self._paused or run.SHOWN.is_set():
                    self._hide()
                else:
                    self._draw()

    def _draw(self) -> None:
        from rich.live import Live

        console = self._terminal()
        if self._live is None:
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
            console.show_cursor(True)  # it must be visible if this process is killed
        self._picture += 1
        with suppress(OSError, ValueError):  # this terminal's size now; rich prefers the variable COLUMNS and stdin's
            size = os.get_terminal_size(self._stream.fileno())
            console.size = (max(size.columns, 1), max(size.lines, 1))
        self._live.update(self._working(console.width, console.height), refresh=True)

    def _hide(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _working(self, width: int, height: int) -> Text:
        from rich.text import Text

        braille = _encodable(_FRAMES, self._stream) == _FRAMES and not self._terminal().legacy_windows
        frames = _FRAMES if braille else _ASCII_FRAMES
        steps = tuple(self._at_work())
        most = max(1, height - 3)
        lines = [working_line(step, frames[self._picture % len(frames)], width - 1) for step in steps[:most]]
        text = Text(no_wrap=True, overflow="crop")
        for number, (head, last) in enumerate(lines):
            text.append("\n" if number else "")
            text.append(_encodable(head, self._stream), "cyan")
            text.append(_encodable(last, self._stream), "dim")
        if len(steps) > most:
            text.append(f"\n  and {len(steps) - most} more", "dim")
        return text


def screen_of(stream: Any, environ: Mapping[str, str], at_work: AtWork, place: Place, *, plain: bool) -> PlainScreen:
    """The screen for a stream: live on a terminal that can move the cursor, unless `plain`."""
    dumb = os.name != "nt" and environ.get("TERM", "") in ("", "dumb", "unknown")
    if plain or dumb or not (hasattr(stream, "isatty") and stream.isatty()):
        return PlainScreen(stream)
    return LiveScreen(stream, at_work, place)


def working_line(step: WorkingStep, frame: str, width: int) -> tuple[str, str]:
    """The line of a step at work in at most `width` characters: its head, and its last line.

    What does not fit is left out in this order: the last line, the end of the name, the time, the count.
    """
    name, least = step.name, 12
    parts = [part for part in (step.progress, duration(step.seconds)) if part]
    while parts and width - 4 - sum(len(part) + 2 for part in parts) < min(len(name), least):
        parts.pop()
    room = max(1, width - 4 - sum(len(part) + 2 for part in parts))
    if len(name) > room:
        name = name[: max(0, room - 1)] + "…"
    head = "  ".join((f"  {frame} {name}", *parts))[:width]
    left = width - len(head) - 2
    last = plain_words(step.last)
    if left < least or not last:
        return head, ""
    return head, "  " + (last if len(last) <= left else last[: left - 1] + "…")


def duration(seconds: float) -> str:
    """Elapsed time in words: `14 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"


def plain_words(text: str) -> str:
    """One line of a log without control sequences."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)", "", text)
    return "".join(c if c.isprintable() else " " for c in text).strip()


_STYLES = (
    (r"  ok  ", "green"),
    (r"FAIL  ", "bold red"),
    (r"  --  ", "dim"),
    (r"      again: ", "bold"),
    (r"\s*error(\[\w+\])?: |error: ", "red"),
    (r"\s*warning(\[\w+\])?: |note: ", "yellow"),
)
_PLACE = r"(?:(?<=--> )|^|(?<=\s))(?P<path>[\w./\\-]+\.\w+):(?P<line>\d+)(?::\d+)?"


def style_line(line: str, where: Place) -> Text:
    """A line with its colour; a place `path:line` of a file of the project becomes a link."""
    from rich.text import Text

    text = Text(line)
    for form, style in _STYLES:
        if match := re.match(form, line):
            text.stylize(style, 0, match.end())
            break
    for place in re.finditer(_PLACE, line):
        if path := where(place["path"]):
            text.stylize(f"link {path.as_uri()}", *place.span())
    return text


def _encodable(text: str, stream: Any) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)
