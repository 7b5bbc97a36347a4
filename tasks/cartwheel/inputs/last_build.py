"""What a cargo directory was last built from, kept in it: a record may come from another clone or another setting."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import DecodeError, json

from cartwheel.inputs.build_reads import DIRECTORIES
from cartwheel.model.record import Dependencies


def note_path(directory: Path, profile: str) -> Path:
    """The file for builds with a profile, which cargo keeps apart by folder.  What else differs between two builds may
    or may not be kept apart, crate by crate, so there is one last build for all of that."""
    return directory / f"last-{DIRECTORIES.get(profile, profile)}.json"


def take_note(path: Path) -> Dependencies | None:
    """What the last build there saw, which is forgotten until the next one has ended well; None if not known."""
    try:
        seen = json.decode(path.read_bytes(), type=Dependencies)
        path.unlink()
    except (OSError, DecodeError):
        return None
    return seen


def keep(path: Path, seen: Dependencies) -> None:
    """Remember it for the next build; a disk that refuses costs only time."""
    from cartwheel.filesystem.files import write_atomically

    try:
        write_atomically(path, json.encode(seen), durable=False)
    except OSError:
        pass


def last_compile_time(directory: Path) -> float:
    """When cargo last started a compiler in this target directory."""
    stamps = (
        *directory.glob("*/.fingerprint/*/invoked.timestamp"),
        *directory.glob("*/*/.fingerprint/*/invoked.timestamp"),
    )
    return max((modification_time(path) for path in stamps), default=0.0)


def modification_time(path: Path) -> float:
    """The file's modification time, 0 where it is gone."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
