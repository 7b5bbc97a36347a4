"""Windows: Ctrl-C, Ctrl-Break and a closed console, handled even while the main thread waits.

Python runs signal handlers in the main thread, between two instructions.  On Windows a wait for a process or a read of
a pipe blocks that thread, so Ctrl-C would take effect only when the running command ends.  Windows itself calls a
console handler in a new thread.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

_EVENTS = {0: "SIGINT", 1: "SIGBREAK", 2: "SIGBREAK", 5: "SIGBREAK", 6: "SIGBREAK"}
"""The signal for each console event: Ctrl-C, Ctrl-Break, console closed, logoff, shutdown (wincon.h)."""

_ENDS_PROCESS = 2
"""From this event on, Windows ends the process when the handler returns, or 5 s later."""

_handlers: list[Any] = []
"""Keeps the C callbacks alive."""


def on_console_event(stop: Callable[[int], None], grace: float) -> None:
    """Call `stop` with the signal's number at each console event; no effect on other systems.

    If the event ends the process, the handler waits `grace` seconds for an orderly end.
    """
    if sys.platform != "win32":
        return
    import ctypes

    def handle(event: int) -> bool:
        if event not in _EVENTS:
            return False
        stop(int(getattr(signal, _EVENTS[event])))
        if event >= _ENDS_PROCESS:
            time.sleep(grace)
        return True

    callback = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(handle)
    if ctypes.windll.kernel32.SetConsoleCtrlHandler(callback, True):
        _handlers.append(callback)
