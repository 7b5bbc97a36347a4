"""Retries and waiting: which failures may pass, how long to wait for them, and the two loops that do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from typing import TypeVar

from msgspec import Struct

from cartwheel.model.errors import StepFailed
from cartwheel.process.run import STOP, Interrupted

LOST = 0
"""The status for an answer that never arrived."""

_T = TypeVar("_T")


class Patience(Struct, frozen=True, kw_only=True):
    """How often to retry a passing failure and how long to wait; times are in seconds."""

    tries: int = 6
    base: float = 2.0
    longest: float = 60.0
    obeyed: float = 900.0
    """The longest Retry-After that is obeyed."""
    lag: float = 10.0
    """Wait between two looks for a file that the index claims to have but does not list."""
    total: float = inf
    """Seconds after which no further try begins."""
    connect: float = 20.0
    """The time for finding the host's address and connecting to it."""


READING = Patience(tries=3, base=0.5, total=100.0)
"""For reads, which change nothing: fail soon if an index is down, and after one exchange that used up its time."""


class Trouble(Struct, frozen=True, kw_only=True):
    """Why an attempt must be repeated."""

    words: str
    retry_after: float = 0.0
    """Seconds; 0 if no time is named."""
    at_once: bool = False
    """Whether to repeat without waiting, since the cause is removed."""


def with_retries(
    ask: Callable[[], _T],
    trouble_of: Callable[[_T], Trouble | None],
    *,
    patience: Patience,
    who: str,
    say: Callable[[str], None] | None = None,
    wait: Callable[[float], None] | None = None,
) -> _T:
    """Calls `ask`, and repeats it while `trouble_of` finds a passing failure; returns the last answer after `tries`
    calls, or once `total` seconds have passed.

    `who`: the start of the message about waiting. Raises `StepFailed` if an answer asks for a longer wait than
    `patience` allows, and `Interrupted`.
    """
    end = time.monotonic() + patience.total
    for attempt in range(1, patience.tries + 1):
        if STOP.is_set():
            raise Interrupted
        answer = ask()
        trouble = trouble_of(answer)
        if trouble is None or attempt == patience.tries or time.monotonic() >= end:
            return answer
        if trouble.at_once:
            continue
        seconds = pause(attempt, trouble.retry_after, patience)
        if late := too_long(seconds, patience):
            raise StepFailed(f"{who}: {trouble.words}: {late}" if trouble.words else f"{who} {late}")
        if say:
            say(f"{who}: {trouble.words}; again in {seconds:.0f} s")
        (wait or sleep)(seconds)
    raise AssertionError("a patience has at least one try")


def poll(
    look: Callable[[], str],
    *,
    seconds: float,
    say: Callable[[str], None],
    wait: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Polls `look` until it returns an empty text, for at most `seconds`; returns the last text.

    `look` returns what it waits for; each new text is shown once, with the time at which the wait ends.
    """
    end, step, announced = clock() + seconds, 1.0, ""
    while waited_for := look():
        if clock() >= end:
            return waited_for
        if waited_for != announced:
            left = end - clock()
            limit = datetime.fromtimestamp(time.time() + left).strftime("%H:%M")
            say(f"{waited_for}; waiting until {limit} ({max(1.0, left / 60):.0f} min)")
            announced = waited_for
        (wait or sleep)(min(step, max(0.1, end - clock())))
        step = min(step * 1.5, 30.0)
    return ""


def passing(status: int) -> bool:
    """Whether the same request may succeed later: no answer, too many requests, or a server error."""
    return status in (LOST, 408, 425, 429) or status >= 500


def passing_trouble(status: int, words: str, retry_after: float, patience: Patience) -> Trouble | None:
    """The trouble of an answer that may pass within `patience`; None for one that will not."""
    if not passing(status) or too_long(retry_after, patience):
        return None
    return Trouble(words=words, retry_after=retry_after)


def pause(attempt: int, retry_after: float, patience: Patience) -> float:
    """Seconds to wait after failure number `attempt` (from 1): an exponential backoff, or `retry_after` if longer."""
    return max(retry_after, min(patience.base * 2.0 ** (attempt - 1), patience.longest))


def too_long(seconds: float, patience: Patience) -> str:
    """The message if the wait is longer than `patience` allows; else empty."""
    if seconds <= patience.obeyed:
        return ""
    return f"asks to wait {seconds / 60:.0f} minutes; start again then: only what is missing is sent"


def seconds_until(retry_after: str, now: datetime) -> float:
    """A Retry-After header (seconds or a date) as seconds from now; 0 if it is missing or unreadable."""
    text = retry_after.strip()
    if text.isdecimal() and text.isascii():
        return min(float(text), 1e9)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def sleep(seconds: float) -> None:
    """Waits; raises `Interrupted` as soon as the run is stopped."""
    if STOP.wait(seconds):
        raise Interrupted
