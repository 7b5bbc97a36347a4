"""Places in files, and their exact replacement: what is not replaced stays byte for byte as it was."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.model.config.manifests import Keys
from cartwheel.model.errors import ConfigError


class TextPlace(Struct, frozen=True, kw_only=True):
    """A place where the version stands, and what should stand there."""

    path: str
    """Relative to the project."""
    what: str
    """What a reader finds there, such as `[workspace.package] version`."""
    found: str
    expected: str
    at: Keys = ()
    """The keys that lead to it in a TOML file; empty where `span` says where it is."""
    span: tuple[int, int] = (0, 0)
    """From which byte of the file to which."""


def new_contents(root: Path, places: Iterable[TextPlace]) -> dict[str, bytes]:
    """The new content of each file in which a place differs from what is expected there, by path.

    A replacement in TOML is proven, by parsing, to have changed that one value and nothing else.  Raises `ConfigError`
    where a value cannot be replaced exactly.
    """
    by_path: dict[str, dict[tuple[object, ...], TextPlace]] = {}
    for place in places:
        if place.found != place.expected:
            by_path.setdefault(place.path, {})[(place.at, place.span)] = place
    return {path: _replaced((root / path).read_bytes(), tuple(rows.values())) for path, rows in by_path.items()}


def _replaced(data: bytes, places: tuple[TextPlace, ...]) -> bytes:
    """Spans first, the last one first, so that none is moved before its turn."""
    for place in sorted((p for p in places if not p.at), key=lambda p: p.span, reverse=True):
        start, end = place.span
        if data[start:end] != place.found.encode():
            raise _nothing_matched(place)
        data = data[:start] + place.expected.encode() + data[end:]
    for place in places:
        data = _in_toml(data, place) if place.at else data
    return data


def _in_toml(data: bytes, place: TextPlace) -> bytes:
    text = data.decode()
    present = tomllib.loads(text)
    wanted = _with_value(present, place.at, place.expected)
    if wanted == present:  # a declared place was the same text, and had its turn
        return data
    for start in _occurrences(text, place.found, _likely(text, place.at)):
        candidate = text[:start] + place.expected + text[start + len(place.found) :]
        if _parsed(candidate) == wanted:
            return candidate.encode()
    raise _nothing_matched(place)


def _occurrences(text: str, part: str, likely: int) -> Iterator[int]:
    """Where a value's text stands between quotes, the likeliest first: each guess costs a parsing."""
    found = [match.start() for match in re.finditer(rf"""(?<=["']){re.escape(part)}(?=["'])""", text)]
    yield from (start for start in found if start >= likely)
    yield from (start for start in found if start < likely)


def _likely(text: str, at: Keys) -> int:
    """After which character a value likely stands: in a lock file, after the heading of its entry."""
    if len(at) < 2 or not isinstance(at[1], int):
        return 0
    heads = [match.start() for match in re.finditer(rf"^\[\[{re.escape(str(at[0]))}\]\]", text, re.MULTILINE)]
    return heads[at[1]] if at[1] < len(heads) else 0


def _with_value(document: dict[str, Any], keys: Keys, value: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    inner: Any = changed
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed


def with_key(data: bytes, table: tuple[str, ...], key: str, value: str, *, shown_as: str) -> bytes:
    """The TOML file with one key set to a string; the table is added where it is missing.

    Nothing but that value changes, proven by parsing; raises `ConfigError` where that cannot be done.
    """
    text = data.decode()
    present = tomllib.loads(text)
    inner: Any = present
    for part in table:
        inner = inner.get(part, {}) if isinstance(inner, dict) else {}
    if inner.get(key) == value:
        return data
    if key in inner:
        what = f"[{'.'.join(table)}] {key}"
        return _in_toml(
            data, TextPlace(path=shown_as, what=what, found=str(inner[key]), expected=value, at=(*table, key))
        )
    wanted = copy.deepcopy(present)
    place = wanted
    for part in table:
        place = place.setdefault(part, {})
    place[key] = value
    for candidate in _with_line(text, table, f'{key} = "{value}"'):
        if _parsed(candidate) == wanted:
            return candidate.encode()
    raise ConfigError(f'{shown_as}: {key} = "{value}" cannot be added to [{".".join(table)}]; add it by hand')


def _with_line(text: str, table: tuple[str, ...], line: str) -> Iterator[str]:
    """Where a key of a table may stand: below its heading, in braces, behind the dots of another key, at the end."""
    end = "\r\n" if "\r\n" in text else "\n"
    heading = re.search(rf"^\[{re.escape('.'.join(table))}\][^\r\n]*", text, re.MULTILINE)
    if heading:
        yield f"{text[: heading.end()]}{end}{line}{text[heading.end() :]}"
    for braces in re.finditer(rf"^{re.escape(table[-1])}\s*=\s*\{{", text, re.MULTILINE):
        yield f"{text[: braces.end()]} {line},{text[braces.end() :]}"
    for dotted in re.finditer(rf"^{re.escape(table[-1])}\.", text, re.MULTILINE):
        yield f"{text[: dotted.start()]}{table[-1]}.{line}{end}{text[dotted.start() :]}"
    yield f"{text.rstrip()}{end}{end}[{'.'.join(table)}]{end}{line}{end}"


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _nothing_matched(place: TextPlace) -> ConfigError:
    return ConfigError(
        f"{place.path}: {place.what} reads '{place.found}', but is not written out so; "
        f"change it by hand to '{place.expected}'"
    )
