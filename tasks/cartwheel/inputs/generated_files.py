"""The files that the commands before a build generate.

They are not inputs: what they are generated from is declared, and each machine that builds generates them anew. A
machine that only assembles artifacts built elsewhere has none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from cartwheel.filesystem.read_set import files_below
from cartwheel.filesystem.windows_files import change_time_ns
from cartwheel.model.errors import CartwheelError
from cartwheel.model.record import Dependencies

Stats = Mapping[str, tuple[int, ...]]


def stats(root: Path) -> Stats:
    """Inode, size in bytes and times in ns of every file of the project; a write changes at least one of them."""
    by_path = {}
    for path in files_below(root, "."):
        try:
            stat = os.stat(root / path)
        except OSError:
            continue
        by_path[path] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, change_time_ns(root / path, stat))
    return by_path


def files_written(before: Stats, after: Stats) -> tuple[str, ...]:
    """The files that were created or written between the two calls of `stats`."""
    return tuple(path for path, stat in after.items() if before.get(path) != stat)


def untracked_files(paths: Iterable[str], root: Path) -> tuple[str, ...]:
    """The files that git does not track. A tracked file is in every clone and may have been edited by hand
    meanwhile."""
    named = sorted(set(paths))
    if not named:
        return ()
    from cartwheel.repository.git import Repository

    try:
        with Repository(root) as repository:
            held = {os.path.realpath(path) for path in repository.tracked_files(root / path for path in named)}
    except CartwheelError:  # no repository, or git is missing
        held = set()
    return tuple(path for path in named if os.path.realpath(root / path) not in held)


def without_generated(seen: Dependencies, generated: Iterable[str]) -> Dependencies:
    """The dependencies without the files that were generated before the build."""
    outputs = frozenset(generated)
    if not outputs:
        return seen
    listing = {path: digest for path, digest in seen.listing.items() if path not in outputs}
    return replace(seen, listing=listing, generated=tuple(sorted(outputs)))
