"""Places that hold cache entries: the protocol, and a shared folder (`file://`).

An entry is an OCI image manifest under a tag. Its layers are blobs, named by the SHA-256 of their content.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from cartwheel.filesystem.files import write_atomically
from cartwheel.model.errors import CartwheelError


class CacheFault(CartwheelError):
    """The cache did not do what was asked; the text says why. A build goes on without the cache."""


class DamagedEntry(CacheFault):
    """One entry is not what it should be; the others may be used."""


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
        return FolderStore(Path(unquote(urlsplit(address).path)))
    from cartwheel.shared_cache.registry import RegistryStore

    return RegistryStore(address.removeprefix("oci://"), environ)


def digest_of(data: bytes) -> str:
    """The digest of a blob, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def verified(data: bytes, digest: str) -> bytes:
    """The data; raises `DamagedEntry` if its digest is another."""
    if digest_of(data) != digest:
        raise DamagedEntry(f"{digest[:19]} holds other bytes than its digest says")
    return data


class FolderStore:
    """A folder that several machines share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifest(self, tag: str) -> bytes | None:
        try:
            return (self._folder / "tags" / tag).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._fault(error) from None

    def blob(self, digest: str, size: int) -> bytes:
        try:
            return verified(self._blob(digest).read_bytes(), digest)
        except FileNotFoundError:
            raise DamagedEntry(f"{digest[:19]} is missing") from None
        except OSError as error:
            raise self._fault(error) from None

    def has_blob(self, digest: str, size: int) -> bool:
        path = self._blob(digest)
        try:
            return path.is_file() and path.stat().st_size == size
        except OSError as error:
            raise self._fault(error) from None

    def put_blob(self, data: bytes) -> str:
        digest = digest_of(data)
        path = self._blob(digest)
        try:
            if self.has_blob(digest, len(data)):
                os.utime(path)  # a sweep of another machine keeps young blobs
            else:
                write_atomically(path, data)
        except OSError as error:
            raise self._fault(error) from None
        return digest

    def put_manifest(self, tag: str, data: bytes) -> None:
        try:
            write_atomically(self._folder / "tags" / tag, data)
        except OSError as error:
            raise self._fault(error) from None

    def tags(self) -> Iterable[str]:
        folder = self._folder / "tags"
        try:
            return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else ()
        except OSError as error:
            raise self._fault(error) from None

    def delete(self, tag: str) -> None:
        try:
            (self._folder / "tags" / tag).unlink(missing_ok=True)
        except OSError as error:
            raise self._fault(error) from None

    def sweep(self) -> None:
        named = b"".join(self.manifest(tag) or b"" for tag in self.tags())
        try:
            for path in (self._folder / "blobs").glob("*"):
                old = time.time() - path.stat().st_mtime > _YOUNG
                if old and path.name.encode() not in named:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise self._fault(error) from None

    def _blob(self, digest: str) -> Path:
        return self._folder / "blobs" / digest.removeprefix("sha256:")

    def _fault(self, error: OSError) -> CacheFault:
        return CacheFault(f"{self._folder}: {error.strerror or error}")


_YOUNG = 3600
"""Seconds for which a blob without a manifest is kept: another machine may be about to write the manifest."""
