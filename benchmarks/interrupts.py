"""How long it takes after Ctrl-C in the middle of compiling until doit has ended, and until no process is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from benchmarks.scratch import DOIT, Scratch, cold_copy
from benchmarks.timing import CommandFailed

BAR = 2.0
"""Seconds in which all children end."""

IN_THE_MIDDLE = 0.5
"""Seconds from the start of a crate that takes several, until the interrupt."""

TARGETS = ("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """The seconds after one interrupt."""

    ended: float
    """doit has ended."""
    empty: float
    """No process of its session is left."""


def endings(scratch: Scratch, times: int) -> tuple[Ending, ...]:
    """Interrupt so many builds of two targets from nothing, each while a compiler runs.  POSIX only."""
    if os.name == "nt":
        return ()
    cold_copy(scratch)
    found = []
    for turn in range(times):
        found.append(_ending(scratch))
        scratch.tell(f"  {turn + 1}/{times}  doit {found[-1].ended:.2f} s  all {found[-1].empty:.2f} s")
    return tuple(found)


def _ending(scratch: Scratch) -> Ending:
    shutil.rmtree(scratch.cold / ".cartwheel", ignore_errors=True)
    process = subprocess.Popen(
        (*DOIT, "-n", "2", *(f"build:{triple}" for triple in TARGETS)),
        cwd=scratch.cold, env=scratch.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    _until(lambda: _compiling(process.pid) or process.poll() is not None, "no compiler started")
    time.sleep(IN_THE_MIDDLE)
    if process.poll() is not None:
        raise CommandFailed(f"doit build in {scratch.cold} ended before it could be interrupted")
    started = time.perf_counter()
    process.send_signal(signal.SIGINT)
    process.wait()
    ended = time.perf_counter() - started
    _until(lambda: not _living(process.pid), "processes are left")
    return Ending(ended=ended, empty=time.perf_counter() - started)


def _compiling(session: int) -> bool:
    """Whether a compiler is at work in a session, and not merely asked for its version or its settings."""
    for process in _living(session):
        try:
            if _LONG in process.cmdline():
                return True
        except psutil.Error:
            continue
    return False


_LONG = "syn"
"""A crate of the example that takes seconds, by whose name alone no compiler is asked for its version."""


def _living(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _until(what: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 120
    while not what():
        if time.monotonic() > end:
            raise CommandFailed(otherwise)
        time.sleep(0.01)
