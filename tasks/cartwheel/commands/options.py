"""Commands whose options may follow words; doit's own parser stops at the first word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from doit.cmd_base import Command, DoitCmdBase
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand
from msgspec import Struct, to_builtins

from cartwheel.commands.seek import Seeking


def flag(long: str, help: str) -> dict[str, object]:
    """A row of doit's `cmd_options`: an option without a value, off unless given; `dry-run` is passed as `dry_run`."""
    return {"name": long.replace("-", "_"), "short": "", "long": long, "type": bool, "default": False, "help": help}


def text_option(long: str, help: str) -> dict[str, object]:
    """A row of doit's `cmd_options`: an option with a text as its value, empty unless given."""
    return flag(long, help) | {"type": str, "default": ""}


def packages_as_json(rows: Iterable[Struct]) -> str:
    """The JSON of a command that answers for each package, schema 1."""
    return json.dumps({"schema": 1, "packages": [to_builtins(row) for row in rows]}, indent=2) + "\n"


AS_JSON = flag("json", "print JSON") | {"name": "as_json"}


def wrong_option(command: Command, error: CmdParseError) -> str:
    """The line about an option that a command does not take."""
    why = str(error.__context__ or error)  # doit's own text lists all its options as Python objects
    if number := re.fullmatch(r"invalid literal for int\(\) with base 10: ('.*')", why):
        why = f"found {number[1]}, expected a whole number"
    known = [f"--{option.long}" for option in command.cmdparser.options if option.long]
    return f"{command.name}: {why}{near_option(why, known)}; see: doit help {command.name}"


_OF_OTHERS = {
    "-j": "-n",
    "--jobs": "-n",
    "--parallel": "-n",
    "--force": "--always-execute",
    "--always": "--always-execute",
}
"""Options of make, cargo and other runners, and what they are here."""

_DRY_RUNS = ("--dry-run", "--dryrun", "--dry_run", "--just-print")


def near_option(why: str, known: Iterable[str]) -> str:
    """`; did you mean '--x'?` for doit's line about an unknown option, if one of `known` is near it; else empty.

    A dry run is a command here: an option of one task would not reach the tasks before it.
    """
    from cartwheel.model.errors import did_you_mean

    names = frozenset(known)
    unknown = re.search(r"option (--?[\w-]+) not recognized", why)
    if not unknown:
        return ""
    if (meant := _OF_OTHERS.get(unknown[1], "")) in names:
        return f"; did you mean '{meant}'?"
    if unknown[1] in _DRY_RUNS and "--dry-run" not in names:
        return "; doit plan shows what would run, and doit rehearse does a whole release for practice"
    near = did_you_mean(unknown[1], names) if unknown[1].startswith("--") else ""
    return near if "did you mean" in near else ""


class WordsAndOptions(Seeking, DoitCmdBase):  # type: ignore[misc]
    """A command that accepts options before and after words, and refuses unknown ones in one line."""

    outstream: Any

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parses and executes; raises `InvalidCommand` for an unknown option."""
        try:
            return super().parse_execute(in_args)
        except CmdParseError as error:
            raise InvalidCommand(wrong_option(self, error)) from None

    def execute(self, params: Any, args: list[str]) -> Any:
        """Executes with the options found after words."""
        return super().execute(*_options_after_words(self, params, args))


def _options_after_words(command: WordsAndOptions, params: Any, args: list[str]) -> tuple[Any, list[str]]:
    words: list[str] = []
    rest = list(args)
    while rest:
        if not rest[0].startswith("-") or rest[0] == "-":
            words.append(rest.pop(0))
            continue
        options, rest = command.cmdparser.parse(rest)
        for option in command.cmdparser.options:
            if options[option.name] != option.default:
                params[option.name] = options[option.name]
    return params, words
