"""What goes wrong, in two kinds: the configuration is wrong, or a step failed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class CartwheelError(Exception):
    """A user's mistake or a failed step; its text says what was found, what was expected and what to do."""


class ConfigError(CartwheelError):
    """The configuration, or the project it describes, is wrong; nothing was started."""


class StepFailed(CartwheelError):
    """A step was started and did not succeed."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where one of `known` is close to `found`, else what there is."""
    names = sorted(known)
    close = get_close_matches(found, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; expected one of {', '.join(names)}" if names else ""
