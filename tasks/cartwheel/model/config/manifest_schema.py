"""The types of the standard keys of pyproject.toml and Cargo.toml, as far as they are read here.

Other keys are not checked; the tools that own them do that.
"""

# Annotations are not postponed: msgspec would compile each of them from text at the first decode.

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from cartwheel.model.config.table import type_in_words
from cartwheel.model.errors import ConfigError


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A table."""


class _Metadata(_Shape, frozen=True, kw_only=True):
    name: str = ""
    version: str = ""
    requires_python: str = ""
    dynamic: list[str] = []
    dependencies: list[str] = []
    optional_dependencies: dict[str, list[str]] = {}
    license_files: list[str] = []


class _BuildSystem(_Shape, frozen=True, kw_only=True):
    build_backend: str = ""
    requires: list[str] = []


class _Maturin(_Shape, frozen=True, kw_only=True):
    manifest_path: str = ""
    bindings: str = ""
    module_name: str = ""
    python_source: str = ""
    features: list[str | dict[str, Any]] = []
    include: list[str | dict[str, Any]] = []


class _Tool(_Shape, frozen=True, kw_only=True):
    maturin: _Maturin = _Maturin()
    cartwheel: dict[str, Any] = {}


class Pyproject(_Shape, frozen=True, kw_only=True):
    """pyproject.toml."""

    project: _Metadata = _Metadata()
    build_system: _BuildSystem = _BuildSystem()
    tool: _Tool = _Tool()


class _Crate(_Shape, frozen=True, kw_only=True):
    name: str = ""
    version: str | dict[str, Any] = ""
    workspace: str = ""


class _Workspace(_Shape, frozen=True, kw_only=True):
    package: dict[str, Any] = {}
    dependencies: dict[str, Any] = {}
    members: list[str] = []
    exclude: list[str] = []


class Cargo(_Shape, frozen=True, kw_only=True):
    """Cargo.toml."""

    package: _Crate = _Crate()
    workspace: _Workspace = _Workspace()
    lib: dict[str, Any] = {}
    dependencies: dict[str, Any] = {}
    target: dict[str, dict[str, Any]] = {}
    features: dict[str, list[str]] = {}


def refuse_wrong_types(kind: type[_Shape], data: Mapping[str, Any], shown_as: str) -> None:
    """Raises `ConfigError` with the file, the key, the type found and the type expected."""
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at ")
        expected, got = re.findall(r"`([^`]*)`", text)[:2] or ("", "")
        key = place.strip("`").removeprefix("$.")
        quotes = "; put it in quotes" if expected == "str" and got in ("int", "float") else ""
        raise ConfigError(
            f"{shown_as}: {key}: found {type_in_words(got)}, expected {type_in_words(expected)}{quotes}"
        ) from None
