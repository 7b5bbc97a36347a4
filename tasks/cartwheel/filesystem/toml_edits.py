"""Edits of TOML files with tomlkit. Each edit is verified: the named value changes and every other byte is kept.

tomlkit (0.15.2) keeps quotes, line endings, comments and order, with one known exception: it writes an array of tables
with non-adjacent entries as one block. Such a file is edited one table at a time.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from cartwheel.model.config.manifests import Keys
from cartwheel.model.errors import ConfigError

_BOM = "\ufeff"
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_COMMENT_ABOVE = re.compile(r"(?:^[ \t]*(?:#[^\n]*)?\n)+\Z", re.MULTILINE)


class _NotExact(Exception):
    """An edit changes more than it should."""


def with_strings(data: bytes, values: Mapping[Keys, str], *, shown_as: str) -> bytes:
    """The file with new strings at the given keys; each string keeps its quoting style.

    Raises `ConfigError` if a string cannot be replaced without another change.
    """
    bom, text = _text(data, shown_as)
    expected, document = _parse(text), _whole(text)
    for at, value in values.items():
        _place(expected, at[:-1])[at[-1]] = value
        try:
            text = _in_document(document, text, at, value) if document is not None else _in_section(text, at, value)
        except _NotExact:
            raise ConfigError(
                f"{shown_as}: {_path_of(at)} cannot be replaced without another change; change it by hand to '{value}'"
            ) from None
    if _parse(text) != expected:
        raise ConfigError(f"{shown_as}: an edit would change another value; change the file by hand")
    return (bom + text).encode()


def with_key(data: bytes, table: tuple[str, ...], key: str, value: str, *, shown_as: str) -> bytes:
    """The file with one key set to a string; a missing table is added.

    Raises `ConfigError` if that is impossible without another change.
    """
    bom, text = _text(data, shown_as)
    expected = _parse(text)
    place: Any = expected
    for part in table:
        place = place.setdefault(part, {}) if isinstance(place, dict) else {}
    if place.get(key) == value:
        return data
    if isinstance(place.get(key), str):
        return with_strings(data, {(*table, key): value}, shown_as=shown_as)
    place[key] = value
    for candidate in _with_new_key(text, table, key, value):
        if _parse(candidate) == expected:
            return (bom + candidate).encode()
    raise ConfigError(f'{shown_as}: {key} = "{value}" cannot be added to [{".".join(table)}]; add it by hand')


def with_value(data: bytes, table: tuple[str, ...], key: str, value: Any, *, shown_as: str) -> bytes:
    """The file with one key set to a list or another value; the table must exist.

    Raises `ConfigError` if that is impossible without another change.
    """
    bom, text = _text(data, shown_as)
    expected, document = _parse(text), _whole(text)
    _place(expected, table)[key] = value
    if document is not None:
        _place(document, table)[key] = value
        candidate: str = document.as_string()
        if _parse(candidate) == expected:
            return (bom + candidate).encode()
    raise ConfigError(f"{shown_as}: {key} cannot be set in [{'.'.join(table)}]; set it by hand to {value}")


# Replacing a string ---------------------------------------------------------------------------------------------------


def _whole(text: str) -> Any:
    """The tomlkit document if tomlkit reproduces the text exactly; else None."""
    import tomlkit

    try:
        document = tomlkit.parse(text)
    except tomlkit.exceptions.TOMLKitError:
        return None
    return document if document.as_string() == text else None


def _in_document(document: Any, text: str, at: Keys, value: str) -> str:
    old, new = _set(document, at, value)
    return _refuse_other_bytes(text, document.as_string(), old, new)


def _in_section(text: str, at: Keys, value: str) -> str:
    """The text with one string replaced. Only the table that holds the string is passed to tomlkit."""
    expected = _parse(text)
    _place(expected, at[:-1])[at[-1]] = value
    for start, end in _sections(text):
        document = _whole(text[start:end])
        try:
            section = _in_document(document, text[start:end], at, value) if document is not None else ""
        except (LookupError, TypeError, _NotExact):
            continue
        candidate = text[:start] + section + text[end:]
        if section and _parse(candidate) == expected:
            return candidate
    raise _NotExact


def _set(document: Any, at: Keys, value: str) -> tuple[str, str]:
    """Set a string in a tomlkit document; returns its old and new text, quotes included."""
    from tomlkit import string
    from tomlkit.items import String

    place = _place(document, at[:-1])
    old = place[at[-1]]
    if not isinstance(old, String):
        raise _NotExact
    before = old.as_string()
    new = string(value, literal=before.startswith("'"), multiline=before[:3] in ("'''", '"""'))
    place[at[-1]] = new
    return before, new.as_string()


def _place(document: Any, keys: Keys) -> Any:
    """The container at these keys. A section parsed alone contains one entry of an array of tables (index 0) or, below
    that entry's header, no array; the index is then skipped."""
    for key in keys:
        if isinstance(key, int) and isinstance(document, Mapping):
            continue
        document = document[min(key, len(document) - 1) if isinstance(key, int) else key]
    return document


def _refuse_other_bytes(before: str, after: str, old: str, new: str) -> str:
    """Return `after` if it equals `before` with one `old` replaced by `new`; else raise `_NotExact`."""
    if before == after and old == new:
        return after
    same = _common_prefix(before, after)
    for start in range(max(0, same - len(old)), same + 1):
        if before.startswith(old, start) and before[:start] + new + before[start + len(old) :] == after:
            return after
    raise _NotExact


def _sections(text: str) -> Iterator[tuple[int, int]]:
    """The start and end offsets of each table's text. A `[` at the start of a line that is not a header also ends a
    section."""
    starts = [0, *(match.start() for match in _HEADER.finditer(text))]
    yield from zip(starts, (*starts[1:], len(text)), strict=True)


# Adding a key ---------------------------------------------------------------------------------------------------------


def _with_new_key(text: str, table: tuple[str, ...], key: str, value: str) -> Iterator[str]:
    """Candidate texts with the new key: from tomlkit if it keeps the rest unchanged, then with a new table at the
    end."""
    import tomlkit

    newline = "\r\n" if "\r\n" in text else "\n"
    place = document = _whole(text)
    try:
        for part in table if document is not None else ():
            if part not in place:
                place[part] = tomlkit.table(is_super_table=part != table[-1])
            place = place[part]
        if document is not None:
            place[key] = value
            yield from _insertion(text, document.as_string(), newline)
    except (tomlkit.exceptions.TOMLKitError, TypeError, ValueError, _NotExact):
        pass  # an inline table cannot be extended by a table with a header
    nested: dict[str, Any] = {key: value}
    for part in reversed(table):
        nested = {part: nested}
    gap = "" if not text else newline if text.endswith("\n") else 2 * newline
    yield text + gap + tomlkit.dumps(nested).replace("\n", newline)


def _insertion(before: str, after: str, newline: str) -> Iterator[str]:
    """`before` with the text that `after` adds, in the file's line endings; spaces that tomlkit drops are kept.

    tomlkit adds lines below the next table's comment; the first candidate has them above it.
    """
    start = _common_prefix(before, after)
    rest = min(len(before), len(after)) - start
    end = min(rest, _common_prefix(before[::-1], after[::-1]))
    dropped, added = before[start : len(before) - end], after[start : len(after) - end]
    if dropped.strip(" \t"):
        raise _NotExact
    added = re.sub(r"(?<!\r)\n", newline, added)
    comment = _COMMENT_ABOVE.search(before, 0, start)
    if comment and not dropped and added.endswith("\n"):
        yield before[: comment.start()] + added + before[comment.start() :]
    yield before[:start] + added + dropped + before[len(before) - end :]


# Text -----------------------------------------------------------------------------------------------------------------


def _text(data: bytes, shown_as: str) -> tuple[str, str]:
    """The byte order mark (or an empty text) and the text after it. Raises `ConfigError` if it is not valid TOML."""
    try:
        text = data.decode()
        tomllib.loads(text.removeprefix(_BOM))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{shown_as}: not valid TOML: {error}") from None
    return (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)


def _common_prefix(one: str, other: str) -> int:
    """The length of the common prefix in characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=str)  # nan is not equal to itself, and a float loses digits
    except tomllib.TOMLDecodeError:
        return {}


def _path_of(at: Keys) -> str:
    return ".".join(str(key) for key in at)
