"""Options of our commands may stand behind the words too; doit's own parser stops at the first word."""

from __future__ import annotations

from typing import Any


def behind_words(command: Any, params: Any, args: list[str]) -> tuple[Any, list[str]]:
    """The parameters and words of a command, with the options that stand behind words taken from among them."""
    words: list[str] = []
    rest = list(args)
    while rest:
        if not rest[0].startswith("-"):
            words.append(rest.pop(0))
            continue
        given, rest = command.cmdparser.parse(rest)
        for option in command.cmdparser.options:
            if given[option.name] != option.default:
                params[option.name] = given[option.name]
    return params, words
