"""The manifests of a package, parsed, and where its version is decided."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model.config.build_backend import UNVERSIONED, programs_only
from cartwheel.model.config.crate_graph import LocalCrate
from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import pep440, semver

Keys = tuple[str | int, ...]
"""The keys that lead to a value in a TOML document."""


class VersionSource(Struct, frozen=True, kw_only=True):
    """Where a package's version is decided."""

    path: str
    what: str
    at: Keys
    """The keys of the place in a TOML file; empty: `span` locates it."""
    text: str
    """As the file writes it."""
    span: tuple[int, int] = (0, 0)
    """The byte offsets of the place."""


class Manifests(Struct, frozen=True, kw_only=True):
    """The files of one package, parsed, and what its folders hold."""

    folder: str
    """Relative to the project, `.` for the root."""
    pyproject: Mapping[str, Any]
    cargo: Mapping[str, Any]
    cargo_path: str
    workspace: Mapping[str, Any]
    workspace_path: str
    has_tests: bool
    """Whether there are Python files in `tests/`."""
    crates: tuple[LocalCrate, ...] = ()
    """The extension's own crate, then those that it depends on by path, directly or not, and those of `[patch]`."""
    has_program: bool = False
    """Whether the crate has a binary target."""
    has_python: bool = False
    """Whether there is a Python package of the extension's name, which maturin puts the extension into; with other
    backends one of the project's name."""
    groups_above: Mapping[str, Any] = {}
    """`[dependency-groups]` of the workspace's root, for groups that the package does not have."""
    setup_compiles: bool = False
    """Whether setup.py names extension modules."""
    setup_limited: str = ""
    """The tag of the limited API that setup.py or setup.cfg asks for, `cp39`."""
    setup_names_only_programs: bool = False
    """Whether setup.py names programs in Rust and no extension module."""
    dynamic_version: VersionSource | None = None
    """Where the backend finds the version, if `[project] version` is dynamic and a file states it."""
    version: str = ""
    """The version of this run, if it comes from git; empty if neither the run nor a tag names one."""

    @property
    def requires_python(self) -> str:
        """`[project] requires-python`; empty if it is missing."""
        return str(self.pyproject.get("project", {}).get("requires-python", ""))

    @property
    def maturin(self) -> Mapping[str, Any]:
        """The table `[tool.maturin]`."""
        table: Mapping[str, Any] = self.pyproject.get("tool", {}).get("maturin", {})
        return table

    @property
    def programs_only(self) -> bool:
        """Whether a wheel holds programs in Rust instead of an extension module, whatever its tag says."""
        return self.setup_names_only_programs or programs_only(self.pyproject)

    @property
    def crate(self) -> LocalCrate:
        """The extension's own crate."""
        return self.crates[0] if self.crates else LocalCrate(folder=".", cargo=self.cargo, workspace=self.workspace)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files themselves, relative to the project; those outside its repository are left out."""
        versioned = self.dynamic_version.path if self.dynamic_version else ""
        candidates = (path_in(self.folder, "pyproject.toml"), self.cargo_path, self.workspace_path, versioned)
        return tuple(
            dict.fromkeys(path for path in candidates if path and not path.startswith("/") and ":" not in path)
        )


def path_in(folder: str, name: str) -> str:
    """The path of a file in a folder; both are relative to the project, whose root is `.`."""
    return name if folder == "." else f"{folder}/{name}"


def table_name(manifests: Manifests) -> str:
    """The name of the package's own table in messages."""
    return f"{'' if manifests.folder == '.' else manifests.folder + '/pyproject.toml '}[tool.cartwheel]"


def from_git(pyproject: Mapping[str, Any]) -> bool:
    """Whether a package's version comes from git (`version = "scm"` in its own table)."""
    return bool(pyproject.get("tool", {}).get("cartwheel", {}).get("version") == SCM)


def has_separate_crate_version(manifests: Manifests) -> bool:
    """Whether the crate's version is independent of the package's."""
    named = manifests.pyproject.get("tool", {}).get("cartwheel", {}).get("version-from", "")
    return bool(manifests.cargo_path) and named == PYPROJECT_ALONE


SCM = "scm"
PYPROJECT, PYPROJECT_ALONE = "pyproject.toml", "pyproject.toml alone"


def truth(manifests: Manifests) -> VersionSource:
    """Where the version is decided: by this run or git's tag, by the manifest that `version-from` names, else by the
    crate, else by pyproject.toml.  Raises `ConfigError` if none of them names one."""
    where = path_in(manifests.folder, "pyproject.toml")
    if from_git(manifests.pyproject):
        return VersionSource(path=where, what="version", at=(), text=manifests.version or UNVERSIONED)
    named = manifests.pyproject.get("tool", {}).get("cartwheel", {}).get("version-from", "")
    if named == "Cargo.toml" and not manifests.cargo_path:
        raise ConfigError(f"{where} [tool.cartwheel] version-from: found 'Cargo.toml', but the package has no crate")
    if named in (PYPROJECT, PYPROJECT_ALONE) or not manifests.cargo_path:
        return _truth_in_pyproject(manifests)
    return crate_version(manifests)


def crate_version(manifests: Manifests) -> VersionSource:
    """Where the crate's version is written: its own Cargo.toml or its workspace's.  Raises `ConfigError` if there is
    none."""
    crate = manifests.cargo.get("package")
    if crate is None and not manifests.cargo.get("workspace"):
        raise ConfigError(f'{manifests.cargo_path}: found no [package]; add one with name and version = "0.1.0"')
    if crate is None:
        raise ConfigError(
            f"{manifests.cargo_path}: a workspace without a [package]; "
            "name the extension's own Cargo.toml in [tool.maturin] manifest-path"
        )
    version = crate.get("version")
    if isinstance(version, str):
        return VersionSource(
            path=manifests.cargo_path,
            what="[package] version",
            at=("package", "version"),
            text=_valid(manifests, version),
        )
    if not isinstance(version, dict) or version.get("workspace") is not True:
        raise ConfigError(f'{manifests.cargo_path}: no [package] version; write version = "0.1.0"')
    shared = manifests.workspace.get("workspace", {}).get("package", {}).get("version")
    if not isinstance(shared, str):
        where = manifests.workspace_path or "no Cargo.toml above it"
        raise ConfigError(
            f"{manifests.cargo_path}: version.workspace = true, but {where} has a [workspace.package] version; add it"
            if not manifests.workspace_path
            else f"{where}: no [workspace.package] version, and {manifests.cargo_path} inherits it; add it"
        )
    return VersionSource(
        path=manifests.workspace_path,
        what="[workspace.package] version",
        at=("workspace", "package", "version"),
        text=_valid(manifests, shared),
    )


def package_name(manifests: Manifests, where: str) -> str:
    """The package's name on an index.  Raises `ConfigError` if no manifest names it."""
    name = manifests.pyproject.get("project", {}).get("name") or manifests.cargo.get("package", {}).get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: found no [project] name; expected the name the package has on the index")
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise ConfigError(
            f"{where}: [project] name {name!r}; expected letters, digits, '.', '_' and '-', with a letter or digit at "
            "both ends (the core metadata's specification)"
        )
    return name


_SCM_TOOLS = {
    *("flit-scm", "hatch-vcs", "poetry-dynamic-versioning", "setuptools-git-versioning", "setuptools-scm"),
    *("uv-dynamic-versioning", "vcs-versioning", "versioneer", "versioningit"),
}
"""Build requirements that take a version from git, by their names on PyPI, November 2026."""


def has_scm_plugin(pyproject: Mapping[str, Any]) -> bool:
    """Whether the version is dynamic and a tool of the build takes it from git, by its requirements or its tables."""
    if "version" not in pyproject.get("project", {}).get("dynamic", ()):
        return False
    rows = pyproject.get("build-system", {}).get("requires", ())
    names = (re.split(r"[^\w.-]", str(row).strip().lower())[0].replace("_", "-") for row in rows)
    tool = pyproject.get("tool", {})
    sources = (tool.get(name, {}).get("version", {}) for name in ("hatch", "pdm"))
    return (
        not _SCM_TOOLS.isdisjoint(names)
        or not {"setuptools_scm", "setuptools-scm", "versioningit"}.isdisjoint(tool)
        or any(isinstance(row, Mapping) and row.get("source") in ("vcs", "scm") for row in sources)
    )


def _truth_in_pyproject(manifests: Manifests) -> VersionSource:
    path = path_in(manifests.folder, "pyproject.toml")
    version = manifests.pyproject.get("project", {}).get("version")
    source = manifests.dynamic_version
    if isinstance(version, str):
        source = VersionSource(path=path, what="[project] version", at=("project", "version"), text=version)
    if source is None:
        raise ConfigError(f"{path}: {_no_version(manifests)}")
    try:
        pep440(source.text)
    except ConfigError as error:
        raise ConfigError(f"{source.path}: {error}") from None
    return source


def _no_version(manifests: Manifests) -> str:
    """The message about a version that is neither in pyproject.toml nor in a file that the backend reads."""
    if has_scm_plugin(manifests.pyproject):
        return '[project] version is dynamic and comes from git; write version = "scm" into [tool.cartwheel]'
    if manifests.cargo_path:
        return 'no [project] version, and version-from names it; write version = "0.1.0"'
    if "version" in manifests.pyproject.get("project", {}).get("dynamic", ()):
        return (
            '[project] version is dynamic, and cartwheel cannot read where it comes from; write version = "…" into '
            '[project], and take "version" out of dynamic'
        )
    return 'no [project] version, and no crate to take it from; write version = "0.1.0"'


def _valid(manifests: Manifests, version: str) -> str:
    """The version as written.  Raises `ConfigError` unless it is SemVer and has an equal in PEP 440."""
    try:
        pep440(version)
        if semver(version) != version:
            raise ConfigError(f"version '{version}': Cargo writes this '{semver(version)}'")
    except ConfigError as error:
        raise ConfigError(f"{manifests.cargo_path}: {error}") from None
    return version
