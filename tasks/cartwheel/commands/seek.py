"""Lets doit's commands run in a folder below the project: finds the dodo.py above, or advises `doit adopt`."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from doit.cmd_base import DodoTaskLoader
from doit.cmd_clean import Clean as DoitClean
from doit.cmd_forget import Forget as DoitForget
from doit.cmd_info import Info as DoitInfo
from doit.cmd_list import List as DoitList
from doit.cmd_run import Run as DoitRun
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand

from cartwheel.commands.dodo_mistakes import dodo_mistakes
from cartwheel.commands.parallel import threads_by_default
from cartwheel.process.run import stop_code

STAGE_NAMES = (
    "clean", "version-sync", "build", "repair", "check", "sdist", "checklist", "tag", "publish", "verify", "release",
)  # fmt: skip
"""The keys of `pipeline.STAGES`, without the time to import it."""

_OURS = ("-v", "--verbose", "-q", "--quiet")
"""How much the run says: `command_line.verbosity` reads these, doit does not know them."""


def options_first(arguments: list[str], options: Iterable[Any]) -> list[str]:
    """The arguments of `doit run` in the order that doit's parser expects: options before tasks.

    Options behind a task of the user's own are left there, as they may belong to it.
    """
    values = {f"{dash}{word}": option.type is not bool
              for option in options for dash, word in (("-", option.short), ("--", option.long)) if word}  # fmt: skip
    moved: list[str] = []
    left: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        foreign = bool(left) and left[-1].split(":")[0] not in STAGE_NAMES
        if word in _OURS and not foreign:
            if word == "-v" and rest and rest[0] in ("0", "1", "2"):
                rest.pop(0)  # doit's own verbosity
        elif word.startswith("-") and not foreign and (name in values or word[:2] in values):
            moved.append(word)
            if values.get(word) and not equals and rest:
                moved.append(rest.pop(0))
        else:
            left.append(word)
    return [*moved, *left]


_NAMED = ("-f", "--file", "-d", "--dir", "-k", "--seek-file")


def dodo_file(loader_options: Mapping[str, Any], arguments: list[str]) -> Path | None:
    """The dodo.py of this run, here or above, if it belongs to a project that uses cartwheel; else None."""
    named = next((after for word, after in pairwise(arguments) if word in ("-f", "--file")), "")
    file = Path(named or loader_options.get("dodoFile") or "dodo.py")
    here = Path(loader_options.get("cwdPath") or ".").absolute()
    dodo = next((folder / file for folder in (here, *here.parents) if (folder / file).is_file()), None)
    return dodo if dodo and "cartwheel" in dodo.read_text(encoding="utf-8", errors="replace") else None


def names_cartwheel(loader_options: Mapping[str, Any], arguments: list[str]) -> bool:
    """Whether the dodo.py of this run belongs to a project that uses cartwheel."""
    return dodo_file(loader_options, arguments) is not None


def asks_for_help(arguments: Iterable[str]) -> bool:
    """Whether `--help` or `-h` is among the arguments."""
    return bool({"--help", "-h"} & {*arguments})


def replace_unencodable() -> None:
    """Let stdout write `?` for a character that its encoding lacks, such as an arrow in code page 437 or 1252.

    A console of Windows shows every character, but a pipe or a file gets the code page, with the error handler
    `surrogateescape` (config_get_stdio_errors in CPython's initconfig.c; also in POSIX's locale C).  A stdout that the
    caller closed (`>&-`) takes everything and keeps nothing.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for the rest of the process)
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    handlers = ("strict",) if sys.stdout.encoding.lower() == "utf-8" else ("strict", "surrogateescape")
    if sys.stdout.errors in handlers:  # in UTF-8 surrogateescape writes an undecodable file name unchanged
        sys.stdout.reconfigure(errors="replace")


class Seeking:
    """A doit command whose project may lie above the current folder.

    Only a dodo.py that names cartwheel is used from above. Other doit projects are not affected: those with a dodo.py
    of another name, or with a task loader that reads none.
    """

    name: str | None
    task_list: list[Any]
    get_name: Any
    loader: Any
    opt_vals: dict[str, Any]
    outstream: Any

    def __init__(self, task_loader: Any, cmds: Any = None, **more: Any) -> None:
        super().__init__(task_loader=task_loader, cmds=cmds, **more)  # type: ignore[call-arg]
        self.commands: Any = cmds if cmds is not None else {}
        """doit's `PluginDict` of all commands."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parses and executes; raises `InvalidCommand` if there is no dodo.py here or above.

        A run that a signal ended has the exit code 128 and the signal's number, as in a shell.  A reader that closes
        the pipe early (`| head -1`) ends a command quietly.
        """
        ours = dodo_file(self.opt_vals, in_args)
        if ours:
            replace_unencodable()
            self.outstream = self.outstream or sys.stdout
        if ours and asks_for_help(in_args):
            from cartwheel.commands.help import print_help

            return print_help(self.name or self.get_name(), in_args, self.commands.to_dict())
        here = Path.cwd()
        named = any(arg.startswith(_NAMED) for arg in in_args) or self.opt_vals.get("dodoFile", "dodo.py") != "dodo.py"
        reads_dodo = isinstance(self.loader, DodoTaskLoader)
        if reads_dodo and not (named or self.opt_vals.get("cwdPath") or (here / "dodo.py").exists()):
            above = next((folder for folder in here.parents if (folder / "dodo.py").is_file()), None)
            if above is None:
                raise InvalidCommand("there is no dodo.py here or above; doit adopt writes one for this project")
            if "cartwheel" in (above / "dodo.py").read_text(encoding="utf-8", errors="replace"):
                self.opt_vals = {**self.opt_vals, "seek_file": True}
        try:
            with dodo_mistakes(ours):
                code = super().parse_execute(in_args)  # type: ignore[misc]
            if sys.stdout is not None:
                sys.stdout.flush()
            return stop_code() or code
        except BrokenPipeError:
            from cartwheel.screen import drop_output

            drop_output()
            return stop_code() or 0
        except InvalidCommand as error:
            if code := stop_code():
                sys.stderr.write(f"ERROR: {error}\n")
                return code
            listed = re.fullmatch(r"'(.+)' is not a task\.", str(error))
            word = error.not_found or (listed[1] if listed else "")
            if not word or not ours:
                raise
            raise InvalidCommand(self._unknown(word)) from None

    def _unknown(self, word: str) -> str:
        """The message about a word that is no command, task or file."""
        from cartwheel.model.errors import did_you_mean

        tasks = tuple(task for task in self.task_list if not task.name.startswith("_"))
        depth = word.count(":")
        names = {task.name for task in tasks if task.name.count(":") == depth}
        files = {path for task in tasks for path in task.targets}
        commands = {*self.commands} if self.get_name() == "run" and depth == 0 else set()
        if word in commands:
            return f"'{word}' is a command, not a task; give it alone: doit {word}"
        advice = did_you_mean(word, names | commands) if "/" not in word else did_you_mean(word, files)
        kinds = "command, task or file" if commands else "task or file"
        known = advice if "did you mean" in advice else "; see: doit help, doit list --all"
        return f"'{word}' is no {kinds}{known}"


_DOITS_OWN = r"^Error parsing (?:Task|Command): | \(parsing options: .*$"
"""doit's addition to its message about an unknown option: the kind of the parser, and its options as Python objects."""


class Run(Seeking, DoitRun):  # type: ignore[misc]
    """`doit` and `doit run`; steps run in parallel unless `-n` or the configuration names a number."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parses and executes, with options accepted after the tasks of our stages too."""
        if not names_cartwheel(self.opt_vals, in_args):
            return super().parse_execute(in_args)
        try:
            return super().parse_execute(options_first(in_args, self.cmdparser.options))
        except CmdParseError as error:
            why = str(error).splitlines()
            option = re.search(r"'(\w+)' <class 'int'>", why[0])
            from_settings = (
                f"option --{option[1].replace('num_', '')} needs a number"
                if option
                else re.sub(_DOITS_OWN, "", why[0]).rstrip(".")
            )
            from cartwheel.commands.help_pages import RUN_OPTIONS
            from cartwheel.commands.options import near_option

            known = [spelled for row in RUN_OPTIONS for spelled in row[0].replace(" N", "").split(", ")]
            task = next((word for word in in_args if word[:1].isalpha()), "run")
            raise InvalidCommand(f"{from_settings}{near_option(why[0], known)}; see: doit help {task}") from None

    def _execute(
        self, outfile: Any, verbosity: Any = None, always: bool = False, continue_: bool = False,
        reporter: Any = "console", num_process: int = 0, par_type: str = "process", single: bool = False,
        auto_delayed_regex: bool = False, force_verbosity: bool = False, failure_verbosity: int = 0, pdb: bool = False,
    ) -> Any:  # fmt: skip
        """Run the selected tasks; the signature is doit's, which passes options by name."""
        if num_process < 0:  # doit would start no process, run nothing and report success
            raise InvalidCommand(
                f"option -n: found {num_process}; expected how many tasks run at a time; see: doit help"
            )
        if not num_process and (threads := threads_by_default(self.task_list, self.sel_tasks or (), continue_)):
            num_process, par_type = threads, "thread"
        outfile = sys.stdout if outfile is None else outfile  # closed by the caller: `>&-`
        return super()._execute(
            outfile, verbosity, always, continue_, reporter, num_process, par_type, single, auto_delayed_regex,
            force_verbosity, failure_verbosity, pdb,
        )  # fmt: skip


class List(Seeking, DoitList):  # type: ignore[misc]
    """`doit list`."""


class Info(Seeking, DoitInfo):  # type: ignore[misc]
    """`doit info`: what a task needs and makes, and why it would run; for a user's own task doit's own page."""

    outstream: Any

    def _execute(self, pos_args: list[str], hide_status: bool = False) -> Any:
        """Print the page of one task; returns 1 if it would run.  Raises `InvalidCommand` for an unknown task."""
        tasks = {task.name: task for task in self.task_list}
        for word in pos_args:
            if word not in tasks:
                raise InvalidCommand(not_found=word)
        if len(pos_args) != 1:
            raise InvalidCommand(f"info: found {len(pos_args)} tasks, expected one; see: doit help info")
        if not _is_ours(tasks[pos_args[0]]):
            return super()._execute(pos_args=pos_args, hide_status=hide_status)
        from cartwheel.commands.info_text import info_text

        text, stale = info_text(self.task_list, tasks[pos_args[0]], status=not hide_status)
        self.outstream.write(text)
        return 1 if stale and not hide_status else 0


def _is_ours(task: Any) -> bool:
    """Whether a task is a step or a group of steps."""
    return "judgement" in (task.meta or {}) or (not task.actions and task.name.split(":")[0] in (*STAGE_NAMES, "ready"))


class _Removals:
    """A stream that passes on what was removed, without doit's lines about the Python object that did it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._shown: set[str] = set()

    def write(self, text: str) -> None:
        """Pass on text, but for lines such as `build:any - executing 'Python: bound method …'`, and each line once."""
        if text not in self._shown and not re.match(r"\S+ - executing 'Python: bound method Pipeline\._clean", text):
            self._shown.add(text)
            self._stream.write(text)

    @property
    def empty(self) -> bool:
        """Whether nothing was passed on."""
        return not self._shown

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()


class Clean(Seeking, DoitClean):  # type: ignore[misc]
    """`doit clean`."""

    outstream: Any

    def clean_tasks(self, tasks: Iterable[Any], dryrun: bool, cleanforget: bool) -> None:
        """Clean the tasks, and show what was removed; doit shows the Python object that removes it."""
        removals = _Removals(self.outstream)
        self.outstream = removals
        super().clean_tasks(tasks, dryrun, cleanforget)
        if removals.empty:
            removals.write("nothing to remove\n")


class Forget(Seeking, DoitForget):  # type: ignore[misc]
    """`doit forget`."""
