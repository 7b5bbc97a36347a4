"""`doit help` and `--help`: what tasks and commands do, their options, and examples."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from doit.cmd_help import Help as DoitHelp
from doit.exceptions import InvalidCommand

from cartwheel.commands.dodo_mistakes import dodo_mistakes
from cartwheel.commands.help_pages import COMMAND_PAGES, RUN_OPTIONS, TASK_PAGES, HelpPage
from cartwheel.commands.seek import dodo_file, names_cartwheel, replace_unencodable
from cartwheel.model.errors import did_you_mean

_WIDTH = 100


class Help(DoitHelp):  # type: ignore[misc]
    """The command, as doit's plugin `help`; in doit projects without cartwheel it is doit's own."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Prints the help of a task or command; raises `InvalidCommand` if the name is unknown."""
        name = in_args[0] if len(in_args) == 1 else ""
        if _foreign(self.opt_vals) or name == "task":
            return super().parse_execute(in_args)
        if not name:
            return _print(overview(self.cmds))
        if name == "doit":
            self.print_usage(self.cmds)
            return 0
        if text := page(name, self.cmds):
            return _print(text)
        with dodo_mistakes(dodo_file(self.opt_vals, in_args)):
            return super().parse_execute(in_args)

    def _execute(self, pos_args: list[str]) -> bool:
        """Prints the help of one of the user's tasks; raises `InvalidCommand` if the name is unknown."""
        if super()._execute(pos_args):
            return True
        if _foreign(self.opt_vals):
            return False
        known = (*TASK_PAGES, *COMMAND_PAGES, *(task.name for task in self.task_list))
        raise InvalidCommand(f"help: nothing is called '{pos_args[0]}'{_near(pos_args[0], known)}; see: doit help")


def print_help(command: str, arguments: Iterable[str], commands: Mapping[str, Any]) -> int:
    """Print the help of a command or task for `--help`; returns the exit code 0."""
    words = [word for word in arguments if not word.startswith("-")]
    name = words[0] if command == "run" and words else command
    return _print(page(name, commands) or overview(commands))


def page(name: str, commands: Mapping[str, Any]) -> str:
    """The help of a stage, a task of a stage or a command; empty if the name is unknown."""
    stage = name.split(":")[0]
    if stage in TASK_PAGES:
        return _task_page(TASK_PAGES[stage])
    if name in COMMAND_PAGES and name in commands:
        return _command_page(name, commands[name])
    return ""


def overview(commands: Mapping[str, Any]) -> str:
    """The list of tasks and commands."""
    tasks = [(name, help_page.text.partition(". ")[0].rstrip(".")) for name, help_page in TASK_PAGES.items()]
    ours = [(name, commands[name].doc_purpose) for name in COMMAND_PAGES if name in commands]
    return "\n".join(
        (
            "doit TASK ... [OPTIONS]    run tasks, and the tasks that they need",
            "doit COMMAND [OPTIONS]",
            "",
            "Start",
            *_rows((("doit adopt", "configure this project"), ("doit plan", "see every file, and what would run"),
                    ("doit", "build and test the wheels of this machine"),
                    ("doit rehearse", "release to stand-ins of the indexes on this machine"))),
            "",
            "Tasks",
            *_rows(tasks),
            "",
            "Commands",
            *_rows(ours),
            "",
            "Options of a run",
            *_rows(RUN_OPTIONS),
            "",
            "More: doit help TASK, doit help COMMAND; doit's other commands: doit help doit",
            "",
        )
    )  # fmt: skip


def _task_page(help_page: HelpPage) -> str:
    return _page(help_page.usage, help_page.text, RUN_OPTIONS, help_page.examples)


def _command_page(name: str, command: Any) -> str:
    text = command.doc_description or f"{command.doc_purpose[:1].upper()}{command.doc_purpose[1:]}."
    options = [(spelled_option(option), option["help"].partition("\n")[0]) for option in command.cmd_options]
    return _page(f"{name} {command.doc_usage or ''}".strip(), text, options, COMMAND_PAGES[name])


def _page(usage: str, text: str, options: Iterable[tuple[str, str]], examples: Iterable[tuple[str, str]]) -> str:
    shown = ["", "Options", *_rows(options)] if options else []
    lines = (f"doit {usage}", "", *wrap(" ".join(text.split()), _WIDTH), *shown,
             "", "Examples", *_rows((f"doit {words}", what) for words, what in examples), "")  # fmt: skip
    return "\n".join(lines)


def spelled_option(option: Mapping[str, Any]) -> str:
    """An option as it is typed: `-n, --process VALUE`."""
    dashed = [f"{dash}{word}" for dash, key in (("-", "short"), ("--", "long")) if (word := option.get(key, ""))]
    return ", ".join(dashed) + ("" if option["type"] is bool else " VALUE")


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Two columns; the second one is wrapped."""
    rows = tuple(rows)
    width = min(38, max((len(name) for name, _ in rows), default=0))
    lines = []
    for name, text in rows:
        first, *more = wrap(text, _WIDTH - width - 4) or [""]
        if len(name) > width:
            lines += [f"  {name}", f"  {'':{width}}  {first}"]
        else:
            lines.append(f"  {name:{width}}  {first}")
        lines += [f"  {'':{width}}  {line}" for line in more]
    return lines


def _near(name: str, known: Iterable[str]) -> str:
    advice = did_you_mean(name, known)
    return advice.rstrip("?") if "did you mean" in advice else ""


def _foreign(loader_options: Mapping[str, Any]) -> bool:
    """Whether there is a dodo.py here, and it belongs to a project without cartwheel."""
    return Path("dodo.py").is_file() and not names_cartwheel(loader_options, [])


def _print(text: str) -> int:
    replace_unencodable()
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        from cartwheel.screen import drop_output

        drop_output()
    return 0
