"""The inputs of the last build in a cargo directory, stored in it: a record may come from another clone or
configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import DecodeError, json

from cartwheel.filesystem.windows_files import delete_file
from cartwheel.inputs.build_reads import DIRECTORIES
from cartwheel.inputs.native_sources import INCLUDING
from cartwheel.model.record import Dependencies


def note_path(directory: Path, profile: str) -> Path:
    """The file that describes the last build with a profile.

    Cargo separates profiles by folder. Other differences between builds may share files, crate by crate, so one file
    covers them all.
    """
    return directory / f"last-{DIRECTORIES.get(profile, profile)}.json"


def take_note(path: Path) -> Dependencies | None:
    """The inputs of the last build; None if unknown. The file is deleted until the next build succeeds."""
    try:
        seen = json.decode(path.read_bytes(), type=Dependencies)
        delete_file(path)
    except (OSError, DecodeError):
        return None
    return seen


def keep(path: Path, seen: Dependencies) -> None:
    """Store the inputs for the next build. A failed write is ignored and costs only time."""
    from cartwheel.filesystem.files import write_atomically

    try:
        write_atomically(path, json.encode(seen), durable=False)
    except OSError:
        pass


def last_compile_time(directory: Path) -> float:
    """When cargo last started a compiler in this target directory, in seconds since the epoch; 0 if never."""
    stamps = (
        *directory.glob("*/.fingerprint/*/invoked.timestamp"),
        *directory.glob("*/*/.fingerprint/*/invoked.timestamp"),
    )
    return max((modification_time(path) for path in stamps), default=0.0)


def may_escape(root: Path, changed: Iterable[str], was: Mapping[str, str], built: float) -> bool:
    """Whether tools that compare modification times may miss one of the changed files in `root`.

    They miss a file that is older than the last build, and a new header that comes first on a search path. `was`: the
    files' digests at that build; `built`: its time in seconds since the epoch.
    """
    return any(
        modification_time(root / path) <= built or (not was.get(path) and Path(path).suffix in INCLUDING)
        for path in changed
    )


def modification_time(path: Path) -> float:
    """The file's modification time in seconds since the epoch; 0 if the file is missing."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
