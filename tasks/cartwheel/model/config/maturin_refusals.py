"""What maturin refuses in pyproject.toml, said before anything is compiled (sources of maturin 1.16, November 2026)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cartwheel.model.config.bindings import BIN, module_name
from cartwheel.model.config.manifests import Manifests, path_in
from cartwheel.model.errors import ConfigError, did_you_mean


def refuse_as_maturin(manifests: Manifests, bindings: str) -> None:
    """Raises `ConfigError` for a package with a crate that maturin would not build."""
    if manifests.cargo_path:
        for line in _refusals(manifests, bindings):
            raise ConfigError(line)


def _refusals(manifests: Manifests, bindings: str) -> Iterable[str]:
    where = path_in(manifests.folder, "pyproject.toml")
    yield from (f"{where} [tool.maturin] {line}" for line in _wrong_settings(manifests.maturin))
    name = module_name(manifests.pyproject, manifests.cargo).rpartition(".")[2]
    if bindings == BIN:
        if manifests.pyproject.get("project", {}).get("scripts"):
            yield (
                f"{where} [project.scripts]: maturin packs no scripts beside a program in Rust; remove them, or make "
                "the crate a library"
            )
    elif "-" in name:
        named = manifests.maturin.get("module-name")
        key, place = ("module-name", "[tool.maturin]") if named else ("name", f"[lib] of {manifests.cargo_path}")
        yield (
            f"{where}: the extension would be '{name}', which cannot be imported; write {key} = "
            f'"{str(named or name).replace("-", "_")}" into {place}'
        )


_CHOICES = {
    "bindings": ("pyo3", "pyo3-ffi", "cffi", "uniffi", "bin"),
    "auditwheel": ("repair", "check", "warn", "skip"),
    "sdist-generator": ("cargo", "git"),
}
_PLATFORMS = r"off|linux|pypi|(?:manylinux)?(?:1|2010|2014)|musllinux_\d+_\d+(?:_.*)?|(?:manylinux_)?\d+_\d+(?:_.*)?"


def _wrong_settings(maturin: Mapping[str, Any]) -> Iterable[str]:
    for key, choices in _CHOICES.items():
        if (value := maturin.get(key)) is not None and value not in choices:
            yield f"{key}: unknown value '{value}'{did_you_mean(str(value), choices)}"
    for key in ("compatibility", "manylinux"):
        value = maturin.get(key)
        if value is not None and not re.fullmatch(_PLATFORMS, str(value).lower()):
            yield f"{key}: unknown value '{value}'; expected one like 'manylinux_2_28', '2014' or 'musllinux_1_2'"
    for row in maturin.get("include", ()):
        pattern = str(row.get("path", "")) if isinstance(row, Mapping) else str(row)
        if pattern.startswith(("/", "./")) or ".." in pattern.split("/"):
            fix = (
                "copy or link the file into the package's folder" if ".." in pattern else "write it without '/' or './'"
            )
            yield f"include: '{pattern}' is no pattern of files below the package; {fix}"
    for row in maturin.get("features", ()):
        if isinstance(row, Mapping) and (version := row.get("python-version")) and not _is_specifier(str(version)):
            yield f"features: python-version '{version}' is no version specifier; expected one like '>=3.11'"


def _is_specifier(text: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True
