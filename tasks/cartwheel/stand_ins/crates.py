"""A throw-away registry of crates on this machine: a sparse index, downloads, and the endpoint of `cargo publish`.

Implements the Cargo book's "Registry Index" and "Registry Web API" (read November 2026, cargo 1.95).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cartwheel.stand_ins.stub_server import StubRequest, served_address


class LoopbackRegistry:
    """A registry of crates, and its address while it serves."""

    def __init__(self, *, token: str = "") -> None:
        self.token = token
        """Required for publishing; empty: anyone may publish."""
        self.third_party: tuple[str, ...] = ()
        """The crates that it held before anything was published, as `name version`."""
        self.rows: dict[str, dict[str, dict[str, Any]]] = {}
        """The index row by crate name and version."""
        self.crates: dict[tuple[str, str], bytes | Path] = {}
        self.base = ""

    @property
    def settings(self) -> dict[str, object]:
        """The keys that replace the table of the index it stands in for."""
        return {"url": self.index}

    def summary(self) -> str:
        """A line about the crates that were published."""
        sent = [crate for crate in self.holds() if crate not in self.third_party]
        return f"crates: {', '.join(sent) or 'none'}\n"

    @property
    def index(self) -> str:
        """The address of its index, in cargo's form."""
        return f"sparse+{self.base}/index/"

    def holds(self) -> tuple[str, ...]:
        """All crates in the registry, as `name version`."""
        return tuple(f"{name} {version}" for name, rows in sorted(self.rows.items()) for version in rows)

    def add(self, row: dict[str, Any], crate: bytes | Path) -> None:
        """Adds a crate."""
        self.rows.setdefault(row["name"], {})[row["vers"]] = row
        self.crates[row["name"], row["vers"]] = crate

    def take(self, document: dict[str, Any], crate: bytes) -> str:
        """Handles the upload of `cargo publish`; returns why it is refused, or an empty text."""
        name, version = document["name"], document["vers"]
        if version in self.rows.get(name, {}):
            return f"crate version `{version}` is already uploaded"
        self.add(_row(document, hashlib.sha256(crate).hexdigest()), crate)
        return ""

    @contextmanager
    def open(self, kind: type[CrateRequest] | None = None) -> Iterator[LoopbackRegistry]:
        """Serves the registry while the context lasts."""
        with served_address(kind or CrateRequest, self) as self.base:
            yield self


def _row(document: Mapping[str, Any], checksum: str) -> dict[str, Any]:
    """The index line for an upload."""
    return {
        "name": document["name"], "vers": document["vers"], "deps": [_dependency(d) for d in document["deps"]],
        "features": {}, "features2": document["features"], "v": 2, "cksum": checksum, "yanked": False,
        "links": document.get("links"), "rust_version": document.get("rust_version"),
    }  # fmt: skip


def _dependency(sent: Mapping[str, Any]) -> dict[str, Any]:
    renamed = sent.get("explicit_name_in_toml")
    keys = ("features", "optional", "default_features", "target", "kind", "registry")
    return {
        "name": renamed or sent["name"], "req": sent["version_req"], **{key: sent.get(key) for key in keys},
        "package": sent["name"] if renamed else None,
    }  # fmt: skip


def third_party(metadata: Mapping[str, Any], lock: Mapping[str, Any], caches: tuple[Path, ...]) -> LoopbackRegistry:
    """A registry of the crates in a project's lockfile, from cargo's metadata and downloads.

    `metadata`: the output of `cargo metadata`; `lock`: a parsed Cargo.lock; `caches`: cargo's folders of downloaded
    crates.
    """
    registry = LoopbackRegistry()
    checksums = {(row["name"], row["version"]): row.get("checksum") for row in lock.get("package", ())}
    for package in metadata["packages"]:
        name, version = package["name"], package["version"]
        checksum = checksums.get((name, version))
        file = _cached_crate(f"{name}-{version}.crate", checksum, caches) if checksum else None
        if file:
            registry.add(
                {
                    "name": name, "vers": version, "deps": [_index_row(d) for d in package["dependencies"]],
                    "features": {}, "features2": package["features"], "v": 2, "cksum": checksum, "yanked": False,
                    "links": package.get("links"), "rust_version": package.get("rust_version"),
                },
                file,
            )  # fmt: skip
    return registry


def _index_row(row: Mapping[str, Any]) -> dict[str, Any]:
    renamed = row.get("rename")
    return {
        "name": renamed or row["name"], "req": row["req"], "features": row["features"],
        "optional": row["optional"], "default_features": row["uses_default_features"], "target": row["target"],
        "kind": row["kind"] or "normal", "registry": None, "package": row["name"] if renamed else None,
    }  # fmt: skip


def _cached_crate(file: str, checksum: str, caches: tuple[Path, ...]) -> Path | None:
    from cartwheel.filesystem.digests import sha256_of

    paths = (cache / file for cache in caches)
    return next((path for path in paths if path.is_file() and sha256_of(path) == checksum), None)


class CrateRequest(StubRequest):
    """The requests that cargo makes."""

    place: LoopbackRegistry

    def respond(self) -> None:
        """Dispatches to index, download or publish."""
        parts = self.path.strip("/").split("/")
        if self.command == "PUT" and self.path == "/api/v1/crates/new":
            body = self.body()
            if self.place.token and not hmac.compare_digest(self.headers.get("Authorization", ""), self.place.token):
                self.tell(403, {"errors": [{"detail": "the token is not the one of this rehearsal"}]})
                return
            self.publish(*_split_upload(body))
        elif self.path == "/index/config.json":
            base = self.place.base
            self.tell(200, {"dl": f"{base}/crates", "api": base})
        elif parts[0] == "index":
            self.index(parts[-1])
        elif parts[0] == "crates" and parts[-1] == "download":
            self.download(parts[1], parts[2])
        else:
            self.answer(404)

    def index(self, name: str) -> None:
        """Answers with the index lines of one crate."""
        rows = next((rows for known, rows in self.place.rows.items() if known.lower() == name), {})
        self.answer(200 if rows else 404, "".join(json.dumps(row) + "\n" for row in rows.values()).encode())

    def download(self, name: str, version: str) -> None:
        """Answers with the bytes of one crate."""
        crate = self.place.crates.get((name, version))
        if crate is None:
            self.answer(404)
        else:
            self.answer(200, crate if isinstance(crate, bytes) else crate.read_bytes())

    def publish(self, document: dict[str, Any], crate: bytes) -> None:
        """Accepts a crate, or answers why not."""
        why = self.place.take(document, crate)
        self.tell(400 if why else 200, {"errors": [{"detail": why}]} if why else {"warnings": {}})


def _split_upload(body: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the crate of an upload; each follows its length as a 4-byte little-endian integer."""
    (length,) = struct.unpack_from("<I", body)
    document = json.loads(body[4 : 4 + length])
    start = 4 + length
    (size,) = struct.unpack_from("<I", body, start)
    return document, body[start + 4 : start + 4 + size]
