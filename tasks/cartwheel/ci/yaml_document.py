"""A YAML document from plain values: mappings, sequences, texts; some with a comment at the end of their line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq


class WithComment(Struct, frozen=True):
    """A value with a comment behind it."""

    value: Any
    note: str


class FoldedText(Struct, frozen=True):
    """One long text, written on several lines that are read as one."""

    parts: tuple[str, ...]


class TextLines(Struct, frozen=True):
    """Texts, each on its own line."""

    parts: tuple[str, ...]


def yaml_text(tree: Mapping[str, Any], *, head: Sequence[str]) -> str:
    """The YAML text; `head` are comment lines at its top.  A text of several lines is written unchanged."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    out = StringIO()
    yaml.dump(_mapping(tree), out)
    body = out.getvalue()
    for key in list(tree)[1:]:  # a blank line before each part
        body = body.replace(f"\n{key}:", f"\n\n{key}:", 1)
    return "".join(f"# {line}".rstrip() + "\n" for line in head) + "\n" + body


def _mapping(tree: Mapping[str, Any]) -> CommentedMap:
    from ruamel.yaml.comments import CommentedMap

    node = CommentedMap()
    for key, value in tree.items():
        node[key] = _node(value)
        if isinstance(value, WithComment):
            node.yaml_add_eol_comment(value.note, key, column=0)
    return node


def _sequence(values: Sequence[Any], *, flow: bool = True) -> CommentedSeq:
    from ruamel.yaml.comments import CommentedSeq

    node = CommentedSeq(_node(value) for value in values)
    if flow and all(isinstance(value, str) and "\n" not in value for value in values):
        node.fa.set_flow_style()
    return node


def _node(value: Any) -> Any:
    from ruamel.yaml.scalarstring import FoldedScalarString, LiteralScalarString

    if isinstance(value, WithComment):
        return _node(value.value)
    if isinstance(value, TextLines):
        return _sequence(value.parts, flow=False)
    if isinstance(value, FoldedText):
        folded = FoldedScalarString(" ".join(value.parts))
        at = -1
        folded.fold_pos = [at := at + len(part) + 1 for part in value.parts[:-1]]
        return folded
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple):
        return _sequence(value)
    if isinstance(value, str) and "\n" in value:
        return LiteralScalarString(value)
    return value
