"""What doit says while it runs: a line a step, the words of what failed, and at the end a table of the files."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Any

from doit.exceptions import BaseFail, InvalidCommand, UnmetDependency
from doit.reporter import ConsoleReporter

from cartwheel.action import Workshop
from cartwheel.model.plan import OUTWARD

NAMED_ONLY = ("clean", *OUTWARD)
"""Stages that no pattern may start."""


class Reporter(ConsoleReporter):  # type: ignore[misc]
    """A line for each step that ran; nothing for what was up to date, but for a count at the end."""

    desc = "one line a step, and a table of the files"
    workshop: Workshop
    patterns: tuple[str, ...] = ()

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self._mutex = threading.Lock()
        self._done = 0
        self._fresh = 0
        self._asked: list[str] = []
        self.workshop.announce = lambda text: self._say(f"      {text}")

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Before the first task: a pattern that selects nothing is a mistake, a stage that has no step is said so."""
        wrong = unmatched(self.patterns, tasks)
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
        with self._mutex:
            self.outstream.write(text + "\n")
            self.outstream.flush()

    def execute_task(self, task: Any) -> None:
        """A step starts."""
        if task.actions and task.name[0] != "_" and sys.stdout.isatty():
            self._say(f"  …   {task.name}")

    def add_success(self, task: Any) -> None:
        """A step ended well."""
        if task.actions and task.name[0] != "_":
            self._done += 1
            seconds = self.workshop.seconds.get(task.name)
            self._say(f"  ok  {task.name}" + (f"  {seconds:.1f} s" if seconds is not None else ""))

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
        self._say(f"FAIL  {task.name}\n{_indented(fail.get_msg().strip())}")

    def complete_run(self) -> None:
        """The end: counts, and the files that were asked for."""
        for message in self.runtime_errors:
            self._say(f"error: {message}")
        if self._done and not self.failures and not self.runtime_errors and not self.workshop.project.rehearsed:
            from cartwheel.summary import table

            text = table(self.workshop.root, self.workshop.project, self._asked)
            if text:
                self._say(text)
        counts = [f"{self._done} done"] if self._done else []
        counts += [f"{self._fresh} up to date"] if self._fresh else []
        counts += [f"{len(self.failures)} failed"] if self.failures else []
        if counts:
            self._say(", ".join(counts))


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())


def reporting(workshop: Workshop, patterns: tuple[str, ...]) -> type[Reporter]:
    """The reporter of one run, as the class that doit asks for."""
    return type("Reporting", (Reporter,), {"workshop": workshop, "patterns": patterns})


def unmatched(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The patterns that no task's name matches."""
    known = tuple(names)
    return tuple(p for p in patterns if not any(fnmatch(name, p) for name in known))
