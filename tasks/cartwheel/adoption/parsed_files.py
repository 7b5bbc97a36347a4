"""A repository's text files, parsed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

Texts = Mapping[str, str]
"""Contents of a repository's files by path."""


def parsed_toml(texts: Texts, path: str) -> Mapping[str, Any]:
    """The parsed file; empty if it is missing or invalid."""
    try:
        return tomllib.loads(texts.get(path, "").removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError:
        return {}


def parsed_yaml(text: str) -> Any:
    """A YAML document as plain values; raises `ValueError`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.error import YAMLError

    class Constructor(SafeConstructor):
        """A number has no underscores, so that `2_28` is a text."""

        def construct_yaml_int(self, node: Any) -> Any:
            return node.value if "_" in node.value else super().construct_yaml_int(node)

    Constructor.add_constructor("tag:yaml.org,2002:int", Constructor.construct_yaml_int)
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = Constructor
    reader.version = (1, 2)  # `on` and `off` are words, as GitHub reads them
    reader.allow_duplicate_keys = True
    try:
        return reader.load(text)
    except YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from None
