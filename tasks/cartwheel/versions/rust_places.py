"""The places of a crate's version: manifests, requirements and lockfiles of cargo."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cartwheel.cargo.lockfile import locked_members
from cartwheel.cargo.workspace import Crate, crates_of, needs, read_crate
from cartwheel.filesystem.edits import TextPlace, toml_place
from cartwheel.filesystem.manifest_files import read_toml, toml_or_nothing
from cartwheel.filesystem.read_set import relative_name
from cartwheel.model.config.manifests import Manifests, VersionSource, crate_version

if TYPE_CHECKING:
    from semver import Version


class RustPlaces(Struct, frozen=True, kw_only=True):
    """The version of a package's crate in manifests and lockfiles of cargo."""

    places: tuple[TextPlace, ...]
    read: tuple[str, ...]
    """The manifests and the lockfile of the crate's workspace, existing or not; relative to the project."""
    crates: tuple[str, ...]
    """The names of the crates that have this version."""


def rust_places(
    root: Path, manifests: Manifests, source: VersionSource, version: str, tracked: Iterable[str] = ()
) -> RustPlaces:
    """Every place of the crate's version, in its workspace and in the repository's other workspaces.

    `source`: the place that decides the package's version.  `version`: the version expected in each place, in SemVer
    form.  `tracked`: the repository's files, relative to the project, to find other workspaces.
    """
    base = root / manifests.cargo_path
    top = read_crate(root / (manifests.workspace_path or manifests.cargo_path), root)
    crates = crates_of(root, top, base)
    lock = locked_members(top)
    known = {top.path: top, **{crate.path: crate for crate in crates.values()}}
    own_lock = relative_name(top.folder / "Cargo.lock", root)
    home = crate_version(manifests)
    moving = _moving(crates, crates[Path(os.path.abspath(base.parent))], top, home, lock)
    places: list[TextPlace] = []
    if home.at[0] == "workspace" and home.path != source.path:
        places.append(toml_place(home.path, home.at, home.text, version))
    for crate in moving.values():
        if crate.version and crate.path != source.path:
            places.append(toml_place(crate.path, ("package", "version"), crate.version, version))
    for crate in known.values():
        places += _requirements(crate, moving, version)
    places += _lock_places(root, top, lock, moving, version)
    places += _other_workspaces(root, {*known, own_lock}, moving, version, tracked)
    return RustPlaces(
        places=tuple(places),
        read=tuple(path for path in (*known, own_lock) if not os.path.isabs(path)),
        crates=tuple(crate.name for crate in moving.values()),
    )


def _other_workspaces(
    root: Path, known: Collection[str], moving: Mapping[Path, Crate], version: str, tracked: Iterable[str]
) -> Iterator[TextPlace]:
    """Requirements on the moving crates, and their lockfile rows, in other workspaces of the repository."""
    for path in tracked:
        if path in known or Path(path).name not in ("Cargo.toml", "Cargo.lock"):
            continue
        manifest = (root / path).with_name("Cargo.toml")
        if not toml_or_nothing(manifest):  # a template, or a lockfile without a workspace
            continue
        top = read_crate(manifest, root)
        if Path(path).name == "Cargo.toml":
            yield from _requirements(top, moving, version)
        elif set(crates_of(root, top, manifest)) & set(moving):
            yield from _lock_places(root, top, locked_members(top), moving, version)


def _moving(
    crates: Mapping[Path, Crate], own: Crate, top: Crate, home: VersionSource, lock: Mapping[str, str]
) -> dict[Path, Crate]:
    """The package's crate, and the crates that inherit its version or are pinned to it exactly.

    A pinned crate moves only if its version is the package's or, by Cargo.lock, the package's former version.
    """
    shared = {home.text, lock.get(own.name, home.text)}
    members = {own.folder: own}
    if home.at[0] == "workspace":
        members |= {folder: crate for folder, crate in crates.items() if crate.inherits}
    waiting = list(members.values())
    while waiting:
        crate = waiting.pop()
        for need in (*needs(crate), *(needs(top) if crate is own else ())):
            other = crates.get(need.folder)
            if other is None or other.folder in members or not other.version:
                continue
            if need.requirement.replace(" ", "").startswith("=") and other.version in shared:
                members[other.folder] = other
                waiting.append(other)
    return members


def _requirements(crate: Crate, moving: Mapping[Path, Crate], version: str) -> Iterator[TextPlace]:
    for need in needs(crate):
        if need.requirement and need.folder in moving:
            expected = _requirement(need.requirement, version)
            yield toml_place(crate.path, (*need.keys, "version"), need.requirement, expected)


_COMPARATOR = re.compile(r"(\s*(=|\^|~|>=?|<=?|)\s*)(\d[0-9A-Za-z.+-]*?|)((?:\.?[*xX])*)\s*")
"""One comparator of a requirement: its operator, its numbers and its wildcards."""


def _requirement(requirement: str, version: str) -> str:
    """The requirement changed to the version if it is an exact pin or does not admit the version; else unchanged.

    A range or a wildcard that does not admit the version becomes the version alone.
    """
    rows = [_COMPARATOR.fullmatch(part) for part in requirement.split(",")]
    comparators = [row for row in rows if row is not None]
    if len(comparators) < len(rows) or any(not row[3] and not row[4] for row in comparators):
        return requirement
    first, alone = comparators[0], len(comparators) == 1
    exact = alone and first[2] == "=" and not first[4]
    if not exact and _admits(comparators, version):
        return requirement
    return first[1] + version if alone and first[2] in ("=", "^", "~", "") and not first[4] else version


def _admits(comparators: Iterable[re.Match[str]], version: str) -> bool:
    """Whether all comparators admit the version, by Cargo's rules. A pre-release is admitted only if one of them names
    a pre-release of the same version."""
    from semver import Version

    target, named = Version.parse(version), False
    for row in comparators:
        numbers = re.fullmatch(r"(?:(\d+)(?:\.(\d+))?(?:\.(\d+))?((?:-[^+]*)?)(?:\+.*)?)?", row[3])
        if numbers is None:
            return True
        parts = tuple(int(part) for part in numbers.groups()[:3] if part is not None)
        low = Version.parse(".".join(str(part) for part in (*parts, 0, 0, 0)[:3]) + (numbers[4] or ""))
        named = named or bool(low.prerelease and low.finalize_version() == target.finalize_version())
        if not _is_in_range("=" if row[4] else row[2], parts, low, target):
            return False
    return named or not target.prerelease


def _is_in_range(operator: str, parts: tuple[int, ...], low: Version, target: Version) -> bool:
    """Whether one comparator holds, pre-releases apart. `parts`: its numbers, of which the last ones may be missing;
    `low`: the oldest version with them."""
    mine = (target.major, target.minor, target.patch)[: len(parts)]
    same = mine == parts if len(parts) < 3 else target == low
    match operator:
        case "=":
            return same
        case ">=":
            return bool(target >= low)
        case "<":
            return bool(target < low)
        case ">":
            return bool(target > low) and not same
        case "<=":
            return bool(target < low) or same
    fixed = min(len(parts), 2) if operator == "~" else _fixed_by_caret(parts)
    return bool(target >= low) and mine[:fixed] == parts[:fixed]


def _fixed_by_caret(parts: tuple[int, ...]) -> int:
    """The number of leading parts that a caret requirement fixes: up to the first that is not zero."""
    return next((place + 1 for place, part in enumerate(parts) if part), len(parts))


def _lock_places(
    root: Path, top: Crate, lock: Mapping[str, str], moving: Mapping[Path, Crate], version: str
) -> Iterator[TextPlace]:
    path = top.folder / "Cargo.lock"
    names = {crate.name for crate in moving.values()}
    if not names & lock.keys():
        return
    shown = relative_name(path, root)
    for number, entry in enumerate(read_toml(path, shown)["package"]):
        if entry.get("name") in names and "source" not in entry:
            yield toml_place(shown, ("package", number, "version"), str(entry["version"]), version, entry["name"])
        for place, text in enumerate(entry.get("dependencies", ())):
            name, _, rest = str(text).partition(" ")
            if rest and rest == lock.get(name) and name in names:  # the lockfile holds two versions of this name
                at = ("package", number, "dependencies", place)
                yield toml_place(shown, at, str(text), f"{name} {version}", f"{entry['name']} on {name}")
