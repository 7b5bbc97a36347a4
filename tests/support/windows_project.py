"""Windows under Wine: the project installed for CPython for Windows, kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from support.wine import CACHE, Windows, windows, windows_path

ROOT = Path(__file__).parents[2]
PYTHON = "3.13"
"""3.11's `sys._base_executable` is wrong in a virtual environment under Wine."""


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


def tools() -> dict[str, str]:
    """The variables that uv for Windows needs under Wine."""
    certificates = CACHE / "certificates.pem"
    if not certificates.is_file():
        shutil.copy(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt", certificates)
    return {
        "SSL_CERT_FILE": windows_path(certificates), "UV_LINK_MODE": "copy", "UV_CACHE_DIR": windows_path(CACHE / "uv"),
        "SSL_CERT_DIR": "", "REQUESTS_CA_BUNDLE": windows_path(certificates), "COVERAGE_PROCESS_START": "",
    }  # fmt: skip


@pytest.fixture(scope="session")
def installed() -> Installed:
    """The project for Windows; installed again when its requirements change."""
    machine = windows()
    named = f"{ROOT} {machine.pythons[PYTHON]}".encode()
    key = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + named).hexdigest()[:12]
    folder = CACHE / f"project-{key}"
    with FileLock(CACHE / "project.lock"):
        if not (folder / "done").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            _install(machine, folder)
            (folder / "done").touch()
    return Installed(machine, folder / "Scripts" / "python.exe")


def _install(machine: Windows, folder: Path) -> None:
    uv = CACHE / "uv-for-windows"
    if not (uv / "bin" / "uv.exe").is_file():
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python-platform", "x86_64-pc-windows-msvc",
             "--python-version", PYTHON, "--only-binary", ":all:", "--target", str(uv), "uv"],
            check=True,
        )  # fmt: skip
    python = machine.pythons[PYTHON]
    made = machine.run(str(python), "-m", "venv", "--without-pip", windows_path(folder), cwd=CACHE)
    assert made.returncode == 0, made.stdout
    own = folder / "Scripts" / "python.exe"
    done = machine.run(
        str(uv / "bin" / "uv.exe"), "pip", "install", "--python", windows_path(own), "--editable", windows_path(ROOT),
        "pytest>=9", "hypothesis", "jsonschema", cwd=ROOT, env=tools(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
