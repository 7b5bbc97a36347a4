"""Lets doit's commands run in a folder below the project: finds the dodo.py above, or advises `doit adopt`."""

from __future__ import annotations

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
from doit.exceptions import InvalidCommand

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


def names_cartwheel(loader_options: Mapping[str, Any], arguments: list[str]) -> bool:
    """Whether the dodo.py of this run, here or above, belongs to a project that uses cartwheel."""
    named = next((after for word, after in pairwise(arguments) if word in ("-f", "--file")), "")
    file = Path(named or loader_options.get("dodoFile") or "dodo.py")
    here = Path(loader_options.get("cwdPath") or ".").absolute()
    dodo = next((folder / file for folder in (here, *here.parents) if (folder / file).is_file()), None)
    return dodo is not None and "cartwheel" in dodo.read_text(encoding="utf-8", errors="replace")


class Seeking:
    """A doit command whose project may lie above the current folder.

    Only a dodo.py that names cartwheel is used from above. Other doit projects are not affected: those with a dodo.py
    of another name, or with a task loader that reads none.
    """

    loader: Any
    opt_vals: dict[str, Any]

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parses and executes; raises `InvalidCommand` if there is no dodo.py here or above."""
        here = Path.cwd()
        named = any(arg.startswith(_NAMED) for arg in in_args) or self.opt_vals.get("dodoFile", "dodo.py") != "dodo.py"
        reads_dodo = isinstance(self.loader, DodoTaskLoader)
        if reads_dodo and not (named or self.opt_vals.get("cwdPath") or (here / "dodo.py").exists()):
            above = next((folder for folder in here.parents if (folder / "dodo.py").is_file()), None)
            if above is None:
                raise InvalidCommand("there is no dodo.py here or above; doit adopt writes one for this project")
            if "cartwheel" in (above / "dodo.py").read_text(encoding="utf-8", errors="replace"):
                self.opt_vals = {**self.opt_vals, "seek_file": True}
        return super().parse_execute(in_args)  # type: ignore[misc]


class Run(Seeking, DoitRun):  # type: ignore[misc]
    """`doit` and `doit run`."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parses and executes, with options accepted after the tasks of our stages too."""
        if names_cartwheel(self.opt_vals, in_args):
            in_args = options_first(in_args, self.cmdparser.options)
        return super().parse_execute(in_args)


class List(Seeking, DoitList):  # type: ignore[misc]
    """`doit list`."""


class Info(Seeking, DoitInfo):  # type: ignore[misc]
    """`doit info`."""


class Clean(Seeking, DoitClean):  # type: ignore[misc]
    """`doit clean`."""


class Forget(Seeking, DoitForget):  # type: ignore[misc]
    """`doit forget`."""
