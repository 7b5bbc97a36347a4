"""Simple loops of shell scripts, unrolled."""

from __future__ import annotations

import re

_LOOP = re.compile(
    r"\bfor\s+(\w+)\s+in\s+([^;\n$`*()]+?)\s*(?:;|\n)\s*do\b((?:(?!\bfor\s+\w+\s+in\b).)*?)(?:;|\n)\s*done\b", re.DOTALL
)
"""A loop of a POSIX shell over words that the script itself names, without a loop inside."""


def joined_lines(script: str) -> str:
    """The script with each continued line as one, as shells, make and ini files continue them."""
    return re.sub(r"[ \t]*\\\r?\n\s*", " ", script)


def unroll_loops(script: str) -> str:
    """The script with each continued line as one (`\\` of a shell, a backtick of PowerShell) and the body of each loop
    over plain words once for each word."""
    text = re.sub(r"[ \t]*(?<=\s)`\r?\n\s*", " ", joined_lines(script))
    while match := _LOOP.search(text):
        name = match[1]
        variable = re.compile(rf"\$\{{{name}\}}|\${name}\b")
        bodies = (_fill(variable, match[3], word) for item in match[2].split() for word in braces(item))
        text = text[: match.start()] + "\n".join(bodies) + text[match.end() :]
    return text


def _fill(variable: re.Pattern[str], body: str, word: str) -> str:
    plain = word.strip("\"'")
    return variable.sub(lambda _: plain, body.strip())


def braces(word: str, form: str = r"\{([^{}]*,[^{}]*)\}") -> list[str]:
    """The words that a word with braces stands for: `a{b,c}` for `ab` and `ac`; `form` is what counts as braces."""
    match = re.search(form, word)
    if not match:
        return [word]
    parts = (word[: match.start()] + part + word[match.end() :] for part in match[1].split(","))
    return [whole for part in parts for whole in braces(part, form)]
