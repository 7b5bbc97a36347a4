"""Places that hold cache entries: the protocol, and a shared folder (`file://`).

An entry is an OCI image manifest under a tag. Its layers are blobs, named by the SHA-256 of their content.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Protocol, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cartwheel.destinations.worker import call_within
from cartwheel.filesystem.files import write_atomically
from cartwheel.model.errors import CartwheelError
from cartwheel.process.run import Interrupted

_T = TypeVar("_T")

SECONDS = 15.0
"""Deadline of an exchange without a file."""
_SLOWEST = 200_000
"""Bytes a second below which a cache is slower than it is worth."""
_MOST = 600.0
"""The longest further time for a file, since a manifest may name any size."""
LONGEST_MANIFEST = 4 << 20
"""Bytes of a manifest, the limit of the OCI distribution specification."""


class CacheFault(CartwheelError):
    """The cache did not do what was asked; the text says why. A build goes on without the cache."""


class DamagedEntry(CacheFault):
    """One entry is not what it should be; the others may be used."""


def deadline(size: int) -> float:
    """The seconds for an exchange with a file of `size` bytes."""
    return SECONDS + min(size / _SLOWEST, _MOST)


class Store(Protocol):
    """Where entries are. Every method raises `CacheFault`, and none takes longer than its deadline."""

    def manifest(self, tag: str) -> bytes | None:
        """The manifest under a tag; None if missing."""

    def blob(self, digest: str, size: int) -> bytes:
        """The content of a blob (`sha256:…`), verified. Raises `DamagedEntry` if it is missing or has other bytes."""

    def has_blob(self, digest: str, size: int) -> bool:
        """Whether a blob exists. Its content is not read."""

    def put_blob(self, data: bytes) -> str:
        """Store a blob if it is missing; returns its digest."""

    def put_manifest(self, tag: str, data: bytes) -> None:
        """Store a manifest, after its blobs."""

    def tags(self) -> Iterable[str]:
        """All tags."""

    def delete(self, tag: str) -> None:
        """Delete a tag with its manifest."""

    def sweep(self) -> None:
        """Delete blobs that no manifest names, if the store does not do so itself."""


def store_at(address: str, environ: Mapping[str, str]) -> Store:
    """The store at `oci://HOST/NAME` or `file:///FOLDER`; the configuration has checked the form."""
    if address.startswith("file://"):
        return FolderStore(Path(url2pathname(urlsplit(address).path)))
    from cartwheel.shared_cache.registry import RegistryStore

    return RegistryStore(address.removeprefix("oci://"), environ)


def digest_of(data: bytes) -> str:
    """The digest of a blob, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def check_digest(data: bytes, digest: str) -> bytes:
    """The data; raises `DamagedEntry` if its digest is another."""
    if digest_of(data) != digest:
        raise DamagedEntry(f"{digest[:19]} holds other bytes than its digest says")
    return data


class FolderStore:
    """A folder that several machines share. It may be on a file server that stops answering."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifest(self, tag: str) -> bytes | None:
        return self._within(lambda: _content(self._tag(tag), LONGEST_MANIFEST))

    def blob(self, digest: str, size: int) -> bytes:
        data = self._within(lambda: _content(self._blob(digest), size), size)
        if data is None:
            raise DamagedEntry(f"{digest[:19]} is missing")
        return check_digest(data, digest)

    def has_blob(self, digest: str, size: int) -> bool:
        path = self._blob(digest)
        return self._within(lambda: path.is_file() and path.stat().st_size == size)

    def put_blob(self, data: bytes) -> str:
        digest = digest_of(data)
        if self.has_blob(digest, len(data)):
            self._within(lambda: os.utime(self._blob(digest)))  # a sweep of another machine keeps young blobs
        else:
            self._within(lambda: write_atomically(self._blob(digest), data), len(data))
        return digest

    def put_manifest(self, tag: str, data: bytes) -> None:
        self._within(lambda: write_atomically(self._tag(tag), data))

    def tags(self) -> Iterable[str]:
        folder = self._folder / "tags"
        return self._within(
            lambda: sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else ()
        )

    def delete(self, tag: str) -> None:
        self._within(lambda: self._tag(tag).unlink(missing_ok=True))

    def sweep(self) -> None:
        named = b"".join(self.manifest(tag) or b"" for tag in self.tags())
        for path in self._within(lambda: [*(self._folder / "blobs").glob("*")]):
            if path.name.encode() not in named:
                self._within(lambda path=path: _remove_old(path))  # type: ignore[misc]

    def _tag(self, tag: str) -> Path:
        return self._folder / "tags" / tag

    def _blob(self, digest: str) -> Path:
        return self._folder / "blobs" / digest.removeprefix("sha256:")

    def _within(self, call: Callable[[], _T], size: int = 0) -> _T:
        """The result of a call. Raises `CacheFault` if it fails or takes longer than its deadline."""
        seconds = deadline(size)
        try:
            return call_within(call, seconds=seconds, late=f"{self._folder}: no answer within {seconds:.0f} s")
        except (Interrupted, CacheFault):
            raise
        except CartwheelError as error:
            raise CacheFault(str(error)) from None
        except OSError as error:
            raise CacheFault(f"{self._folder}: {error.strerror or error}") from None


def _content(path: Path, longest: int) -> bytes | None:
    """The content of a file; None if it is missing. Raises `DamagedEntry` for anything else and for a longer file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not S_ISREG(status.st_mode):
        raise DamagedEntry(f"{path.name} in the folder is not a file")
    if status.st_size > longest:
        raise DamagedEntry(f"{path.name} in the folder is longer than it should be")
    return path.read_bytes()


def _remove_old(path: Path) -> None:
    """Remove a blob that no other machine is about to name in a manifest."""
    if time.time() - path.stat().st_mtime > _YOUNG:
        path.unlink(missing_ok=True)


_YOUNG = 3600
"""Seconds for which a blob without a manifest is kept: another machine may be about to write the manifest."""
