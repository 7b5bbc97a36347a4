"""The interpreters that backends compile for, identified in later runs without being started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.model.step import Snapshot
from cartwheel.process import environment
from cartwheel.process.command_words import split_command
from cartwheel.toolchain.requirements import ToolNeed

TOOL = "python "
"""Prefix of interpreter names among a step's tools."""


def tool(python: str, minimum: str) -> str:
    """The interpreter's name among a step's tools: `python 3.13`, or `python >=3.11` for the limited API."""
    return f"{TOOL}>={minimum}" if python in ("abi3", "abi3t") else f"{TOOL}{python}"


def path(python: str, minimum: str, snapshot: Snapshot) -> str:
    """The path of the oldest matching interpreter on this machine; empty if missing.

    uv takes 30 ms to find an interpreter, so the answer is cached. The key holds the state of the searched folders.
    """
    from cartwheel.machine import interpreters

    env = environment.uv_environment(snapshot.environ)

    def find() -> Mapping[str, str]:
        answer = interpreters.any_interpreter(python, minimum, env)
        if isinstance(answer, interpreters.NoInterpreter):
            raise _NotHere
        return {"path": answer.path}

    key = f"interpreter {python} {minimum} by {' '.join(_state(p) for p in _places(snapshot.environ))}"
    try:
        answer = snapshot.remember(key, find)["path"]
        return answer if os.path.exists(answer) else find()["path"]
    except _NotHere:
        return ""


def interpreter_tool(tool: str, snapshot: Snapshot) -> str:
    """The path of the interpreter that a step's tool name stands for; empty if missing."""
    python = tool.removeprefix(TOOL)
    return path("abi3", python.removeprefix(">="), snapshot) if python.startswith(">=") else path(python, "", snapshot)


class _NotHere(CartwheelError):
    """Raised so that a miss is not cached: the interpreter may be installed later in a folder outside the key."""


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Folders whose modification time changes when an interpreter is installed."""
    yield from (Path(part) for part in environ.get("PATH", "").split(os.pathsep) if part)
    home = environment.home_folder(environ)
    yield Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    yield Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")


def _state(folder: Path) -> str:
    try:
        return f"{folder}={os.stat(folder).st_mtime_ns}"
    except OSError:
        return f"{folder}=-"


def missing_interpreter(python: str, minimum: str) -> str:
    """The error message for a missing interpreter, with the command that installs it."""
    version = minimum if python in ("abi3", "abi3t") else python
    return f"Python {version} is not installed, and this wheel is compiled with it; {_install_command(version)}"


def backend_needs(python: str, minimum: str, snapshot: Snapshot) -> tuple[ToolNeed, ...]:
    """The missing tools that a backend needs to compile. An interpreter found before is not searched again."""
    version = minimum if python in ("abi3", "abi3t") else python
    needs = (
        [] if path(python, minimum, snapshot) else [ToolNeed(name=f"Python {version}", fix=_install_command(version))]
    )
    if os.name != "nt" and not any(
        shutil.which(name, path=snapshot.environ.get("PATH")) for name in _compilers(snapshot)
    ):
        needs.append(ToolNeed(name="a C compiler", fix=_COMPILER.get(sys.platform, "install gcc or clang")))
    return tuple(needs)


def compiler(name: str, snapshot: Snapshot) -> str:
    """The program to run for `cc` or `c++`: from CC or CXX if set, else that name."""
    command = split_command(snapshot.environ.get({"cc": "CC", "c++": "CXX"}[name], ""))
    return command[0] if command else name


def _compilers(snapshot: Snapshot) -> tuple[str, ...]:
    return (compiler("cc", snapshot), "gcc", "clang")


_COMPILER = {
    "linux": "apt-get install build-essential, or your system's packages with gcc and g++",
    "darwin": "xcode-select --install",
}


def _install_command(version: str) -> str:
    return f"uv python install {version}"
