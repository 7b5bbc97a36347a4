"""How maturin makes a crate importable: its bindings, its stable ABI and the name of its module.

The rules are those of maturin 1.16 (`find_bridge`, `has_stable_abi`, `ProjectResolver::resolve`), read November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.config.cargo_features import features
from cartwheel.model.config.crate_graph import Activation, activate
from cartwheel.model.config.manifests import Manifests
from cartwheel.model.wheels import python as pythons
from cartwheel.model.wheels.wheel_name import normalised_name

BIN, CFFI, PYO3, UNIFFI = "bin", "cffi", "pyo3", "uniffi"

_BINDING_CRATES = ("pyo3-ffi", "pyo3")
"""The crates that bind to CPython; maturin asks the first of them in the graph for its features."""


class StableAbi(Struct, frozen=True, kw_only=True):
    """The stable ABI that a crate's build asks PyO3 for."""

    kinds: tuple[str, ...]
    """Of `("abi3", "abi3t")`; empty if the wheels are for one version each."""
    since: str
    """The oldest version named, `3.11`; empty if the interpreter that the wheel is built for decides."""
    conditional: str = ""
    """The first interpreter, `3.11`, that asks for it by a conditional feature of `[tool.maturin]`; empty if all do."""


def bindings_of(manifests: Manifests, more: Iterable[str] = ()) -> str:
    """`pyo3`, `cffi`, `uniffi` or `bin`; empty for a package without a crate.  `more`: features besides those of
    `[tool.maturin]`."""
    if not manifests.cargo_path:
        return ""
    if named := manifests.maturin.get("bindings"):
        return PYO3 if named == "pyo3-ffi" else str(named)
    there = _build(manifests, more, "").features
    library = "cdylib" in _library_kinds(manifests.cargo)
    if any(crate in there for crate in _BINDING_CRATES):
        return BIN if manifests.has_program and not library else PYO3
    if UNIFFI in there:
        return UNIFFI
    return CFFI if library else BIN


def binds_python(manifests: Manifests, more: Iterable[str] = ()) -> bool:
    """Whether PyO3 is in the crate's graph, its tests' dependencies included: even a program is then built for one
    interpreter."""
    there = _build(manifests, more, "").features if manifests.cargo_path else {}
    return any(crate in there for crate in _BINDING_CRATES)


def stable_abi(manifests: Manifests, more: Iterable[str] = (), python: str = pythons.ABI3) -> StableAbi:
    """The stable ABI that the build for `python` requests, with `more` added to the features of `[tool.maturin]`.

    A feature of `[tool.maturin]` that depends on the interpreter counts from the first version on that has it, of those
    that `requires-python` allows.
    """
    if not manifests.cargo_path or python == pythons.PURE:
        return StableAbi(kinds=(), since="")
    if python not in (pythons.ABI3, pythons.ABI3T):
        return _abi(manifests, more, python)
    always = _abi(manifests, more, "")
    if always.kinds or not features(manifests.pyproject, "", ()).conditional:
        return always
    versions = (v for v in pythons.every_version() if pythons.allows_python(manifests.requires_python, v))
    by_version = ((version, _abi(manifests, more, version)) for version in versions)
    rows = (
        replace(abi, conditional=version, since=abi.since or version)
        for version, abi in by_version
        if pythons.minor(abi.since) <= pythons.minor(version)
    )
    return next((abi for abi in rows if abi.kinds), always)


def _abi(manifests: Manifests, more: Iterable[str], version: str) -> StableAbi:
    build = _build(manifests, more, version)
    return abi_of_features(frozenset().union(*(build.features.get(crate, ()) for crate in _BINDING_CRATES)))


def has_uncounted_abi(manifests: Manifests, more: Iterable[str], version: str) -> bool:
    """Whether a conditional feature of the crate itself asks for the stable ABI, for the interpreter `version`: maturin
    builds with it, and does not count it when it names the wheel."""
    chosen = features(manifests.pyproject, version, more)
    enabled = (*chosen.unconditional, *chosen.conditional)
    build = activate(manifests.crate, manifests.crates, enabled, default=chosen.default, every=chosen.every)
    return any(abi_of_features(build.features.get(crate, frozenset())).kinds for crate in _BINDING_CRATES)


def abi_of_features(enabled: frozenset[str]) -> StableAbi:
    """The stable ABI that features of PyO3 ask for."""
    named = {feature.partition("-py")[0] for feature in enabled}
    minors = [int(m[1]) for feature in enabled if (m := re.fullmatch(r"abi3t?-py3(\d+)", feature))]
    return StableAbi(
        kinds=tuple(kind for kind in (pythons.ABI3, pythons.ABI3T) if kind in named),
        since=f"3.{min(minors)}" if minors else "",
    )


def pyo3_requirement(manifests: Manifests, more: Iterable[str] = ()) -> tuple[str, frozenset[str]]:
    """The version requirement on PyO3 (`0.28`) and the features asked of it; empty if it is not in the graph."""
    build = _build(manifests, more, "")
    for crate in reversed(_BINDING_CRATES):
        if crate in build.features:
            return build.versions.get(crate, ""), build.features[crate]
    return "", frozenset()


def _build(manifests: Manifests, more: Iterable[str], version: str) -> Activation:
    """What cargo is asked to build: for an interpreter, `3.12`, or without what depends on one."""
    chosen = features(manifests.pyproject, version, more)
    conditional = [f for f in chosen.conditional if version and f.partition("/")[0] in _BINDING_CRATES]
    enabled = (*chosen.unconditional, *conditional)
    return activate(manifests.crate, manifests.crates, enabled, default=chosen.default, every=chosen.every)


def module_name(pyproject: Mapping[str, Any], cargo: Mapping[str, Any]) -> str:
    """The dotted name of the extension: `module-name`, else the library's, the project's or the crate's."""
    named = (
        pyproject.get("tool", {}).get("maturin", {}).get("module-name"),
        cargo.get("lib", {}).get("name"),
        pyproject.get("project", {}).get("name"),
        cargo.get("package", {}).get("name"),
    )
    return next((name for name in named if isinstance(name, str)), "")


def module_of(manifests: Manifests, name: str) -> str:
    """The module that the wheels of a package are imported as; empty for a program without Python code.

    An extension `a.b._c` beside Python code is in the package `a.b`, where `a` may be a namespace without a file of its
    own. Without a Python package of that name, maturin wraps the extension in one that is named like its last part.
    """
    if not manifests.cargo_path:
        return "" if manifests.programs_only and not manifests.has_python else normalised_name(name)
    parts = module_name(manifests.pyproject, manifests.cargo).split(".")
    if bindings_of(manifests) == BIN and not manifests.has_python:
        return ""
    return (".".join(parts[:-1]) or parts[0]) if manifests.has_python else parts[-1]


def _library_kinds(cargo: Mapping[str, Any]) -> tuple[str, ...]:
    library = cargo.get("lib", {})
    return tuple(library.get("crate-type", library.get("crate_type", ())))
