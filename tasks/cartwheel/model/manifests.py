"""The manifests of a package, parsed but not yet understood, and what they say by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model import python as pythons
from cartwheel.model.backend import UNVERSIONED, backend_of, limited_python
from cartwheel.model.errors import ConfigError
from cartwheel.model.features import features
from cartwheel.model.version import pep440, semver
from cartwheel.model.wheel import normalised

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
    def paths(self) -> tuple[str, ...]:
        """The files themselves, relative to the project; what lies outside it is left out."""
        found = (inside(self.folder, "pyproject.toml"), self.cargo_path, self.workspace_path)
        return tuple(dict.fromkeys(path for path in found if path and not path.startswith(("/", ".."))))


class Truth(Struct, frozen=True, kw_only=True):
    """Where a package's version is decided."""

    path: str
    what: str
    at: Keys
    text: str
    """As the manifest writes it."""


def inside(folder: str, name: str) -> str:
    """A file of a package, relative to the project."""
    return name if folder == "." else f"{folder}/{name}"


def table_shown(manifests: Manifests) -> str:
    """How messages name the package's own table."""
    return f"{'' if manifests.folder == '.' else manifests.folder + '/pyproject.toml '}[tool.cartwheel]"


def from_git(pyproject: Mapping[str, Any]) -> bool:
    """Whether a package's version comes from git (`version = "scm"` in its own table)."""
    return bool(pyproject.get("tool", {}).get("cartwheel", {}).get("version") == SCM)


SCM = "scm"


def truth(manifests: Manifests) -> Truth:
    """Where the version is decided: by this run or git's tag, as `version-from` says, else by the crate where there is
    one.

    Raises `ConfigError` where nothing decides it.
    """
    where = inside(manifests.folder, "pyproject.toml")
    if from_git(manifests.pyproject):
        return Truth(path=where, what="version", at=(), text=manifests.version or UNVERSIONED)
    named = manifests.pyproject.get("tool", {}).get("cartwheel", {}).get("version-from", "")
    if named == "Cargo.toml" and not manifests.cargo_path:
        raise ConfigError(f"{where} [tool.cartwheel] version-from: found 'Cargo.toml', but the package has no crate")
    if named == "pyproject.toml" or not manifests.cargo_path:
        return _truth_in_pyproject(manifests)
    return crate_version(manifests)


def crate_version(manifests: Manifests) -> Truth:
    """Where the crate's version is written, its own or its workspace's; raises `ConfigError` where nothing is."""
    crate = manifests.cargo.get("package")
    if crate is None:
        raise ConfigError(
            f"{manifests.cargo_path}: a workspace without a [package]; "
            "name the extension's own Cargo.toml in [tool.maturin] manifest-path"
        )
    version = crate.get("version")
    if isinstance(version, str):
        return Truth(
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
    return Truth(
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
    named = manifests.pyproject.get("tool", {}).get("maturin", {}).get("bindings")
    if named:
        return "pyo3" if named == "pyo3-ffi" else str(named)
    library = manifests.cargo.get("lib", {})
    kinds = library.get("crate-type", library.get("crate_type", ()))
    found = {*_dependencies(manifests.cargo), *(("c",) if "cdylib" in kinds else ())}
    return next((bindings for known, bindings in _BINDINGS if known in found), "bin")


_BINDINGS = (("pyo3", "pyo3"), ("pyo3-ffi", "pyo3"), ("uniffi", "uniffi"), ("c", "cffi"))


def _dependencies(cargo: Mapping[str, Any]) -> Iterable[str]:
    """The names of the crates that a crate needs, on whichever target."""
    for table in (cargo, *cargo.get("target", {}).values()):
        for name, row in table.get("dependencies", {}).items():
            yield str(row.get("package", name)) if isinstance(row, Mapping) else name


def _pyo3_features(manifests: Manifests, more: Iterable[str] = ()) -> tuple[str, ...]:
    """The features of PyO3 that the crate asks for, by its dependency tables or its own features, those of
    `[tool.maturin]` and `more`."""
    rows = dict(_rows_of_pyo3(manifests))
    asked = [feature for row in rows.values() for feature in row.get("features", ())]
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
        asked += [of_crate] if slash and crate.removesuffix("?") in rows else []
    return tuple(asked)


def _rows_of_pyo3(manifests: Manifests) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What the crate says of PyO3, by the names that it has for it; what it takes over of the workspace included."""
    shared = manifests.workspace.get("workspace", {}).get("dependencies", {})
    for table in (manifests.cargo, *manifests.cargo.get("target", {}).values()):
        for name, found in table.get("dependencies", {}).items():
            row = found if isinstance(found, Mapping) else {}
            above = shared.get(name) if row.get("workspace") is True else None
            above = above if isinstance(above, Mapping) else {}
            if above.get("package", row.get("package", name)) == "pyo3":
                yield name, {"features": (*above.get("features", ()), *row.get("features", ()))}


def minimum_python(manifests: Manifests, more: Iterable[str] = ()) -> str:
    """The oldest CPython: the stable ABI's own minimum if one is named, else `requires-python`'s.  `more`: features
    that a wheel is built with besides."""
    versions = [m[1] for f in _pyo3_features(manifests, more) if (m := re.fullmatch(r"abi3-py3(\d+)", f))]
    if versions:
        return f"3.{max(map(int, versions))}"
    if not manifests.cargo_path and (limited := limited_python(manifests.pyproject)):
        return limited
    return pythons.first_allowed(manifests.pyproject.get("project", {}).get("requires-python", ""))


def stable_abis(manifests: Manifests, more: Iterable[str] = ()) -> tuple[str, ...]:
    """The stable ABIs that the crate asks PyO3 for, `("abi3", "abi3t")`."""
    kinds = {feature.partition("-py")[0] for feature in _pyo3_features(manifests, more)}
    return tuple(kind for kind in (pythons.ABI3, pythons.ABI3T) if kind in kinds)


def abi3_from_any(manifests: Manifests, more: Iterable[str] = ()) -> bool:
    """Whether the crate asks for the stable ABI and leaves open from which version on, so that the interpreter which
    it is built for says it (PyO3 0.29's guide, "Features")."""
    asked = _pyo3_features(manifests, more)
    return pythons.ABI3 in asked and not any(feature.startswith("abi3-py") for feature in asked)


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


def default_python(manifests: Manifests, bindings: str, minimum: str, more: Iterable[str] = ()) -> tuple[str, ...]:
    """What the compiled wheels of a package are for, where nobody says it."""
    if bindings in ("bin", "cffi", "uniffi"):
        return (pythons.PURE,)
    if stable := stable_abis(manifests, more):
        return stable
    supported = _supported(manifests.pyproject.get("project", {}))
    if bindings:
        return supported
    limited = backend_of(manifests.pyproject).limited(manifests.pyproject)
    if limited.startswith("py"):
        return (pythons.PURE,)
    if not limited_python(manifests.pyproject):
        return supported
    older = (v for v in supported if v[-1] != "t" and int(v.split(".")[1]) < int(minimum.split(".")[1]))
    return (*older, pythons.ABI3)


def _supported(project: Mapping[str, Any]) -> tuple[str, ...]:
    """The interpreters that a package is for: those that its classifiers name, else all that are supported, as far as
    `requires-python` allows; without the lock too where it says that it is made for that."""
    classifiers = [str(row) for row in project.get("classifiers", ())]
    named = {m[1] for row in classifiers if (m := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", row))}
    known = [version for version in pythons.MAINTAINED if version in named] or pythons.SUPPORTED
    wanted = str(project.get("requires-python", ""))
    kept = tuple(version for version in known if not wanted or pythons.allowed(wanted, version))
    free = any(row.startswith("Programming Language :: Python :: Free Threading") for row in classifiers)
    return (*kept, *(v for v in pythons.FREE_THREADED if free and v.rstrip("t") in kept))


def module_of(manifests: Manifests, name: str) -> str:
    named = manifests.pyproject.get("tool", {}).get("maturin", {}).get("module-name")
    if isinstance(named, str):
        return named.split(".")[0]
    if bindings_of(manifests) == "bin":
        return ""
    library = manifests.cargo.get("lib", {}).get("name") or manifests.cargo.get("package", {}).get("name")
    return normalised(library if isinstance(library, str) else name)


def _truth_in_pyproject(manifests: Manifests) -> Truth:
    path = inside(manifests.folder, "pyproject.toml")
    version = manifests.pyproject.get("project", {}).get("version")
    if not isinstance(version, str):
        missing = "and version-from names it" if manifests.cargo_path else "and no crate to take it from"
        raise ConfigError(f'{path}: no [project] version, {missing}; write version = "0.1.0"')
    pep440(version)
    return Truth(path=path, what="[project] version", at=("project", "version"), text=version)


def _valid(manifests: Manifests, version: str) -> str:
    """The version as written, once it is known to be both SemVer and expressible in PEP 440."""
    try:
        pep440(version)
        if semver(version) != version:
            raise ConfigError(f"version '{version}': Cargo writes this '{semver(version)}'")
    except ConfigError as error:
        raise ConfigError(f"{manifests.cargo_path}: {error}") from None
    return version
