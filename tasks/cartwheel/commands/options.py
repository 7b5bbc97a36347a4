"""Options of our commands may stand behind the words too; doit's own parser stops at the first word."""

from __future__ import annotations

from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand


def flag(long: str, help: str) -> dict[str, object]:
    """A row of doit's `cmd_options`: an option without a value, off unless given; `dry-run` is passed as `dry_run`."""
    return {"name": long.replace("-", "_"), "short": "", "long": long, "type": bool, "default": False, "help": help}


class WordsAndOptions(DoitCmdBase):  # type: ignore[misc]
    """A command that takes its options before and behind its words, and says in a line which it does not know."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parse and execute; raises `InvalidCommand` where an option is none of the command's."""
        try:
            return super().parse_execute(in_args)
        except CmdParseError as error:
            why = error.__context__ or error  # doit's own text goes on with all its options, as Python objects
            raise InvalidCommand(f"{self.name}: {why}; see: doit help {self.name}") from None

    def execute(self, params: Any, args: list[str]) -> Any:
        """Execute, with the options that stand behind words taken from among them."""
        return super().execute(*_behind_words(self, params, args))


def _behind_words(command: WordsAndOptions, params: Any, args: list[str]) -> tuple[Any, list[str]]:
    words: list[str] = []
    rest = list(args)
    while rest:
        if not rest[0].startswith("-") or rest[0] == "-":
            words.append(rest.pop(0))
            continue
        given, rest = command.cmdparser.parse(rest)
        for option in command.cmdparser.options:
            if given[option.name] != option.default:
                params[option.name] = given[option.name]
    return params, words
