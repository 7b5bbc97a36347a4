"""Patience: which failures of an index pass, and how long they are waited for; the one home of all retries."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

from cartwheel.model.errors import StepFailed
from cartwheel.process.run import STOP, Interrupted

LOST = 0
"""The status of an answer that never came."""


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


def wait_asked(who: str, attempt: int, retry_after: float, patience: Patience) -> float:
    """`pause`; raises `StepFailed` that begins with `who` where it is longer than is waited."""
    seconds = pause(attempt, retry_after, patience)
    if late := too_long(seconds, patience):
        raise StepFailed(f"{who} {late}")
    return seconds


def seconds_until(retry_after: str, now: datetime) -> float:
    """A Retry-After header, in seconds or as a date, as seconds from now; 0 where there is none that can be read."""
    text = retry_after.strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def sleep(seconds: float) -> None:
    """Wait; an interrupted run does not wait to the end."""
    if STOP.wait(seconds):
        raise Interrupted
