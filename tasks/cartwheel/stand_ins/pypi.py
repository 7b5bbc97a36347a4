"""A throw-away index on this machine, for the rehearsal: pypiserver over a folder, reachable from here only."""

from __future__ import annotations

import os
import secrets
import socket
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.error import URLError

from cartwheel.destinations.pypi_index import Index
from cartwheel.model.errors import StepFailed
from cartwheel.process import environment, run

_START_SECONDS = 30.0
_TRIES = 5


class LoopbackIndex:
    """A context in which an index answers at `url` and `simple`; it ends with the context and with this process."""

    def __init__(self, folder: Path, *, name: str = "rehearsal") -> None:
        self.folder = folder
        self.name = name
        self.url = ""
        self._until = ExitStack()

    @property
    def simple(self) -> str:
        """Where it is read."""
        return f"{self.url}simple/"

    @property
    def index(self) -> Index:
        """The same as an index of the configuration."""
        return Index(name=self.name, url=self.url, simple=self.simple, rehearsal=True, anonymous=True)

    def __enter__(self) -> LoopbackIndex:
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):
            if self._start(_free_port()):
                return self
        raise StepFailed(f"the index for the rehearsal did not start; the last words are in {self._log}")

    def __exit__(self, *error: object) -> None:
        self._until.close()

    @property
    def _log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    def _start(self, port: int) -> bool:
        """Whether ours answers on that port: another program may take it first, so it is asked for a secret word."""
        word = secrets.token_hex(8)
        argv = (
            *run.module_command("pypiserver"), "run", "--port", str(port), "--interface", "127.0.0.1",
            "--passwords", ".", "--authenticate", ".", "--disable-fallback", "--hash-algo", "sha256",
            "--server", "wsgiref", "--backend", "simple-dir", "--health-endpoint", f"/{word}", str(self.folder),
        )  # fmt: skip
        with ExitStack() as trial:
            alive = trial.enter_context(
                run.running_in_background(
                    argv, cwd=self.folder, env=environment.tool_environment(os.environ), log=self._log
                )
            )
            if not _answers(f"http://127.0.0.1:{port}/{word}", alive):
                return False
            self._until = trial.pop_all()
        self.url = f"http://127.0.0.1:{port}/"
        return True


def _answers(url: str, alive: Callable[[], bool]) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while alive() and time.monotonic() < deadline and not run.STOP.is_set():
        try:
            with direct.open(url, timeout=2):
                return True
        except (URLError, OSError):
            time.sleep(0.02)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
