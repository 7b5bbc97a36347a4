"""Content-defined chunks, digests and file identities.

Chunks end where the content says so, not at fixed offsets: a small change to a large file makes a
few new chunks, and a store keyed by digest needs only those.

    store = {chunk.digest for chunk in split(old)}
    for chunk in missing(new, store):
        upload(chunk.digest, new[chunk.slice])

The same bytes and the same average give the same chunks on every platform. Data is bytes or any
other buffer, such as a bytearray, a memoryview or an mmap.
"""

from __future__ import annotations

from collections.abc import Container
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from tidemark import _tidemark

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from Python 3.12 on

__all__ = [
    "DEFAULT_AVERAGE",
    "Chunk",
    "FileIdentity",
    "digest",
    "file_identity",
    "missing",
    "similarity",
    "split",
]

__version__: str = _tidemark.__version__

DEFAULT_AVERAGE = 8192
"""The average length of a chunk, in bytes, where none is asked for."""


class Chunk(NamedTuple):
    """One piece of the input, with the SHA-256 of its bytes in hexadecimal."""

    offset: int
    length: int
    digest: str

    @property
    def slice(self) -> slice:
        """Where the chunk lies in the input: ``data[chunk.slice]`` are its bytes."""
        return slice(self.offset, self.offset + self.length)


class FileIdentity(NamedTuple):
    """Device and inode on Unix; volume serial number and file index on Windows."""

    volume: int
    file: int


def split(data: Buffer, *, average: int = DEFAULT_AVERAGE) -> list[Chunk]:
    """The chunks of `data`, in order and without gaps; none if it is empty.

    No chunk but the last is shorter than a quarter of `average`, and none is longer than four
    times. ValueError unless `average` is a power of two from 256 bytes to 16 MiB.
    """
    return [Chunk._make(fields) for fields in _tidemark.split(_bytes(data), average)]


def missing(data: Buffer, store: Container[str], *, average: int = DEFAULT_AVERAGE) -> list[Chunk]:
    """The chunks of `data` whose digests are not in `store`: each once, as it first occurs."""
    first = {chunk.digest: chunk for chunk in reversed(split(data, average=average))}
    return sorted(chunk for chunk in first.values() if chunk.digest not in store)


def similarity(a: Buffer, b: Buffer, *, average: int = DEFAULT_AVERAGE) -> float:
    """The share of distinct content that `a` and `b` have in common, from 0.0 to 1.0.

    The bytes in chunks that both have, over the bytes in chunks that either has, each distinct
    chunk counted once. Two empty inputs are alike. ValueError as for `split`.
    """
    return _tidemark.similarity(_bytes(a), _bytes(b), average)


def digest(data: Buffer) -> str:
    """The SHA-256 of `data` as 64 hexadecimal digits."""
    return _tidemark.digest(_bytes(data))


def file_identity(path: str | PathLike[str]) -> FileIdentity:
    """The same for two paths exactly if they lead to the same file or directory on this system.

    Symbolic links are followed. It survives renaming and writing; once the file is deleted, a new
    one may get it. OSError, FileNotFoundError for one, if the file cannot be examined.
    """
    return FileIdentity._make(_tidemark.file_identity(path))


def _bytes(data: Buffer) -> bytes:
    """A copy unless `data` is bytes: nothing may change it while other threads run."""
    return data if isinstance(data, bytes) else bytes(memoryview(data))
