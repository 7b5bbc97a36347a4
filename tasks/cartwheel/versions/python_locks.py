"""The places of a Python package's version in lockfiles of uv, pip, poetry and pdm, and in requirements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.filesystem.edits import TextPlace, toml_place
from cartwheel.filesystem.manifest_files import table, toml_or_nothing
from cartwheel.filesystem.read_set import relative_name
from cartwheel.model.versions.version import pep440
from cartwheel.model.wheels.wheel_name import canonical_name


class LockForm(Struct, frozen=True, kw_only=True):
    """One row of `FORMS`: how a lockfile states that a package is a folder of the repository."""

    name: str
    """A regular expression for the file's name."""
    rows: str
    """The array of tables with one row per package."""
    folder: tuple[tuple[str, ...], ...]
    """The keys of a row that may hold the package's folder, relative to the lockfile."""


FORMS = (
    LockForm(
        name=r"uv\.lock",
        rows="package",
        folder=(("source", "editable"), ("source", "virtual"), ("source", "directory")),
    ),
    LockForm(name=r"pylock(\.[^.]+)?\.toml", rows="packages", folder=(("directory", "path"),)),
    LockForm(name=r"poetry\.lock", rows="package", folder=(("source", "url"),)),
    LockForm(name=r"pdm\.lock", rows="package", folder=(("path",),)),
)
"""Lockfiles of uv 0.9 (version 1), PEP 751, poetry 2 and pdm 2, November 2026."""


def lock_places(root: Path, folder: str, name: str, version: str, paths: Iterable[str]) -> Iterator[TextPlace]:
    """The places of the package's version in the lockfiles among `paths`; rows without a version are skipped.

    `folder`: the package's folder.  `version`: the expected version, in either grammar.  `paths` are relative to the
    project.
    """
    here = (root / folder).resolve()
    for path in paths:
        form = next((form for form in FORMS if re.fullmatch(form.name, Path(path).name)), None)
        if form is None or not (root / path).is_file():
            continue
        above = (root / path).parent
        for number, row in enumerate(toml_or_nothing(root / path).get(form.rows, ())):
            local = [_text(row, keys) for keys in form.folder]
            ours = any(where and (above / where).resolve() == here for where in local)
            if ours and "version" in row and canonical_name(str(row.get("name"))) == canonical_name(name):
                at = (form.rows, number, "version")
                yield toml_place(path, at, str(row["version"]), pep440(version), canonical_name(name))


def locks_above(root: Path, folder: str, top: Path) -> tuple[str, ...]:
    """Every `uv.lock` that uv may use for a package, existing or not: in its folder and above, up to `top`."""
    here = (root / folder).resolve()
    return tuple(relative_name(p / "uv.lock", root) for p in (here, *here.parents) if p.is_relative_to(top))


def pinned_elsewhere(root: Path, folder: str, name: str, version: str, tracked: Iterable[str]) -> Iterator[str]:
    """One line for each requirement of another project in the repository that pins the package to `version`."""
    pin = re.compile(rf"{_pattern(name)}(?:\[[^\]]*\])?\s*\(?\s*={{2,3}}\s*([0-9][0-9A-Za-z.+!-]*)")
    for path in tracked:
        place = root / path
        if place.parent.resolve() == (root / folder).resolve():
            continue
        if place.name == "pyproject.toml":
            texts = [*_requirements(toml_or_nothing(place))]
        elif re.fullmatch(r"(?:[\w.-]*requirements[\w.-]*|constraints[\w.-]*)\.(?:txt|in)", place.name):
            texts = place.read_text(encoding="utf-8", errors="replace").splitlines() if place.is_file() else []
        else:
            continue
        for text in texts:
            match = pin.match(text.strip())
            if match and _equal(match[1], version):
                yield f"{path}: requires '{text.strip()}'; change it by hand if it should follow"


def _requirements(pyproject: Mapping[str, Any]) -> Iterator[str]:
    project = table(pyproject, "project")
    groups = (*table(project, "optional-dependencies").values(), *table(pyproject, "dependency-groups").values())
    for rows in (project.get("dependencies", []), *groups):
        yield from (row for row in rows if isinstance(row, str)) if isinstance(rows, list) else ()


def _equal(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(pep440(other))
    except InvalidVersion:
        return False


def _text(row: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    value: Any = row
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else ""
    return value if isinstance(value, str) else ""


def _pattern(name: str) -> str:
    return f"(?i:{'[-_.]+'.join(map(re.escape, canonical_name(name).split('-')))})"
