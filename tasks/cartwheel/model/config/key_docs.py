"""The documentation of the configuration's keys, read from the text under each field of the settings.

Used where a message needs an example, and by `python -m tools.reference`.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from cartwheel.model.config.table import Table


class KeyDoc(Struct, frozen=True, kw_only=True):
    """One key of a table."""

    key: str
    kind: str
    """Its type in TOML's words: `list of strings`."""
    text: str
    default: str
    """Markdown; empty for a required key."""
    example: str
    """A TOML value, empty if missing."""


@cache
def key_docs(table: type[Table], *, inherited: bool = True) -> tuple[KeyDoc, ...]:
    """The keys of a table in their order; without `inherited`, those that it adds to the table it is based on."""
    above = {field.name for base in table.__bases__ for field in _fields(base)}
    texts = {name: text for cls in reversed(table.__mro__) for name, text in _texts(cls).items()}
    hints = get_type_hints(table)
    return tuple(
        _doc(field, texts.get(field.name, ""), hints[field.name])
        for field in _fields(table)
        if inherited or field.name not in above
    )


def example_of(table: type[Table], key: str) -> str:
    """An example of a key's value, in TOML; empty if its documentation has none or is not at hand."""
    try:
        return next((doc.example for doc in key_docs(table) if doc.key == key), "")
    except (OSError, TypeError):  # installed without sources
        return ""


def _fields(table: type) -> tuple[Any, ...]:
    return msgspec.structs.fields(table) if issubclass(table, msgspec.Struct) else ()


def _texts(cls: type) -> Mapping[str, str]:
    """The text under each field that a class defines itself."""
    if not (issubclass(cls, Table) and cls is not Table):
        return {}
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            texts[field.target.id] = re.sub(r"\s+", " ", str(text.value.value)).strip()  # type: ignore[attr-defined]
    return texts


def _doc(field: Any, text: str, hint: object) -> KeyDoc:
    match = re.fullmatch(r"(?P<text>.*?)(?: ?Default: (?P<default>.*?))?(?: ?Example: `(?P<example>.*)`)?", text)
    assert match
    return KeyDoc(
        key=field.encode_name, kind=toml_type(hint), text=match["text"],
        default=(match["default"] or _default(field)).rstrip("."), example=match["example"] or "",
    )  # fmt: skip


def _default(field: Any) -> str:
    if field.required:
        return ""
    value = field.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) and value else "none"


def toml_type(annotation: object) -> str:
    """A type in TOML's words: `list of strings`, `table`, `"here" or "ci"`."""
    return _plural(annotation)[0]


def _plural(annotation: object) -> tuple[str, str]:
    """A type in words, for one value and for several."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        parts = [_plural(part) for part in inner if part is not type(None)]
        return " or ".join(one for one, _ in parts), " or ".join(several for _, several in parts)
    if origin is Literal:
        texts = [f'"{text}"' for text in inner]
        return (", ".join(texts[:-1]) + f" or {texts[-1]}" if len(texts) > 1 else texts[0]), "strings"
    if origin is tuple:
        return f"list of {_plural(inner[0])[1]}", "lists"
    if origin is dict:
        return f"table of {_plural(inner[1])[1]}", "tables"
    return _WORDS.get(annotation, ("table", "tables"))


_WORDS: Mapping[object, tuple[str, str]] = {
    str: ("string", "strings"), bool: ("boolean", "booleans"), int: ("integer", "integers"),
}  # fmt: skip
