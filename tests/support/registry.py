"""A registry of the OCI distribution specification on loopback, in memory, with faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from cartwheel.stand_ins.stub_server import StubRequest, served_address

Fault = Callable[["Call"], bool]
"""Answers a call in its own way and returns True, or returns False for the usual answer."""


class Registry:
    """The content and the log of calls; `fault` may answer any call instead."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.fault: Fault | None = None
        self.login: tuple[str, str] | None = None
        self.token = "first"
        self.host = ""
        self.ended = threading.Event()

    @property
    def address(self) -> str:
        """The address for `cache`."""
        return f"oci://{self.host}/owner/name-cache"


class Call(StubRequest):
    """One call."""

    place: Registry

    @property
    def registry(self) -> Registry:
        """The registry that is called."""
        return self.place

    def respond(self) -> None:
        """Answers as the fault of the registry or, without one, as a registry does."""
        registry, body = self.registry, self.body()
        parts = urlsplit(self.path)
        registry.calls.append((self.command, parts.path))
        if registry.fault and registry.fault(self):
            return
        if parts.path == "/token":
            user = base64.b64encode(":".join(registry.login or ("", "")).encode()).decode()
            right = self.headers.get("Authorization") == f"Basic {user}"
            self.answer(200 if right else 401, json.dumps({"token": registry.token}).encode())
            return
        if registry.login and self.headers.get("Authorization") != f"Bearer {registry.token}":
            realm = f'Bearer realm="http://{registry.host}/token",service="r",scope="repository:owner/name-cache:pull"'
            self.answer(401, b"{}", WWW_Authenticate=realm)
            return
        kind, _, name = parts.path.removeprefix("/v2/owner/name-cache/").partition("/")
        self._usual(kind, name, body, parse_qs(parts.query))

    def _usual(self, kind: str, name: str, body: bytes, query: dict[str, list[str]]) -> None:
        registry = self.registry
        if kind == "tags":
            self.answer(200, json.dumps({"tags": list(registry.manifests)}).encode())
        elif kind == "manifests" and self.command == "PUT":
            registry.manifests[name] = body
            self.answer(201)
        elif kind == "manifests" and self.command == "DELETE":
            same = [tag for tag, data in registry.manifests.items() if digest(data) == name]
            for tag in same:
                del registry.manifests[tag]
            self.answer(202)
        elif kind == "manifests":
            data = registry.manifests.get(name)
            self.answer(404 if data is None else 200, data or b"")
        elif self.command == "POST":
            self.answer(202, Location="/v2/owner/name-cache/blobs/uploads/1?state=x")
        elif self.command == "PUT":
            registry.blobs[query["digest"][0]] = body
            self.answer(201)
        else:
            data = registry.blobs.get(name)
            self.answer(404 if data is None else 200, data or b"")


def digest(data: bytes) -> str:
    """The digest as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def serving() -> Iterator[Registry]:
    """A registry on a free port that ends with the test."""
    registry = Registry()
    with served_address(Call, registry) as address:
        registry.host = address.removeprefix("http://")
        try:
            yield registry
        finally:
            registry.ended.set()


def slow(call: Call, data: bytes) -> None:
    """Send a body byte by byte until the client or the test ends."""
    call.send_response(200)
    call.send_header("Content-Length", str(len(data)))
    call.end_headers()
    for byte in data:
        if call.registry.ended.is_set():
            return
        call.wfile.write(bytes([byte]))
        time.sleep(0.2)
