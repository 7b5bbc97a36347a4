"""Linux's git, cargo and rustc for programs under Wine: `git.exe`, `cargo.exe` and `rustc.exe` that ask this process.

Neither git nor a Rust toolchain for Windows can be fetched here.  Both sides see the same folders, as `/tmp` and as
`Z:\\tmp`; the bridge translates paths in arguments, variables and output.  It tests our code, not git's or cargo's.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from support.wine import CACHE, windows_path

SOURCE = Path(__file__).parents[1] / "windows" / "bridge.c"
PROGRAMS = ("git", "cargo", "rustc")
TRIPLE = "x86_64-pc-windows-gnu"

_WINDOWS_PATH = re.compile(r"(?i)(?:\\\\\?\\)?\b([cz]):(?=[\\/])([^\"';=,\x1f]*)")
_LINUX_PATH = re.compile(rb"(file://)?(?<![\w:/.~-])/(?=(?:tmp|root|home|work|mnt|opt)/)")
_PASSED_ON = re.compile(r"GIT_|CARGO_|RUST|PYO3|CARTWHEEL_|SOURCE_DATE_EPOCH$|MATURIN_|LC_|TZ$")
_OF_RUST = ("RUSTUP_HOME", "CARGO_HOME")
"""Variables that Linux's own cargo keeps."""
_GIT_PATHS = ("rev-parse", "worktree", "remote", "config")
"""git's commands whose output holds paths; the output of others is file content."""


@contextmanager
def bridge() -> Iterator[Mapping[str, str]]:
    """A running bridge; yields the variables by which programs under Wine find its programs."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server, tempfile.TemporaryDirectory() as folder:
        for name in PROGRAMS:
            shutil.copy(_program(), Path(folder, f"{name}.exe"))
        Path(folder, "port").write_text(str(server.getsockname()[1]))
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        try:
            yield {"WINEPATH": windows_path(folder)}
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def _program() -> Path:
    """The program for Windows; compiled when its source is newer."""
    program = CACHE / "bridge.exe"
    if not program.is_file() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        subprocess.run(
            ["x86_64-w64-mingw32-gcc", "-O2", "-municode", "-static", "-o", program, SOURCE, "-lws2_32"], check=True
        )
    return program


def _serve(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return  # closed: the test has ended
        threading.Thread(target=_answer, args=(client,), daemon=True).start()


class _Request:
    """A command that a program under Wine asks for, in Linux's terms."""

    def __init__(self, client: socket.socket) -> None:
        self.arguments: list[str] = []
        self.variables: dict[str, str] = {}
        self.name, self.folder = "", ""
        while (message := receive(client))[0] != b"g":
            kind, text = message[0], message[1].decode("utf-8", "surrogateescape")
            if kind == b"n":
                self.name = re.split(r"[\\/]", text)[-1].lower().removesuffix(".exe")
            elif kind == b"c":
                self.folder = linux_text(text)
            elif kind == b"a":
                self.arguments.append("/dev/null" if text.lower() == "nul" else linux_text(text))
            else:
                name, _, value = text.partition("=")
                if _PASSED_ON.match(name.upper()):
                    self.variables[name.upper()] = linux_text(value)

    @property
    def environment(self) -> dict[str, str]:
        own = {name: os.environ[name] for name in ("PATH", "HOME", "SSL_CERT_FILE", *_OF_RUST) if name in os.environ}
        passed = {k: v for k, v in self.variables.items() if k not in ("CARGO", "RUSTC", *_OF_RUST)}
        return {**own, **passed, "CARGO_BUILD_TARGET": TRIPLE} if self.name != "git" else {**own, **passed}

    @property
    def translated(self) -> bool:
        """Whether paths in the output are translated."""
        return self.name != "git" or any(word in self.arguments[:6] for word in _GIT_PATHS)


def linux_text(text: str) -> str:
    r"""A text with each path `Z:\tmp\a` replaced by `/tmp/a`; `C:` is a folder of Wine's prefix."""

    def linux(match: re.Match[str]) -> str:
        return ("" if match[1] in "zZ" else str(CACHE / "prefix/drive_c")) + re.sub(r"[\\/]+", "/", match[2])

    return _WINDOWS_PATH.sub(linux, text)


def windows_text(line: bytes) -> bytes:
    """A line of output with each path `/tmp/a` replaced by `Z:/tmp/a`."""
    line = line.replace(b"host: x86_64-unknown-linux-gnu", b"host: " + TRIPLE.encode())
    return _LINUX_PATH.sub(lambda match: b"file:///Z:/" if match[1] else b"Z:/", line)


def receive(client: socket.socket) -> tuple[bytes, bytes]:
    """The next message: its kind and its bytes.  Raises `EOFError` if the other side is gone."""

    def exactly(size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = client.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return parts

    head = exactly(5)
    return head[:1], exactly(int.from_bytes(head[1:], "little"))


def _answer(client: socket.socket) -> None:
    with client, suppress(EOFError, ConnectionError):
        request = _Request(client)
        process = subprocess.Popen(
            [request.name, *request.arguments], cwd=request.folder, env=request.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stderr
        lock = threading.Lock()

        def pass_on(stream: IO[bytes], kind: bytes) -> None:
            while part := stream.readline() if request.translated else os.read(stream.fileno(), 65536):
                part = windows_text(part) if request.translated else part
                with lock, suppress(OSError):
                    client.sendall(kind + len(part).to_bytes(4, "little") + part)

        streams = ((process.stdout, b"1"), (process.stderr, b"2"))
        readers = [threading.Thread(target=pass_on, args=stream) for stream in streams]
        for reader in readers:
            reader.start()
        feeder = threading.Thread(target=_feed, args=(client, process), daemon=True)
        feeder.start()
        for reader in readers:
            reader.join()
        code = process.wait()
        with suppress(OSError):
            client.sendall(b"x" + (code if code >= 0 else 128 - code).to_bytes(4, "little"))
        feeder.join(10)  # a socket closed with unread input is reset, and the exit code lost
        for file in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                file.close()


def _feed(client: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Pass on the input; kill the program when the one under Wine is gone."""
    assert process.stdin
    try:
        while True:
            kind, part = receive(client)
            with suppress(OSError):
                if kind == b"i":
                    process.stdin.write(part)
                    process.stdin.flush()
                else:
                    process.stdin.close()
    except (EOFError, OSError):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
