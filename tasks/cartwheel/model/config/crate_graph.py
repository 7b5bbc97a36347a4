"""The features that an extension's build asks of a crate, resolved over the crates of the project itself.

The rules are cargo's ("Features" in the Cargo book, November 2026).  Crates of a registry are not followed: what they
ask for is in no file of the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.config.cargo_features import BUILT_OF, dependencies

TESTED_WITH = (*BUILT_OF, "dev-dependencies", "dev_dependencies")
"""Tables of dependencies, those of tests included: maturin looks at them too (`find_bridge` of maturin 1.16)."""


class LocalCrate(Struct, frozen=True, kw_only=True):
    """A crate of the project: its folder, its Cargo.toml and its workspace's."""

    folder: str
    """Normalised, relative to the project or absolute; the path of a dependency leads from it to another."""
    cargo: Mapping[str, Any]
    workspace: Mapping[str, Any] = {}
    workspace_folder: str = "."


class Dependency(Struct, frozen=True, kw_only=True):
    """A row of a table of dependencies, with what it inherits of the workspace."""

    name: str
    """The name in this crate."""
    package: str
    """The name of the crate itself."""
    path: str
    """The folder of a crate of the project, empty for any other."""
    version: str
    optional: bool
    features: tuple[str, ...]
    default: bool


def crate_dependencies(
    crate: LocalCrate, tables: Iterable[str], patches: Mapping[str, str] | None = None
) -> tuple[Dependency, ...]:
    """The dependencies of a crate, on every target; `patches`: folders of the crates that replace others, by name."""
    shared = crate.workspace.get("workspace", {}).get("dependencies", {})
    rows = tuple(_dependency(crate, name, row, shared) for name, row in dependencies(crate.cargo, tables))
    return tuple(replace(row, path=row.path or patches.get(row.package, "")) for row in rows) if patches else rows


def path_patches(root: LocalCrate) -> Mapping[str, str]:
    """The folders of the crates that `[patch]` of the root's workspace puts in place of others, by their names."""
    tables = (rows for rows in root.workspace.get("patch", {}).values() if isinstance(rows, Mapping))
    return {
        str(row.get("package", name)): normalised_folder(root.workspace_folder, row["path"])
        for rows in tables
        for name, row in rows.items()
        if isinstance(row, Mapping) and isinstance(row.get("path"), str)
    }


def _dependency(crate: LocalCrate, name: str, row: Mapping[str, Any], shared: Mapping[str, Any]) -> Dependency:
    above = shared.get(name, {}) if row.get("workspace") is True else {}
    above = {"version": above} if isinstance(above, str) else above
    path = row.get("path") or ""
    home = crate.folder
    if not path and above.get("path"):
        path, home = above["path"], crate.workspace_folder
    return Dependency(
        name=name,
        package=str(above.get("package", row.get("package", name))),
        path=normalised_folder(home, str(path)) if path else "",
        version=str(above.get("version", row.get("version", ""))),
        optional=row.get("optional") is True,
        features=(*above.get("features", ()), *row.get("features", ())),
        default=_takes_default(above, row),
    )


def _takes_default(above: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a dependency is taken with its default feature. cargo ignores that an inherited one turns it off, unless
    the workspace does so too; a member may turn it on."""
    own = above if row.get("workspace") is True else row
    return bool(own.get("default-features", True)) or row.get("default-features") is True


def normalised_folder(home: str, path: str) -> str:
    """A folder named relative to another, with `/` between its parts and no `..` that can be resolved."""
    import posixpath

    return posixpath.normpath(posixpath.join(home, path.replace("\\", "/")))


class Activation(Struct, frozen=True, kw_only=True):
    """What a build asks of the crates it is made of, by their names."""

    features: Mapping[str, frozenset[str]]
    """The features of each crate in the build; a crate that is not in it is missing here."""
    versions: Mapping[str, str]
    """The version requirement of each crate that is not of the project."""


def activate(
    root: LocalCrate, crates: Iterable[LocalCrate], named: Iterable[str], *, default: bool, every: bool
) -> Activation:
    """What the build of `root` with the features `named` asks of all crates.

    `default`: with the default feature; `every`: with all features.  The tests of `root` count as well.
    """
    return _Resolver(root, {crate.folder: crate for crate in crates}).run(named, default=default, every=every)


class _Resolver:
    """One resolution.  A crate is known by its folder, one of a registry by its name."""

    def __init__(self, root: LocalCrate, crates: Mapping[str, LocalCrate]) -> None:
        self._root = root
        self._crates = {**crates, root.folder: root}
        patches = path_patches(root)
        self._rows = {
            folder: crate_dependencies(crate, TESTED_WITH if folder == root.folder else BUILT_OF, patches)
            for folder, crate in self._crates.items()
        }
        self._on: dict[str, set[str]] = {}
        self._enabled: set[tuple[str, str]] = set()
        self._weak: list[tuple[str, str, str]] = []
        self._names: dict[str, str] = {}
        self._versions: dict[str, str] = {}

    def run(self, named: Iterable[str], *, default: bool, every: bool) -> Activation:
        root = self._root.folder
        self._enter(root, str(self._root.cargo.get("package", {}).get("name", "")))
        if every:
            for feature in self._root.cargo.get("features", {}):
                self._feature(root, feature)
            for row in self._rows[root]:
                self._dependency(root, row)
        for feature in (*named, *(("default",) if default else ())):
            self._feature(root, feature)
        enabled: dict[str, frozenset[str]] = {}
        for key, features in self._on.items():
            name = self._names[key]
            enabled[name] = enabled.get(name, frozenset()) | features
        return Activation(features=enabled, versions=self._versions)

    def _enter(self, key: str, name: str) -> None:
        if key in self._on:
            return
        self._on[key] = set()
        self._names[key] = name
        for row in self._rows.get(key, ()):
            if not row.optional:
                self._dependency(key, row)

    def _dependency(self, key: str, row: Dependency) -> None:
        there = row.path if row.path in self._crates else row.package
        self._enabled.add((key, row.name))
        self._enter(there, row.package)
        if not row.path and row.version:
            self._versions.setdefault(row.package, row.version)
        for feature in (*row.features, *(("default",) if row.default else ())):
            self._feature(there, feature)
        for crate, name, feature in [weak for weak in self._weak if weak[:2] == (key, row.name)]:
            self._weak.remove((crate, name, feature))
            self._feature(there, feature)

    def _feature(self, key: str, feature: str) -> None:
        crate = self._crates.get(key)
        name, slash, of_other = feature.partition("/")
        if crate is None:
            self._on[key].add(feature)
        elif slash:
            self._of_other(key, name, of_other)
        elif feature.startswith("dep:"):
            self._by_name(key, feature.removeprefix("dep:"))
        elif feature not in self._on[key]:
            self._on[key].add(feature)
            declared = crate.cargo.get("features", {})
            for value in declared.get(feature, ()):
                self._feature(key, value)
            if feature not in declared:
                self._by_name(key, feature)

    def _of_other(self, key: str, name: str, feature: str) -> None:
        weak, name = name.endswith("?"), name.removesuffix("?")
        for row in [row for row in self._rows[key] if row.name == name]:
            if weak and row.optional and (key, name) not in self._enabled:
                self._weak.append((key, name, feature))
                continue
            self._dependency(key, row)
            self._feature(row.path if row.path in self._crates else row.package, feature)

    def _by_name(self, key: str, name: str) -> None:
        for row in [row for row in self._rows[key] if row.name == name]:
            self._dependency(key, row)
