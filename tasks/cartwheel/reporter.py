"""doit's output during a run: a line per step, the output of a failed step, and a table of the files at the end.

In a job of a CI system the output has that system's form (`ci/ci_output.py`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from doit.exceptions import BaseFail, InvalidCommand, UnmetDependency
from doit.reporter import ConsoleReporter

from cartwheel.action import NotStarted, log_path
from cartwheel.command_line import QUIET, USUAL, VERBOSE
from cartwheel.log_stream import LogStream
from cartwheel.model.wheels.artifacts import OUTWARD
from cartwheel.process.command_words import shell_text
from cartwheel.run_context import LAST_RUN, RunContext
from cartwheel.screen import WorkingStep, fold_line, screen_of, terminal_columns

NAMED_ONLY = ("clean", *OUTWARD)
"""Stages that no pattern may start."""


class Reporter(ConsoleReporter):  # type: ignore[misc]
    """A line for each step that ran; steps that were up to date are only counted, at the end."""

    desc = "one line a step, and a table of the files"
    context: RunContext
    patterns: tuple[str, ...] = ()
    verbosity: int = USUAL

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        from cartwheel.ci.ci_output import CiOutput

        super().__init__(outstream, options)
        context, environ = self.context, self.context.snapshot.environ
        places = (
            place for p in context.project.packages for place in (p.folder, p.manifest.rpartition("/")[0]) if place
        )
        self._ci_output = CiOutput(environ, context.root, places)
        quiet, plain = self.verbosity == QUIET, self._ci_output.in_ci
        self._screen = screen_of(outstream, environ, self._at_work, self._file, plain=quiet or plain)
        self._stream = LogStream(context, self._say) if self.verbosity == VERBOSE else None
        self._ran: list[str] = []
        self._up_to_date = 0
        self._selected: list[str] = []
        self.context.announce = self._announce

    def _at_work(self) -> Iterable[WorkingStep]:
        now = time.monotonic()
        for name, log in tuple(self.context.at_work.items()):
            last = "" if self._stream else log.last_line()
            yield WorkingStep(name=name, seconds=now - log.began, progress=log.progress(), last=last)

    def _file(self, path: str) -> Path | None:
        place = self._ci_output.place(path)
        return self.context.root / place if place else None

    def _announce(self, text: str) -> None:
        if self.verbosity != QUIET:
            self._say(fold_line(f"      {text}", terminal_columns(self.outstream)))

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Called before the first task. Refuses a pattern that matches no task, and names stages without a step."""
        wrong = unmatched_patterns(self.patterns, tasks)
        if wrong:
            raise InvalidCommand(f"'{wrong[0]}' selects no task; see them with: doit list --all")
        self._refuse_by_pattern(selected_tasks)
        self._selected = selected_tasks
        for name in selected_tasks:
            if nothing := (tasks[name].meta or {}).get("nothing"):
                self._say(f"{name}: nothing to do: {nothing}")

    def _refuse_by_pattern(self, selected: Iterable[str]) -> None:
        """Before anything runs: a task that cannot be undone must be named. The tasks check this too."""
        for pattern in self.patterns:
            for name in selected:
                stage = name.split(":")[0]
                if stage in NAMED_ONLY and fnmatch(name, pattern) and not self._is_requested(stage):
                    raise InvalidCommand(
                        f"'{pattern}' selects {name}, which runs only when it is named; nothing was run"
                    )

    def _is_requested(self, stage: str) -> bool:
        return any("*" not in word and word.split(":")[0] == stage for word in self.context.named)

    def _say(self, text: str) -> None:
        """One or more lines, escaped so that the CI system sees no command in them."""
        self._write(self._ci_output.inert(text))

    def _write(self, text: str) -> None:
        self._screen.write(text)

    def execute_task(self, task: Any) -> None:
        """A step starts.  A task of the project's own writes to the terminal itself."""
        if not task.actions:
            return
        if (task.meta or {}).get("judgement"):
            self._screen.begin()
            if self._stream:
                self._stream.begin()
        else:
            self._screen.pause()

    def add_success(self, task: Any) -> None:
        """A step ended well."""
        if task.actions and task.name[0] != "_":
            self._ran.append(task.name)
            if self._stream:
                self._stream.finish(task.name)
            if self.verbosity == QUIET:
                return
            seconds = self.context.seconds.get(task.name)
            line = f"  ok  {task.name}" + (f"  {seconds:.1f} s" if seconds is not None else "")
            if seconds is None:  # a task of the project's own, or done by the run that was waited for
                self._say(line)
            else:
                self._write(self._ci_output.success(line, log_path(self.context.root, task.name), seconds))

    def skip_uptodate(self, task: Any) -> None:
        """A step was up to date."""
        if task.actions:
            self._up_to_date += 1

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """A step failed, or could not start because an earlier one did."""
        if isinstance(fail, UnmetDependency):
            if task.actions:
                self._say(f"  --  {task.name}  not run: an earlier step failed")
            return
        if isinstance(fail, NotStarted):
            return
        self.failures.append({"task": task, "exception": fail})
        if self._stream:
            self._stream.finish(task.name)
        self._write(self._ci_output.failure(task.name, fail.get_msg().strip(), log_path(self.context.root, task.name)))
        if (task.meta or {}).get("judgement") and not self.context.project.rehearsed:
            named = self.context.named if task.name.startswith("ready:") else ()
            self._say(f"      again: {repeat_command(named or (task.name,), self.context.project.overrides)}")

    def complete_run(self) -> None:
        """The end: counts, and the files of the selected tasks."""
        self._screen.end()
        if self._stream:
            self._stream.end()
        for message in self.runtime_errors:
            self._say(f"error: {message}")
        self._write_last_run()
        counts = [f"{len(self._ran)} done"] if self._ran else []
        counts += [f"{self._up_to_date} up to date"] if self._up_to_date else []
        counts += [f"{len(self.failures)} failed"] if self.failures else []
        well = not self.failures and not self.runtime_errors
        if not self.context.project.rehearsed:
            self._show_files(counts, well)
        if counts and self.verbosity != QUIET:
            self._say(", ".join(counts))
            if self._ran and well and not self.context.project.rehearsed:
                self._advise()

    def _write_last_run(self) -> None:
        """Write the steps of this run and their times for `doit report`."""
        if self._ran:
            ran = {name: self.context.seconds[name] for name in self._ran if name in self.context.seconds}
            with suppress(OSError):
                path = self.context.root / LAST_RUN
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({"schema": 1, "ran": ran}), encoding="utf-8")

    def _advise(self) -> None:
        """Show the slowest steps and the next command."""
        from cartwheel.summary import next_command, slowest

        ran = {name: seconds for name in self._ran if (seconds := self.context.seconds.get(name)) is not None}
        if line := slowest(ran):
            self._say(line)
        if not self._ci_output.in_ci and (command := next_command(self._selected, self.context.project)):
            self._say(f"next: {command}")

    def _show_files(self, counts: list[str], well: bool) -> None:
        """Show the table of the files, and give the CI system its summary and the values for later jobs."""
        takes_results = self._ci_output.takes_results
        if not takes_results and not (self._ran and well):
            return
        from cartwheel.summary import file_rows, page, summary_table

        context = self.context
        rows = file_rows(context.root, context.project, self._selected, context.records.load, self._ran)
        if self._ran and well and rows:
            self._say(summary_table((row.cells for row in rows), terminal_columns(self.outstream)))
        if takes_results:
            failed = [failure["task"].name for failure in self.failures]
            notes = (*([", ".join(counts)] if counts else []), *(f"failed: {name}" for name in failed))
            values = {
                "artifacts": json.dumps([row.artifact.path for row in rows]),
                "stale": json.dumps([*self._ran, *failed]),
                "version": self._version(),
            }
            text = self._ci_output.close(
                page(f"doit {' '.join(self.context.named)}".strip(), [row.cells for row in rows], notes), values
            )
            if text:
                self._write(text)

    def _version(self) -> str:
        """The version of the packages that the tasks belong to; empty if they have several versions."""
        packages = self.context.project.packages
        parts = {part for name in (*self._selected, *self._ran) for part in name.split(":")}
        versions = {p.version for p in packages if p.key in parts} or {p.version for p in packages}
        return versions.pop() if len(versions) == 1 else ""


def reporter_class(context: RunContext, patterns: tuple[str, ...], verbosity: int = USUAL) -> type[Reporter]:
    """The reporter of one run, as the class that doit expects."""
    return type("Reporting", (Reporter,), {"context": context, "patterns": patterns, "verbosity": verbosity})


def repeat_command(tasks: Iterable[str], settings: Mapping[str, str]) -> str:
    """The command that runs tasks again with the settings of this run, to paste into a shell."""
    return shell_text(("doit", *tasks, *(f"{name}={value}" for name, value in settings.items())))


def unmatched_patterns(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The patterns that no task's name matches."""
    known = tuple(names)
    return tuple(p for p in patterns if not any(fnmatch(name, p) for name in known))
