"""What a script of a step leaves for later steps: outputs and variables that it writes to the files of the runner."""

from __future__ import annotations

import re
from typing import Any

from cartwheel.adoption.expressions import UNKNOWN

_WRITTEN = re.compile(
    r"""echo\s+(?:-e\s+)?(?P<quote>["']?)(?P<name>\w+)=(?P<value>[^\n]*?)(?P=quote)\s*(?:>>|\|\s*tee\s+-a)\s*"""
    r"""["']?\$(?:env:)?\{?(?P<file>GITHUB_OUTPUT|GITHUB_ENV)\}?["']?"""
)
_ASSIGNED = re.compile(r"""^\s*(?:export\s+)?(\w+)=(?:"([^"\n]*)"|'([^'\n]*)'|(\S*))\s*$""", re.MULTILINE)


class Values(dict[str, Any]):
    """Values of which only some are known: a missing one is `UNKNOWN`."""

    def get(self, key: str, default: Any = UNKNOWN) -> Any:
        """The value; `default` if it is not known."""
        return super().get(key, default)


def written_values(script: str, env: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs and the variables that a script sets for later steps; `UNKNOWN` for what only a run knows, and for
    what the script sets in several ways."""
    known: dict[str, Any] = dict(env)
    for name, *parts in _ASSIGNED.findall(script):
        text = next((part for part in parts if part), "")
        known[name] = _filled(text, known) if known.get(name, text) == text or name in env else UNKNOWN
    files: dict[str, dict[str, Any]] = {"GITHUB_OUTPUT": {}, "GITHUB_ENV": {}}
    for match in _WRITTEN.finditer(script):
        values, value = files[match["file"]], _filled(match["value"].strip("\"'"), known)
        name = match["name"]
        values[name] = value if values.get(name, value) == value else UNKNOWN
    return files["GITHUB_OUTPUT"], files["GITHUB_ENV"]


def _filled(text: str, known: dict[str, Any]) -> Any:
    """The text with its variables; `UNKNOWN` if one is unknown or a command fills a part in."""
    names = re.findall(r"\$\{?(\w+)\}?", text)
    if any(known.get(name, UNKNOWN) is UNKNOWN for name in names):
        return UNKNOWN
    whole = re.sub(r"\$\{?(\w+)\}?", lambda match: str(known[match[1]]), text)
    return UNKNOWN if re.search(r"[`$]", whole) else whole
