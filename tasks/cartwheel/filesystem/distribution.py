"""Reads wheels and source distributions: entries, metadata, and faults of the archive."""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, Literal

from msgspec import Struct

from cartwheel.model.errors import StepFailed

UNREADABLE = (
    OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError, RuntimeError, KeyError, struct.error,
    zlib.error,
)  # fmt: skip
"""The errors of reading a damaged archive."""


class Distribution(Struct, frozen=True, kw_only=True):
    """A file's list of entries and its metadata, read without unpacking the file."""

    file: str
    kind: Literal["wheel", "sdist"]
    size: int
    names: tuple[str, ...] = ()
    """Entries in archive order, duplicates included; folders end in a slash."""
    unpacked: int = 0
    """The total size of all entries in bytes."""
    oddities: tuple[str, ...] = ()
    """Unusual features of the archive, as messages."""
    prefix: str = ""
    """The folder of the metadata: `x-1.0.dist-info/`, or the sdist's top folder."""
    metadata: bytes = b""
    texts: Mapping[str, bytes] = {}
    """RECORD, WHEEL and entry_points.txt by name, if they exist."""
    pointers: tuple[str, ...] = ()
    """Entries that hold a Git LFS pointer instead of the content."""
    fault: str = ""
    """Why the file cannot be opened."""

    @property
    def files(self) -> tuple[str, ...]:
        """The entries that are not folders."""
        return tuple(name for name in self.names if not name.endswith("/"))


def open_distribution(path: Path) -> Distribution:
    """Read a file's entries and metadata. If the file is damaged or of another kind, `fault` says why it is
    unreadable."""
    kind: Literal["wheel", "sdist"] = "wheel" if path.name.endswith(".whl") else "sdist"
    size = path.stat().st_size
    try:
        return _wheel(path, size) if kind == "wheel" else _sdist(path, size)
    except UNREADABLE as error:
        reason = (str(error).strip("'\" ") or type(error).__name__).splitlines()[0]
        return Distribution(file=path.name, kind=kind, size=size, fault=reason)


def wheel_contents(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Each file in a wheel with its content, in archive order."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                yield entry.filename, archive.read(entry)


def sdist_contents(sdist: Path) -> Iterator[tuple[str, bytes]]:
    """Each regular file in a source distribution with its content, in archive order."""
    with tarfile.open(sdist, "r:gz") as archive:
        for member in archive:
            if member.isfile() and (file := archive.extractfile(member)):
                yield member.name, file.read()


def unpack_sdist(sdist: Path, place: Path) -> None:
    """Unpack a source distribution; raises `StepFailed` or `tarfile.TarError` for a member that leaves `place`."""
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(place, filter="data")
            return
        for member in archive:  # Python before 3.11.4, such as Debian 12's
            path = PureWindowsPath(member.name)
            if path.anchor or ".." in path.parts or not (member.isfile() or member.isdir()):
                raise StepFailed(f"{sdist.name}: {member.name} is no file below it; use Python 3.11.4 or newer")
            target = place / member.name
            (target if member.isdir() else target.parent).mkdir(parents=True, exist_ok=True)
            if content := archive.extractfile(member):
                target.write_bytes(content.read())
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
                os.utime(target, (member.mtime, member.mtime))


_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_SIZE = 1024
"""The first bytes of a Git LFS pointer, and the size limit in bytes (git-lfs, docs/spec.md, read November 2026)."""


def is_lfs_pointer(content: bytes) -> bool:
    """Whether a file's content is a Git LFS pointer."""
    return len(content) < _POINTER_SIZE and content.startswith(_POINTER)


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
            pointers=tuple(
                row.filename
                for row in rows
                if len(_POINTER) < row.file_size < _POINTER_SIZE and is_lfs_pointer(archive.read(row))
            ),
        )


def _metadata_folder(file: str, names: tuple[str, ...]) -> str:
    """The `.dist-info` folder that matches the file name; if missing, the first `.dist-info` folder."""
    expected = "-".join(file.split("-")[:2]) + ".dist-info/"
    if any(name.startswith(expected) for name in names):
        return expected
    return next((name.split("/")[0] + "/" for name in names if ".dist-info/" in name), "")


def _zip_oddities(path: Path, size: int, archive: zipfile.ZipFile, rows: list[zipfile.ZipInfo]) -> tuple[str, ...]:
    oddities = [
        f"{row.filename} is compressed by method {row.compress_type}"
        for row in rows
        if row.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    ]
    oddities += [f"{row.filename} is encrypted" for row in rows if row.flag_bits & 1]
    oddities += [f"{row.filename} has a comment" for row in rows if row.comment]
    oddities += [f"the name {row.orig_filename!r} is not printable" for row in rows if _unprintable(row.orig_filename)]
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(max(0, size - 22))
        end = file.read()
        if archive.comment:
            oddities.append("the archive has a comment")
        elif not end.startswith(b"PK\x05\x06"):
            oddities.append("there is data after the archive's end")
        if start != b"PK\x03\x04":
            oddities.append("there is data before the archive's start")
        else:
            file.seek(0)
            oddities += _differences(file, rows, archive.start_dir)
    return tuple(oddities)


def _unprintable(name: str) -> bool:
    return any(ord(character) < 32 or ord(character) == 127 for character in name)


_UNIQUE_EXTRAS = {0x0001: "its 64 bit sizes", 0x7075: "its Unicode name"}


def _differences(file: BinaryIO, rows: list[zipfile.ZipInfo], directory: int) -> Iterator[str]:
    """Differences between the entries read from the front and the central directory at the end: one file must not hold
    two archives (Warehouse, utils/zipfiles.py; the format: APPNOTE.TXT 4.3.7 and 4.5.3)."""
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
    """The extra fields of an entry, as number and data."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        yield kind, extra[4 : 4 + size]
        extra = extra[4 + size :]


def _long_size(data: bytes, size: int) -> int:
    """The compressed size of an entry over 4 GB: the second of two numbers; the only one if the entry is stored
    uncompressed."""
    if len(data) < 8:
        return size
    packed: int = struct.unpack("<Q", data[8:16] if len(data) >= 16 else data[:8])[0]
    return packed


# Source distributions ------------------------------------------------------------------------------------------------


def _sdist(path: Path, size: int) -> Distribution:
    if not path.name.endswith(".tar.gz"):
        return Distribution(file=path.name, kind="sdist", size=size, fault="neither a .whl nor a .tar.gz")
    with tarfile.open(path, "r:gz") as archive:
        members, pointers, metadata = [], [], b""
        for member in archive:  # in order: seeking back in a compressed stream decompresses it again
            members.append(member)
            info = member.isfile() and member.name == f"{members[0].name.split('/')[0]}/PKG-INFO"
            if info or (member.isfile() and len(_POINTER) < member.size < _POINTER_SIZE):
                file = archive.extractfile(member)
                content = file.read() if file else b""
                metadata = content if info else metadata
                pointers += [member.name] if is_lfs_pointer(content) else []
        names = tuple(member.name + "/" * member.isdir() for member in members)
        prefix = names[0].split("/")[0] + "/" if names else ""
        return Distribution(
            file=path.name,
            kind="sdist",
            size=size,
            names=names,
            unpacked=sum(member.size for member in members),
            oddities=_tar_oddities(members),
            prefix=prefix,
            metadata=metadata,
            pointers=tuple(pointers),
        )


def _tar_oddities(members: list[tarfile.TarInfo]) -> tuple[str, ...]:
    oddities = []
    for member in members:
        parts = member.name.split("/")
        if member.issparse():
            oddities.append(f"{member.name} is a sparse file")
        elif not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            oddities.append(f"{member.name} is neither a file nor a folder nor a link")
        if member.name.startswith("/") or ".." in parts:
            oddities.append(f"{member.name} leads out of the archive")
    return tuple(oddities)
