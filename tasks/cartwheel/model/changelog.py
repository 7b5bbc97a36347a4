"""The changelog, in the form of Keep a Changelog: what it says of a version."""

from __future__ import annotations

import re


def notes(text: str, version: str) -> str:
    """The body of the entry under `## [version]` (or `## version`), empty where there is none."""
    heading = re.compile(r"^##[ \t]+\[?" + re.escape(version) + r"(?![\w.+-])\]?.*$", re.MULTILINE)
    match = heading.search(text)
    if not match:
        return ""
    rest = re.split(r"^##[ \t]|^\[[^\]]+\]:[ \t]", text[match.end() :], maxsplit=1, flags=re.MULTILINE)
    return rest[0].strip()
