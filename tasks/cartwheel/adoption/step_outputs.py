"""The outputs and variables that a script leaves for later steps, by the files of the runner."""

from __future__ import annotations

import re
from typing import Any

from cartwheel.adoption.expressions import UNKNOWN
from cartwheel.adoption.shell_variables import assignments

_WRITTEN = re.compile(
    r"""(?:(?:echo|Write-Output)\s+(?:-e\s+)?|^\s*(?=["']))(?P<quote>["']?)(?P<name>\w+)=(?P<value>[^\n]*?)(?P=quote)\s*"""
    r"""(?:>>|\|\s*(?:tee\s+-a|(?:Out-File|Add-Content)\b[^\n|;$]*))\s*"""
    r"""["']?\$(?:env:)?\{?(?P<file>GITHUB_OUTPUT|GITHUB_ENV)\}?["']?""",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that bash or PowerShell writes to a file of the runner."""
_VARIABLE = r"(?i:\$(?:env:)?\{?)(\w+)\}?"


class Values(dict[str, Any]):
    """Values of which only some are known: a missing one is `UNKNOWN`."""

    def get(self, key: str, default: Any = UNKNOWN) -> Any:
        """The value; `default` if it is not known."""
        return super().get(key, default)


def outputs_and_variables(script: str, env: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs and the variables that a script sets for later steps; `UNKNOWN` for what is known only at run
    time, and for what the script sets in several ways."""
    known: dict[str, Any] = dict(env)
    for name, text in assignments(_WRITTEN.sub("", script)):
        value = _fill(text, known)
        known[name] = value if name in env or known.get(name, value) == value else UNKNOWN
    files: dict[str, dict[str, Any]] = {"GITHUB_OUTPUT": {}, "GITHUB_ENV": {}}
    for match in _WRITTEN.finditer(script):
        values, value = files[match["file"].upper()], _fill(match["value"].strip("\"'"), known)
        name = match["name"]
        values[name] = value if values.get(name, value) == value else UNKNOWN
    return files["GITHUB_OUTPUT"], files["GITHUB_ENV"]


def _fill(text: str, known: dict[str, Any]) -> Any:
    """The text with its variables; `UNKNOWN` if one is unknown or a command fills a part in."""
    names = re.findall(_VARIABLE, text)
    if any(known.get(name, UNKNOWN) is UNKNOWN for name in names):
        return UNKNOWN
    whole = re.sub(_VARIABLE, lambda match: str(known[match[1]]), text)
    return UNKNOWN if re.search(r"[`$]", whole) else whole
