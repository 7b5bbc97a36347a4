"""For the tests: wheels and sdists from a dict, and an index on loopback that fails as it is told."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cartwheel.index.warehouse import Index

METADATA = "Metadata-Version: 2.4\nName: demo\nVersion: {version}\nSummary: a demonstration\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(
    folder: Path,
    file: str = "demo-1.0-py3-none-any.whl",
    *,
    metadata: str = METADATA,
    files: Mapping[str, str] | None = None,
    record: bool = True,
    without: tuple[str, ...] = (),
) -> Path:
    """A small wheel; `files` adds to or replaces what is in it."""
    name, version = file.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    texts = {
        f"{name}/__init__.py": "VALUE = 1\n",
        f"{info}/METADATA": metadata.replace("{version}", version),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(files or {}),
    }
    texts = {key: text for key, text in texts.items() if key not in without}
    if record and f"{info}/RECORD" not in texts:
        texts[f"{info}/RECORD"] = "".join(f"{key},{_digest(text)},{len(text)}\n" for key, text in texts.items())
        texts[f"{info}/RECORD"] += f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, text in texts.items():
            archive.writestr(zipfile.ZipInfo(key, (2026, 1, 1, 0, 0, 0)), text)
    return path


def sdist(folder: Path, file: str = "demo-1.0.tar.gz", *, metadata: str = METADATA, top: str = "") -> Path:
    """A small sdist."""
    stem = file.removesuffix(".tar.gz")
    version = stem.partition("-")[2]
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, text in {"PKG-INFO": metadata.replace("{version}", version), "demo.py": "VALUE = 1\n"}.items():
            member = tarfile.TarInfo(f"{top or stem}/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_bytes(gzip.compress(plain.getvalue(), mtime=0))
    return path


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class Faulty:
    """An index whose next answers to uploads are scripted; then it behaves."""

    script: list[Callable[[Post], None]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    digests: bool = True
    json: bool = True
    same_is_200: bool = True
    unlisted: int = 0
    """So many looks at the page show nothing yet."""
    listed_wrong: set[str] = field(default_factory=set)
    uploaded: str = ""
    posts: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """The Authorization headers of the uploads."""
    base: str = ""

    @property
    def index(self) -> Index:
        return Index(name="faulty", url=f"{self.base}/upload/", simple=f"{self.base}/simple/")

    def page(self) -> tuple[str, bytes]:
        """Content type and body of the project's page."""
        files = {} if self.unlisted > 0 else dict(sorted(self.files.items()))
        self.unlisted -= 1
        digests = {n: sha256(b"other" if n in self.listed_wrong else data) for n, data in files.items()}
        if self.json:
            rows = [
                {
                    "filename": name,
                    "url": f"{self.base}/files/{name}",
                    "hashes": {"sha256": digests[name]} if self.digests else {},
                    **({"upload-time": self.uploaded} if self.uploaded else {}),
                }
                for name in files
            ]
            body = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": [], "files": rows}
            return "application/vnd.pypi.simple.v1+json", json.dumps(body).encode()
        links = (f'<a href="/files/{n}{"#sha256=" + digests[n] if self.digests else ""}">{n}</a><br>' for n in files)
        return "text/html", f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()

    def take(self, post: Post) -> None:
        """What a good index does."""
        there = self.files.setdefault(post.file, post.data)
        if there is post.data or (there == post.data and self.same_is_200):
            post.answer(200)
        else:
            post.answer(400, "File already exists")


class Post(BaseHTTPRequestHandler):
    """One request to a faulty index."""

    protocol_version = "HTTP/1.1"
    faulty: Faulty
    file = ""
    data = b""

    def do_GET(self) -> None:
        if self.path.startswith("/files/"):
            self.answer(200, body=self.faulty.files[self.path.removeprefix("/files/")])
        elif not self.faulty.files:
            self.answer(404)
        else:
            kind, body = self.faulty.page()
            self.answer(200, body=body, headers={"Content-Type": kind})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        boundary = re.search(r"boundary=(\S+)", self.headers["Content-Type"])
        assert boundary
        for part in body.split(b"--" + boundary[1].encode()):
            head, _, content = part.partition(b"\r\n\r\n")
            match = re.search(rb'name="content"; filename="([^"]+)"', head)
            if match:
                self.file, self.data = match[1].decode(), content[:-2]
        self.faulty.posts.append(self.file)
        self.faulty.seen.append(self.headers.get("Authorization", ""))
        step = self.faulty.script.pop(0) if self.faulty.script else self.faulty.take
        step(self)

    def answer(
        self, status: int, words: str = "", *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status, words or None)
        for name, value in {**(headers or {}), "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def drop(self) -> None:
        """Close without a word."""
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def faulty(**settings: object) -> Iterator[Faulty]:
    """A faulty index for as long as the context lasts."""
    state = Faulty(**settings)  # type: ignore[arg-type]
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Post,), {"faulty": state}))
    state.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int, words: str = "", **headers: str) -> Callable[[Post], None]:
    """A scripted answer that keeps nothing."""
    return lambda post: post.answer(code, words, headers={k.replace("_", "-"): v for k, v in headers.items()})


def lost(post: Post) -> None:
    """The connection breaks before the file was kept."""
    post.drop()


def kept_and_lost(post: Post) -> None:
    """The file is kept, and the connection breaks before the answer."""
    post.faulty.files[post.file] = post.data
    post.drop()
