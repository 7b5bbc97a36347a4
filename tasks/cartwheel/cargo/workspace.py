"""Cargo workspaces: a crate's root, members, path dependencies and lockfile, read from the manifests.

The rules are cargo's (`core/workspace.rs` of cargo 1.95, November 2026); cargo is never started. Paths are absolute and
keep symbolic links, as cargo does with `--manifest-path`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.filesystem.manifest_files import read_toml, table, toml
from cartwheel.filesystem.read_set import relative_name, source_top
from cartwheel.model.config.cargo_features import BUILT_OF
from cartwheel.model.config.manifests import Keys
from cartwheel.process.environment import cargo_home

_OF_TESTS = ("dev-dependencies", "dev_dependencies")


class Crate(Struct, frozen=True, kw_only=True):
    """A parsed Cargo.toml: of a package, of a workspace's root, or of both."""

    path: str
    """The manifest's path relative to the project."""
    manifest: Path
    toml: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """The folder of the manifest."""
        return self.manifest.parent

    @property
    def name(self) -> str:
        """The package's name; the folder's name if the manifest has none."""
        return str(table(self.toml, "package").get("name", self.folder.name))

    @property
    def version(self) -> str:
        """The literal version in the manifest; empty if it is inherited or missing."""
        version = table(self.toml, "package").get("version", "")
        return version if isinstance(version, str) else ""

    @property
    def inherits(self) -> bool:
        """Whether the version comes from the workspace's root."""
        return _from_workspace(table(self.toml, "package").get("version"))

    @property
    def root_manifest(self) -> Path:
        """The manifest of the workspace's root; the crate's own if it is in no workspace."""
        return workspace_root(self.manifest)


class Need(Struct, frozen=True, kw_only=True):
    """One path dependency as a manifest declares it."""

    keys: Keys
    folder: Path
    requirement: str


def read_crate(manifest: Path, root: Path) -> Crate:
    """A manifest's crate; `root` is the project. Raises `ConfigError` if the file is missing or invalid TOML."""
    place = Path(os.path.abspath(manifest))
    path = relative_name(place, root)
    return Crate(path=path, manifest=place, toml=toml(place) or read_toml(place, path))


# ---- the workspace -----------------------------------------------------------------------------------------------


def workspace_root(manifest: Path) -> Path:
    """The manifest of a crate's workspace root; the crate's own if it is in no workspace."""
    manifest = Path(os.path.abspath(manifest))
    for place in (manifest, *_manifests_above(manifest)):
        data = toml(place)
        if "workspace" in data:
            if not _is_excluded(manifest, place):
                return place
        elif isinstance(pointer := table(data, "package").get("workspace"), str):
            return _manifest_in(place.parent, pointer)
    return manifest


def _manifests_above(manifest: Path) -> Iterator[Path]:
    """The manifests that cargo tries as the root: in each parent folder up to CARGO_HOME, and not above
    `target/package`, where cargo verifies packaged crates."""
    home = Path(os.path.abspath(cargo_home(os.environ)))
    for folder in manifest.parent.parents:
        if folder.parts[-2:] == ("target", "package"):
            return
        yield folder / "Cargo.toml"
        if folder == home:
            return


def _is_excluded(manifest: Path, root: Path) -> bool:
    """Whether a root's `exclude` covers the manifest and its `members` does not; both as plain paths."""
    settings = table(toml(root), "workspace")

    def lists(key: str) -> bool:
        return any(manifest.is_relative_to(root.parent / row) for row in _strings(settings.get(key)))

    return lists("exclude") and not lists("members")


def root_candidates(manifest: Path) -> tuple[Path, ...]:
    """Manifests above a crate, present or missing, that decide where its workspace's root is."""
    manifest = Path(os.path.abspath(manifest))
    data, root = toml(manifest), workspace_root(manifest)
    if "workspace" in data or isinstance(table(data, "package").get("workspace"), str):
        return ()
    above = tuple(_manifests_above(manifest))
    return above[: above.index(root) + 1] if root in above else above


def members(root: Path) -> tuple[Path, ...]:
    """The manifests of all members of a workspace, except virtual roots; `root` is the root's manifest.

    Members are the rows of `members`, the root, and their path dependencies that lie below the root or name this
    workspace.
    """
    root = Path(os.path.abspath(root))
    data = toml(root)
    waiting = [(root, False), *((path, False) for path in _listed_manifests(root.parent, table(data, "workspace")))]
    folders: set[Path] = set()
    while waiting:
        manifest, by_path = waiting.pop()
        if manifest in folders or not manifest.is_file() or _is_excluded(manifest, root):
            continue
        if by_path and not _belongs(manifest, root):
            continue
        folders.add(manifest)
        if "workspace" in data:
            waiting += [(path, True) for path in path_needs(manifest, (*BUILT_OF, *_OF_TESTS))]
    return tuple(sorted(manifest for manifest in folders if "package" in toml(manifest)))


def _belongs(manifest: Path, root: Path) -> bool:
    return manifest.is_relative_to(root.parent) or workspace_root(manifest) == root


def _listed_manifests(folder: Path, workspace: Mapping[str, Any]) -> Iterator[Path]:
    """The manifests that `members` lists, by path or by pattern."""
    for row in _strings(workspace.get("members")):
        if not any(sign in row for sign in "*?["):
            yield _manifest_in(folder, row)
            continue
        from glob import escape, glob

        for path in glob(os.path.join(escape(str(folder)), row), recursive=True, include_hidden=True):
            yield _manifest_in(folder, path)


def package_value(manifest: Path, key: str) -> tuple[Any, Path]:
    """A value of `[package]`, or of `[workspace.package]` if inherited, and the folder of its manifest."""
    value = table(toml(manifest), "package").get(key)
    if not _from_workspace(value):
        return value, manifest.parent
    root = workspace_root(manifest)
    return table(table(toml(root), "workspace"), "package").get(key), root.parent


def _from_workspace(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("workspace") is True


# ---- path dependencies -------------------------------------------------------------------------------------------


def local_packages(manifest: Path, root: Path) -> tuple[Crate, ...]:
    """The crate and its path dependencies, direct and indirect: the crate first, the others by folder.

    Includes normal, build, target-specific and inherited dependencies, and entries of `[patch]` and `[replace]` in the
    workspace's root that the lockfile uses. Excludes dev-dependencies. Raises `ConfigError` for invalid TOML.
    """
    start = Path(os.path.abspath(manifest))
    packages: dict[Path, Crate] = {}
    waiting = [start, *_active_patches(workspace_root(start))]
    while waiting:
        path = waiting.pop()
        if path in packages or not path.is_file():
            continue
        if "package" in toml(path):
            packages[path] = read_crate(path, root)
        waiting += path_needs(path, BUILT_OF)
    return tuple(sorted(packages.values(), key=lambda c: (c.manifest != start, c.path)))


def crates_of(root: Path, top: Crate, own: Path) -> dict[Path, Crate]:
    """The members of a workspace and their path dependencies inside the repository, by folder.

    `root`: the project; `top`: the workspace's root; `own`: the manifest of one member.
    """
    waiting = [Path(os.path.abspath(own)), top.manifest, *members(top.manifest)]
    crates: dict[Path, Crate] = {}
    while waiting:
        manifest = waiting.pop(0)
        if manifest.parent in crates or not manifest.is_relative_to(source_top(root)) or not manifest.is_file():
            continue
        crate = crates[manifest.parent] = read_crate(manifest, root)
        waiting += [need.folder / "Cargo.toml" for need in needs(crate)]
    return crates


def needed_by_cargo(manifest: Path) -> tuple[Path, ...]:
    """Every manifest that cargo loads to resolve a crate's workspace: the members, their path dependencies
    (dev-dependencies too), the root's patches, and the workspace roots of all of them."""
    root = workspace_root(manifest)
    patches = (_manifest_in(root.parent, row["path"]) for _, row in _patch_rows(root))
    paths: set[Path] = set()
    waiting = [Path(os.path.abspath(manifest)), root, *members(root), *patches]
    while waiting:
        path = waiting.pop()
        if path not in paths and path.is_file():
            paths.add(path)
            waiting += [workspace_root(path), *path_needs(path, (*BUILT_OF, *_OF_TESTS))]
    return tuple(sorted(paths))


def needs(crate: Crate) -> Iterator[Need]:
    """Every path dependency that a manifest declares, in any dependency table or in `[workspace.dependencies]`."""
    for keys, rows in _dependency_tables(crate.toml, (*BUILT_OF, *_OF_TESTS), workspace=True):
        for name, row in rows.items():
            if isinstance(row, dict) and isinstance(row.get("path"), str):
                requirement = row.get("version", "")
                yield Need(
                    keys=(*keys, name),
                    folder=_manifest_in(crate.folder, row["path"]).parent,
                    requirement=requirement if isinstance(requirement, str) else "",
                )


def path_needs(manifest: Path, tables: Iterable[str]) -> Iterator[Path]:
    """The manifests that a crate's dependency tables `tables` refer to by path, inherited dependencies included."""
    root = workspace_root(manifest)
    shared = table(table(toml(root), "workspace"), "dependencies")
    for _, rows in _dependency_tables(toml(manifest), tuple(tables)):
        for name, row in rows.items():
            place, used = (root, shared.get(name)) if _from_workspace(row) else (manifest, row)
            if isinstance(used, Mapping) and isinstance(used.get("path"), str):
                yield _manifest_in(place.parent, used["path"])


def _dependency_tables(
    data: Mapping[str, Any], names: tuple[str, ...], *, workspace: bool = False
) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    heads: list[tuple[Keys, Any]] = [((), data), *((("target", k), v) for k, v in table(data, "target").items())]
    heads += [(("workspace",), data.get("workspace"))] if workspace else []
    for keys, head in heads:
        for name in names:
            if isinstance(head, Mapping) and isinstance(head.get(name), Mapping):
                yield (*keys, name), head[name]


def _active_patches(root: Path) -> Iterator[Path]:
    """The path patches that the lockfile uses; all of them if there is no lockfile."""
    rows = tuple(_patch_rows(root))
    used = {row.get("name") for row in lock_rows(root.with_name("Cargo.lock")) if "source" not in row} if rows else ()
    for name, row in rows:
        if not used or str(row.get("package", name)).partition(":")[0] in used:
            yield _manifest_in(root.parent, row["path"])


def _patch_rows(root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    data = toml(root)
    for rows in (*table(data, "patch").values(), table(data, "replace")):
        for name, row in rows.items() if isinstance(rows, Mapping) else ():
            if isinstance(row, Mapping) and isinstance(row.get("path"), str):
                yield name, row


def _manifest_in(folder: Path, path: str) -> Path:
    return Path(os.path.abspath(folder / path / "Cargo.toml"))


def _strings(rows: object) -> tuple[str, ...]:
    return tuple(row for row in rows if isinstance(row, str)) if isinstance(rows, list) else ()


# ---- the lockfile ------------------------------------------------------------------------------------------------


def lock_path(manifest: Path) -> Path | None:
    """The lockfile that cargo uses for this crate; None if it does not exist yet."""
    path = workspace_root(manifest).with_name("Cargo.lock")
    return path if path.is_file() else None


def lock_rows(path: Path) -> tuple[dict[str, Any], ...]:
    """The `[[package]]` rows of a lockfile; none if it does not exist."""
    rows = toml(path).get("package", [])
    return tuple(row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
