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
    if isinstance(raw, Mapping):
        _refuse_unknown(kind, raw, where)
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}{_place(str(error))}: {_explanation(str(error), kind, raw)}") from None


def tables_in(annotation: object) -> tuple[type[Table], ...]:
    """The tables that a field's type names, at any depth: `Test` for `Test | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return (annotation,)
    inner = getattr(annotation, "__args__", ())
    return tuple(table for part in inner for table in tables_in(part))


def literals_in(annotation: object) -> tuple[str, ...]:
    """The texts that a field's type allows, where it allows only some: `("here", "ci")`."""
    inner = getattr(annotation, "__args__", ())
    return tuple(part for part in inner if isinstance(part, str)) + tuple(
        text for part in inner if not isinstance(part, str) for text in literals_in(part)
    )


def _refuse_unknown(kind: type[Table], raw: Mapping[str, Any], where: str) -> None:
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}'{did_you_mean(key, known)}")
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


def _place(message: str) -> str:
    match = re.search(r" - at `\$\.?([^`]*)`", message)
    return f" {match[1]}".rstrip() if match else ""


def _explanation(message: str, kind: type[Table], raw: object) -> str:
    text = re.sub(r" - at `.*", "", message).replace(" | null", "")  # TOML has no null
    match = re.search(r"Invalid enum value '?([^']*)'?", text)
    if match:
        parts = re.split(r"[.\[]", _place(message).strip())
        field = next((f for f in msgspec.structs.fields(kind) if f.encode_name == parts[0]), None)
        tables = tables_in(field.type) if field else ()
        inner = next(
            (f for table in tables for f in msgspec.structs.fields(table) if f.encode_name == parts[-1]), field
        )
        known = literals_in(inner.type) if inner else ()
        return f"unknown value '{match[1]}'{did_you_mean(match[1], known)}"
    return text[:1].lower() + text[1:]
