"""A stand-in for an index on this machine: PyPI's upload form and the simple API over a folder of files.

Implements PEP 503, 629 and 691 as far as twine, pip and uv need them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import re
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from cartwheel.model.wheels.wheel_name import canonical_name
from cartwheel.stand_ins.stub_server import StubRequest, served_address

JSON = "application/vnd.pypi.simple.v1+json"


class LoopbackIndex:
    """A context manager that serves an index at `url` and `simple` while the context lasts."""

    def __init__(self, folder: Path, *, name: str = "rehearsal", password: str = "", private: bool = False) -> None:
        self.folder = folder
        self.name = name
        self.password = password
        """Required for uploads; empty: anyone may upload."""
        self.private = private
        """Whether reading needs the password too."""
        self.url = ""
        self.lock = threading.Lock()
        self._until = ExitStack()

    @property
    def settings(self) -> dict[str, object]:
        """The keys that replace the table of the index it stands in for."""
        return {"url": self.url, "simple": self.simple}

    @property
    def simple(self) -> str:
        """The address of the simple API."""
        return f"{self.url}simple/"

    def summary(self) -> str:
        """Always empty: the rehearsal's table shows the files."""
        return ""

    def files(self, project: str = "") -> dict[str, Path]:
        """The files on the index by name, of one project or of all."""
        paths = sorted(path for path in self.folder.iterdir() if path.is_file())
        return {path.name: path for path in paths if not project or _project_of(path.name) == canonical_name(project)}

    def take(self, file: str, data: bytes, sha256: str) -> tuple[int, str]:
        """Stores an uploaded file; returns the status and text of the answer. A file name is accepted once."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.(whl|tar\.gz)", file):
            return 400, "not the name of a wheel or a source distribution"
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            return 400, "The digest supplied does not match a digest calculated from the uploaded file"
        with self.lock:
            if (self.folder / file).exists():
                return 400, f"File already exists ('{file}')"
            (self.folder / file).write_bytes(data)
        return 200, "OK"

    def __enter__(self) -> LoopbackIndex:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url = self._until.enter_context(served_address(IndexRequest, self)) + "/"
        return self

    def __exit__(self, *error: object) -> None:
        self._until.close()


class IndexRequest(StubRequest):
    """The requests of twine, pip, uv and cartwheel's reader."""

    place: LoopbackIndex

    def respond(self) -> None:
        """Dispatches to upload, page or file."""
        path = unquote(urlsplit(self.path).path)
        body = self.body()
        if self.place.password and (self.command == "POST" or self.place.private) and not self._is_authorized():
            self.answer(401, b"wrong user name or password", WWW_Authenticate='Basic realm="stand-in"')
        elif self.command == "POST" and path == "/":
            self._upload(body)
        elif self.command == "GET" and path == "/":
            self.answer(200, _html("Stand-in", '<a href="/simple/">simple</a>'), Content_Type="text/html")
        elif self.command == "GET" and (match := re.fullmatch(r"/simple/(?:([^/]+)/?)?", path)):
            self._page(match[1] or "")
        elif self.command == "GET" and (path_served := self.place.files().get(path.removeprefix("/packages/"))):
            self.answer(200, path_served.read_bytes(), Content_Type="application/octet-stream")
        else:
            self.answer(404)

    def _is_authorized(self) -> bool:
        sent = self.headers.get("Authorization", "").removeprefix("Basic ")
        try:
            password = base64.b64decode(sent).decode().partition(":")[2]
        except ValueError:
            return False
        return hmac.compare_digest(password.encode(), self.place.password.encode())

    def _upload(self, body: bytes) -> None:
        form = _form(self.headers.get("Content-Type", ""), body)
        file, data = form.get("content", ("", b""))
        status, words = self.place.take(file, data, form.get("sha256_digest", ("", b""))[1].decode())
        self.answer(status, words.encode(), Content_Type="text/plain")

    def _page(self, project: str) -> None:
        if not project:
            names = sorted({_project_of(file) for file in self.place.files()})
            links = "".join(f'<a href="/simple/{name}/">{name}</a><br>\n' for name in names)
            self.answer(200, _html("Simple index", links), Content_Type="text/html")
            return
        paths = self.place.files(project)
        if not paths:
            self.answer(404)
            return
        rows = [
            {
                "filename": name, "url": f"/packages/{quote(name)}",
                "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}, "size": path.stat().st_size,
            }
            for name, path in paths.items()
        ]  # fmt: skip
        if JSON in self.headers.get("Accept", ""):
            versions = sorted({name.split("-")[1] for name in paths})
            page: dict[str, Any] = {"meta": {"api-version": "1.1"}, "name": canonical_name(project)}
            self.tell(200, {**page, "versions": versions, "files": rows}, Content_Type=JSON)
            return
        links = "".join(
            f'<a href="{row["url"]}#sha256={row["hashes"]["sha256"]}">{html.escape(str(row["filename"]))}</a><br>\n'  # type: ignore[index]
            for row in rows
        )
        self.answer(200, _html(f"Links for {canonical_name(project)}", links), Content_Type="text/html")


def _html(title: str, links: str) -> bytes:
    meta = '<meta name="pypi:repository-version" content="1.0">'
    return f"<!DOCTYPE html>\n<html><head>{meta}<title>{title}</title></head><body>\n{links}</body></html>\n".encode()


def _project_of(file: str) -> str:
    stem = file.removesuffix(".tar.gz")
    return canonical_name(file.split("-")[0] if file.endswith(".whl") else stem.rpartition("-")[0])


def _form(kind: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """The parts of an upload by name, as file name (empty for a plain value) and content."""
    boundary = re.search(r"boundary=\"?([^\s\";]+)", kind)
    parts: dict[str, tuple[str, bytes]] = {}
    for part in body.split(b"--" + boundary[1].encode()) if boundary else ():
        head, _, content = part.partition(b"\r\n\r\n")
        match = re.search(rb'name="([^"]+)"(?:; filename="([^"]+)")?', head)
        if match:
            parts[match[1].decode()] = ((match[2] or b"").decode(), content.removesuffix(b"\r\n"))
    return parts
