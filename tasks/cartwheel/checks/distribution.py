"""A wheel or sdist opened once: its entries and metadata, as an index's rules look at them."""

from __future__ import annotations

import struct
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import Struct


class Distribution(Struct, frozen=True, kw_only=True):
    """What is known of one file without unpacking it."""

    file: str
    kind: Literal["wheel", "sdist"]
    size: int
    names: tuple[str, ...] = ()
    """Entries in their order, doubles included, folders with a slash at the end."""
    unpacked: int = 0
    """The size of all entries together."""
    oddities: tuple[str, ...] = ()
    """What its container has that a plain one has not."""
    prefix: str = ""
    """The folder of the metadata: `x-1.0.dist-info/`, or the sdist's top folder."""
    metadata: bytes = b""
    texts: Mapping[str, bytes] = {}
    """RECORD, WHEEL and entry_points.txt, as far as they are there."""
    fault: str = ""
    """Why it cannot be opened at all."""


def open_distribution(path: Path) -> Distribution:
    """Look into a file; one that is damaged or of no known kind says so in `fault`."""
    kind: Literal["wheel", "sdist"] = "wheel" if path.name.endswith(".whl") else "sdist"
    size = path.stat().st_size
    try:
        return _wheel(path, size) if kind == "wheel" else _sdist(path, size)
    except (
        OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError, RuntimeError, KeyError, struct.error,
    ) as error:  # fmt: skip
        said = (str(error).strip("'\" ") or type(error).__name__).splitlines()[0]
        return Distribution(file=path.name, kind=kind, size=size, fault=said)


# Wheels --------------------------------------------------------------------------------------------------------------


def _wheel(path: Path, size: int) -> Distribution:
    with zipfile.ZipFile(path) as archive:
        rows = archive.infolist()
        names = tuple(row.filename for row in rows)
        prefix = _metadata_folder(path.name, names)

        def text(name: str) -> bytes:
            return archive.read(prefix + name) if prefix + name in names else b""

        return Distribution(
            file=path.name,
            kind="wheel",
            size=size,
            names=names,
            unpacked=sum(row.file_size for row in rows),
            oddities=_zip_oddities(path, size, archive, rows),
            prefix=prefix,
            metadata=text("METADATA"),
            texts={name: text(name) for name in ("RECORD", "WHEEL", "entry_points.txt") if prefix + name in names},
        )


def _metadata_folder(file: str, names: tuple[str, ...]) -> str:
    """The folder that the file's name says, if it is there, else the first of that kind."""
    said = "-".join(file.split("-")[:2]) + ".dist-info/"
    if any(name.startswith(said) for name in names):
        return said
    return next((name.split("/")[0] + "/" for name in names if ".dist-info/" in name), "")


def _zip_oddities(path: Path, size: int, archive: zipfile.ZipFile, rows: list[zipfile.ZipInfo]) -> tuple[str, ...]:
    said = [
        f"{row.filename} is compressed by method {row.compress_type}"
        for row in rows
        if row.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    ]
    said += [f"{row.filename} is encrypted" for row in rows if row.flag_bits & 1]
    said += [f"{row.filename} has a comment" for row in rows if row.comment]
    said += [f"the name {row.orig_filename!r} is not printable" for row in rows if _unprintable(row.orig_filename)]
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
        else:
            file.seek(0)
            said += _differences(file, rows, archive.start_dir)
    return tuple(said)


def _unprintable(name: str) -> bool:
    return any(ord(character) < 32 or ord(character) == 127 for character in name)


_UNIQUE_EXTRAS = {0x0001: "its 64 bit sizes", 0x7075: "its Unicode name"}


def _differences(file: BinaryIO, rows: list[zipfile.ZipInfo], directory: int) -> Iterator[str]:
    """How what a reader from the front finds differs from the directory at the end; there must be no two archives in
    one file (Warehouse, utils/zipfiles.py; the format: APPNOTE.TXT 4.3.7 and 4.5.3)."""
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        sizes[row.orig_filename].append(row.compress_size)
    at = 0
    while at < directory and file.read(4) == b"PK\x03\x04":
        flags, size, name_size, extra_size = struct.unpack("<2xH10xL4xHH", file.read(26))
        raw, extra = file.read(name_size), file.read(extra_size)
        name = raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")
        fields = list(_extras(extra))
        for kind, what in _UNIQUE_EXTRAS.items():
            if [k for k, _ in fields].count(kind) > 1:
                yield f"{name} has {what} twice"
        if flags & 0x08:
            yield f"{name} is written as a stream, with its size behind it"
            return
        size = next((_long_size(data, size) for kind, data in fields if kind == 0x0001), size)
        if size in sizes[name]:
            sizes[name].remove(size)
        elif sizes[name]:
            yield f"{name} has another size than its directory says"
            return
        else:
            yield f"{name} is in it and not in its directory"
        at = file.seek(size, 1)
    if at != directory:
        yield "there is data between its files and its directory"
    yield from (f"{name} is in its directory and not in it" for name, left in sizes.items() if left)


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields behind an entry's name, by their number."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        yield kind, extra[4 : 4 + size]
        extra = extra[4 + size :]


def _long_size(data: bytes, size: int) -> int:
    """The packed size of an entry over 4 GB: the second of two numbers; of one, it is not packed."""
    if len(data) < 8:
        return size
    found: int = struct.unpack("<Q", data[8:16] if len(data) >= 16 else data[:8])[0]
    return found


# Source distributions ------------------------------------------------------------------------------------------------


def _sdist(path: Path, size: int) -> Distribution:
    if not path.name.endswith(".tar.gz"):
        return Distribution(file=path.name, kind="sdist", size=size, fault="neither a .whl nor a .tar.gz")
    with tarfile.open(path, "r:gz") as archive:
        members = archive.getmembers()
        names = tuple(member.name + "/" * member.isdir() for member in members)
        prefix = names[0].split("/")[0] + "/" if names else ""
        info = next((member for member in members if member.name == f"{prefix}PKG-INFO" and member.isfile()), None)
        read = archive.extractfile(info) if info else None
        return Distribution(
            file=path.name,
            kind="sdist",
            size=size,
            names=names,
            unpacked=sum(member.size for member in members),
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
