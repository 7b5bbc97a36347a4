"""The cargo features that a wheel is built with: those of `[tool.maturin]` and of `[tool.cartwheel]`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.wheels import python as pythons


class Features(Struct, frozen=True, kw_only=True):
    """The cargo features of one wheel."""

    unconditional: tuple[str, ...]
    """The features on maturin's command line, which replace the plain ones of pyproject.toml."""
    conditional: tuple[str, ...]
    """The features that maturin adds for the wheel's interpreter."""
    default: bool
    every: bool


def features(pyproject: Mapping[str, Any], python: str, more: Iterable[str]) -> Features:
    """The features of `[tool.maturin]` for an interpreter (`3.12`, `abi3`), and `more`.

    A feature that depends on the interpreter (maturin 1.16, `FeatureSpec`) counts as enabled if the interpreter has no
    one version.
    """
    maturin = pyproject.get("tool", {}).get("maturin", {})
    rows = [row if isinstance(row, Mapping) else {"feature": row} for row in maturin.get("features", ())]
    listed = (str(row.get("feature")) for row in rows if not _CONDITIONS & row.keys())
    plain = (name for words in listed for name in re.split(r"[\s,]+", words))  # as cargo splits them
    return Features(
        unconditional=tuple(dict.fromkeys((*plain, *more))),
        conditional=tuple(str(r.get("feature")) for r in rows if _CONDITIONS & r.keys() and _may_be_on(r, python)),
        default=maturin.get("no-default-features") is not True,
        every=maturin.get("all-features") is True,
    )


_CONDITIONS = {"python-version", "python-implementation"}


def _may_be_on(row: Mapping[str, Any], python: str) -> bool:
    version = pythons.version(python)
    if not version:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    implementation = pythons.implementation(python)
    try:
        versions = SpecifierSet(str(row.get("python-version", "")))
    except InvalidSpecifier:
        return True
    return version in versions and str(row.get("python-implementation", implementation)).lower() == implementation


def known_features(cargo: Mapping[str, Any]) -> tuple[str, ...]:
    """The features in the crate's table and its optional dependencies ("Features" in the Cargo book, November 2026)."""
    declared = cargo.get("features", {})
    hidden = {value.removeprefix("dep:") for row in declared.values() for value in row if value.startswith("dep:")}
    rows = dependencies(cargo, BUILT_OF)
    optional = (name for name, row in rows if row.get("optional") and name not in hidden)
    return ("default", *declared, *optional)


def refuse_unknown(names: Iterable[str], cargo: Mapping[str, Any], *, where: str) -> None:
    """Raises `ConfigError` for a feature that the crate does not have.  One of another crate (`pyo3/abi3`) is left to
    cargo."""
    known = known_features(cargo)
    for name in names:
        if "/" not in name and name not in known:
            crate = cargo.get("package", {}).get("name", "the crate")
            raise ConfigError(f"{where}: {crate} has no feature '{name}'{did_you_mean(name, known)}")


BUILT_OF = ("dependencies", "build-dependencies", "build_dependencies")
"""The tables of a Cargo.toml with the dependencies of a build; those of tests alone are not among them."""


def dependencies(
    cargo: Mapping[str, Any], tables: Iterable[str] = ("dependencies",)
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The name and the table of each dependency of a crate, on every target."""
    for part in (cargo, *cargo.get("target", {}).values()):
        for key in tables:
            for name, row in part.get(key, {}).items():
                yield name, row if isinstance(row, Mapping) else {"version": row}
