"""`doit plan --against`: compares the planned release with one on an index."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from doit.exceptions import InvalidCommand
from msgspec import Struct

from cartwheel.adoption.metadata_change import differences, facts_of_metadata, facts_of_pyproject
from cartwheel.destinations.pypi_index import Index
from cartwheel.last_release import ReleaseChange, comparison_index, last_release, release_change
from cartwheel.model.destination import PYPI, kind_of
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.wheels.artifacts import package_artifacts

FIRST = "first"
"""Means the newest release on the package's first index."""


class FileSize(Struct, frozen=True, kw_only=True):
    """A built file and its counterpart in the last release; sizes in bytes, 0 if unknown."""

    file: str
    old: int
    new: int


class PackageReport(Struct, frozen=True, kw_only=True):
    """The report on one package."""

    change: ReleaseChange
    metadata: tuple[str, ...]
    sizes: tuple[FileSize, ...]
    contents: tuple[str, ...]
    """Modules and exported names that built wheels gain or lose."""
    project_size: int
    """Bytes on the index after this release, as far as sizes are known; 0 if none is known."""
    notes: tuple[str, ...]


def reports(project: Project, root: Path, against: str, *, sizes: bool, offline: bool) -> tuple[PackageReport, ...]:
    """The report of every published package; raises `InvalidCommand` for an index that no package has."""
    name, _, version = against.partition(":")
    name = "" if name == FIRST else name
    rows = []
    for package in project.packages:
        if not package.publish:
            continue
        index = name or comparison_index(project, package)
        if not index and len(project.packages) > 1:
            continue
        if not index or kind_of(index, project.indexes) != PYPI:
            raise InvalidCommand(
                f"plan: '{index or package.name}': a release is compared on an index like PyPI; name one: "
                "doit plan --against NAME[:VERSION]"
            )
        rows.append(_report(project, package, root, index, version, sizes=sizes, offline=offline))
    if not rows:
        raise InvalidCommand("plan: no package is published, so there is no release to compare with")
    return tuple(rows)


def _report(
    project: Project, package: Package, root: Path, index: str, version: str, *, sizes: bool, offline: bool
) -> PackageReport:
    from cartwheel.destinations.pypi_index import resolve

    where = resolve(index, project.indexes)
    change = release_change(package, last_release(where, package.name, root=root, version=version, offline=offline))
    notes = []
    if change.last is None:
        notes.append(f"{index} holds no release of {package.name}: every planned file is new")
    elif offline:
        moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(change.last.read_at))
        notes.append(f"{index} as it was read at {moment}")
    metadata, more = _metadata(package, root, change, where, offline=offline)
    rows = _sizes(package, root, change)
    return PackageReport(
        change=change,
        metadata=metadata,
        sizes=rows if sizes else (),
        contents=_contents(package, root, change, where) if sizes and not offline else (),
        project_size=_project_size(change, rows),
        notes=(*notes, *more),
    )


def _metadata(
    package: Package, root: Path, change: ReleaseChange, index: Index, *, offline: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Differences in the metadata, and notes on what is still unknown."""
    from cartwheel.destinations.pypi_reader import read_bytes

    if change.last is None or offline:
        return (), []
    served = next((row for row in change.last.files if row.metadata_url), None)
    if served is None:
        return (), [f"{change.last.index} serves no metadata of {change.last.version}, so it is not compared"]
    try:
        text = read_bytes(served.metadata_url, shown_as=f"{served.file}.metadata", index=index)
    except StepFailed as error:
        return (), [f"the metadata is not compared: {error}"]
    built = _built_metadata(package, root)
    if built:
        return differences(facts_of_metadata(text), facts_of_metadata(built)), []
    planned, unknown = facts_of_pyproject(package.manifests.pyproject)
    note = [f"known once a wheel is built: {', '.join(unknown)}"] if unknown else []
    return differences(facts_of_metadata(text), planned, unknown), note


def _built_metadata(package: Package, root: Path) -> bytes:
    from cartwheel.filesystem.distribution import open_distribution

    for artifact in package_artifacts(package):
        path = root / artifact.path
        if artifact.kind == "wheel" and path.is_file():
            return open_distribution(path).metadata
    return b""


def _sizes(package: Package, root: Path, change: ReleaseChange) -> tuple[FileSize, ...]:
    old = {_tags(row.file): row.size for row in change.last.files} if change.last else {}
    return tuple(
        FileSize(file=a.file, old=old.get(_tags(a.file), 0), new=_bytes(root / a.path))
        for a in package_artifacts(package)
    )


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _tags(file: str) -> str:
    """A wheel's name without its version."""
    return "-".join(file.split("-")[2:]) or "sdist"


def _project_size(change: ReleaseChange, rows: Iterable[FileSize]) -> int:
    """Bytes on the index after this release: built files count with their size, others with that of their
    predecessor."""
    if change.last is None or not change.last.project_size:
        return 0
    rows = tuple(rows)
    known = [row.new or row.old for row in rows if row.new or row.old]
    mean = sum(known) // len(known) if known else 0
    return change.last.project_size + sum(row.new or row.old or mean for row in rows)


def _contents(package: Package, root: Path, change: ReleaseChange, index: Index) -> tuple[str, ...]:
    """Modules and exported names of each built wheel compared with the wheel of the same tags in the last release."""
    from cartwheel.destinations.pypi_reader import read_bytes

    old = {_tags(row.file): row for row in change.last.files} if change.last else {}
    lines: list[str] = []
    for artifact in package_artifacts(package):
        path, before = root / artifact.path, old.get(_tags(artifact.file))
        if artifact.kind != "wheel" or before is None or not before.url or not path.is_file():
            continue
        was = _importable_files(io.BytesIO(read_bytes(before.url, shown_as=before.file, index=index)))
        now = _importable_files(path)
        lines += [f"{artifact.file}: {name} is gone" for name in sorted(was - now)]
        lines += [f"{artifact.file}: {name} is new" for name in sorted(now - was)]
    return tuple(lines)


def _importable_files(wheel: Path | io.BytesIO) -> frozenset[str]:
    """A wheel's files, with compiled modules named without their platform suffix, and the modules that they export."""
    from cartwheel.filesystem.binaries import binaries

    with TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        path = wheel if isinstance(wheel, Path) else Path(folder, "old.whl")
        if isinstance(wheel, io.BytesIO):
            path.write_bytes(wheel.getvalue())
        names = (name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith("/"))
        files = {f"file {_without_suffix(name)}" for name in names}
        modules = {f"module {name} in {_without_suffix(row.path)}" for row in binaries(path) for name in row.modules}
    return frozenset(files | modules)


def _without_suffix(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    stem = file.split(".")[0] if file.endswith((".so", ".pyd", ".dll", ".dylib")) else file
    return f"{folder}{slash}{stem}"


def compare_now(project: Project, root: Path, against: str, *, sizes: bool, offline: bool) -> tuple[PackageReport, ...]:
    """Calls `reports`; turns its errors into one line for the user."""
    try:
        return reports(project, root, against, sizes=sizes, offline=offline)
    except CartwheelError as error:
        raise InvalidCommand(str(error)) from None
