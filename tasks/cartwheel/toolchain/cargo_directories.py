"""Cargo's target directories: one for each wheel and toolchain; a new one starts as a copy of what it can reuse.

In a shared directory, pyo3 is recompiled at every change of interpreter (PyO3/maturin#2256), and builds of two targets
block each other. Separate directories avoid both. Copying an existing directory saves compilation: for another
interpreter of the same target everything is reused, for another target only the part built for the host (build scripts
and macros). Files are copied, not hard-linked, because cargo writes in place.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from msgspec import Struct

from cartwheel.filesystem.windows_files import remove_tree, replace_file
from cartwheel.model.step import Slots
from cartwheel.model.wheels.target import Target
from cartwheel.toolchain import TOOLCHAINS

FOLDER = ".cartwheel/cargo"
HOSTED = frozenset(name for name, row in TOOLCHAINS.items() if row.hosted)

SHARED = "all"
"""Takes the place of the interpreter's name if all interpreters of a target share one directory."""

_OWN = ("maturin", "wheels")
"""Folders in which maturin leaves the output of one wheel."""

_OF_UNITS = (".fingerprint", "build", "deps")
"""Folders whose entries have a unit's id in their names. cargo writes in its other folders during the whole build."""

_PATIENCE = 0.2
"""Seconds between looks at a running build."""


class CargoDirectory(Struct, frozen=True, kw_only=True):
    """The target directory of a wheel: `.cartwheel/cargo/<triple>/<package>/<python>-<toolchain>`."""

    root: Path
    target: Target
    package: str
    python: str
    toolchain: str
    early: bool = False
    """Whether a copy may begin before the first build has ended, as soon as every unit is compiled or being compiled.

    False if cargo runs more than once in a build. False if there are other local crates: a copy is without the note of
    their inputs (`inputs.last_build`), so each wheel would compile them again.
    """

    @property
    def path(self) -> Path:
        return self._package(self.target.triple) / f"{self.python}-{self.toolchain}"

    def _package(self, triple: str) -> Path:
        return self.root / FOLDER / triple / self.package

    @contextmanager
    def reserved(self, slots: Slots) -> Iterator[None]:
        """Hold the directory exclusively. A new directory is first filled with a copy of a similar one.

        Of several new directories that could share a copy, the first builds from nothing. The others wait until it can
        be copied, see `early`. Before its end, no more builds than processors run. A failed copy (a full disk) is
        ignored and costs only time.
        """
        with slots.exclusive(_build_in(self.path)), ExitStack() as stack:
            stack.enter_context(slots.exclusive(str(self.path)))
            others_wait = not self.path.is_dir() and self._begin(slots, stack)
            with self._released_early(stack) if others_wait and self.early else nullcontext():
                yield

    def _begin(self, slots: Slots, stack: ExitStack) -> bool:
        """Fill the directory. Returns whether others wait for its content: their locks are left on `stack`."""
        with ExitStack() as family:
            family.enter_context(
                slots.exclusive(f"interpreters of {self._package(self.target.triple)} {self.toolchain}")
            )
            if self._copy_from(self._interpreters(), slots, _is_shared):
                return False
            if self.toolchain in HOSTED:
                with ExitStack() as others:
                    others.enter_context(slots.exclusive(f"targets of {self.package}"))
                    if not self._copy_from(self._targets(), slots, _for_this_machine):
                        stack.push(others.pop_all())
            stack.push(family.pop_all())
        return True

    @contextmanager
    def _released_early(self, stack: ExitStack) -> Iterator[None]:
        """Close `stack`, which has the locks that others wait for, when everything left is being compiled."""
        ended, since = threading.Event(), max(map(_start_time, _units(self.path)), default=0)

        def watch() -> None:
            while not ended.wait(_PATIENCE):
                if _only_running_units_are_left(self.path, since):
                    stack.close()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _interpreters(self) -> Iterable[Path]:
        return self._package(self.target.triple).glob(f"*-{self.toolchain}")

    def _targets(self) -> Iterable[Path]:
        folders = (self.root / FOLDER).glob(f"*/{self.package}/*-*")
        return (path for path in folders if path.name.rpartition("-")[2] in HOSTED)

    def _copy_from(self, sources: Iterable[Path], slots: Slots, needed: Callable[[str], bool]) -> bool:
        def order(path: Path) -> tuple[bool, bool, str]:
            return not slots.free(str(path)), _after_python(path) != _after_python(self.path), str(path)

        folders = sorted((path for path in sources if path.is_dir()), key=order)
        if not folders:
            return False
        source, builds = folders[0], [_build_in(path) for path in folders]
        if sum(not slots.free(name) for name in builds) >= slots.processors:
            with slots.exclusive(builds[0]):
                pass  # its build has ended
        with slots.exclusive(str(source)):
            return _copy(source, self.path, self._scratch(), needed, running=not slots.free(builds[0]))

    def _scratch(self) -> Path:
        return self.root / ".cartwheel" / "scratch" / f"seed-{hashlib.sha256(str(self.path).encode()).hexdigest()[:12]}"


def _build_in(directory: Path) -> str:
    """The lock that a build holds from its start to its end. Copies take the lock named by the path alone."""
    return f"build in {directory}"


def disk_use(root: Path) -> int:
    """The size in bytes of all cargo directories of the project."""
    return sum(_bytes(folder) for folder in (root / FOLDER).glob("*"))


def _bytes(folder: str | Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(
                _bytes(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size
                for entry in entries
            )
    except OSError:  # removed meanwhile
        return 0


def _after_python(path: Path) -> str:
    """The variant and toolchain in a directory's name. Dependencies compiled for another variant have other flags."""
    return path.name.partition("-")[2]


def _is_shared(name: str) -> bool:
    return name not in _OWN


def _for_this_machine(name: str) -> bool:
    """Whether an entry is host output: not a target's folder (named by its triple), and not a record of the last
    build."""
    return _is_shared(name) and name.count("-") < 2 and not name.startswith("last-")


def _units(directory: Path) -> Iterable[Path]:
    """The folders in which cargo keeps the fingerprints of units (a crate or a run of a build script), for the host and
    the target.

    cargo makes them all before it starts a compiler. The names end with `-` and the unit's id.
    """
    return (*directory.glob("*/.fingerprint/*"), *directory.glob("*/*/.fingerprint/*"))


def _is_finished(unit: Path) -> bool:
    """Whether the unit's outputs are complete. Then cargo does not write them again in the running build.

    cargo (1.95, `fingerprint/mod.rs`) empties a file with the unit's hash before it starts a compiler. It writes that
    file after all outputs, and then a file of the same name with the suffix `.json`.
    """
    try:
        hashes = [path.with_suffix("") for path in unit.glob("*.json")]
        return bool(hashes) and all(path.stat().st_size for path in hashes)
    except OSError:
        return False


def _start_time(unit: Path) -> int:
    """When cargo started the unit's compiler, in nanoseconds since the epoch; 0 if never."""
    try:
        return (unit / "invoked.timestamp").stat().st_mtime_ns
    except OSError:
        return 0


def _only_running_units_are_left(directory: Path, since: int) -> bool:
    """Whether compilers of units that are not finished run, and all of them were started after `since`."""
    left = [unit for unit in _units(directory) if not _is_finished(unit)]
    return bool(left) and all(_start_time(unit) > since for unit in left)


def _finished_ids(directory: Path) -> dict[str, set[str]]:
    """The ids of finished units by the folder of their outputs."""
    ids: dict[str, set[str]] = {}
    for unit in _units(directory):
        known = ids.setdefault(str(unit.parent.parent), set())
        if _is_finished(unit):
            known.add(unit.name.rpartition("-")[2])
    return ids


def _of_finished(folder: str, name: str, ids: dict[str, set[str]]) -> bool:
    """Whether an entry of a running build's directory belongs to a finished unit, or to none."""
    outer, inner = os.path.split(folder)
    if outer in ids and inner in _OF_UNITS:
        return name.rpartition("-")[2].partition(".")[0] in ids[outer]
    return folder not in ids or name in _OF_UNITS


def _copy(source: Path, to: Path, scratch: Path, needed: Callable[[str], bool], *, running: bool) -> bool:
    """Copy the whole directory, or nothing on failure. Modification times are kept because cargo compares them.

    While a build is running in `source`, only units that are finished before the copy begins are copied. cargo compiles
    the others again: their fingerprints are missing in the copy.
    """
    ids = _finished_ids(source) if running else {}

    def ignored(folder: str, names: list[str]) -> list[str]:
        if folder != str(source):
            return [name for name in names if not _of_finished(folder, name, ids)]
        return [name for name in names if not needed(name) or (running and not _is_steady(source / name))]

    remove_tree(scratch, ignore_errors=True)
    try:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, scratch, symlinks=True, ignore=ignored)
        replace_file(scratch, to)
    except OSError:
        remove_tree(scratch, ignore_errors=True)
        return False
    return True


def _is_steady(path: Path) -> bool:
    """Whether an entry at the top of a directory stays while a build is running: no note of its end, no temporary
    file."""
    return path.is_dir() or path.name in (".rustc_info.json", "CACHEDIR.TAG")
