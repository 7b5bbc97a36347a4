"""The JSON schema of `[tool.cartwheel]`, for validate-pyproject (entry point `validate_pyproject.tool_schema`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def tool_schema(tool: str) -> dict[str, Any]:
    """The schema of `[tool.cartwheel]`; `tool` is the name of the table."""
    text = Path(__file__).with_name("cartwheel.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
