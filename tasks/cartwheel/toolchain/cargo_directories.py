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
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
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


class CargoDirectory(Struct, frozen=True, kw_only=True):
    """The target directory of a wheel: `.cartwheel/cargo/<triple>/<package>/<python>-<toolchain>`."""

    root: Path
    target: Target
    package: str
    python: str
    toolchain: str

    @property
    def path(self) -> Path:
        return self._package(self.target.triple) / f"{self.python}-{self.toolchain}"

    def _package(self, triple: str) -> Path:
        return self.root / FOLDER / triple / self.package

    @contextmanager
    def reserved(self, slots: Slots) -> Iterator[None]:
        """Hold the directory exclusively. A new directory is first filled with a copy of a similar one.

        Of several new directories that could share a copy, the first builds from nothing and the others wait for it. A
        failed copy (a full disk) is ignored and costs only time.
        """
        with ExitStack() as stack:
            stack.enter_context(slots.alone(str(self.path)))
            if not self.path.is_dir():
                self._begin(slots, stack)
            yield

    def _begin(self, slots: Slots, stack: ExitStack) -> None:
        """Fill the directory. Locks left on `stack` are held until the build has ended."""
        with ExitStack() as family:
            family.enter_context(slots.alone(f"interpreters of {self._package(self.target.triple)} {self.toolchain}"))
            if self._copy_from(self._interpreters(), slots, _is_shared):
                return
            if self.toolchain in HOSTED:
                with ExitStack() as others:
                    others.enter_context(slots.alone(f"targets of {self.package}"))
                    if not self._copy_from(self._targets(), slots, _for_this_machine):
                        stack.push(others.pop_all())
            stack.push(family.pop_all())

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
        with slots.alone(str(folders[0])):
            return _copy(folders[0], self.path, self._scratch(), needed)

    def _scratch(self) -> Path:
        return self.root / ".cartwheel" / "scratch" / f"seed-{hashlib.sha256(str(self.path).encode()).hexdigest()[:12]}"


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


def _copy(source: Path, to: Path, scratch: Path, needed: Callable[[str], bool]) -> bool:
    """Copy the whole directory, or nothing on failure. Modification times are kept because cargo compares them."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if not needed(name)] if folder == str(source) else []

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
