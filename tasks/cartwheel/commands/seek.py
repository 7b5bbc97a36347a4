"""Lets doit's commands run in a folder below the project: finds the dodo.py above, or advises `doit adopt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doit.cmd_base import DodoTaskLoader
from doit.cmd_clean import Clean as DoitClean
from doit.cmd_forget import Forget as DoitForget
from doit.cmd_info import Info as DoitInfo
from doit.cmd_list import List as DoitList
from doit.cmd_run import Run as DoitRun
from doit.exceptions import InvalidCommand

_NAMED = ("-f", "--file", "-d", "--dir", "-k", "--seek-file")


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


class List(Seeking, DoitList):  # type: ignore[misc]
    """`doit list`."""


class Info(Seeking, DoitInfo):  # type: ignore[misc]
    """`doit info`."""


class Clean(Seeking, DoitClean):  # type: ignore[misc]
    """`doit clean`."""


class Forget(Seeking, DoitForget):  # type: ignore[misc]
    """`doit forget`."""
