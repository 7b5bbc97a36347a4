"""`doit completion`: the completion script of a shell, and the words that it offers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand, InvalidDodoFile

from cartwheel.commands.seek import Seeking, asks_for_help
from cartwheel.model.errors import did_you_mean

SCRIPTS: Mapping[str, str] = {"bash": "doit.bash", "zsh": "doit.zsh", "fish": "doit.fish", "powershell": "doit.ps1"}
"""The script of each shell, in `completions/`."""


class Completion(Seeking, DoitCmdBase):  # type: ignore[misc]
    """The command, as doit's plugin `completion`.  Needs no dodo.py."""

    name = "completion"
    doc_purpose = "print the completion script of a shell: bash, zsh, fish or powershell"
    doc_usage = "bash | zsh | fish | powershell"
    doc_description = (
        "The script completes commands, their options, tasks, targets and packages; it asks doit for them at each use."
    )

    def parse_execute(self, in_args: list[str]) -> Any:
        """Prints a script, or with `words [COMMAND]` what can be typed; raises `InvalidCommand`."""
        if in_args[:1] == ["words"]:
            return self._print_words(in_args[1:])
        if asks_for_help(in_args):
            from cartwheel.commands.help import print_help

            return print_help(self.name, (), self.commands.to_dict())
        shell = in_args[0] if len(in_args) == 1 else ""
        if shell not in SCRIPTS:
            if not in_args:
                raise InvalidCommand(f"completion: name the shell: {', '.join(SCRIPTS)}")
            word = " ".join(in_args)
            raise InvalidCommand(f"completion: '{word}' is no shell that it knows{did_you_mean(word, SCRIPTS)}")
        script = Path(__file__).with_name("completions") / SCRIPTS[shell]
        sys.stdout.write(script.read_text(encoding="utf-8"))
        return 0

    def _print_words(self, command: Iterable[str]) -> int:
        """Print commands and, in a project, tasks; with a command, its options too."""
        from cartwheel.commands.help_pages import COMMAND_PAGES

        commands = self.commands.to_dict()
        words = ["help", *(name for name in COMMAND_PAGES if name in commands)]
        for name in command:
            options = commands[name if name in commands else "run"].cmd_options
            words += [f"--{option['long']}" for option in options if option["long"]]
        sys.stdout.write("".join(f"{word}\n" for word in words))
        with suppress(InvalidCommand, InvalidDodoFile):  # no project, or one that cannot be read
            return int(super().parse_execute([]) or 0)
        return 0

    def _execute(self, pos_args: list[str]) -> int:
        sys.stdout.write("".join(f"{task.name}\n" for task in self.task_list if not task.name.startswith("_")))
        return 0
