"""Questions to a person on a terminal."""

from __future__ import annotations

import getpass
import os
import sys
import threading

from cartwheel.process.run import STOP, Interrupted

_ONE_AT_A_TIME = threading.Lock()
_YES, _NO = ("y", "yes"), ("n", "no", "")


def is_there() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def confirm(question: str) -> bool:
    """Whether a person says yes; asks again until the answer is yes or no.  Raises `Interrupted`."""
    with _ONE_AT_A_TIME:
        while True:
            sys.stdout.write(f"      {question} [y/N] ")
            sys.stdout.flush()
            answer = _line().strip().lower()
            if answer in (*_YES, *_NO):
                return answer in _YES


def who() -> str:
    """The user who is asked."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _line() -> str:
    """A line from the terminal.  Read beside, since a signal that only sets a flag does not end a read; and below
    Python's buffer, which a thread that is still reading would hold at the interpreter's end."""
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.append(os.read(0, 4096)), daemon=True)
    reader.start()
    while reader.is_alive():
        reader.join(0.05)
        if STOP.is_set():
            raise Interrupted
    return b"".join(said).decode(errors="replace")
