"""The state that the steps of one run share, and the answer to doit whether a step is up to date."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cartwheel.filesystem import files
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.inputs.staleness import reasons
from cartwheel.inputs.tree_looks import forget_cached_state
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Project
from cartwheel.model.record import FROM_CACHE, PROVEN, Record
from cartwheel.model.step import Step
from cartwheel.model.wheels.artifacts import OUTWARD
from cartwheel.process import environment, run
from cartwheel.process.run_lock import RunLock
from cartwheel.process.slots import Slots
from cartwheel.run_trace import Span, write_trace
from cartwheel.shared_cache.session import session_of_run
from cartwheel.state import Records

if TYPE_CHECKING:
    from cartwheel.process.step_log import StepLog

LAST_RUN = ".cartwheel/local/last-run.json"
"""The steps of the last run that did something, with their seconds: `{"schema": 1, "ran": {"build:…": 12.3}}`."""


class RunContext:
    """The state that the actions of one run share."""

    def __init__(self, snapshot: DiskSnapshot, project: Project, *, named: tuple[str, ...]) -> None:
        self.snapshot = snapshot
        self.project = project
        self.named = named
        self.root = snapshot.root
        self.lock = RunLock(snapshot.root / ".cartwheel" / "local" / "lock")
        self.slots = Slots()
        self.releases = any(word.split(":")[0] in OUTWARD for word in named) or bool(project.started_by)
        self.cache = session_of_run(project, named, snapshot.environ)
        self.skipped: list[UpToDate] = []
        self._stale_skip = ""
        self._beginning = threading.Lock()
        self.builds_forbidden = environment.builds_forbidden(snapshot.environ)
        self.announce: Callable[[str], None] = lambda text: None
        self.seconds: dict[str, float] = {}
        self.at_work: dict[str, StepLog] = {}
        """The logs of the running steps, by step; the display reads them from another thread."""
        self._notes: set[str] = set()
        self.spans: list[Span] = []
        """The finished steps of this run, for its trace."""
        self.started: set[str] = set()
        """The steps that have started in this run."""
        self.keep_going = False
        """Whether the run goes on after a failure (`doit --continue`)."""
        self.failed = threading.Event()
        """Set by the first failure; a step that has not started then does not start, unless `keep_going`."""

    @property
    def records(self) -> Records:
        """doit's backend, which doit creates before any task."""
        from doit.globals import Globals

        backend = Globals.dep_manager.backend
        assert isinstance(backend, Records), "dodo.py needs DOIT_CONFIG = wheels.doit_config"
        if self.snapshot.save not in backend.at_end:
            backend.at_end += (self.snapshot.save, lambda: write_trace(self.root, self.spans))
            backend.after_own.append(self.forget_cached_state)
        return backend

    def note(self, text: str) -> None:
        """Show the user one line, once a run."""
        if text not in self._notes:
            self._notes.add(text)
            self.announce(text)

    @contextmanager
    def shown_at_work(self, step: Step, log: StepLog) -> Iterator[None]:
        """Show the step as running inside the block, and add it to the trace of the run."""
        self.at_work[step.name] = log
        self.started.add(step.name)
        began = time.monotonic()
        try:
            yield
        finally:
            del self.at_work[step.name]
            thread = threading.get_ident()
            self.spans.append(Span(step=step, began=began, ended=time.monotonic(), thread=thread))

    def forget_cached_state(self) -> None:
        """Forget cached file states: a user's task or a `before` command may have changed inputs of later steps."""
        self.snapshot.files.renew()
        forget_cached_state()

    def begin(self) -> None:
        """Take the project's lock before anything is written, and reload the records that another run may have changed.

        Raises `StepFailed` if a step that was skipped as fresh is stale now: the run that held the lock rebuilt it
        with other settings or sources, and doit never revisits a step.
        """
        from cartwheel.schema import write_editor_schema

        with self._beginning:
            first = not self.lock.held
            files.create_state_folder(self.root)
            write_editor_schema(self.root)
            if self.lock.take(lambda who: self.announce(f"waiting for the run of {who} in this project")):
                self.records.forget_all()
                self.snapshot.renew()
                forget_cached_state()
                self._stale_skip = self._skipped_but_stale()
            if self._stale_skip:
                raise StepFailed(self._stale_skip)
            if first:
                state = self.root / ".cartwheel"
                files.sweep((state / "records", state / "checks", state / "local"))

    def _skipped_but_stale(self) -> str:
        for skipped in self.skipped:
            if why := skipped.reasons():
                return f"{skipped.step.name} was up to date until the run that was waited for ({why[0]}); run again"
        return ""

    def refuse_empty_selection(self, patterns: tuple[str, ...]) -> None:
        """Refuse, at the end, a run whose patterns selected no task; works with every reporter."""
        if patterns and not {"clean", "reset-dep"} & set(self.named):
            self.records.at_end.append(lambda: self._refuse_nothing(patterns[0]))

    def _refuse_nothing(self, pattern: str) -> None:
        from doit.exceptions import InvalidCommand

        if not self.records.asked and sys.exc_info()[0] is None:  # otherwise the reporter has already refused
            raise InvalidCommand(f"'{pattern}' selects no task; see them with: doit list --all")


class UpToDate:
    """doit's `uptodate` callable of a step."""

    def __init__(self, step: Step, context: RunContext) -> None:
        self.step = step
        self.context = context

    def reasons(self) -> tuple[str, ...]:
        """Why the step must run; empty if it is fresh."""
        record = self.context.records.load(self.step.name)
        if record is not None and self.context.releases and not self._may_release(record):
            return ("it came from the shared cache, which no release uses",)
        return reasons(self.step, record, self.context.snapshot)

    def _may_release(self, record: Record) -> bool:
        proven = self.context.project.release.reuse == "proven"
        return record.machine != FROM_CACHE and (proven or record.machine != PROVEN)

    def __call__(self) -> bool:
        from doit.exceptions import InvalidCommand

        run.stop_on_signals()
        if run.STOP.is_set():
            raise InvalidCommand("interrupted")
        try:
            fresh = not self.reasons()
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        if fresh:
            self.context.skipped.append(self)
        return fresh
