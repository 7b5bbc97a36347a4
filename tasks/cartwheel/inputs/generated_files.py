"""What the commands before a build make.  It is no input: what it is made from is declared, and every machine that
builds makes it anew; one that only puts together what others built has none of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from cartwheel.filesystem.read_set import files_below
from cartwheel.model.errors import CartwheelError
from cartwheel.model.record import Dependencies

Stats = Mapping[str, tuple[int, ...]]


def stats(root: Path) -> Stats:
    """What tells of a write, for every file of the project."""
    found = {}
    for path in files_below(root, "."):
        try:
            stat = os.stat(root / path)
        except OSError:
            continue
        found[path] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return found


def files_written(before: Stats, after: Stats) -> tuple[str, ...]:
    """The files that came into being or were written in between."""
    return tuple(path for path, stat in after.items() if before.get(path) != stat)


def untracked_files(paths: Iterable[str], root: Path) -> tuple[str, ...]:
    """Those that git does not hold; one that it holds is in every clone, and may have been edited by hand meanwhile."""
    named = sorted(set(paths))
    if not named:
        return ()
    from cartwheel.repository.git import Repository

    try:
        with Repository(root) as repository:
            held = {os.path.realpath(path) for path in repository.tracked(root / path for path in named)}
    except CartwheelError:  # no repository, or no git
        held = set()
    return tuple(path for path in named if os.path.realpath(root / path) not in held)


def without_generated(seen: Dependencies, generated: Iterable[str]) -> Dependencies:
    """What counts of it where these files were made before the build."""
    made = frozenset(generated)
    if not made:
        return seen
    listing = {path: digest for path, digest in seen.listing.items() if path not in made}
    return replace(seen, listing=listing, generated=tuple(sorted(made)))
