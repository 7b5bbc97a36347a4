"""The log of a step, and the commands that write to it."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cartwheel.model.errors import StepFailed
from cartwheel.process.command_words import shell_text
from cartwheel.process.download_count import download_progress
from cartwheel.process.exit_codes import exit_code_in_words
from cartwheel.process.redact import RedactedStream, redact
from cartwheel.process.run import STOP, Interrupted, end_group, start_in_group, time_limit


class StepLog:
    """The log of one step; commands that run through it write their output to it."""

    def __init__(self, path: Path, *, shown_as: str) -> None:
        self._path = path
        self._shown_as = shown_as
        self._hidden: tuple[str, ...] = ()
        self._progress: Callable[[], str] = str
        self.began = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def hide(self, words: Sequence[str]) -> None:
        """Redact these words in everything logged from now on."""
        self._hidden = tuple(words)

    def measure(self, progress: Callable[[], str]) -> None:
        """From now on `progress` tells how far the step is; it must be quick and is called from another thread."""
        self._progress = progress

    def progress(self) -> str:
        """How far the step is, such as `12/45 crates`, or what uv has downloaded; empty if unknown."""
        try:
            return self._progress() or download_progress(self._end())
        except (OSError, ValueError):
            return ""

    def last_line(self) -> str:
        """The last line of output, redacted; the part after the last carriage return, as a terminal would show it."""
        try:
            text = self._end()
        except OSError:
            return ""
        lines = (line.rstrip("\r").rpartition("\r")[2].strip() for line in reversed(text.split("\n")))
        return redact(next((line for line in lines if line and not line.startswith("$ ")), ""), self._hidden)

    def _end(self) -> str:
        with open(self._path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            return file.read().decode(errors="replace")

    def say(self, text: str) -> None:
        """Add a line to the log."""
        with open(self._path, "ab") as file:
            file.write(text.encode() + b"\n")

    def run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], seconds: float = 0.0) -> None:
        """Run a command to its end; its output goes to the log.  Raises `StepFailed` with the output's end.

        `seconds`: the time that it may take; 0: no limit.  Raises `TooLate` after it.
        """
        self._run(argv, cwd=cwd, env=env, keep=False, seconds=seconds)

    def read(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
        """Run a command to its end, log its output and return its standard output.  Raises `StepFailed`."""
        return self._run(argv, cwd=cwd, env=env, keep=True)

    def attempt(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        hide: Sequence[str] = (),
        seconds: float = 0.0,
    ) -> tuple[int, str]:
        """Run a command to its end; returns its exit code and its output.

        The words in `hide` are redacted there and in the log, in the command's own line too.

        Raises `Interrupted`, and `TooLate` after `seconds`; 0: no limit.
        """
        if STOP.is_set():
            raise Interrupted
        self.say(redact(f"$ {shell_text(argv)}   # in {cwd}", hide))
        process = start_in_group(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lines: list[str] = []
        stream = RedactedStream(hide)
        try:
            with time_limit(process, argv, seconds):
                for line in process.stdout or ():
                    self._add(lines, stream.add(line.decode(errors="replace")))
                self._add(lines, stream.rest())
                code = process.wait()
        finally:
            end_group(process)
        if STOP.is_set():
            raise Interrupted
        return code, "".join(lines)

    def _add(self, lines: list[str], text: str) -> None:
        if text:
            lines.append(text)
            self.say(text.rstrip("\r\n"))

    def _run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], keep: bool, seconds: float = 0.0) -> str:
        if STOP.is_set():
            raise Interrupted
        if self._hidden and not keep:
            return self._run_hiding(argv, cwd=cwd, env=env, seconds=seconds)
        self.say(f"$ {shell_text(argv)}   # in {cwd}")
        with open(self._path, "ab") as file:
            start = file.tell()
            process = start_in_group(argv, cwd=cwd, env=env, stdout=subprocess.PIPE if keep else file, stderr=file)
            try:
                with time_limit(process, argv, seconds):
                    out = process.stdout.read() if process.stdout else b""
                    code = process.wait()
            finally:
                end_group(process)
        if out:
            self.say(redact(out.decode(errors="replace"), self._hidden))
        if STOP.is_set():
            raise Interrupted
        if code:
            raise StepFailed(self._failure(argv, code, start))
        return out.decode(errors="replace")

    def _run_hiding(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], seconds: float) -> str:
        start = self._path.stat().st_size
        code, output = self.attempt(argv, cwd=cwd, env=env, hide=self._hidden, seconds=seconds)
        if code:
            raise StepFailed(self._failure(argv, code, start))
        return output

    def _failure(self, argv: Sequence[str], code: int, start: int) -> str:
        output = self._path.read_bytes()[start:].decode(errors="replace").strip()
        last = "\n".join(_shorten(line) for line in _telling_lines(output.splitlines()))
        name = argv[argv.index("-m") + 1] if "-m" in argv[:4] else _program(argv)
        if any(words in output for words in _FULL):
            return f"{name}: the disk is full; free some space and run again; the whole of it is in {self._shown_as}"
        full = shutil.disk_usage(self._path.parent).free < _LITTLE
        advice = "; the disk is full, or nearly so: free some space and run again" if full else ""
        ended = exit_code_in_words(code)
        return f"{name} failed with exit code {ended}{advice}; the whole of it is in {self._shown_as}\n{last}".rstrip()


def _program(argv: Sequence[str]) -> str:
    """The name of the program that a command starts, by `env NAME=value` too."""
    return next((Path(word).name for word in argv if word != "env" and not re.match(r"\w+=", word)), "env")


_TAIL = 4_000
"""Bytes from the end of a log in which the last line and the lines of downloads are looked for."""

_LITTLE = 4_000_000
"""Free bytes below which linkers die of a signal without a message, because they write through memory maps."""

_FULL = ("No space left on device", "(os error 28)", "not enough space on the disk")
"""Messages of tools on a full disk, often inside a traceback."""


_MOST = 40
"""Lines of a failed command's output that are shown."""


def _telling_lines(lines: Sequence[str]) -> Sequence[str]:
    """The lines from the first error of the Rust compiler, else the last ones."""
    first = next((n for n, line in enumerate(lines) if re.match(r"error(\[E\d+\])?: ", line)), len(lines))
    start = min(first, max(0, len(lines) - _MOST))
    return lines[start : start + _MOST]


def _shorten(line: str) -> str:
    return line if len(line) <= 240 else f"{line[:200]} … (the rest is in the log)"
