"""Retries and waiting: which failures pass, how long they are waited for, and the two loops that do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from msgspec import Struct

from cartwheel.model.errors import StepFailed
from cartwheel.process.run import STOP, Interrupted

LOST = 0
"""The status of an answer that never came."""

_T = TypeVar("_T")


class Patience(Struct, frozen=True, kw_only=True):
    """How often and how long a passing failure is waited for; times are in seconds."""

    tries: int = 6
    base: float = 2.0
    longest: float = 60.0
    obeyed: float = 900.0
    """The longest Retry-After that is waited for."""
    lag: float = 10.0
    """Between two looks for a file that the index says it has and does not list."""


READING = Patience(tries=3, base=0.5)
"""For looking, which changes nothing: whoever looks is told soon that an index is down."""


class Trouble(Struct, frozen=True, kw_only=True):
    """Why an attempt has to be made again."""

    words: str
    retry_after: float = 0.0
    """Seconds, 0 where no time is named."""
    at_once: bool = False
    """Without waiting: the cause is removed."""


def retried(
    ask: Callable[[], _T],
    trouble_of: Callable[[_T], Trouble | None],
    *,
    patience: Patience,
    who: str,
    say: Callable[[str], None] | None = None,
    wait: Callable[[float], None] | None = None,
) -> _T:
    """What `ask` returns, asked again after each trouble that may pass; the last answer where `tries` are used up.

    `who`: what a message about waiting begins with.  Raises `StepFailed` where an answer asks for more time than is
    waited, and `Interrupted`.
    """
    for attempt in range(1, patience.tries + 1):
        if STOP.is_set():
            raise Interrupted
        answer = ask()
        trouble = trouble_of(answer)
        if trouble is None or attempt == patience.tries:
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


def until(
    look: Callable[[], str],
    *,
    seconds: float,
    say: Callable[[str], None],
    wait: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Look until nothing is waited for, at most so many `seconds`; what is still waited for then, empty where nothing.

    `look` returns what it waits for, in words that are said once, with the time until which it waits.
    """
    end, step, told = clock() + seconds, 1.0, ""
    while waited_for := look():
        if clock() >= end:
            return waited_for
        if waited_for != told:
            left = max(0.0, end - clock())
            limit = datetime.fromtimestamp(time.time() + left).strftime("%H:%M")
            say(f"{waited_for}; waiting until {limit} ({max(1.0, left / 60):.0f} min)")
            told = waited_for
        (wait or sleep)(min(step, max(0.1, end - clock())))
        step = min(step * 1.5, 30.0)
    return ""


def passing(status: int) -> bool:
    """Whether the same request may succeed later: no answer, too many requests, or a fault of the index itself."""
    return status in (LOST, 408, 425, 429) or status >= 500


def pause(attempt: int, retry_after: float, patience: Patience) -> float:
    """Seconds to wait after the `attempt`th failure (from 1): what the index asks for, or twice as long each time."""
    return max(retry_after, min(patience.base * 2.0 ** (attempt - 1), patience.longest))


def too_long(seconds: float, patience: Patience) -> str:
    """What to say where an index asks for more time than is waited; empty where it is waited for."""
    if seconds <= patience.obeyed:
        return ""
    return f"asks to wait {seconds / 60:.0f} minutes; start again then: only what is missing is sent"


def seconds_until(retry_after: str, now: datetime) -> float:
    """A Retry-After header, in seconds or as a date, as seconds from now; 0 where there is none that can be read."""
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
    """Wait; raises `Interrupted` as soon as the run is told to stop."""
    if STOP.wait(seconds):
        raise Interrupted
