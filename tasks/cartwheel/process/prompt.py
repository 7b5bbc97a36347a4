"""Questions to a person on a terminal."""

from __future__ import annotations

import getpass
import os
import sys
import threading

from cartwheel.process.run import STOP, Interrupted

_ONE_AT_A_TIME = threading.Lock()
_YES, _NO = ("y", "yes"), ("n", "no", "")


def has_terminal() -> bool:
    """Whether this process has a terminal for questions."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def confirm(question: str) -> bool:
    """Ask until the answer is yes or no; returns whether it is yes.  Raises `Interrupted`."""
    with _ONE_AT_A_TIME:
        while True:
            sys.stdout.write(f"      {question} [y/N] ")
            sys.stdout.flush()
            answer = _line().strip().lower()
            if answer in (*_YES, *_NO):
                return answer in _YES


def who() -> str:
    """The name of the user who answers; `unknown` if the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _line() -> str:
    """A line from the terminal; raises `Interrupted`.

    A thread reads, because a signal handler that only sets a flag does not end a read.  `os.read` bypasses Python's
    buffer, whose lock a thread that still reads would hold at interpreter exit.
    """
    chunks: list[bytes] = []
    reader = threading.Thread(target=lambda: chunks.append(os.read(0, 4096)), daemon=True)
    reader.start()
    while reader.is_alive():
        reader.join(0.05)
        if STOP.is_set():
            raise Interrupted
    return b"".join(chunks).decode(errors="replace")
