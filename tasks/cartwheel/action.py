"""The doit action of a step: lock, drop the record, digest the inputs, act, digest the outputs, commit the record.

In this order a kill at any moment loses at most the running step; a half-done step never counts as done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from cartwheel.filesystem import files
from cartwheel.filesystem.files import disk_error_in_words
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.filesystem.windows_files import change_time_ns, delete_file, remove_tree
from cartwheel.inputs.generated_files import untracked_files, without_generated
from cartwheel.inputs.staleness import digests_to_record
from cartwheel.machine.host import machine_id
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import BEFORE
from cartwheel.model.record import Dependencies, Record, replaced_outputs
from cartwheel.model.step import Work
from cartwheel.process import run
from cartwheel.run_context import RunContext, UpToDate

if TYPE_CHECKING:
    from cartwheel.process.step_log import StepLog

_REHEARSED = "rehearsal: "
"""Begins every line about a destination that is only a stand-in."""


class _OtherFailed(Exception):
    """Another step of the run failed before this one began."""


class NotStarted(TaskFailed):  # type: ignore[misc]
    """The step waited for its turn when an earlier one failed or the run was stopped; its record is unchanged."""


_NEVER_ALONE = ("tag", "publish", "release")
"""Stages that cannot be undone, and so never run without the steps before them."""


class PerformStep(BaseAction):  # type: ignore[misc]
    """Runs a step and commits its record."""

    def __init__(self, judgement: UpToDate) -> None:
        self.judgement = judgement
        self.step = judgement.step
        self.context = judgement.context
        self._started = False
        self.task: Any = None
        self.out = self.err = None
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"run {self.step.name}"

    def execute(self, out: object = None, err: object = None) -> TaskFailed | None:
        """Run the step.  Returns a failure as doit's `TaskFailed`; raises nothing."""
        context = self.context
        try:
            self._execute()
        except _OtherFailed:
            return NotStarted("not started: another step failed")
        except run.Interrupted as error:
            return TaskFailed(str(error)) if self._started else NotStarted(str(error))
        except CartwheelError as error:
            context.failed.set()
            to_stand_in = context.project.rehearsed and self.step.always
            return TaskFailed(f"{_REHEARSED if to_stand_in else ''}{error}")
        except OSError as error:
            context.failed.set()
            return TaskFailed(disk_error_in_words(error))
        return None

    def _execute(self) -> None:
        self._raise_if_stopped()
        context, step = self.context, self.step
        if self._is_single() and step.name.split(":")[0] in _NEVER_ALONE:
            raise StepFailed("--single leaves out what must have passed before it; run it without")
        context.begin()
        if not step.always and not self.judgement.reasons():
            return  # the run that this one waited for has done it
        if context.builds_forbidden and (step.heavy or step.ships):
            why = "; ".join(self.judgement.reasons()[:3])
            raise StepFailed(f"{step.name} is stale ({why}), and CARTWHEEL_FROZEN says that nothing may be built here")
        if self._is_in_cache():
            return
        if step.blocked:
            raise StepFailed(step.blocked)
        for missing in (step.unset, step.lacks):
            if missing and (reason := missing(context.snapshot)):
                raise StepFailed(reason)
        with (
            context.slots.exclusive("publish") if step.name.startswith("publish:") else nullcontext(),
            step.reserve(context.slots, context.root) if step.reserve else nullcontext(),
            context.slots.compiling() if step.heavy else context.slots.light() as shared,
        ):
            self._raise_if_stopped()
            self._started = True
            self._perform(shared)

    def _is_in_cache(self) -> bool:
        """Whether the shared cache had the step; then its files and its record are in their places."""
        context, step = self.context, self.step
        started = time.monotonic()
        with context.slots.light():
            record = context.cache.result(step, context.snapshot, lambda text: context.announce(text))
        if record is None or not commit_from_cache(context, record):
            return False
        context.seconds[step.name] = round(time.monotonic() - started, 3)
        context.announce(f"{step.name}: from the shared cache")
        return True

    def _raise_if_stopped(self) -> None:
        """Raises `Interrupted` if the run was stopped, `_OtherFailed` if another step failed and the run ends."""
        if run.STOP.is_set():
            raise run.Interrupted
        if self.context.failed.is_set() and not self.context.keep_going:
            raise _OtherFailed

    def _is_single(self) -> bool:
        """Whether doit runs with `--single`, without the steps before this one."""
        return self.task is not None and bool(self.step.after) and not self.task.task_dep

    def _log(self) -> StepLog:
        from cartwheel.process.step_log import StepLog

        file = log_path(self.context.root, self.step.name)
        return StepLog(file, shown_as=file.relative_to(self.context.root).as_posix())

    def _perform(self, shared: Mapping[str, str]) -> None:
        context, step, snapshot = self.context, self.step, self.context.snapshot
        before = context.records.load(step.name)
        self._remove_old_outputs(before)  # before the record is dropped: only the record knows these files
        context.records.drop(step.name)
        for path in step.makes:
            delete_file(context.root / path)
        needs = {path: snapshot.files.digest_now(path) for path in step.needs}
        missing = sorted(path for path, digest in needs.items() if not digest)
        if missing:
            raise StepFailed(f"{step.name} needs {', '.join(missing)}, which no earlier step has made")
        with _Scratch(context.root / ".cartwheel" / "scratch" / step.name.replace(":", "-")) as scratch:
            log = self._log()
            prefix = _REHEARSED if context.project.rehearsed else ""
            work = Work(
                root=context.root, scratch=scratch, log=log, snapshot=snapshot, before=before,
                named=context.named, slots=shared,
                announce=lambda text: context.announce(f"{step.name}: {prefix}{text}"), note=context.note,
            )  # fmt: skip
            generated: tuple[str, ...] = ()
            with context.shown_at_work(step, log):
                if step.prepare:
                    generated = self._generated_files(step.prepare(work), before)
                    context.forget_cached_state()
                broad = self._dependencies(None)
                started, began = time.monotonic(), time.time_ns()
                learned = step.act(work)
        seconds = round(time.monotonic() - started, 3)
        makes = {path: snapshot.files.digest_now(path) for path in step.makes}
        unmade = sorted(path for path, digest in makes.items() if not digest)
        if unmade:
            raise StepFailed(f"{step.name} ended without making {', '.join(unmade)}")
        context.seconds[step.name] = seconds
        seen = self._dependencies_to_record(broad, learned, began, before.seen.written if before else ())
        context.records.commit(
            Record(
                task=step.name,
                settings=dict(step.settings),
                needs=needs,
                makes=makes,
                seen=without_generated(seen, generated),
                tools={**step.chosen, **{name: version for name in step.tools if (version := snapshot.tool(name))}},
                machine=machine_id(),
                seconds=seconds,
            )  # fmt: skip
        )

    def _remove_old_outputs(self, before: Record | None) -> None:
        """Remove unedited outputs that this step made under another name, such as those of an earlier version."""
        for path in replaced_outputs(before, self.step.makes, self.context.snapshot.files.digest_now) if before else ():
            files.remove(self.context.root / path)

    def _generated_files(self, written: Iterable[str], before: Record | None) -> tuple[str, ...]:
        """Untracked files written by the `before` commands, now or in an earlier run of a step with the same ones.

        Earlier runs count because such a command may leave a file that is up to date untouched.
        """
        context, commands = self.context, self.step.settings.get(BEFORE)
        records = (*context.records.every(), *((before,) if before else ()))
        alike = (record for record in records if record.settings.get(BEFORE) == commands)
        known = (path for record in alike for path in record.seen.generated)
        return untracked_files((*written, *known), context.root)

    def _dependencies(self, learned: Dependencies | None) -> Dependencies:
        sources = self.step.sources
        return sources.dependencies(self.context.snapshot, learned) if sources else Dependencies()

    def _dependencies_to_record(
        self, broad: Dependencies, learned: Mapping[str, tuple[str, ...]], began: int, usual: Iterable[str]
    ) -> Dependencies:
        """The dependencies after the step, without files that the step itself wrote.

        `usual`: the files written during the previous run.  Such a file, rewritten with the same content, is the step's
        own output and no edit by a person.
        """
        after = (
            self._dependencies(Dependencies(learned=learned, hints=broad.hints))
            if self.step.sources
            else Dependencies()
        )
        if self.step.rewrites:
            return after
        snapshot = self.context.snapshot
        new = (path for path in after.listing if path not in broad.listing)
        written = {*filter(snapshot.moved, broad.listing), *_changed_since(self.context.root, new, began)}
        own = {path for path in written.intersection(usual) if _same_content(path, broad, snapshot)}
        return digests_to_record(broad, after, edited=written - own, written=written)


def commit_from_cache(context: RunContext, record: Record) -> bool:
    """Commit the record of files that came from the shared cache, if the files on the disk are those of the record."""
    context.records.drop(record.task)
    if any(context.snapshot.files.digest_now(path) != digest for path, digest in record.makes.items()):
        return False
    context.records.commit(record)
    return True


def log_path(root: Path, name: str) -> Path:
    """The log file of a step."""
    return root / ".cartwheel" / "logs" / f"{name.replace(':', '-')}.log"


def _same_content(path: str, broad: Dependencies, snapshot: DiskSnapshot) -> bool:
    return snapshot.files.digest_now(path).removesuffix("+x") == broad.listing.get(path, "").removesuffix("+x")


def _changed_since(root: Path, paths: Iterable[str], moment: int) -> Iterable[str]:
    for path in paths:
        try:
            stat = os.stat(root / path)
        except OSError:
            continue
        if max(stat.st_mtime_ns, change_time_ns(root / path, stat)) >= moment:
            yield path


class _Scratch:
    """An empty folder that is removed at the end, also after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Path:
        remove_tree(self._path, ignore_errors=True)
        if self._path.exists():  # a process that was just killed may still have written
            time.sleep(0.1)
            remove_tree(self._path)
        self._path.mkdir(parents=True)
        return self._path

    def __exit__(self, *error: object) -> None:
        remove_tree(self._path, ignore_errors=True)
