"""The two kinds of errors: the configuration is wrong, or a step failed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


class CartwheelError(Exception):
    """A user's mistake or a failed step; its text says what was found, what was expected and what to do.

    A CI system takes nothing in it for a command: a line that would be one is joined to the line before, with its break
    written as `\\n`.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(re.sub(_BREAKS, lambda match: repr(match[0])[1:-1], text).replace("##[", "## ["))


_BREAKS = r"[\v\f\x1c-\x1e\x85\u2028\u2029]|\r(?!\n)|[\r\n](?=\W*::)|\x1b\[0K"
"""Line breaks before GitHub's commands, and the end of GitLab's section marks (`ci.ci_output`)."""


class ConfigError(CartwheelError):
    """The configuration, or the project it describes, is wrong; nothing was started."""


class StepFailed(CartwheelError):
    """A step was started and did not succeed."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` if one of `known` is close to `found`, else the list of them."""
    names = sorted(known)
    swapped = [name for name in names if sorted(name) == sorted(found)]  # letters in another order
    close = swapped or get_close_matches(found, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; expected one of {', '.join(names)}" if names else ""
