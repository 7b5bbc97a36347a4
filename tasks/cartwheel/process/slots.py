"""How much runs at once: compilers share one slot a processor, light work has slots of its own, and what only one step
may use is held by name."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cartwheel.process.run import STOP, Interrupted

_PATIENCE = 0.1
"""Seconds after which who waits looks whether the run was told to stop."""

_LIGHT_FOR_EACH = 4
"""Slots for light work (it waits for disks, networks and other programs), for each processor."""


class Slots:
    """The slots of one run.

    Compile slots are the tokens of a jobserver (GNU make's protocol, which cargo and rustc speak): a compiler that runs
    alone may use every processor, two at once share them, and there are never more than `processors` at work.
    """

    def __init__(self, processors: int | None = None) -> None:
        self.processors = processors or available()
        self._tokens: _Jobserver | _Semaphore | None = None
        self._light = threading.BoundedSemaphore(self.processors * _LIGHT_FOR_EACH)
        self._held: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def compiling(self) -> Iterator[Mapping[str, str]]:
        """Hold a compile slot; the value is what the environment of the compilers must say to share the others."""
        with self._changed:
            if self._tokens is None:
                self._tokens = _tokens(self.processors)
        tokens = self._tokens
        tokens.take()
        try:
            yield tokens.environment
        finally:
            tokens.give()

    @contextmanager
    def light(self) -> Iterator[Mapping[str, str]]:
        """Hold a slot for light work."""
        _take(self._light)
        try:
            yield {}
        finally:
            self._light.release()

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Be the only one that holds this name; raises `Interrupted` when the run is told to stop before it is free."""
        with self._changed:
            while name in self._held:
                _go_on()
                self._changed.wait(_PATIENCE)
            self._held.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(name)
                self._changed.notify_all()

    def free(self, name: str) -> bool:
        """Whether nobody holds the name now."""
        return name not in self._held


def available() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _go_on() -> None:
    if STOP.is_set():
        raise Interrupted


def _take(semaphore: threading.BoundedSemaphore) -> None:
    while not semaphore.acquire(timeout=_PATIENCE):
        _go_on()


class _Semaphore:
    """Slots that compilers know nothing of, where there is no jobserver."""

    environment: Mapping[str, str] = {}

    def __init__(self, count: int) -> None:
        self._semaphore = threading.BoundedSemaphore(count)

    def take(self) -> None:
        _take(self._semaphore)

    def give(self) -> None:
        self._semaphore.release()


class _Jobserver:
    """A token a processor in a pipe; the one that a slot takes is what its compiler may use without asking."""

    def __init__(self, count: int) -> None:
        self._pipe, named = _pipe()
        os.write(self._pipe, b"+" * count)
        self.environment = {"CARGO_MAKEFLAGS": f"-j{count} --jobserver-auth=fifo:{named}"}

    def take(self) -> None:
        import select

        while True:
            _go_on()
            select.select([self._pipe], [], [], _PATIENCE)
            try:
                os.read(self._pipe, 1)
            except BlockingIOError:
                continue
            return

    def give(self) -> None:
        os.write(self._pipe, b"+")


def _pipe() -> tuple[int, str]:
    """A pipe for reading and writing, and a name by which other processes open it.

    Linux names the pipes of a process, so nothing lies on the disk; elsewhere it is a file outside the project (who
    copies a folder with a pipe in it waits for ever), gone when this process ends.
    """
    if os.path.exists("/proc/self/fd"):
        reading, writing = os.pipe()
        named = f"/proc/{os.getpid()}/fd/{writing}"
        handle = os.open(named, os.O_RDWR | os.O_NONBLOCK)
        os.close(reading)
        return handle, named
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="cartwheel-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    named = os.path.join(folder, "slots")
    os.mkfifo(named, 0o600)
    return os.open(named, os.O_RDWR | os.O_NONBLOCK), named


def _tokens(count: int) -> _Jobserver | _Semaphore:
    """The protocol separates words by spaces, so a pipe with one in its path cannot be named."""
    if hasattr(os, "mkfifo"):
        try:
            made = _Jobserver(count)
        except OSError:  # no pipes there
            return _Semaphore(count)
        if " " not in made.environment["CARGO_MAKEFLAGS"].partition("fifo:")[2]:
            return made
    return _Semaphore(count)
