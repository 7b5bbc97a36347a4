"""How much uv has downloaded, read from what it logs without a terminal: a line when a large file starts and ends."""

from __future__ import annotations

import re

_STARTED = re.compile(r"^Downloading (?P<name>\S+) \((?P<size>[\d.]+)(?P<unit>[KMG])iB\)$", re.M)
_FINISHED = re.compile(r"^ Downloaded (?P<name>\S+)$", re.M)
_MIB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0}
"""The lines of uv 0.9 to 0.13, November 2026; files below 1 MiB have none."""


def download_progress(text: str) -> str:
    """`3.5/9.2 MiB` of the last command in a log, counted by whole files; empty if it downloads no large file."""
    of_command = text[text.rfind("\n$ ") + 1 :]
    sizes = {row["name"]: float(row["size"]) * _MIB[row["unit"]] for row in _STARTED.finditer(of_command)}
    if not sizes:
        return ""
    done = sum(sizes.get(row["name"], 0.0) for row in _FINISHED.finditer(of_command))
    return f"{done:.1f}/{sum(sizes.values()):.1f} MiB"
