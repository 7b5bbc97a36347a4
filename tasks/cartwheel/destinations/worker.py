"""Runs a call that may block on a person or a server, and ends with the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf
from typing import Generic, TypeVar

from cartwheel.model.errors import CartwheelError
from cartwheel.process.run import STOP, Interrupted

_POLL = 0.05

_T = TypeVar("_T")


class Worker(Generic[_T]):
    """A call in its own daemon thread."""

    def __init__(self, call: Callable[[], _T]) -> None:
        if STOP.is_set():
            raise Interrupted
        self.done: list[_T] = []
        self.failed: list[BaseException] = []
        self._call = call
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.done.append(self._call())
        except BaseException as error:  # raised again in the caller's thread
            self.failed.append(error)

    @property
    def running(self) -> bool:
        """Whether the call has not ended."""
        return self._thread.is_alive()

    def wait(self, seconds: float, *, stopped: bool = False) -> None:
        """Waits until the call ends, for `seconds`, or until the run is stopped; `stopped`: ignores that the run is
        stopped."""
        end = time.monotonic() + seconds
        while self.running and time.monotonic() < end and (stopped or not STOP.is_set()):
            self._thread.join(_POLL)


def call_within(call: Callable[[], _T], *, seconds: float, late: str) -> _T:
    """Runs a call that may block on a person or a server and returns its result.

    Raises what the call raises, `Interrupted`, and `CartwheelError` with the text `late` after `seconds`.
    """
    return result_of(Worker(call), seconds=seconds, late=late)


def result_of(work: Worker[_T], *, seconds: float = inf, late: str = "") -> _T:
    """The result of a call, once it ends. Raises like `call_within`."""
    work.wait(seconds)
    if work.done:
        return work.done[0]
    if STOP.is_set():
        raise Interrupted
    raise work.failed[0] if work.failed else CartwheelError(late)
