"""The one doit action of a step: lock, drop the record, digest what goes in, act, digest what came out, commit.

In this order a kill at any moment loses at most the step that was at work, and never takes a half-done one for done.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from doit.action import BaseAction
from doit.exceptions import TaskFailed

from cartwheel.filesystem import files
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.inputs.generated_files import untracked_files, without_generated
from cartwheel.inputs.sources import look_again
from cartwheel.inputs.staleness import digests_to_record, reasons
from cartwheel.machine.host import machine_id
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import BEFORE, Project
from cartwheel.model.record import Dependencies, Record
from cartwheel.model.step import Step, Work
from cartwheel.process import environment, run
from cartwheel.process.run_lock import RunLock
from cartwheel.process.slots import Slots
from cartwheel.state import Records

CLEAN_CARGO = "clean:cargo"


class RunContext:
    """What the actions of one run share."""

    def __init__(self, world: DiskSnapshot, project: Project, *, named: tuple[str, ...]) -> None:
        self.world = world
        self.project = project
        self.named = named
        self.root = world.root
        self.lock = RunLock(world.root / ".cartwheel" / "local" / "lock")
        self.slots = Slots()
        self.skipped: list[UpToDate] = []
        self._spoiled = ""
        self._beginning = threading.Lock()
        self.nothing_may_be_built = environment.builds_forbidden(world.environ)
        self.announce: Callable[[str], None] = lambda text: None
        self.seconds: dict[str, float] = {}

    @property
    def records(self) -> Records:
        """The backend that doit made; it does so before any task is created."""
        from doit.globals import Globals

        backend = Globals.dep_manager.backend
        assert isinstance(backend, Records), "dodo.py needs DOIT_CONFIG = wheels.doit_config"
        if self.world.save not in backend.at_end:
            backend.at_end.append(self.world.save)
            backend.after_own.append(self.look_again)
        return backend

    def look_again(self) -> None:
        """A task of the project's own, or a command before a build, may have written what a step is about to read."""
        self.world.files.renew()
        look_again()

    def begin(self) -> None:
        """Before anything is written: this run alone is at work here, and knows what the one before it left.

        Raises `StepFailed` where a step that was skipped as up to date no longer is: the run that was waited for has
        made it with other settings or from other sources, and doit does not come back to a step.
        """
        with self._beginning:
            first = not self.lock.held
            if self.lock.take(lambda who: self.announce(f"waiting for the run of {who} in this project")):
                self.records.forget_all()
                self.world.again()
                look_again()
                self._spoiled = self._no_longer_fresh()
            if self._spoiled:
                raise StepFailed(self._spoiled)
            if first:
                ours = self.root / ".cartwheel"
                files.sweep((ours / "records", ours / "checks", ours / "local"))

    def _no_longer_fresh(self) -> str:
        for skipped in self.skipped:
            if why := skipped.reasons():
                return f"{skipped.step.name} was up to date until the run that was waited for ({why[0]}); run again"
        return ""

    def expect_some(self, patterns: tuple[str, ...]) -> None:
        """Have a run that selected nothing refused when it ends, whatever its reporter."""
        if patterns and not {"clean", "reset-dep"} & set(self.named):
            self.records.at_end.append(lambda: self._refuse_nothing(patterns[0]))

    def _refuse_nothing(self, pattern: str) -> None:
        from doit.exceptions import InvalidCommand

        if not self.records.asked and sys.exc_info()[0] is None:  # else the reporter has refused in better words
            raise InvalidCommand(f"'{pattern}' selects no task; see them with: doit list --all")


class UpToDate:
    """What doit calls to learn whether a step is up to date."""

    def __init__(self, step: Step, workshop: RunContext) -> None:
        self.step = step
        self.workshop = workshop

    def reasons(self) -> tuple[str, ...]:
        """Why the step must run; empty when it need not."""
        return reasons(self.step, self.workshop.records.load(self.step.name), self.workshop.world)

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
            self.workshop.skipped.append(self)
        return fresh


_NEVER_ALONE = ("tag", "publish", "release")
"""Stages whose work cannot be taken back."""


class PerformStep(BaseAction):  # type: ignore[misc]
    """Does a step and keeps its record."""

    def __init__(self, judgement: UpToDate) -> None:
        self.judgement = judgement
        self.step = judgement.step
        self.workshop = judgement.workshop
        self.task: Any = None
        self.out = self.err = None
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"do {self.step.name}"

    def execute(self, out: object = None, err: object = None) -> TaskFailed | None:
        """Do the step; what fails is returned in words, never raised."""
        try:
            self._execute()
        except CartwheelError as error:
            return TaskFailed(str(error))
        except OSError as error:
            return TaskFailed(_disk_trouble(error))
        return None

    def _execute(self) -> None:
        if run.STOP.is_set():
            raise run.Interrupted
        shop, step = self.workshop, self.step
        if step.blocked:
            raise StepFailed(step.blocked)
        if self._alone() and step.name.split(":")[0] in _NEVER_ALONE:
            raise StepFailed("--single leaves out what must have passed before it; run it without")
        shop.begin()
        if not step.always and not self.judgement.reasons():
            return  # the run that was waited for has done it
        if shop.nothing_may_be_built and (step.heavy or step.ships):
            why = "; ".join(self.judgement.reasons()[:3])
            raise StepFailed(f"{step.name} is stale ({why}), and CARTWHEEL_FROZEN says that nothing may be built here")
        for lack in (step.unset, step.lacks):
            if lack and (lacking := lack(shop.world)):
                raise StepFailed(lacking)
        with (
            step.reserve(shop.slots, shop.root) if step.reserve else nullcontext(),
            shop.slots.compiling() if step.heavy else shop.slots.light() as shared,
        ):
            self._perform(shared)

    def _alone(self) -> bool:
        """Whether doit was told to leave out what comes before."""
        return self.task is not None and bool(self.step.after) and not self.task.task_dep

    def _perform(self, shared: Mapping[str, str]) -> None:
        shop, step, world = self.workshop, self.step, self.workshop.world
        if run.STOP.is_set():
            raise run.Interrupted
        before = shop.records.load(step.name)
        self._remove_superseded(before)  # first: once the record is gone nobody knows of those files
        shop.records.drop(step.name)
        for path in step.makes:
            (shop.root / path).unlink(missing_ok=True)
        needs = {path: world.files.again(path) for path in step.needs}
        missing = sorted(path for path, digest in needs.items() if not digest)
        if missing:
            raise StepFailed(f"{step.name} needs {', '.join(missing)}, which no earlier step has made")
        with _Scratch(shop.root / ".cartwheel" / "scratch" / step.name.replace(":", "-")) as scratch:
            said = log_of(shop.root, step.name)
            log = run.StepLog(said, shown_as=said.relative_to(shop.root).as_posix())
            work = Work(
                root=shop.root, scratch=scratch, log=log, snapshot=world, before=before,
                named=shop.named, slots=shared,
                announce=lambda text: shop.announce(f"{step.name}: {text}"),
            )  # fmt: skip
            generated: tuple[str, ...] = ()
            if step.prepare:
                generated = self._generated(step.prepare(work), before)
                shop.look_again()
            broad = self._seen(None)
            started, began = time.monotonic(), time.time_ns()
            learned = step.act(work)
        seconds = round(time.monotonic() - started, 3)
        makes = {path: world.files.again(path) for path in step.makes}
        unmade = sorted(path for path, digest in makes.items() if not digest)
        if unmade:
            raise StepFailed(f"{step.name} ended without making {', '.join(unmade)}")
        shop.seconds[step.name] = seconds
        shop.records.commit(
            Record(
                task=step.name,
                settings=dict(step.settings),
                needs=needs,
                makes=makes,
                seen=without_generated(
                    self._settled(broad, learned, began, before.seen.written if before else ()), generated
                ),
                tools={**step.chosen, **{name: version for name in step.tools if (version := world.tool(name))}},
                machine=machine_id(),
                seconds=seconds,
            )  # fmt: skip
        )

    def _remove_superseded(self, before: Record | None) -> None:
        """What this step made under another name (an earlier version, another floor) and nobody edited since."""
        for path, digest in before.makes.items() if before else ():
            if path not in self.step.makes and self.workshop.world.files.again(path) == digest:
                files.remove(self.workshop.root / path)

    def _generated(self, written: Iterable[str], before: Record | None) -> tuple[str, ...]:
        """What the commands before it made: now, or when they were run earlier, for this step or another; they need
        not write again what is as it should be."""
        shop, said = self.workshop, self.step.settings.get(BEFORE)
        records = (*shop.records.every(), *((before,) if before else ()))
        alike = (record for record in records if record.settings.get(BEFORE) == said)
        known = (path for record in alike for path in record.seen.generated)
        return untracked_files((*written, *known), shop.root)

    def _seen(self, learned: Dependencies | None) -> Dependencies:
        sources = self.step.sources
        return sources.seen(self.workshop.world, learned) if sources else Dependencies()

    def _settled(
        self, broad: Dependencies, learned: Mapping[str, tuple[str, ...]], began: int, usual: Iterable[str]
    ) -> Dependencies:
        """`usual`: what was written during the last one; what it leaves as it was is then the step's own writing."""
        after = self._seen(Dependencies(learned=learned, hints=broad.hints)) if self.step.sources else Dependencies()
        if self.step.rewrites:
            return after
        world = self.workshop.world
        new = (path for path in after.listing if path not in broad.listing)
        written = {*filter(world.moved, broad.listing), *_changed_since(self.workshop.root, new, began)}
        own = {path for path in written.intersection(usual) if _is_as_it_was(path, broad, world)}
        return digests_to_record(broad, after, edited=written - own, written=written)


def log_of(root: Path, name: str) -> Path:
    """Where everything lies that the tools of a step said."""
    return root / ".cartwheel" / "logs" / f"{name.replace(':', '-')}.log"


class CleanAction(BaseAction):  # type: ignore[misc]
    """Removes what the tasks made, and says what; or only what cargo keeps for itself, which no record tells of."""

    def __init__(self, workshop: RunContext, name: str) -> None:
        self.workshop = workshop
        self.name = name
        self.task = None
        self.out = self.err = None
        self.result: Any = None
        self.values: dict[str, Any] = {}

    def __str__(self) -> str:
        return "remove what the tasks made"

    def execute(self, out: object = None, err: object = None) -> TaskFailed | None:
        """List and remove; what fails is returned in words."""
        from cartwheel import clean

        shop = self.workshop
        if not {"clean", self.name}.intersection(shop.named) and any(
            "*" in word and fnmatch(self.name, word) for word in shop.named
        ):
            return TaskFailed(f"this removes what was made, so it runs only when it is named: doit run {self.name}")
        try:
            shop.begin()
            if self.name == CLEAN_CARGO:
                removed = clean.remove(clean.cargo_folders(shop.root), shop.root)
            else:
                made = [path for record in shop.records.every() for path in record.makes]
                removed = clean.remove(clean.leftovers(shop.root, shop.project, made), shop.root)
        except CartwheelError as error:
            return TaskFailed(str(error))
        except OSError as error:
            return TaskFailed(_disk_trouble(error))
        for path in removed:
            shop.announce(f"removed {path}")
        if self.name != CLEAN_CARGO:
            shop.records.forget_all()
            shop.world.forget()
        return None


def _is_as_it_was(path: str, broad: Dependencies, world: DiskSnapshot) -> bool:
    return world.files.again(path).removesuffix("+x") == broad.listing.get(path, "").removesuffix("+x")


def _changed_since(root: Path, paths: Iterable[str], moment: int) -> Iterable[str]:
    for path in paths:
        try:
            stat = os.stat(root / path)
        except OSError:
            continue
        if max(stat.st_mtime_ns, stat.st_ctime_ns) >= moment:
            yield path


class _Scratch:
    """An empty folder that is gone afterwards, whatever happened."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Path:
        shutil.rmtree(self._path, ignore_errors=True)
        if self._path.exists():  # what was killed a moment ago may still have been writing
            time.sleep(0.1)
            shutil.rmtree(self._path)
        self._path.mkdir(parents=True)
        return self._path

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def _disk_trouble(error: OSError) -> str:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return (
            f"the disk is full{where}; free some space (doit run clean drops all that can be made again) and run again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write{where}: {error.strerror}; make the folder writable and run again"
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return f"cannot write{where}: {error.strerror}; move away what stands in the way and run again"
    return f"{error.strerror or error}{where}"
