"""Processes that a test watches."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil

SLOW = """fn main() {
    std::thread::sleep(std::time::Duration::from_secs(120));
}
"""


def at_work(root: Path) -> list[str]:
    """Command lines of processes that work in the project or on it."""
    commands = []
    for process in psutil.process_iter(["cmdline", "cwd", "exe"]):
        words = [process.info["cwd"] or "", process.info["exe"] or "", *(process.info["cmdline"] or [])]
        if any(str(root) in word for word in words) and process.pid != os.getpid():
            commands.append(" ".join(words))
    return commands


def wait_for(what: Callable[[], object], seconds: float = 60.0) -> None:
    """Return when `what()` is true; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"still false after {seconds} s"
        time.sleep(0.005)
