"""Real index servers on the loopback interface, in an environment of their own: devpi and pypiserver."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from cartwheel.destinations.pypi_index import Index
from cartwheel.stand_ins.stub_server import StubRequest, served_address

USER, WORD = "me", "word of the house"


def scripts(folder: Path) -> Path:
    """Where an environment's programs are."""
    return folder / ("Scripts" if os.name == "nt" else "bin")


def uv(*arguments: str) -> None:
    """Runs uv."""
    subprocess.run((sys.executable, "-m", "uv", *arguments), check=True, capture_output=True, text=True)


def server_environment(folder: Path) -> Path:
    """An environment with both servers; returns the folder of its programs."""
    uv("venv", "--quiet", "--python", sys.executable, str(folder))
    uv("pip", "install", "--quiet", "--python", str(folder), "devpi-server", "pypiserver[passlib]")
    return scripts(folder)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(argv: tuple[object, ...], url: str, log: Path) -> Iterator[None]:
    """A server for as long as the context lasts, once it answers."""
    with open(log, "wb") as file, subprocess.Popen([*map(str, argv)], stdout=file, stderr=file) as server:
        try:
            end = time.monotonic() + 180
            while True:
                try:
                    requests.get(url, timeout=5)
                    break
                except requests.ConnectionError:
                    assert server.poll() is None, log.read_text()
                    assert time.monotonic() < end, log.read_text()
                    time.sleep(0.2)
            yield
        finally:
            server.kill()


@contextmanager
def devpi(programs: Path, folder: Path, *, outside: str = "") -> Iterator[str]:
    """A devpi with the stage `me/stage`, to which USER may upload with WORD; gives its address.

    `outside`: the address that its pages name, of a proxy before it.
    """
    base = f"http://127.0.0.1:{free_port()}"
    init = [str(programs / "devpi-init"), "--serverdir", str(folder / "d"), "--root-passwd", "x", "--no-root-pypi"]
    subprocess.run(init, check=True, capture_output=True)
    argv = (programs / "devpi-server", "--serverdir", folder / "d", "--host", "127.0.0.1", "--port", base[17:])
    with running((*argv, *(("--outside-url", outside) if outside else ())), f"{base}/+api", folder / "log"):
        _put(base, "root", "x", "/me", {"password": WORD, "email": "me@a.dev"})
        _put(base, USER, WORD, "/me/stage", {"bases": [], "volatile": False, "type": "stage"})
        yield base


def _put(base: str, user: str, password: str, path: str, value: Mapping[str, object]) -> None:
    login = requests.post(f"{base}/+login", json={"user": user, "password": password}, timeout=60).json()
    headers = {"Accept": "application/json"}
    auth = (user, login["result"]["password"])
    requests.put(f"{base}{path}", json=value, headers=headers, auth=auth, timeout=60).raise_for_status()


@contextmanager
def pypiserver(programs: Path, folder: Path, *, protect: str) -> Iterator[str]:
    """A pypiserver whose actions in `protect` (`update,download,list`) need USER and WORD; gives its address."""
    (folder / "files").mkdir(parents=True)
    code = "import sys; from passlib.hash import apr_md5_crypt as h; print(sys.argv[1] + ':' + h.hash(sys.argv[2]))"
    done = subprocess.run([programs / "python", "-c", code, USER, WORD], check=True, capture_output=True, text=True)
    (folder / "htpasswd").write_text(done.stdout)
    base = f"http://127.0.0.1:{free_port()}"
    argv = (
        programs / "pypi-server", "run", "-p", base[17:], "-i", "127.0.0.1", "-P", folder / "htpasswd", "-a", protect,
        "--disable-fallback", "--hash-algo", "sha256", folder / "files",
    )  # fmt: skip
    with running(argv, base, folder / "log"):
        yield base


class _Guard(StubRequest):
    """Lets a request through to the server behind it only with USER and WORD."""

    def respond(self) -> None:
        body = self.body()
        basic = base64.b64encode(f"{USER}:{WORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {basic}":
            self.answer(401, b"authentication required", WWW_Authenticate='Basic realm="house"')
            return
        connection = http.client.HTTPConnection(self.place.behind.removeprefix("http://"), timeout=120)
        connection.request(self.command, self.path, body=body or None, headers=dict(self.headers.items()))
        answer = connection.getresponse()
        answers = {
            n: v
            for n, v in answer.getheaders()
            if n.lower() not in ("content-length", "transfer-encoding", "connection")
        }
        data = answer.read()
        connection.close()
        self.answer(answer.status, data, **answers)


class Guarded:
    """A reverse proxy: its address, and that of the server behind it."""

    def __init__(self) -> None:
        self.address = self.behind = ""


@contextmanager
def guard() -> Iterator[Guarded]:
    """A reverse proxy that asks for Basic authentication; set its `behind` to the server's address."""
    guarded = Guarded()
    with served_address(_Guard, guarded) as address:
        guarded.address = address
        yield guarded


@contextmanager
def private_devpi(programs: Path, folder: Path) -> Iterator[Index]:
    """A devpi of which nothing is read or written without USER and WORD."""
    with guard() as handler:
        outside = handler.address
        with devpi(programs, folder, outside=outside) as base:
            handler.behind = base
            yield Index(name="house", url=f"{outside}/me/stage/", simple=f"{outside}/me/stage/+simple/", user=USER)


@contextmanager
def private_pypiserver(programs: Path, folder: Path) -> Iterator[Index]:
    """A pypiserver of which nothing is read or written without USER and WORD."""
    with pypiserver(programs, folder, protect="update,download,list") as base:
        yield Index(name="house", url=f"{base}/", simple=f"{base}/simple/", user=USER)
