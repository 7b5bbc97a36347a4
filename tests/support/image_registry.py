"""A registry of container images on loopback, which docker logs in to, pushes to and pulls from."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from cartwheel.stand_ins.stub_server import StubRequest, served_address


class ImageRegistry:
    """The content of a registry, by path without its version, and its one user."""

    def __init__(self, user: str, password: str) -> None:
        self.login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.host = ""
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        """Type and content, by `NAME:TAG` and by digest."""
        self.uploads: dict[str, bytes] = {}


class _Call(StubRequest):
    place: ImageRegistry

    def respond(self) -> None:
        parts, body = urlsplit(self.path), self._body()
        if self.headers.get("Authorization") != self.place.login:
            self.answer(401, b"{}", WWW_Authenticate='Basic realm="images"')
            return
        name, _, rest = parts.path.removeprefix("/v2/").rpartition("/manifests/")
        if name:
            self._manifest(name, rest, body)
        elif "/blobs/" in parts.path:
            self._blob(parts.path, body, parse_qs(parts.query).get("digest", [""])[0])
        else:
            self.answer(200, b"{}", Docker_Distribution_API_Version="registry/2.0")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.body()
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _manifest(self, name: str, reference: str, body: bytes) -> None:
        manifests = self.place.manifests
        key = reference if reference.startswith("sha256:") else f"{name}:{reference}"
        if self.command == "PUT":
            digest = _digest(body)
            manifests[key] = manifests[digest] = (self.headers["Content-Type"], body)
            self.answer(201, Docker_Content_Digest=digest)
        elif key in manifests:
            kind, content = manifests[key]
            self.answer(200, content, Content_Type=kind, Docker_Content_Digest=_digest(content))
        else:
            self.answer(404, b"{}")

    def _blob(self, path: str, body: bytes, digest: str) -> None:
        uploads, blobs = self.place.uploads, self.place.blobs
        if self.command == "POST":
            at = f"{path.rstrip('/')}/{len(uploads)}"
            uploads[at] = b""
            self.answer(202, Location=at, Docker_Upload_UUID=at.rpartition("/")[2], Range="0-0")
        elif self.command == "PATCH":
            uploads[path] += body
            self.answer(202, Location=path, Range=f"0-{len(uploads[path]) - 1}")
        elif self.command == "PUT":
            blobs[digest] = uploads[path] + body
            self.answer(201, Location=path, Docker_Content_Digest=digest)
        elif (name := path.rpartition("/")[2]) in blobs:
            self.answer(200, blobs[name], Docker_Content_Digest=name)
        else:
            self.answer(404, b"{}")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def serving_images(user: str, password: str) -> Iterator[ImageRegistry]:
    """A registry on a free port that ends with the test."""
    registry = ImageRegistry(user, password)
    with served_address(_Call, registry) as address:
        registry.host = address.removeprefix("http://")
        yield registry
