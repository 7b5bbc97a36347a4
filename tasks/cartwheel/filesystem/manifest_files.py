"""TOML files, parsed from disk and cached."""

from __future__ import annotations

import os
import re
import tomllib
from codecs import BOM_UTF8
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cartwheel.model.config.manifest_schema import Pyproject, refuse_wrong_types
from cartwheel.model.errors import ConfigError


def toml_or_nothing(path: Path) -> Mapping[str, Any]:
    """The parsed file; empty if it is missing or invalid, as templates are. For files of other projects."""
    try:
        return toml(path)
    except ConfigError:
        return {}


def read_toml(path: Path, shown_as: str) -> Mapping[str, Any]:
    """The parsed file. Raises `ConfigError` with the file's name, the line and the reason."""
    try:
        return _loads(path, *_file_state(path))
    except FileNotFoundError:
        raise ConfigError(f"{shown_as}: no such file; a package needs one, with [build-system] and [project]") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{shown_as}: not valid TOML: line {line} is not UTF-8; save the file as UTF-8") from None
    except ValueError as error:
        raise ConfigError(f"{shown_as}: not valid TOML: {_in_toml_words(error)}") from None
    except OSError as error:
        raise ConfigError(f"{shown_as}: cannot be read: {error.strerror}") from None


def read_root(root: Path) -> Mapping[str, Any]:
    """The parsed pyproject.toml of the project's root. Raises `ConfigError` if it is missing or invalid."""
    read = read_toml(root / "pyproject.toml", "pyproject.toml")
    refuse_wrong_types(Pyproject, read, "pyproject.toml")
    return read


def toml(path: Path) -> dict[str, Any]:
    """The parsed file; `{}` if it is missing. Raises `ConfigError` if it is invalid. Callers must not change the
    result."""
    try:
        return _loads(path, *_file_state(path))
    except OSError:
        return {}
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {_in_toml_words(error)}") from None


def _in_toml_words(error: ValueError) -> str:
    """tomllib's message, with `[tool.x]` for its `('tool', 'x')`."""
    return re.sub(r"\('([^()]*)',?\)", lambda keys: "[" + keys[1].replace("', '", ".") + "]", str(error))


def _file_state(path: Path) -> tuple[int, int, int]:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=512)
def _loads(path: Path, *state: int) -> dict[str, Any]:
    """The parsed file, cached by its state: every target of a package reads the same manifests. It may start with a
    byte order mark, as cargo and maturin accept it."""
    return tomllib.loads(path.read_bytes().removeprefix(BOM_UTF8).decode())


def table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table of a TOML file; empty if there is no table with that name."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}
