"""Compares the content of two .crate files and ignores what packing may change."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tomllib
from collections.abc import Iterable
from pathlib import PurePosixPath

from cartwheel.model.errors import StepFailed


def differences(ours: bytes, theirs: bytes, crates: Iterable[str]) -> tuple[str, ...]:
    """The names of the files whose content differs between two .crate files.

    Ignored: the commit that they were packed on (`.cargo_vcs_info.json`), the layout of the manifest that cargo writes,
    and in Cargo.lock the checksums of the release's own `crates`, which change with the commit. Raises `StepFailed` if
    a file is unreadable.
    """
    names = frozenset(crates)
    left, right = _contents(ours, names), _contents(theirs, names)
    return tuple(sorted(name for name in {*left, *right} if left.get(name) != right.get(name)))


def _contents(crate: bytes, own: frozenset[str]) -> dict[str, object]:
    contents: dict[str, object] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(crate), mode="r:gz") as archive:
            for member in archive:
                name = str(PurePosixPath(*PurePosixPath(member.name).parts[1:]))
                file = archive.extractfile(member) if member.isfile() else None
                if name != ".cargo_vcs_info.json":
                    contents[name] = _meaning(name, file.read() if file else b"", own)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise StepFailed(f"a .crate file cannot be read: {error}") from None
    return contents


def _meaning(name: str, data: bytes, own: frozenset[str]) -> object:
    if name not in ("Cargo.toml", "Cargo.lock"):
        return hashlib.sha256(data).hexdigest()
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return hashlib.sha256(data).hexdigest()
    for row in table.get("package", ()) if name == "Cargo.lock" else ():
        if row.get("name") in own:
            row.pop("checksum", None)
    return table
