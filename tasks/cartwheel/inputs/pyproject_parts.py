"""The parts of pyproject.toml that affect a wheel made by maturin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from cartwheel.filesystem.manifest_files import table
from cartwheel.model.config.cargo_features import features
from cartwheel.model.wheels import python as pythons

_BUILD_SYSTEM = ("requires", "build-backend")
_NOT_IN_WHEELS = frozenset({"sdist-generator", "sdist-include", "editable-profile", "generate-ci"})
"""Keys of `[tool.maturin]` that only affect source distributions, in-place builds or `maturin generate-ci`."""


def parts(pyproject: Mapping[str, Any], triple: str, python: str) -> dict[str, str]:
    """Digests of the values in `[project]`, `[tool.maturin]` and `[build-system]` that affect a wheel, by full key.

    Comments, layout, the order of keys and other tools' tables do not count. The order within a value does, because
    METADATA lists URLs and extras in that order.
    """
    return {name: _digest(value) for name, value in sorted(_counting(pyproject, triple, python))}


def _counting(pyproject: Mapping[str, Any], triple: str, python: str) -> Iterator[tuple[str, object]]:
    for key, value in table(pyproject, "project").items():
        yield f"project.{key}", value
    system = table(pyproject, "build-system")
    for key in _BUILD_SYSTEM:
        if key in system:
            yield f"build-system.{key}", system[key]
    for key, value in table(table(pyproject, "tool"), "maturin").items():
        if key in ("include", "exclude"):
            patterns = wheel_patterns(value)
            if patterns:
                yield f"tool.maturin.{key}", patterns
        elif key == "target" and isinstance(value, Mapping):
            yield from ((f"tool.maturin.target.{name}", s) for name, s in value.items() if _concerns(name, triple))
        elif key == "features":
            chosen = features(pyproject, python, ())
            # Without one version (abi3, a program), maturin decides by the conditions themselves.
            if counting := [*chosen.unconditional, *chosen.conditional] if pythons.version(python) else value:
                yield f"tool.maturin.{key}", counting
        elif key not in _NOT_IN_WHEELS:
            yield f"tool.maturin.{key}", value


def _concerns(named: str, triple: str) -> bool:
    """Whether a target's table applies to the triple; a universal wheel is two targets to maturin."""
    return named == triple or (triple.startswith("universal2-") and named.endswith("-apple-darwin"))


def wheel_patterns(rows: object) -> list[object]:
    """The rows of maturin's `include` or `exclude` that apply to wheels, unchanged."""
    return [row for row in rows if _for_wheels(row)] if isinstance(rows, list) else []


def _for_wheels(row: object) -> bool:
    if not isinstance(row, Mapping):
        return True
    format_name = row.get("format", "wheel")
    return "wheel" in (format_name if isinstance(format_name, list) else [format_name])


def _digest(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
