"""How two files of a release differ: which members, and in what."""

from __future__ import annotations

import difflib
import re
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from cartwheel.filesystem.binaries import symbol_names
from cartwheel.filesystem.distribution import UNREADABLE

_SHOWN = 6
"""Lines or texts of a difference that are shown."""


class Member(Struct, frozen=True, kw_only=True):
    """A member of an archive."""

    content: bytes
    time: object
    mode: int


def differences(ours: Path, theirs: Path) -> tuple[str, ...]:
    """How two wheels or source distributions differ, a line per member with indented details; empty if their bytes are
    equal. The first is the one built here."""
    if ours.read_bytes() == theirs.read_bytes():
        return ()
    try:
        here, there = _members(ours), _members(theirs)
    except UNREADABLE as error:
        return (f"the published file cannot be unpacked: {str(error) or type(error).__name__}",)
    lines = [f"{name}: only in the file built here" for name in here if name not in there]
    lines += [f"{name}: only in the published file" for name in there if name not in here]
    for name in here.keys() & there.keys():
        if here[name].content != there[name].content:
            kind, details = _difference(here[name].content, there[name].content)
            lines += [f"{name}: {kind}", *(f"  {line}" for line in details)]
        elif here[name].time != there[name].time:
            lines.append(f"{name}: its time is {here[name].time} here, {there[name].time} there")
        elif here[name].mode != there[name].mode:
            lines.append(f"{name}: its mode is {here[name].mode:o} here, {there[name].mode:o} there")
    if lines:
        return tuple(lines)
    same_order = list(here) == list(there)
    return ("its members are equal, and packed " + ("differently" if same_order else "in another order"),)


def _members(path: Path) -> dict[str, Member]:
    if path.name.endswith(".whl"):
        with zipfile.ZipFile(path) as archive:
            return {
                row.filename: Member(content=archive.read(row), time=row.date_time, mode=row.external_attr >> 16)
                for row in archive.infolist()
                if not row.is_dir()
            }
    with tarfile.open(path) as packed:
        members = {}
        for entry in packed:
            content = packed.extractfile(entry) if entry.isfile() else None
            members[entry.name] = Member(content=content.read() if content else b"", time=entry.mtime, mode=entry.mode)
        return members


_PATH = re.compile(rb"(?:/[\w.+ -]+){3,}|[A-Z]:\\[\w.\\ +-]{6,}")
_TEXT = re.compile(rb"[\x20-\x7e]{6,}")


def _difference(ours: bytes, theirs: bytes) -> tuple[str, Sequence[str]]:
    """In what two contents differ, and some lines that show it."""
    if _is_text(ours) and _is_text(theirs):
        kind = "paths differ" if _paths(ours) != _paths(theirs) else "text differs"
        before, after = (text.decode("utf-8").splitlines() for text in (theirs, ours))
        rows = difflib.unified_diff(before, after, n=0, lineterm="")
        return kind, [line for line in rows if line[:2] not in ("--", "++", "@@")][:_SHOWN]
    if _paths(ours) != _paths(theirs):
        return "paths differ", _changes(_texts(ours), _texts(theirs))
    names, published = symbol_names(ours), symbol_names(theirs)
    if names != published:
        return "symbols differ", _changes(names, published)
    details = _changes(_texts(ours), _texts(theirs))
    if len(ours) != len(theirs):
        return f"content differs, {len(ours)} bytes here and {len(theirs)} there", details
    number = sum(a != b for a, b in zip(ours, theirs, strict=True))
    hint = ", such as a time or an identifier" if number <= 20 else ""
    return f"{number} of {len(ours)} bytes differ{hint}", details


def _changes(ours: frozenset[str], theirs: frozenset[str]) -> list[str]:
    """The longest texts that only one side has."""
    return [
        f"{sign}{text[:100]}"
        for sign, only in (("-", theirs - ours), ("+", ours - theirs))
        for text in sorted(only, key=lambda text: (-len(text), text))[: _SHOWN // 2]
    ]


def _paths(content: bytes) -> frozenset[bytes]:
    return frozenset(_PATH.findall(content))


def _texts(content: bytes) -> frozenset[str]:
    return frozenset(text.decode() for text in _TEXT.findall(content))


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content
