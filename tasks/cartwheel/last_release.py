"""The last release on an index, and how the planned one differs from it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.adoption.file_sets import Comparison, compare, with_reasons
from cartwheel.destinations.pypi_index import Index, resolve
from cartwheel.destinations.pypi_reader import project_listing
from cartwheel.destinations.retries import READING, Patience
from cartwheel.destinations.simple_api import ListedFile
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.config.settings import Settings
from cartwheel.model.config.table import decode
from cartwheel.model.destination import PYPI, kind_of
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.model.wheels.wheel_name import name_and_version

ONCE = Patience(tries=1, connect=2.0)
"""For a look that only warns: no waiting for an index that is down."""

QUOTA = 10 * 2**30
"""Bytes that PyPI allows per project by default (its help, "file and project size limits", November 2026)."""


class LastRelease(Struct, frozen=True, kw_only=True):
    """A version on an index with its files."""

    index: str
    public: bool
    """Whether PyPI's rules apply there."""
    version: str
    files: tuple[ListedFile, ...]
    project_size: int
    """Bytes of all files of all versions; 0 if the index gives no sizes."""
    read_at: float
    """When the listing was read, in seconds since 1970; earlier than now if it comes from the cache."""


class ReleaseChange(Struct, frozen=True, kw_only=True):
    """A package's planned release compared with the last one."""

    package: str
    version: str
    last: LastRelease | None
    """None if the index holds no release of the package."""
    comparison: Comparison


def comparison_index(project: Project, package: Package) -> str:
    """The index to compare releases on: the first of the PyPI kind that is not a rehearsal index; empty if there is
    none."""
    names = (name for name in package.publish if kind_of(name, project.indexes) == PYPI)
    real = (name for name in names if not resolve(name, project.indexes).rehearsal)
    return next(real, "")


def comparison_name(table: Mapping[str, Any]) -> tuple[Mapping[str, IndexSettings], str]:
    """The indexes in a raw `[tool.cartwheel]` table, and the name of the one to compare releases on."""
    settings = decode(Settings, table, where="[tool.cartwheel]")
    indexes = settings.index or {}
    named = (name for name in settings.publish or () if kind_of(name, indexes) == PYPI and name != "testpypi")
    return indexes, next(named, "pypi")


def release_change(package: Package, last: LastRelease | None) -> ReleaseChange:
    """The change from the last release to the planned files; each loss has its reason from the configuration."""
    planned = tuple(artifact.file for artifact in package_artifacts(package))
    comparison = compare(tuple(row.file for row in last.files) if last else (), planned)
    return ReleaseChange(
        package=package.name, version=package.version, last=last, comparison=with_reasons(comparison, package.dropped)
    )


def last_release(
    index: Index, name: str, *, root: Path, version: str = "", below: str = "", offline: bool = False,
    patience: Patience = READING, keep: bool = True,
) -> LastRelease | None:  # fmt: skip
    """The newest release of a project on an index, or `version`, or with `below` the newest older than that; None if
    the index has no such release.

    With `keep`, the listing is cached in `.cartwheel/indexes/`; `offline` reads only that cache. Raises `StepFailed` if
    the index cannot be read or the cache is empty, and `ConfigError` if `version` does not exist.
    """
    path = root / ".cartwheel" / "indexes" / index.name / f"{name}.json"
    if offline:
        rows, moment = _cached_rows(path, index.name, name)
    else:
        rows, moment = project_listing(index, name, patience=patience), time.time()
        if keep:
            _keep(path, rows, moment)
    by_version = _by_version(rows)
    chosen = _pick(by_version, version, below)
    if version and not chosen:
        known = ", ".join(list(by_version)[-5:]) or "none"
        raise ConfigError(f"{index.name} holds no version {version} of {name}; the newest there: {known}")
    if not chosen:
        return None
    return LastRelease(
        index=index.name,
        public=index.public,
        version=chosen,
        files=by_version[chosen],
        project_size=sum(row.size for row in rows),
        read_at=moment,
    )


def _pick(by_version: Mapping[str, tuple[ListedFile, ...]], version: str, below: str) -> str:
    from packaging.version import Version

    if version:
        return next((text for text in by_version if Version(text) == Version(version)), "")
    older = [text for text in by_version if not below or Version(text) < Version(below)]
    live = [text for text in older if not all(row.yanked for row in by_version[text])] or older
    final = [text for text in live if not Version(text).is_prerelease] or live
    return final[-1] if final else ""


def _by_version(rows: Iterable[ListedFile]) -> dict[str, tuple[ListedFile, ...]]:
    """The files by version, oldest version first."""
    from packaging.version import Version

    releases: dict[str, list[ListedFile]] = {}
    for row in rows:
        if parts := name_and_version(row.file):
            releases.setdefault(str(parts[1]), []).append(row)
    return {version: tuple(releases[version]) for version in sorted(releases, key=Version)}


def _keep(path: Path, rows: Iterable[ListedFile], moment: float) -> None:
    from cartwheel.filesystem.files import write_atomically

    document = {
        "schema": 1,
        "read": moment,
        "files": [{"file": row.file, "size": row.size, "yanked": row.yanked} for row in rows],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(document).encode())
    except OSError:
        return  # an unwritable folder only costs the next offline look


def _cached_rows(path: Path, index: str, name: str) -> tuple[tuple[ListedFile, ...], float]:
    try:
        document = json.loads(path.read_bytes())
        rows = document["files"]
        return tuple(ListedFile(sha256="", url="", **row) for row in rows), float(document["read"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StepFailed(f"the files of {name} on {index} are not cached; run once without --offline") from None


def losses_in_words(change: ReleaseChange) -> tuple[str, ...]:
    """Why a release would be refused: each file of the last one that it loses without a reason, and what to do."""
    lost = change.comparison.unexplained
    if not lost or change.last is None:
        return ()
    shown = [f"  {row.file}" for row in lost[:10]]
    more = [f"  … and {len(lost) - 10} more"] if len(lost) > 10 else []
    return (
        f"{change.package} {change.version} loses {len(lost)} of the {len(change.last.files)} files of "
        f"{change.last.version} on {change.last.index}:",
        *shown,
        *more,
        "plan them again (targets, python), or say why they end: [tool.cartwheel] dropped = "
        f'{{ "{_pattern(lost[0].file)}" = "no users" }}; all of it: doit plan --against {change.last.index}',
    )


def _pattern(file: str) -> str:
    """A pattern for `dropped` that matches the file in every version."""
    parts = file.removesuffix(".whl").split("-")
    return f"*-{parts[-1]}" if file.endswith(".whl") else "*.tar.gz"


def unread_in_words(index: str, error: Exception) -> str:
    """The line to show if the last release cannot be read; it has no other effect."""
    return f"not compared with the last release on {index}: {error}"


def change_before_release(project: Project, package: Package, root: Path, *, keep: bool = True) -> ReleaseChange | None:
    """The planned release compared with the newest older one; None for a rehearsal or a package without such an index.

    Raises `StepFailed` if the index cannot be read.
    """
    if project.rehearsed or not package.publish:
        return None
    name = comparison_index(project, package)
    if not name:
        return None
    index = resolve(name, project.indexes)
    last = last_release(index, package.name, root=root, below=package.version, patience=ONCE, keep=keep)
    return release_change(package, last)
