"""Exact replacements in files: all bytes outside the replaced places are kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from cartwheel.filesystem.toml_edits import with_strings
from cartwheel.model.config.manifests import Keys
from cartwheel.model.errors import ConfigError


class TextPlace(Struct, frozen=True, kw_only=True):
    """A place that holds a version, and the version it should hold."""

    path: str
    """Relative to the project."""
    what: str
    """The place's name in messages, such as `[workspace.package] version`."""
    found: str
    expected: str
    at: Keys = ()
    """The place's keys in a TOML file; empty: `span` locates the place."""
    span: tuple[int, int] = (0, 0)
    """The byte offsets of the place: its start, and its end (exclusive)."""


def toml_place(path: str, at: Keys, found: str, expected: str, of: str = "") -> TextPlace:
    """A place in a TOML file. `of` names the owner of the version if the keys do not."""
    keys = (key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f"'{key}'" for key in at if isinstance(key, str))
    what = ".".join(keys)
    return TextPlace(path=path, what=f"{what} of {of}" if of else what, found=found, expected=expected, at=at)


def new_contents(root: Path, places: Iterable[TextPlace]) -> dict[str, bytes]:
    """The new content, by path, of each file with a place that differs from its expected value.

    Raises `ConfigError` if a place cannot be replaced exactly.
    """
    by_path: dict[str, dict[tuple[object, ...], TextPlace]] = {}
    for place in places:
        if place.found != place.expected:
            by_path.setdefault(place.path, {})[(place.at, place.span)] = place
    return {path: _apply(path, (root / path).read_bytes(), tuple(rows.values())) for path, rows in by_path.items()}


def _apply(path: str, data: bytes, places: tuple[TextPlace, ...]) -> bytes:
    """Replace spans from the end of the file to its start, so that the offsets stay valid; then TOML keys."""
    for place in sorted((p for p in places if not p.at), key=lambda p: p.span, reverse=True):
        start, end = place.span
        if data[start:end] != place.found.encode():
            raise ConfigError(
                f"{path}: {place.what} reads '{place.found}', but is written otherwise there; "
                f"change it by hand to '{place.expected}'"
            )
        data = data[:start] + place.expected.encode() + data[end:]
    values = {place.at: place.expected for place in places if place.at}
    return with_strings(data, values, shown_as=path) if values else data
