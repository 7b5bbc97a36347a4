"""What doit says while it runs: a line a step, the words of what failed, and at the end a table of the files.

In a job of a CI system it says so in the system's own way (`ci/ci_output.py`).
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Any

from doit.exceptions import BaseFail, InvalidCommand, UnmetDependency
from doit.reporter import ConsoleReporter

from cartwheel.action import log_path
from cartwheel.model.wheels.artifacts import OUTWARD
from cartwheel.run_context import RunContext

NAMED_ONLY = ("clean", *OUTWARD)
"""Stages that no pattern may start."""


class Reporter(ConsoleReporter):  # type: ignore[misc]
    """A line for each step that ran; nothing for what was up to date, but for a count at the end."""

    desc = "one line a step, and a table of the files"
    workshop: RunContext
    patterns: tuple[str, ...] = ()

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        from cartwheel.ci.ci_output import CiOutput

        super().__init__(outstream, options)
        self._mutex = threading.Lock()
        shop = self.workshop
        places = (place for p in shop.project.packages for place in (p.folder, p.manifest.rpartition("/")[0]) if place)
        self._voice = CiOutput(shop.world.environ, shop.root, places)
        self._ran: list[str] = []
        self._fresh = 0
        self._asked: list[str] = []
        self.workshop.announce = lambda text: self._say(f"      {text}")

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Before the first task: a pattern that selects nothing is a mistake, a stage that has no step is said so."""
        wrong = unmatched_patterns(self.patterns, tasks)
        if wrong:
            raise InvalidCommand(f"'{wrong[0]}' selects no task; see them with: doit list --all")
        self._refuse_by_pattern(selected_tasks)
        self._asked = selected_tasks
        for name in selected_tasks:
            if nothing := (tasks[name].meta or {}).get("nothing"):
                self._say(f"{name}: nothing to do: {nothing}")

    def _refuse_by_pattern(self, selected: Iterable[str]) -> None:
        """Before anything runs: what cannot be taken back must be named.  The tasks see to it themselves as well."""
        for pattern in self.patterns:
            for name in selected:
                stage = name.split(":")[0]
                if stage in NAMED_ONLY and fnmatch(name, pattern) and not self._named(stage):
                    raise InvalidCommand(
                        f"'{pattern}' selects {name}, which runs only when it is named; nothing was run"
                    )

    def _named(self, stage: str) -> bool:
        return any("*" not in word and word.split(":")[0] == stage for word in self.workshop.named)

    def _say(self, text: str) -> None:
        """A line or more; no word in it is taken for a command of the CI system."""
        self._write(self._voice.inert(text))

    def _write(self, text: str) -> None:
        encoding = getattr(self.outstream, "encoding", None) or "utf-8"
        with self._mutex:
            self.outstream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
            self.outstream.flush()

    def execute_task(self, task: Any) -> None:
        """A step starts."""
        if task.actions and task.name[0] != "_" and sys.stdout.isatty():
            self._say(f"  …   {task.name}")

    def add_success(self, task: Any) -> None:
        """A step ended well."""
        if task.actions and task.name[0] != "_":
            self._ran.append(task.name)
            seconds = self.workshop.seconds.get(task.name)
            line = f"  ok  {task.name}" + (f"  {seconds:.1f} s" if seconds is not None else "")
            if seconds is None:  # a task of the project's own, or done by the run that was waited for
                self._say(line)
            else:
                self._write(self._voice.succeeded(line, log_path(self.workshop.root, task.name), seconds))

    def skip_uptodate(self, task: Any) -> None:
        """A step was up to date."""
        if task.actions:
            self._fresh += 1

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """A step failed, or could not start because an earlier one did."""
        if isinstance(fail, UnmetDependency):
            if task.actions:
                self._say(f"  --  {task.name}  not run: an earlier step failed")
            return
        self.failures.append({"task": task, "exception": fail})
        self._write(self._voice.failed(task.name, fail.get_msg().strip(), log_path(self.workshop.root, task.name)))

    def complete_run(self) -> None:
        """The end: counts, and the files that were asked for."""
        for message in self.runtime_errors:
            self._say(f"error: {message}")
        counts = [f"{len(self._ran)} done"] if self._ran else []
        counts += [f"{self._fresh} up to date"] if self._fresh else []
        counts += [f"{len(self.failures)} failed"] if self.failures else []
        well = not self.failures and not self.runtime_errors
        if not self.workshop.project.rehearsed:
            self._show_files(counts, well)
        if counts:
            self._say(", ".join(counts))

    def _show_files(self, counts: list[str], well: bool) -> None:
        """The table of the files, and what is handed to the CI system."""
        takes_results = self._voice.takes_results
        if not takes_results and not (self._ran and well):
            return
        from cartwheel.summary import page, rows, summary_table

        found = rows(self.workshop.root, self.workshop.project, self._asked)
        if self._ran and well and found:
            self._say(summary_table(found))
        if takes_results:
            failed = [failure["task"].name for failure in self.failures]
            notes = (*([", ".join(counts)] if counts else []), *(f"failed: {name}" for name in failed))
            values = {
                "artifacts": json.dumps([row[0] for row in found]),
                "stale": json.dumps([*self._ran, *failed]),
                "version": self._version(),
            }
            said = self._voice.close(page(f"doit {' '.join(self.workshop.named)}".strip(), found, notes), values)
            if said:
                self._write(said)

    def _version(self) -> str:
        """Of the packages that the tasks are about; empty where they have several."""
        packages = self.workshop.project.packages
        parts = {part for name in (*self._asked, *self._ran) for part in name.split(":")}
        versions = {p.version for p in packages if p.key in parts} or {p.version for p in packages}
        return versions.pop() if len(versions) == 1 else ""


def reporter_class(workshop: RunContext, patterns: tuple[str, ...]) -> type[Reporter]:
    """The reporter of one run, as the class that doit asks for."""
    return type("Reporting", (Reporter,), {"workshop": workshop, "patterns": patterns})


def unmatched_patterns(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The patterns that no task's name matches."""
    known = tuple(names)
    return tuple(p for p in patterns if not any(fnmatch(name, p) for name in known))
