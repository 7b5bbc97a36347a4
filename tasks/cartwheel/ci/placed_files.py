"""Files that other jobs made, moved into a checkout: only planned ones, and from each job only its own.

Artifacts are unpacked outside the checkout, one folder each.  No program of an artifact is run and no module of it is
imported before `place` has moved what is planned.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from cartwheel.ci.jobs import SDIST, Pipeline
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project, Wheel
from cartwheel.model.record import listing_name
from cartwheel.model.wheels.artifacts import package_artifacts, report_path, wheel_path

PREFIX = "built-"
"""The start of artifact names of build jobs."""

KEPT = "kept"
"""The artifact of files that an earlier run on the default branch made."""


def place(root: Path, source: Path, planned: Mapping[str, frozenset[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Move planned files from below `source`, a folder for each artifact, to their places below `root`.

    `planned`: the paths relative to the project that each artifact may hold, by its name.  Returns the paths that were
    moved, and those that were left where they are.  Raises `StepFailed` if a place in the project is taken by
    something that is no file.
    """
    moved, left = [], []
    for artifact in (KEPT, *sorted(planned.keys() - {KEPT})):
        for file, path in _files(source / artifact):
            if path in planned.get(artifact, ()) or _is_listing(file, path, planned.get(artifact, frozenset())):
                _move(file, root, path)
                moved.append(path)
            else:
                left.append(f"{artifact}/{path}")
    unknown = (entry.name for entry in sorted(source.iterdir()) if entry.name not in planned)
    return tuple(dict.fromkeys(moved)), (*left, *unknown)


def planned_files(project: Project, pipeline: Pipeline) -> Mapping[str, frozenset[str]]:
    """The paths that each artifact of a run may hold, by the artifact's name."""
    wheels = {wheel.segments: (package, wheel) for package, wheel in project.wheels}
    planned = {
        f"{PREFIX}{build.name}": frozenset(
            path for segments in build.wheels for path in _wheel_files(*wheels[segments])
        )
        for build in pipeline.builds
    }
    sdists = frozenset(path for package in project.packages for path in _sdist_files(package))
    everything = frozenset().union(sdists, *planned.values())
    return {**planned, f"{PREFIX}{SDIST}": sdists, KEPT: everything}


def _wheel_files(package: Package, wheel: Wheel) -> Iterable[str]:
    yield wheel_path(package, wheel)
    yield report_path(wheel)
    yield f"{package.state}/wheels/{wheel.place}/{wheel.raw}"
    yield from (_record(package, f"{stage}/{wheel.place}") for stage in ("build", "repair", "check"))


def _sdist_files(package: Package) -> Iterable[str]:
    for artifact in package_artifacts(package):
        if artifact.kind == "sdist":
            yield from (artifact.path, artifact.report)
    yield from (_record(package, name) for name in (f"sdist/{package.key}", f"check/sdist/{package.key}"))


def _record(package: Package, name: str) -> str:
    return f"{package.state}/records/{name}.json"


def _files(folder: Path) -> Iterable[tuple[Path, str]]:
    """The regular files of an artifact with their paths in it; links are neither followed nor listed."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            if stat.S_ISREG(os.lstat(file).st_mode):
                yield file, file.relative_to(folder).as_posix()


def _is_listing(file: Path, path: str, planned: frozenset[str]) -> bool:
    """Whether it is a listing of a record: beside planned records, and named by its content."""
    folder, _, name = path.rpartition("/")
    if not folder.endswith("/records/listings") or not any(
        p.startswith(folder.removesuffix("listings")) for p in planned
    ):
        return False
    return name == f"{listing_name(file.read_bytes())}.json"


def _move(file: Path, root: Path, path: str) -> None:
    target = root / path
    parts = [root.joinpath(*target.relative_to(root).parts[:n]) for n in range(1, len(target.relative_to(root).parts))]
    if blocking := next((p for p in parts if p.is_symlink() or (p.exists() and not p.is_dir())), None):
        raise StepFailed(f"{blocking.relative_to(root).as_posix()} is no folder; remove it and run again")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        raise StepFailed(f"{path} is a folder; remove it and run again")
    target.unlink(missing_ok=True)
    shutil.move(file, target)
