"""Selections of targets in as few patterns as possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

_PATTERNS = (
    "*", "*-linux-*", "*-linux-gnu*", "*-linux-musl*", "*-apple-darwin", "*-windows-*", "x86_64-*", "aarch64-*",
    "i686-*", "x86_64-*-linux-*", "aarch64-*-linux-*", "i686-*-linux-*", "armv7-*", "s390x-*", "powerpc64le-*",
    "riscv64gc-*",
)  # fmt: skip


def short_table(table: Mapping[str, Any], triples: Iterable[str]) -> dict[str, Any]:
    """A copy of the table in which `select` has the fewest patterns that match the same of the package's `triples`."""
    every = tuple(triples)
    shortened = dict(table)
    for key in ("overrides", "variants"):
        if key in shortened:
            shortened[key] = [{**row, "select": _short(row["select"], every)} for row in shortened[key]]
    return shortened


def _short(select: Any, every: tuple[str, ...]) -> Any:
    if isinstance(select, Mapping):
        target = _patterns(str(select["target"]), every)
        return {**({} if target == "*" else {"target": target}), "python": select["python"]}
    return _patterns(str(select), every)


def _patterns(select: str, every: tuple[str, ...]) -> str:
    left = set(select.split())
    chosen: list[str] = []
    for pattern in _PATTERNS:
        meant = {triple for triple in every if fnmatchcase(triple, pattern)}
        if len(meant & left) > 1 and meant <= set(select.split()):
            chosen.append(pattern)
            left -= meant
    return " ".join((*chosen, *(triple for triple in every if triple in left)))
