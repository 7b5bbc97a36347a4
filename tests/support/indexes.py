"""For the tests: wheels and sdists from a dict, and an index on loopback that fails as it is told."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import socket
import struct
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil  # type: ignore[import-untyped]

from cartwheel.destinations.pypi_index import Index

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


Step = Callable[["Post"], None]


@dataclass
class Faulty:
    """An index whose next answers are scripted; then it behaves."""

    script: list[Step] = field(default_factory=list)
    """For the uploads."""
    always: Step | None = None
    """For every upload that the script does not answer."""
    looks: list[Step] = field(default_factory=list)
    """For the looks at the project's page."""
    files: dict[str, bytes] = field(default_factory=dict)
    digests: bool = True
    json: bool = True
    same_is_200: bool = True
    exists: int = 400
    """The status for a file that is there."""
    unlisted: int = 0
    """So many looks at the page show nothing yet."""
    listed_wrong: set[str] = field(default_factory=set)
    uploaded: str = ""
    tokens: dict[str, int] | None = None
    """Passwords that are good for so many uploads; None: any is."""
    posts: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    """The files in the order in which they were kept."""
    seen: list[str] = field(default_factory=list)
    """The Authorization headers of the uploads."""
    base: str = ""
    identities: Identities = field(default_factory=lambda: Identities())
    lock: threading.Lock = field(default_factory=threading.Lock)

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
                    "size": len(self.files[name]),
                    **({"upload-time": self.uploaded} if self.uploaded else {}),
                }
                for name in files
            ]
            body = {"meta": {"api-version": "1.1"}, "name": "demo", "versions": [], "files": rows}
            return "application/vnd.pypi.simple.v1+json", json.dumps(body).encode()
        links = (f'<a href="/files/{n}{"#sha256=" + digests[n] if self.digests else ""}">{n}</a><br>' for n in files)
        return "text/html", f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()

    def keep(self, file: str, data: bytes) -> bytes:
        """The bytes stored under that name now; the first upload of a name counts."""
        if file not in self.files:
            self.files[file] = data
            self.stored.append(file)
        return self.files[file]

    def take(self, post: Post) -> None:
        """Answer as a correct index does."""
        if self.tokens is not None and not self._admitted(post):
            post.answer(403, "Invalid or non-existent authentication information.")
            return
        with self.lock:
            new = post.file not in self.files
            same = self.keep(post.file, post.data) == post.data
        if same and (new or self.same_is_200):
            post.answer(200)
        else:
            post.answer(self.exists, f"File already exists ('{post.file}')")

    def _admitted(self, post: Post) -> bool:
        assert self.tokens is not None
        _, _, password = base64.b64decode(self.seen[-1].removeprefix("Basic ")).decode().partition(":")
        left = self.tokens.get(password, 0)
        self.tokens[password] = left - 1
        return left > 0


@dataclass
class Identities:
    """The issuer of a job's identities, and the index's end of the exchange."""

    audience: str = "pypi"
    claims: dict[str, object] = field(default_factory=lambda: {"repository": "me/demo", "ref": "refs/tags/v1.0"})
    uses: int = 99
    """A token that is minted here is good for so many uploads."""
    lives: float = 900.0
    code: str = ""
    """Why no token is minted."""
    mints: list[Step] = field(default_factory=list)
    asks: list[Step] = field(default_factory=list)
    issues: list[Step] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    minted: list[str] = field(default_factory=list)

    def token(self, audience: str) -> str:
        """A new identity, as a CI system would sign it."""
        number = time.perf_counter_ns()
        parts = ({"alg": "none"}, {"aud": audience, "jti": number, **self.claims})
        coded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        return ".".join((*coded, "c2lnbmVk"))

    def github(self, base: str) -> dict[str, str]:
        """The environment of a job on GitHub that may ask for its identity."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{base}/identity?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-job-s-own-s3cr3t",
        }

    def gitlab(self, audience: str = "pypi") -> dict[str, str]:
        """The environment of a job on GitLab with one identity."""
        return {"GITLAB_CI": "true", "PYPI_ID_TOKEN": self.token(audience)}


class Post(BaseHTTPRequestHandler):
    """One request to a faulty index."""

    protocol_version = "HTTP/1.1"
    faulty: Faulty
    file = ""
    data = b""

    def do_GET(self) -> None:
        ours = self.faulty.identities
        if self.path.startswith("/files/"):
            self.answer(200, body=self.faulty.files[self.path.removeprefix("/files/")])
        elif self.path.startswith("/_/oidc/audience"):
            (ours.asks.pop(0) if ours.asks else lambda post: post.say(200, {"audience": ours.audience}))(self)
        elif self.path.startswith("/identity"):
            assert self.headers["Authorization"] == "bearer the-job-s-own-s3cr3t"
            (audience,) = parse_qs(urlsplit(self.path).query)["audience"]
            (ours.issues.pop(0) if ours.issues else lambda post: post.say(200, {"value": ours.token(audience)}))(self)
        elif self.faulty.looks:
            self.faulty.looks.pop(0)(self)
        else:
            self.show()

    def show(self) -> None:
        """The project's page."""
        if not self.faulty.files:
            self.answer(404)
        else:
            kind, body = self.faulty.page()
            self.answer(200, body=body, headers={"Content-Type": kind})

    def do_POST(self) -> None:
        if self.path == "/_/oidc/mint-token":
            self._mint(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["token"])
            return
        state = self.faulty
        step = state.script.pop(0) if state.script else state.always or state.take
        state.seen.append(self.headers.get("Authorization", ""))
        if getattr(step, "before_the_body", False):
            state.posts.append("")
            step(self)
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        boundary = re.search(r"boundary=(\S+)", self.headers["Content-Type"])
        assert boundary
        for part in body.split(b"--" + boundary[1].encode()):
            head, _, content = part.partition(b"\r\n\r\n")
            match = re.search(rb'name="content"; filename="([^"]+)"', head)
            if match:
                self.file, self.data = match[1].decode(), content[:-2]
        state.posts.append(self.file)
        step(self)

    def _mint(self, identity: str) -> None:
        ours = self.faulty.identities
        if ours.mints:
            ours.mints.pop(0)(self)
            return
        code = ours.code or ("invalid-reuse-token" if identity in ours.used else "")
        if code:
            errors = [{"code": code, "description": f"no: {identity}"}]
            self.say(422, {"message": "Token request failed", "errors": errors})
            return
        ours.used.append(identity)
        token = f"pypi-minted-{len(ours.minted)}-s3cr3t"
        ours.minted.append(token)
        self.faulty.tokens = {**(self.faulty.tokens or {}), token: ours.uses}
        self.say(200, {"success": True, "token": token, "expires": int(time.time() + ours.lives)})

    def say(self, status: int, value: object) -> None:
        """Answer with JSON."""
        self.answer(status, body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})

    def answer(
        self, status: int, words: str = "", *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status, words or None)
        for name, value in {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def drop(self) -> None:
        """Close without a word."""
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is what is tested here."""


@contextmanager
def faulty(**settings: object) -> Iterator[Faulty]:
    """A faulty index for as long as the context lasts."""
    state = Faulty(**settings)  # type: ignore[arg-type]
    server = _Quiet(("127.0.0.1", 0), type("Handler", (Post,), {"faulty": state}))
    state.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# Faults --------------------------------------------------------------------------------------------------------------


def status(code: int, words: str = "", body: bytes = b"", **headers: str) -> Step:
    """A scripted answer that keeps nothing."""
    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    return lambda post: post.answer(code, words, body=body, headers=fields)


def lost(post: Post) -> None:
    """The connection breaks before the file was kept."""
    post.drop()


def after_storing(then: Step) -> Step:
    """Store the file, then answer as `then` does."""

    def step(post: Post) -> None:
        post.faulty.keep(post.file, post.data)
        then(post)

    return step


kept_and_lost = after_storing(lost)


def cut(share: float, *, hard: bool = False) -> Step:
    """The connection ends after that share of the body; `hard`: by a reset."""

    def step(post: Post) -> None:
        post.rfile.read(int(int(post.headers["Content-Length"]) * share))
        if hard:
            post.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        post.close_connection = True

    step.before_the_body = True  # type: ignore[attr-defined]
    return step


def early(then: Step) -> Step:
    """Answer without reading the body."""

    def step(post: Post) -> None:
        then(post)

    step.before_the_body = True  # type: ignore[attr-defined]
    return step


def garbage(post: Post) -> None:
    """No HTTP at all."""
    post.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    post.close_connection = True


def cut_answer(post: Post) -> None:
    """An answer whose body ends too soon."""
    post.answer(200, body=b"ha", headers={"Content-Length": "999"})


def kill(process: Callable[[], int], then: Step = lost) -> Step:
    """End the process that sends, at once and without a chance to write anything down."""

    def step(post: Post) -> None:
        psutil.Process(process()).kill()
        then(post)

    return step
