"""Limits on parallel work: compile slots (bound by memory), light slots, and named exclusive locks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cartwheel.process.capacity import capacity, processors
from cartwheel.process.run import STOP, Interrupted

_PATIENCE = 0.1
"""Seconds between checks for a stop signal while waiting."""

_LIGHT_FOR_EACH = 4
"""Light slots per processor; light work waits for disks, networks and other programs."""


class Slots:
    """The slots of one run.

    A compile slot is for one wheel. There may be more of them than processors, so that no processor is idle while a
    wheel links or is packed, and no wheel is left to compile alone at the end. Compilers share the tokens of a
    jobserver (GNU make's protocol, which cargo and rustc support), one for each processor: a single wheel may use every
    processor; where more wheels than processors compile, each has one compiler.
    """

    def __init__(self, processor_count: int | None = None, *, wheels: int | None = None) -> None:
        self.processors = processor_count or processors()
        self._wheels = wheels
        self._tokens: _Jobserver | _Semaphore | None = None
        self._light = threading.BoundedSemaphore(self.processors * _LIGHT_FOR_EACH)
        self._held: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def compiling(self) -> Iterator[Mapping[str, str]]:
        """Hold a compile slot; yields the environment variables through which compilers share the other slots."""
        with self._changed:
            if self._tokens is None:
                self._tokens = _tokens(self.processors, self._wheels or capacity().wheels)
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
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold the named lock exclusively; raises `Interrupted` on a stop signal during the wait."""
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
        """Whether the named lock is free."""
        return name not in self._held


def _go_on() -> None:
    if STOP.is_set():
        raise Interrupted


def _take(semaphore: threading.BoundedSemaphore) -> None:
    while not semaphore.acquire(timeout=_PATIENCE):
        _go_on()


class _Semaphore:
    """Compile slots without a jobserver, at most one per processor; compilers do not share them."""

    environment: Mapping[str, str] = {}

    def __init__(self, count: int) -> None:
        self._semaphore = threading.BoundedSemaphore(count)

    def take(self) -> None:
        _take(self._semaphore)

    def give(self) -> None:
        self._semaphore.release()


class _Jobserver:
    """A pipe with one token per processor.

    A compile slot holds a token while there is one to hold. It is the implicit token of the slot's cargo, which starts
    with or without it.
    """

    def __init__(self, count: int, wheels: int) -> None:
        self._pipe, named = _pipe()
        os.write(self._pipe, b"+" * count)
        self.environment = {"CARGO_MAKEFLAGS": f"-j{count} --jobserver-auth=fifo:{named}"}
        self._slots = threading.BoundedSemaphore(wheels)
        self._changing = threading.Lock()
        self._taken = 0
        self._tokens = 0

    def take(self) -> None:
        _take(self._slots)
        with self._changing:
            self._taken += 1
            try:
                self._tokens += len(os.read(self._pipe, 1))
            except BlockingIOError:
                pass  # other compilers use every processor for now

    def give(self) -> None:
        with self._changing:
            self._taken -= 1
            if self._tokens > self._taken:
                self._tokens -= 1
                os.write(self._pipe, b"+")
        self._slots.release()


def _pipe() -> tuple[int, str]:
    """A pipe open for reading and writing, and a path by which other processes open it.

    On Linux the path is in /proc, so no file is on the disk.  Elsewhere it is a FIFO outside the project, because
    copying a folder with a FIFO blocks; it is removed when this process ends.
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


def _tokens(count: int, wheels: int) -> _Jobserver | _Semaphore:
    """A jobserver; a semaphore without FIFOs, or if the pipe's path has a space, which the protocol cannot quote."""
    if hasattr(os, "mkfifo"):
        try:
            jobserver = _Jobserver(count, wheels)
        except OSError:  # the file system has no FIFOs
            return _Semaphore(min(count, wheels))
        if " " not in jobserver.environment["CARGO_MAKEFLAGS"].partition("fifo:")[2]:
            return jobserver
    return _Semaphore(min(count, wheels))
