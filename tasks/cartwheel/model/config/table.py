"""Reading a table of the configuration into a value.

Decoding is strict: an unknown key or value is refused with its place and the nearest known name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from cartwheel.model.errors import ConfigError, did_you_mean


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A table of the configuration; keys are written with dashes."""


_T = TypeVar("_T", bound=Table)


def decode(kind: type[_T], raw: object, *, where: str) -> _T:
    """The table as a value.  Raises `ConfigError` with the place, what was found and what is expected."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        if isinstance(raw, Mapping):
            _refuse_unknown(kind, raw, where)
        text, _, place = str(error).partition(" - at `$")
        place = _with_free_keys(kind, raw, place)
        keys = tuple(re.findall(r"[^.\[\]`]+", place))
        shown = f"{where} {place.removeprefix('.').rstrip('`')}".rstrip()
        raise ConfigError(f"{shown}: {_explanation(text, kind, raw, keys)}") from None


def _with_free_keys(kind: type[Table], raw: object, place: str) -> str:
    """msgspec's place of an error, with the user's key for each `[...]` of msgspec: `.index.own.url`."""
    before, free, after = place.partition("[...]")
    keys = tuple(re.findall(r"[^.\[\]`]+", before))
    values = _value_at(raw, keys)
    if not free or not isinstance(values, Mapping):
        return place
    for name, value in values.items():
        part: object = {name: value}
        for key in reversed(keys):
            part = {key: part}
        try:
            msgspec.convert(part, kind)
        except msgspec.ValidationError:
            return _with_free_keys(kind, raw, f"{before}.{name}{after}")
    return place


def tables_in(annotation: object) -> tuple[type[Table], ...]:
    """The tables that a field's type names, at any depth: `Test` for `Test | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return (annotation,)
    inner = getattr(annotation, "__args__", ())
    return tuple(table for part in inner for table in tables_in(part))


def literals_in(annotation: object) -> tuple[str, ...]:
    """The texts that a field's type allows, if it allows only some: `("here", "ci")`."""
    inner = getattr(annotation, "__args__", ())
    return tuple(part for part in inner if isinstance(part, str)) + tuple(
        text for part in inner if not isinstance(part, str) for text in literals_in(part)
    )


_FOREIGN = {
    "build": "python", "archs": "targets", "target": "targets", "interpreter": "python", "index-url": "index.NAME.url",
    "test-command": "test.command", "test-requires": "test.requires", "test-extras": "test.extras",
    "test-groups": "test.groups", "test-skip": "test.skip", "before-build": "before", "before-all": "before",
    "skip": 'overrides with skip = "why"', "enable": "python", "compatibility": "floor", "manylinux": "floor",
    "config-settings": "environment",
    "macos-deployment-target": "floor",
}  # fmt: skip
"""Keys of cibuildwheel 4 and maturin 1.16, and the one here with that meaning (their documentation, November 2026)."""

_NEEDLESS = {
    "build-frontend": "cartwheel calls the build backend itself",
    "build-verbosity": "doit build -v shows all output",
    "repair-wheel-command": "the tasks of repair make the wheels portable",
}
"""Keys of cibuildwheel 4 that no key here replaces, and why (its documentation, November 2026)."""


def _refuse_unknown(kind: type[Table], raw: Mapping[str, Any], where: str) -> None:
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in known:
            image = "image" if re.fullmatch(r"(many|musl)linux-.*-image", key) else ""
            meant = image or _FOREIGN.get(key, "")
            hint = f"; here that is: {meant}" if meant.partition(".")[0].split(" ")[0] in known else ""
            hint = f"; leave it out: {_NEEDLESS[key]}" if key in _NEEDLESS else hint
            raise ConfigError(f"{where}: unknown key '{key}'{hint or did_you_mean(key, known)}")
        for nested in tables_in(known[key].type):
            if isinstance(value, Mapping):
                parts = value.items() if _has_free_keys(known[key].type) else (("", value),)
                for name, part in parts:
                    if isinstance(part, Mapping):
                        _refuse_unknown(nested, part, f"{where} {key}{'.' + name if name else ''}")
            elif isinstance(value, list):
                for number, part in enumerate(value, 1):
                    if isinstance(part, Mapping):
                        _refuse_unknown(nested, part, f"{where} {key}, entry {number}")


def _has_free_keys(annotation: object) -> bool:
    """Whether the user chooses the keys of the table, as those of `index`."""
    if getattr(annotation, "__origin__", None) is dict:
        return True
    return any(_has_free_keys(part) for part in getattr(annotation, "__args__", ()))


def _explanation(text: str, kind: type[Table], raw: object, keys: tuple[str, ...]) -> str:
    """A message of msgspec in TOML's words."""
    table, field = _field_at(kind, keys)
    if match := re.search(r"Invalid enum value '?([^']*)'?", text):
        return f"unknown value '{match[1]}'{did_you_mean(match[1], literals_in(field.type) if field else ())}"
    if match := re.search(r"required field `([^`]*)`", text):
        return f"has no '{match[1]}'; add it"
    match = re.search(r"Expected `([^`]*)`, got `([^`]*)`", text)
    if not match:
        return text[:1].lower() + text[1:]
    value = _value_at(raw, keys)
    return f"found {type_in_words(match[2])}, expected {_expectation(match[1], table, field, value, keys)}"


def _expectation(expected: str, table: type[Table], field: Any, value: object, keys: tuple[str, ...]) -> str:
    kinds = [kind for kind in expected.split(" | ") if kind != "null"]
    words = type_in_words(expected)
    if field is None or not keys:
        return words
    if kinds == ["array"] and isinstance(value, str):
        words = "a list"
        return f"{words}; write {keys[-1]} = {_list(value, split=field.encode_name in ('command', 'run'))}"
    if kinds == ["array"] and isinstance(value, Mapping) and tables_in(field.type):
        return f"a list of tables; write [[tool.cartwheel.{'.'.join(keys)}]]"
    from cartwheel.model.config.key_docs import example_of

    example = example_of(table, field.encode_name) if field.encode_name == keys[-1] else ""
    if example:
        return f"{words}, such as {example}"
    return f"{words}; put it in quotes" if kinds == ["str"] and isinstance(value, int | float) else words


def _list(text: str, *, split: bool) -> str:
    import json
    import shlex

    try:
        parts = shlex.split(text) if split else [text]
    except ValueError:
        parts = [text]
    return json.dumps(parts, ensure_ascii=False)


def _field_at(kind: type[Table], keys: tuple[str, ...]) -> tuple[type[Table], Any]:
    """The table and the field that a path of keys leads to; None for the field if it is missing."""
    table, field = kind, None
    for key in keys:
        tables = tables_in(field.type) if field else (table,)
        match = next(((t, f) for t in tables for f in msgspec.structs.fields(t) if f.encode_name == key), None)
        if match:
            table, field = match
    return table, field


def _value_at(raw: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        if isinstance(raw, Mapping):
            raw = raw.get(key)
        elif isinstance(raw, list) and key.isdigit() and int(key) < len(raw):
            raw = raw[int(key)]
        else:
            return None
    return raw


def type_in_words(kind: str) -> str:
    """msgspec's name of a type in TOML's words, such as `a string or a table` for `str | object`."""
    return " or ".join(_NAMES.get(part, part) for part in kind.split(" | ") if part != "null")  # TOML has no null


_NAMES = {
    "str": "a string", "array": "a list", "object": "a table", "int": "a number", "float": "a number",
    "bool": "true or false", "datetime": "a date", "date": "a date",
}  # fmt: skip
