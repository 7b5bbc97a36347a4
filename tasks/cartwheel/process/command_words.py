"""Command lines as a user writes and reads them, with the quotes of the user's shell."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

_WINDOWS = os.name == "nt"
_NEEDS_QUOTES = re.compile(r"[\s\"&|<>^()%!,;=']|\A\Z")
"""Characters that cmd.exe or PowerShell interprets outside of quotes."""


def shell_text(argv: Sequence[str], *, windows: bool = _WINDOWS) -> str:
    """The command to paste into a shell: POSIX quotes, or double quotes for cmd.exe and PowerShell."""
    from shlex import join

    return " ".join(map(_in_double_quotes, argv)) if windows else join(argv)


def _in_double_quotes(word: str) -> str:
    """The word as Windows' C runtime parses it: backslashes before a double quote are doubled."""
    if not _NEEDS_QUOTES.search(word):
        return word
    escaped = re.sub(r'(\\*)("|\Z)', lambda match: match[1] * 2 + ('\\"' if match[2] else ""), word)
    return f'"{escaped}"'


def split_command(text: str, *, windows: bool = _WINDOWS) -> list[str]:
    """The words of a command in a setting or a file; a backslash is a character of a path on Windows.

    Raises `ValueError` if a quote is not closed.
    """
    from shlex import split

    return split(text.replace("\\", "\\\\") if windows else text)
