"""The variables that a shell script sets, and their values."""

from __future__ import annotations

import re

_WORD = r"""(?:"[^"\n]*"|'[^'\n]*'|\$\{\{[^\n]*?\}\}|\$\([^()\n]*\)|[^\s"'&|;()])*"""
ASSIGNED = re.compile(rf"([A-Za-z_]\w*)=(?!=)({_WORD})\s+")
"""A variable in front of a command; its name and its word as the script has it."""
_ASSIGNMENT = re.compile(
    rf"""(?<!\S)\#[^\n]*|(?:^|(?<=[\s;&|(])|-l?c\s*["'])(?:\$env:(\w+)\s*=\s*|([A-Za-z_]\w*)=(?!=))({_WORD})(?=[\s;&|)"']|$)""",
    re.IGNORECASE | re.MULTILINE,
)
"""Comments are matched first, so that nothing in them counts."""


def plain_value(word: str) -> str:
    """A word of a script without its quotes."""
    return re.sub(r"""(["'])(.*?)\1""", r"\2", word)


def assignments(script: str) -> list[tuple[str, str]]:
    """Each variable and value that a script sets for itself or for one command, in order; bash and PowerShell."""
    rows = (match for match in _ASSIGNMENT.finditer(script) if match[1] or match[2])
    return [(match[1] or match[2], plain_value(match[3])) for match in rows]
