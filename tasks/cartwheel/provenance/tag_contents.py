"""Which files of a published archive are those of a commit, by their content; nothing is built or run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

_TEXTS = (".py", ".pyi", ".rs", ".c", ".h", ".cpp", ".toml", ".md", ".rst", ".txt", ".cfg", ".json", ".lock", ".typed")
"""The suffixes of files that a release takes from its sources as they are."""


class SourceMatch(Struct, frozen=True, kw_only=True):
    """The source files of an archive, compared with a commit."""

    known: int
    """How many are files of the commit."""
    other: tuple[str, ...] = ()
    """Those that are not: generated, rewritten, or added."""


def blobs(listing: str) -> frozenset[str]:
    """The ids of the files in the output of `git ls-tree -r`."""
    rows = (line.partition("\t")[0].split() for line in listing.splitlines())
    return frozenset(row[2] for row in rows if len(row) == 3 and row[1] == "blob")


def compare_with_commit(contents: Iterable[tuple[str, bytes]], ids: Collection[str]) -> SourceMatch:
    """The source files in `contents` (name and bytes) that have the content of a file in `ids`; metadata and empty
    files are left out."""
    long = any(len(blob) == 64 for blob in ids)
    rows = {name: _blob(content, long=long) in ids for name, content in contents if content and _is_source(name)}
    return SourceMatch(known=sum(rows.values()), other=tuple(name for name, known in rows.items() if not known))


def _is_source(name: str) -> bool:
    return name.endswith(_TEXTS) and ".dist-info/" not in name and ".egg-info/" not in name


def _blob(content: bytes, *, long: bool) -> str:
    """git's id of a file (gitformat-objects; SHA-256 in repositories of that format)."""
    data = b"blob %d\0" % len(content) + content
    return hashlib.sha256(data).hexdigest() if long else hashlib.sha1(data, usedforsecurity=False).hexdigest()


def tag_candidates(name: str, version: str, own: str = "") -> tuple[str, ...]:
    """The usual tags of a version, `own` first: what this project would call it."""
    usual = (
        f"v{version}",
        version,
        f"{name}-v{version}",
        f"{name}-{version}",
        f"{name}@{version}",
        f"release-{version}",
    )
    return tuple(filter(None, (own, *usual)))


def first_tag(tags: Mapping[str, str], candidates: Iterable[str], commit: str) -> str:
    """The first candidate that is in `tags` (commit by tag), preferably a tag of `commit`; empty if no candidate is."""
    here = [name for name in candidates if name in tags]
    return next((name for name in here if tags[name] == commit), here[0] if here else "")
