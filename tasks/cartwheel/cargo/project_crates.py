"""The crates of a project: their manifests, what they need of one another by path, and what the lock says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.filesystem.manifest_files import read_toml
from cartwheel.model.config.manifests import Keys

_TABLES = ("dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies")


class Crate(Struct, frozen=True, kw_only=True):
    """A crate of the project, with its manifest as parsed."""

    path: str
    folder: Path
    toml: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.toml.get("package", {}).get("name", ""))

    @property
    def version(self) -> str:
        """Its own literal version; empty where it inherits one or has none."""
        version = self.toml.get("package", {}).get("version", "")
        return version if isinstance(version, str) else ""

    @property
    def inherits(self) -> bool:
        version = self.toml.get("package", {}).get("version")
        return isinstance(version, dict) and version.get("workspace") is True


class Need(Struct, frozen=True, kw_only=True):
    """One path dependency, as some manifest declares it."""

    keys: Keys
    folder: Path
    requirement: str


def read_crate(root: Path, manifest: Path) -> Crate:
    """The crate, or the workspace without one, of a Cargo.toml."""
    path = relative(manifest, root)
    return Crate(path=path, folder=manifest.parent.resolve(), toml=read_toml(manifest, path))


def crates_of(root: Path, top: Crate, base: Path) -> dict[Path, Crate]:
    """The workspace's members and everything they reach by path within the project, by folder."""
    waiting = [base.parent.resolve(), top.folder]
    waiting += members(top.folder, top.toml)
    found: dict[Path, Crate] = {}
    home = root.resolve()
    while waiting:
        folder = waiting.pop(0)
        if folder in found or not folder.is_relative_to(home) or not (folder / "Cargo.toml").is_file():
            continue
        found[folder] = read_crate(home, folder / "Cargo.toml")
        waiting += [need.folder for need in needs(found[folder])]
    return found


def members(folder: Path, toml: Mapping[str, Any]) -> tuple[Path, ...]:
    """The folders that a workspace's `members` name, whatever lies in them."""
    settings = toml.get("workspace", {})
    left_out = {(folder / name).resolve() for name in settings.get("exclude", ())}
    found = (m.resolve() for pattern in settings.get("members", ()) for m in sorted(folder.glob(str(pattern))))
    return tuple(member for member in found if member not in left_out)


def needs(crate: Crate) -> Iterator[Need]:
    """Every path dependency that a manifest declares, in all its tables."""
    for keys, table in _dependency_tables(crate.toml):
        for name, entry in table.items():
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                requirement = entry.get("version", "")
                yield Need(
                    keys=(*keys, name),
                    folder=(crate.folder / entry["path"]).resolve(),
                    requirement=requirement if isinstance(requirement, str) else "",
                )


def _dependency_tables(toml: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    heads: list[tuple[Keys, Any]] = [((), toml), (("workspace",), toml.get("workspace", {}))]
    heads += [(("target", name), table) for name, table in toml.get("target", {}).items()]
    for keys, head in heads:
        for name in _TABLES:
            if isinstance(head, dict) and isinstance(head.get(name), dict):
                yield (*keys, name), head[name]


def locked(root: Path, top: Crate) -> dict[str, str]:
    """Name and version of the crates in Cargo.lock that come from this project (they have no source)."""
    path = top.folder / "Cargo.lock"
    if not path.is_file():
        return {}
    entries = read_toml(path, relative(path, root)).get("package", ())
    return {str(e.get("name")): str(e.get("version")) for e in entries if "source" not in e}


def relative(path: Path, root: Path) -> str:
    """The path as shown to people: from the project, with slashes."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.as_posix()


def within(path: str) -> bool:
    """Whether a path, relative to the project, lies in it."""
    return not path.startswith(("/", "..")) and ":" not in path[:2]
