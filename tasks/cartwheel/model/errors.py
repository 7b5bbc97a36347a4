"""The two kinds of errors: a wrong configuration and a failed step."""

from __future__ import annotations

import re
from collections.abc import Iterable


class CartwheelError(Exception):
    """A user's mistake or a failed step; the text says what was found, what was expected and what to do.

    The text cannot inject a command into a CI log: a line break before a command is written as an escape (`\\n`).
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(re.sub(_BREAKS, lambda match: repr(match[0])[1:-1], text).replace("##[", "## ["))


_BREAKS = r"[\v\f\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)|[\r\n](?=\W*::)|\x1b\[0K"
"""Line breaks before GitHub's workflow commands, and the end of GitLab's section marks (see `ci.ci_output`)."""


class ConfigError(CartwheelError):
    """The configuration, or the project that it describes, is wrong; raised before any step starts."""


class StepFailed(CartwheelError):
    """A step started and failed."""


def did_you_mean(found: str, known: Iterable[str], *, listed: str = "") -> str:
    """`; did you mean 'x'?` if a known name is close to `found`, else `; expected one of …`; empty if `known` is.

    Of more than `_MANY` names only the nearest are shown; `listed`: where a user finds them all.
    """
    names = sorted(known)
    letters = sorted(found.lower())
    swapped = [name for name in names if sorted(name.lower()) == letters]  # transposed letters, other case
    if not swapped:
        from difflib import get_close_matches
    close = swapped or get_close_matches(found, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    if len(names) > _MANY:
        near = get_close_matches(found, names, n=3, cutoff=0.0)
        return f"; the nearest of {len(names)} are {', '.join(near)}" + (f"; see {listed}" if listed else "")
    return f"; expected one of {', '.join(names)}" if names else ""


_MANY = 20
