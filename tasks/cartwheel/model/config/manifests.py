"""The manifests of a package, parsed but not yet understood, and what they say by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model.config.build_backend import UNVERSIONED, backend_of, limited_python
from cartwheel.model.config.cargo_features import dependencies, features
from cartwheel.model.errors import ConfigError
from cartwheel.model.versions.version import pep440, semver
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.wheel_name import normalised_name

Keys = tuple[str | int, ...]
"""The keys that lead to a value in a TOML document."""


class Manifests(Struct, frozen=True, kw_only=True):
    """What was read of one package, parsed but not yet understood."""

    folder: str
    """Relative to the project, `.` for the root."""
    pyproject: Mapping[str, Any]
    cargo: Mapping[str, Any]
    cargo_path: str
    workspace: Mapping[str, Any]
    workspace_path: str
    has_tests: bool
    version: str = ""
    """What this run makes it, where its version comes from git; empty where nothing says one."""

    @property
    def requires_python(self) -> str:
        """As `[project]` says it; empty where it says nothing."""
        return str(self.pyproject.get("project", {}).get("requires-python", ""))

    @property
    def maturin(self) -> Mapping[str, Any]:
        """The table `[tool.maturin]`."""
        table: Mapping[str, Any] = self.pyproject.get("tool", {}).get("maturin", {})
        return table

    @property
    def paths(self) -> tuple[str, ...]:
        """The files themselves, relative to the project; what lies outside its repository is left out."""
        found = (inside(self.folder, "pyproject.toml"), self.cargo_path, self.workspace_path)
        return tuple(dict.fromkeys(path for path in found if path and not path.startswith("/") and ":" not in path))


class VersionSource(Struct, frozen=True, kw_only=True):
    """Where a package's version is decided."""

    path: str
    what: str
    at: Keys
    text: str
    """As the manifest writes it."""


def inside(folder: str, name: str) -> str:
    """A file of a package, relative to the project."""
    return name if folder == "." else f"{folder}/{name}"


def table_name(manifests: Manifests) -> str:
    """How messages name the package's own table."""
    return f"{'' if manifests.folder == '.' else manifests.folder + '/pyproject.toml '}[tool.cartwheel]"


def from_git(pyproject: Mapping[str, Any]) -> bool:
    """Whether a package's version comes from git (`version = "scm"` in its own table)."""
    return bool(pyproject.get("tool", {}).get("cartwheel", {}).get("version") == SCM)


SCM = "scm"


def truth(manifests: Manifests) -> VersionSource:
    """Where the version is decided: by this run or git's tag, as `version-from` says, else by the crate where there is
    one.

    Raises `ConfigError` where nothing decides it.
    """
    where = inside(manifests.folder, "pyproject.toml")
    if from_git(manifests.pyproject):
        return VersionSource(path=where, what="version", at=(), text=manifests.version or UNVERSIONED)
    named = manifests.pyproject.get("tool", {}).get("cartwheel", {}).get("version-from", "")
    if named == "Cargo.toml" and not manifests.cargo_path:
        raise ConfigError(f"{where} [tool.cartwheel] version-from: found 'Cargo.toml', but the package has no crate")
    if named == "pyproject.toml" or not manifests.cargo_path:
        return _truth_in_pyproject(manifests)
    return crate_version(manifests)


def crate_version(manifests: Manifests) -> VersionSource:
    """Where the crate's version is written, its own or its workspace's; raises `ConfigError` where nothing is."""
    crate = manifests.cargo.get("package")
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
    name = manifests.pyproject.get("project", {}).get("name") or manifests.cargo.get("package", {}).get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{where}: found no [project] name; expected the name the package has on the index")
    return name


def bindings_of(manifests: Manifests) -> str:
    """What makes the crate importable: as `[tool.maturin]` says, else what maturin finds by the same rule
    (`find_bridge` of maturin 1.14): a crate that it knows, a library for C, a program."""
    if not manifests.cargo_path:
        return ""
    named = manifests.maturin.get("bindings")
    if named:
        return "pyo3" if named == "pyo3-ffi" else str(named)
    library = manifests.cargo.get("lib", {})
    kinds = library.get("crate-type", library.get("crate_type", ()))
    found = {
        *(str(row.get("package", name)) for name, row in dependencies(manifests.cargo)),
        *(("c",) if "cdylib" in kinds else ()),
    }
    return next((bindings for known, bindings in _BINDINGS if known in found), "bin")


_BINDINGS = (("pyo3", "pyo3"), ("pyo3-ffi", "pyo3"), ("uniffi", "uniffi"), ("c", "cffi"))


def _pyo3_features(manifests: Manifests, more: Iterable[str] = ()) -> tuple[str, ...]:
    """The features of PyO3 that the crate asks for, by its dependency tables or its own features, those of
    `[tool.maturin]` and `more`."""
    rows = tuple(_asked_of_pyo3(manifests))
    names = {name for name, _ in rows}
    asked = [feature for _, row in rows for feature in row]
    chosen = features(manifests.pyproject, "", more)
    declared = manifests.cargo.get("features", {})
    by_default = declared.get("default", ()) if chosen.default else ()
    pending = [*chosen.given, *(declared if chosen.every else ()), *by_default]
    seen: set[str] = set()
    while pending:
        feature = pending.pop()
        if feature in seen:
            continue
        seen.add(feature)
        pending += declared.get(feature, ())
    for feature in seen:
        crate, slash, of_crate = feature.partition("/")
        asked += [of_crate] if slash and crate.removesuffix("?") in names else []
    return tuple(asked)


def _asked_of_pyo3(manifests: Manifests) -> Iterable[tuple[str, tuple[str, ...]]]:
    """The features in the dependency tables, by the names that the crate has for PyO3; those that it takes over of the
    workspace included."""
    shared = manifests.workspace.get("workspace", {}).get("dependencies", {})
    for name, row in dependencies(manifests.cargo):
        above = shared.get(name) if row.get("workspace") is True else None
        above = above if isinstance(above, Mapping) else {}
        if above.get("package", row.get("package", name)) == "pyo3":
            yield name, (*above.get("features", ()), *row.get("features", ()))


class StableAbi(Struct, frozen=True, kw_only=True):
    """What a crate asks PyO3 for."""

    kinds: tuple[str, ...]
    """Of `("abi3", "abi3t")`; empty where it is built for one version."""
    since: str
    """The oldest version that it names, `3.11`; empty where it leaves that to the interpreter that it is built for
    (PyO3 0.29's guide, "Features")."""


def stable_abi(manifests: Manifests, more: Iterable[str] = ()) -> StableAbi:
    """What the crate asks for with these features besides those of `[tool.maturin]`."""
    asked = _pyo3_features(manifests, more)
    named = {feature.partition("-py")[0] for feature in asked}
    versions = [int(m[1]) for feature in asked if (m := re.fullmatch(r"abi3-py3(\d+)", feature))]
    return StableAbi(
        kinds=tuple(kind for kind in (pythons.ABI3, pythons.ABI3T) if kind in named),
        since=f"3.{max(versions)}" if versions else "",
    )


def minimum_python(manifests: Manifests, abi: StableAbi) -> str:
    """The oldest CPython: the stable ABI's own minimum if one is named, else `requires-python`'s."""
    if abi.since:
        return abi.since
    if not manifests.cargo_path and (limited := limited_python(manifests.pyproject)):
        return limited
    return pythons.oldest_python(manifests.requires_python)


def profiles(manifests: Manifests) -> Mapping[str, Any]:
    """The profiles that the manifests declare to cargo, by name: those of the workspace's own, if there is one."""
    declared: Mapping[str, Any] = (manifests.workspace or manifests.cargo).get("profile", {})
    return declared


def is_debug(profile: str, declared: Mapping[str, Any]) -> bool:
    """Whether a profile of cargo is, or inherits from, the one that compiles for looking into (the Cargo book,
    "Profiles", November 2026).  `declared`: the tables of those that are declared, by name."""
    for _ in range(len(declared) + 1):
        if profile in ("dev", "test", "debug"):
            return True
        profile = declared.get(profile, {}).get("inherits", "")
    return False


def default_python(manifests: Manifests, bindings: str, abi: StableAbi) -> tuple[str, ...]:
    """What the compiled wheels of a package are for, where nobody says it."""
    if bindings in ("bin", "cffi", "uniffi"):
        return (pythons.PURE,)
    if abi.kinds:
        return abi.kinds
    supported = _supported(manifests)
    if bindings:
        return supported
    limited = backend_of(manifests.pyproject).limited(manifests.pyproject)
    if limited.startswith("py"):
        return (pythons.PURE,)
    if not limited_python(manifests.pyproject):
        return supported
    minimum = minimum_python(manifests, abi)
    older = (v for v in supported if v[-1] != "t" and int(v.split(".")[1]) < int(minimum.split(".")[1]))
    return (*older, pythons.ABI3)


def _supported(manifests: Manifests) -> tuple[str, ...]:
    """The interpreters that a package is for: those that its classifiers name, else all that are supported, as far as
    `requires-python` allows; without the lock too where it says that it is made for that."""
    classifiers = [str(row) for row in manifests.pyproject.get("project", {}).get("classifiers", ())]
    named = {m[1] for row in classifiers if (m := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", row))}
    known = [version for version in pythons.MAINTAINED if version in named] or pythons.SUPPORTED
    wanted = manifests.requires_python
    kept = tuple(version for version in known if not wanted or pythons.allows_python(wanted, version))
    free = any(row.startswith("Programming Language :: Python :: Free Threading") for row in classifiers)
    return (*kept, *(v for v in pythons.FREE_THREADED if free and v.rstrip("t") in kept))


def module_of(manifests: Manifests, name: str) -> str:
    named = manifests.maturin.get("module-name")
    if isinstance(named, str):
        return named.split(".")[0]
    if bindings_of(manifests) == "bin":
        return ""
    library = manifests.cargo.get("lib", {}).get("name") or manifests.cargo.get("package", {}).get("name")
    return normalised_name(library if isinstance(library, str) else name)


def _truth_in_pyproject(manifests: Manifests) -> VersionSource:
    path = inside(manifests.folder, "pyproject.toml")
    version = manifests.pyproject.get("project", {}).get("version")
    if not isinstance(version, str):
        missing = "and version-from names it" if manifests.cargo_path else "and no crate to take it from"
        raise ConfigError(f'{path}: no [project] version, {missing}; write version = "0.1.0"')
    pep440(version)
    return VersionSource(path=path, what="[project] version", at=("project", "version"), text=version)


def _valid(manifests: Manifests, version: str) -> str:
    """The version as written, once it is known to be both SemVer and expressible in PEP 440."""
    try:
        pep440(version)
        if semver(version) != version:
            raise ConfigError(f"version '{version}': Cargo writes this '{semver(version)}'")
    except ConfigError as error:
        raise ConfigError(f"{manifests.cargo_path}: {error}") from None
    return version
