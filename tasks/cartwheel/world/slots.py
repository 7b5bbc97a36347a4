"""How much runs at once: compilers share one slot a processor, light work has slots of its own, and what only one step
may use is held by name."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cartwheel.world.run import STOP, Interrupted

_PATIENCE = 0.1
"""Seconds after which who waits looks whether the run was told to stop."""

_LIGHT_FOR_EACH = 4
"""Slots for light work (it waits for disks, networks and other programs), for each processor."""


class Slots:
    """The slots of one run.

    Compile slots are the tokens of a jobserver (GNU make's protocol, which cargo and rustc speak): a compiler that runs
    alone may use every processor, two at once share them, and there are never more than `processors` at work.
    """

    def __init__(self, pipe: Path, processors: int | None = None) -> None:
        """`pipe`: where the jobserver's named pipe may lie, on systems that have them."""
        self.processors = processors or available()
        self._pipe = pipe
        self._tokens: _Jobserver | _Semaphore | None = None
        self._light = threading.BoundedSemaphore(self.processors * _LIGHT_FOR_EACH)
        self._held: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def compiling(self) -> Iterator[Mapping[str, str]]:
        """Hold a compile slot; the value is what the environment of the compilers must say to share the others."""
        with self._changed:
            if self._tokens is None:
                self._tokens = _tokens(self._pipe, self.processors)
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
    """A token a processor in a named pipe; the one that a slot takes is what its compiler may use without asking."""

    def __init__(self, pipe: Path, count: int) -> None:
        pipe.parent.mkdir(parents=True, exist_ok=True)
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe, 0o600)
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._pipe, b"+" * count)
        self.environment = {"CARGO_MAKEFLAGS": f"-j{count} --jobserver-auth=fifo:{pipe}"}

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


def _tokens(pipe: Path, count: int) -> _Jobserver | _Semaphore:
    """The protocol separates words by spaces, so a pipe with one in its path cannot be named."""
    if hasattr(os, "mkfifo") and " " not in str(pipe):
        try:
            return _Jobserver(pipe, count)
        except OSError:  # a file system without pipes
            pass
    return _Semaphore(count)
