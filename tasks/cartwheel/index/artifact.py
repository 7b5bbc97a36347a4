"""A wheel or sdist opened once: its entries and metadata, as an index's rules look at them."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct


class Artifact(Struct, frozen=True, kw_only=True):
    """What is known of one file without unpacking it."""

    file: str
    kind: Literal["wheel", "sdist"]
    size: int
    names: tuple[str, ...] = ()
    """Entries in their order, doubles included, folders with a slash at the end."""
    oddities: tuple[str, ...] = ()
    """What its container has that a plain one has not."""
    prefix: str = ""
    """The folder of the metadata: `x-1.0.dist-info/`, or the sdist's top folder."""
    metadata: bytes = b""
    texts: Mapping[str, bytes] = {}
    """RECORD, WHEEL and entry_points.txt, as far as they are there."""
    fault: str = ""
    """Why it cannot be opened at all."""


def opened(path: Path) -> Artifact:
    """Look into a file; one that is damaged or of no known kind says so in `fault`."""
    kind: Literal["wheel", "sdist"] = "wheel" if path.name.endswith(".whl") else "sdist"
    size = path.stat().st_size
    try:
        return _wheel(path, size) if kind == "wheel" else _sdist(path, size)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError, RuntimeError, KeyError) as error:
        said = (str(error).strip("'\" ") or type(error).__name__).splitlines()[0]
        return Artifact(file=path.name, kind=kind, size=size, fault=said)


def _wheel(path: Path, size: int) -> Artifact:
    with zipfile.ZipFile(path) as archive:
        rows = archive.infolist()
        prefix = next((r.filename.split("/")[0] + "/" for r in rows if ".dist-info/" in r.filename), "")
        names = tuple(row.filename for row in rows)

        def text(name: str) -> bytes:
            return archive.read(prefix + name) if prefix + name in names else b""

        return Artifact(
            file=path.name,
            kind="wheel",
            size=size,
            names=names,
            oddities=_zip_oddities(path, size, archive, rows),
            prefix=prefix,
            metadata=text("METADATA"),
            texts={name: text(name) for name in ("RECORD", "WHEEL", "entry_points.txt") if prefix + name in names},
        )


def _zip_oddities(path: Path, size: int, archive: zipfile.ZipFile, rows: list[zipfile.ZipInfo]) -> tuple[str, ...]:
    said = [
        f"{row.filename} is compressed by method {row.compress_type}"
        for row in rows
        if row.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    ]
    said += [f"{row.filename} is encrypted" for row in rows if row.flag_bits & 1]
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(max(0, size - 22))
        end = file.read()
    if archive.comment:
        said.append("the archive has a comment")
    elif not end.startswith(b"PK\x05\x06"):
        said.append("there is data after the archive's end")
    if start != b"PK\x03\x04":
        said.append("there is data before the archive's start")
    return tuple(said)


def _sdist(path: Path, size: int) -> Artifact:
    if not path.name.endswith(".tar.gz"):
        return Artifact(file=path.name, kind="sdist", size=size, fault="neither a .whl nor a .tar.gz")
    with tarfile.open(path, "r:gz") as archive:
        members = archive.getmembers()
        names = tuple(member.name + "/" * member.isdir() for member in members)
        prefix = names[0].split("/")[0] + "/" if names else ""
        info = next((member for member in members if member.name == f"{prefix}PKG-INFO" and member.isfile()), None)
        read = archive.extractfile(info) if info else None
        return Artifact(
            file=path.name,
            kind="sdist",
            size=size,
            names=names,
            oddities=_tar_oddities(members),
            prefix=prefix,
            metadata=read.read() if read else b"",
        )


def _tar_oddities(members: list[tarfile.TarInfo]) -> tuple[str, ...]:
    said = []
    for member in members:
        parts = member.name.split("/")
        if member.issparse():
            said.append(f"{member.name} is a sparse file")
        elif not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            said.append(f"{member.name} is neither a file nor a folder nor a link")
        if member.name.startswith("/") or ".." in parts:
            said.append(f"{member.name} leads out of the archive")
    return tuple(said)
