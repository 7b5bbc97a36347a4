"""The JSON schema of `[tool.cartwheel]`, for validate-pyproject (entry point `validate_pyproject.tool_schema`) and for
editors, which read the copy in the state folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EDITOR_SCHEMA = ".cartwheel/schema.json"
"""The copy for editors, relative to the project: the `#:schema` line of pyproject.toml names it."""

_SHIPPED = Path(__file__).with_name("cartwheel.schema.json")
_PYPROJECT = "https://json.schemastore.org/pyproject.json"
"""What editors use for every pyproject.toml; `#:schema` replaces it, so the copy refers to it."""


def write_editor_schema(root: Path) -> None:
    """Write the schema of the whole pyproject.toml for editors, unless it is there and not older than this cartwheel.

    A failed write is ignored: an editor then checks less.
    """
    path = root / EDITOR_SCHEMA
    try:
        if not path.is_file() or path.stat().st_mtime < _SHIPPED.stat().st_mtime:
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(pyproject_schema()), encoding="utf-8")
    except OSError:
        pass


def pyproject_schema() -> dict[str, Any]:
    """The schema of a pyproject.toml with `[tool.cartwheel]`."""
    table = tool_schema("cartwheel")
    definitions = table.pop("definitions")
    table = {key: value for key, value in table.items() if key not in ("$schema", "$id")}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "allOf": [{"$ref": _PYPROJECT}],
        "properties": {"tool": {"properties": {"cartwheel": table}}},
        "definitions": definitions,
    }


def tool_schema(tool: str) -> dict[str, Any]:
    """The schema of `[tool.cartwheel]`; `tool` is the name of the table."""
    schema: dict[str, Any] = json.loads(_SHIPPED.read_text(encoding="utf-8"))
    return schema
