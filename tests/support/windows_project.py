"""Windows under Wine: the project installed for CPython for Windows, kept between runs, and commands typed in it."""

from __future__ import annotations

import hashlib
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

from support.wine import CACHE, Windows, windows, windows_path

ROOT = Path(__file__).parents[2]
PYTHON = "3.13"
"""3.11's `sys._base_executable` is wrong in a virtual environment under Wine."""

IMPORTED = ("pytest>=9", "hypothesis", "jsonschema", "pyte", "tree-sitter", "tree-sitter-powershell")
"""What the tests import, beside the project with `attest`."""


class Installed:
    """The project in a virtual environment for Windows."""

    def __init__(self, machine: Windows, python: Path) -> None:
        self.machine = machine
        self.python = python

    def run(
        self, *argv: str, cwd: Path, env: dict[str, str] | None = None, timeout: float = 500
    ) -> subprocess.CompletedProcess[str]:
        """Run the environment's interpreter."""
        return self.machine.run(str(self.python), *argv, cwd=cwd, env={**tools(), **(env or {})}, timeout=timeout)

    def doit(self, *words: str, cwd: Path, env: Mapping[str, str] | None = None, code: int = 0) -> str:
        """The output of doit, which must end with that exit code."""
        done = self.run("-m", "doit", *words, cwd=cwd, env={**(env or {})})
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout[-4000:]}"
        return done.stdout

    def interrupted(
        self, *argv: str, cwd: Path, env: Mapping[str, str], when: Callable[[], bool], timeout: float = 400
    ) -> tuple[int, str, float]:
        """Run the interpreter on a terminal, and type Ctrl-C there once `when()` is true.

        Returns the exit code, the output without escape sequences, and the seconds from the key to the end.
        """
        process, terminal = self._on_terminal(*argv, cwd=cwd, env=env)
        output, typed, deadline = b"", 0.0, time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not typed and when():
                os.write(terminal, b"\x03")
                typed = time.monotonic()
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    output += os.read(terminal, 65536)
                except OSError:
                    break  # its other end is closed
        took = time.monotonic() - typed
        os.close(terminal)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", output.decode(errors="replace"))
        assert typed, f"the moment for Ctrl-C never came: {text[-2000:]}"
        assert time.monotonic() < deadline, f"it went on: {text[-2000:]}"
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), text, took

    def pictures(self, *argv: str, cwd: Path, env: Mapping[str, str]) -> tuple[int, list[str], bool]:
        """Run the interpreter in a Windows console of 80 columns, which knows no VT sequences.

        Returns the exit code, each picture that its user saw, and whether the cursor is visible at the end.
        """
        import fcntl
        import termios

        import pyte

        process, terminal = self._on_terminal(*argv, cwd=cwd, env=env)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        screen = pyte.Screen(80, 40)
        stream, seen = pyte.ByteStream(screen), [""]
        with suppress(OSError):  # its other end is closed
            while part := os.read(terminal, 65536):
                stream.feed(part)
                seen.append("\n".join(line.rstrip() for line in screen.display).rstrip())
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), seen, not screen.cursor.hidden

    def _on_terminal(self, *argv: str, cwd: Path, env: Mapping[str, str]) -> tuple[int, int]:
        """Start the interpreter on a terminal; its process and the terminal's descriptor."""
        import pty  # Windows collects this module too, and has none

        process, terminal = pty.fork()
        if process == 0:
            os.chdir(cwd)
            own = {**os.environ, **self.machine.environment, **tools(), **env, "TERM": "xterm"}
            os.execve(self.machine.wine, [str(self.machine.wine), str(self.python), *argv], own)
        return process, terminal


def tools() -> dict[str, str]:
    """The variables that uv for Windows needs under Wine."""
    certificates = CACHE / "certificates.pem"
    if not certificates.is_file():
        shutil.copy(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt", certificates)
    return {
        "SSL_CERT_FILE": windows_path(certificates), "UV_LINK_MODE": "copy", "UV_CACHE_DIR": windows_path(CACHE / "uv"),
        "SSL_CERT_DIR": "", "REQUESTS_CA_BUNDLE": windows_path(certificates), "COVERAGE_PROCESS_START": "",
        "PYTHONDONTWRITEBYTECODE": "",  # compiling every module again takes 10 s for each command
    }  # fmt: skip


@cache
def project_for(version: str) -> Installed:
    """The project for a version of CPython for Windows; installed again when its requirements change."""
    machine = windows()
    place = f"{ROOT} {machine.pythons[version]}".encode()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    key = hashlib.sha256(repr((project, IMPORTED)).encode() + place).hexdigest()[:12]
    folder = CACHE / f"project-{key}"
    with FileLock(CACHE / "project.lock"):
        if not (folder / "done").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            _install(machine, version, folder)
            (folder / "done").touch()
    return Installed(machine, folder / "Scripts" / "python.exe")


@pytest.fixture(scope="session")
def installed() -> Installed:
    """The project for the version that runs cartwheel's commands."""
    return project_for(PYTHON)


def _install(machine: Windows, version: str, folder: Path) -> None:
    """Make the environment; its packages are installed from Linux, which takes seconds instead of minutes."""
    done = machine.run(str(machine.pythons[version]), "-m", "venv", "--without-pip", windows_path(folder), cwd=CACHE)
    assert done.returncode == 0, done.stdout
    packages = folder / "Lib" / "site-packages"
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python-platform", "x86_64-pc-windows-msvc",
         "--python-version", version, "--only-binary", ":all:", "--no-binary", "cartwheel", "--link-mode", "copy",
         "--target", str(packages), "--editable", f"{ROOT}[attest]", *IMPORTED],
        check=True,
    )  # fmt: skip
    for program in (packages / "bin").glob("*.exe"):
        program.rename(folder / "Scripts" / program.name)
