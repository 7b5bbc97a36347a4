"""Patterns as maturin reads them: the `ignore` and `globset` crates for exclusion, the `glob` crate for inclusion.

pathspec does not fit. It matches as git does (a folder's pattern matches everything below it) and does not know
`{a,b}`. maturin's crates match one entry at a time and know it. With pathspec, packed files would be missed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from msgspec import Struct

from cartwheel.filesystem.read_set import MARKERS, SKIPPED


class IgnoreRule(Struct, frozen=True, kw_only=True):
    """One line of an ignore file, as a pattern relative to that file's folder."""

    matches: re.Pattern[str]
    ignores: bool
    only_folders: bool


def rules(lines: Iterable[str]) -> tuple[IgnoreRule, ...]:
    """The rules in the lines of a `.gitignore` or `.ignore`. Invalid patterns are skipped, as in maturin."""
    return tuple(rule for rule in map(_rule, lines) if rule)


def verdict(ignored: tuple[IgnoreRule, ...], name: str, *, folder: bool) -> bool | None:
    """Whether the rules ignore an entry (True) or keep it (False); None if none matches. The last match decides."""
    for rule in reversed(ignored):
        if (folder or not rule.only_folders) and rule.matches.fullmatch(name):
            return rule.ignores
    return None


@cache
def _rule(line: str) -> IgnoreRule | None:
    text = line.removeprefix("\ufeff")
    if text.startswith("#"):
        return None
    if not text.endswith("\\ "):
        text = text.rstrip()
    ignores = not text.startswith("!")
    text = text if ignores else text[1:]
    anchored = text.startswith("/")
    text = text[1:] if anchored else text
    only_folders = text.endswith("/")
    text = text[:-1] if only_folders else text
    if not text:
        return None
    if not anchored and "/" not in text and not text.startswith("**/"):
        text = "**/" + text
    if text.endswith("/**"):
        text += "/*"
    try:
        return IgnoreRule(matches=re.compile(_regex(text), re.DOTALL), ignores=ignores, only_folders=only_folders)
    except re.error:
        return None


def _regex(glob: str) -> str:
    """The regular expression for a globset pattern whose `*` and `?` do not match `/`."""
    out, at, depth = "", 0, 0
    while at < len(glob):
        rest = glob[at:]
        if rest.startswith("**/") and at in (0, glob.rfind("/", 0, at) + 1):
            out, at = out + "(?:.*/)?", at + 3
        elif rest.startswith("/**/"):
            out, at = out + "/(?:.*/)?", at + 4
        elif rest == "/**":
            out, at = out + "/.*", at + 3
        elif rest == "**" and at == 0:
            out, at = ".*", at + 2
        elif rest[0] == "*":
            out, at = out + "[^/]*", at + len(rest) - len(rest.lstrip("*"))
        elif rest[0] == "?":
            out, at = out + "[^/]", at + 1
        elif rest[0] == "[" and (end := rest.find("]", 2 if rest[1:2] not in "!^" else 3)) > 0:
            inner = rest[1:end].replace("\\", "\\\\").replace("[", "\\[")
            inner = "^/" + inner[1:] if inner[0] in "!^" else inner
            out, at = out + f"[{inner}]", at + end + 1
        elif rest[0] == "{":
            out, at, depth = out + "(?:", at + 1, depth + 1
        elif rest[0] == "[" or rest == "\\" or (rest[0] == "}" and not depth):
            raise re.error("not closed, or not opened")
        elif rest[0] == "}":
            out, at, depth = out + ")", at + 1, depth - 1
        elif rest[0] == "," and depth:
            out, at = out + "|", at + 1
        elif rest[0] == "\\":
            out, at = out + re.escape(rest[1]), at + 2
        else:
            out, at = out + re.escape(rest[0]), at + 1
    if depth:
        raise re.error("not closed")
    return out


def matching_files(folder: Path, pattern: str) -> Iterator[Path]:
    """The files, hidden ones too, that match a pattern of maturin's `include` or of `license-files` below a folder.

    `**` does not descend into folders that hold no sources (`read_set.SKIPPED`, cargo's target directories, virtual
    environments).
    """
    parts = [part for part in pattern.replace("\\", "/").split("/") if part not in ("", ".")]
    return iter(dict.fromkeys(_matching(folder, parts, frozenset())))


def _matching(folder: Path, parts: list[str], above: frozenset[str]) -> Iterator[Path]:
    if not parts:
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _matching(folder, rest or ["*"], above)
        real = os.path.realpath(folder)
        for entry in _entries(folder) if real not in above else ():
            if entry.name not in SKIPPED and entry.is_dir() and not _has_marker(entry.path):
                yield from _matching(Path(entry.path), parts, above | {real})
        return
    if not set(first) & set("*?["):
        names = [first] if os.path.lexists(folder / first) else []
    else:
        pattern = _component(first)
        names = [entry.name for entry in _entries(folder) if pattern.fullmatch(entry.name)]
    for name in names:
        path = folder / name
        if rest:
            yield from _matching(path, rest, above)
        elif not path.is_dir():
            yield path


@cache
def _component(part: str) -> re.Pattern[str]:
    import fnmatch

    return re.compile(fnmatch.translate(part))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError:
        return []


def _has_marker(folder: str) -> bool:
    return any(Path(folder, name).exists() for name in MARKERS)
