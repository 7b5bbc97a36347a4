"""The interpreters of this machine that backends compile for: found, and known again without starting them."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.model.step import Snapshot
from cartwheel.process import environment
from cartwheel.toolchain.requirements import ToolNeed

TOOL = "python "
"""What the names of interpreters among a step's tools begin with."""


def tool(python: str, minimum: str) -> str:
    """The name of the interpreter among a step's tools: `python 3.13`, `python >=3.11` for the limited API."""
    return f"{TOOL}>={minimum}" if python in ("abi3", "abi3t") else f"{TOOL}{python}"


def path(python: str, minimum: str, snapshot: Snapshot) -> str:
    """Where it is on this machine, the oldest that the wheel is for; empty where it is not here.

    uv takes 30 ms to find one, so the answer is kept under what the folders say in which it looks.
    """
    from cartwheel.machine import interpreters

    env = environment.uv_environment(snapshot.environ)

    def find() -> Mapping[str, str]:
        found = interpreters.some(python, minimum, env)
        if isinstance(found, interpreters.NoInterpreter):
            raise _NotHere
        return {"path": found.path}

    key = f"interpreter {python} {minimum} by {' '.join(_state(p) for p in _places(snapshot.environ))}"
    try:
        found = snapshot.remember(key, find)["path"]
        return found if os.path.exists(found) else find()["path"]
    except _NotHere:
        return ""


def interpreter_tool(tool: str, snapshot: Snapshot) -> str:
    """The path of the interpreter with that name among a step's tools."""
    python = tool.removeprefix(TOOL)
    return path("abi3", python.removeprefix(">="), snapshot) if python.startswith(">=") else path(python, "", snapshot)


class _NotHere(CartwheelError):
    """Not kept: it may be installed where nobody looked."""


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Folders in which installing an interpreter leaves a trace."""
    yield from (Path(part) for part in environ.get("PATH", "").split(os.pathsep) if part)
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "~").expanduser()
    yield Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    yield Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")


def _state(folder: Path) -> str:
    try:
        return f"{folder}={os.stat(folder).st_mtime_ns}"
    except OSError:
        return f"{folder}=-"


def missing_interpreter(python: str, minimum: str) -> str:
    """That it is not here, and what mends that."""
    version = minimum if python in ("abi3", "abi3t") else python
    return f"Python {version} is not here, and this wheel is compiled with it; {_mend(version)}"


def backend_needs(python: str, minimum: str, snapshot: Snapshot) -> tuple[ToolNeed, ...]:
    """What is not here of what a backend needs to compile; starts nothing that was asked before."""
    version = minimum if python in ("abi3", "abi3t") else python
    found = [] if path(python, minimum, snapshot) else [ToolNeed(name=f"Python {version}", mend=_mend(version))]
    if os.name != "nt" and not any(
        shutil.which(name, path=snapshot.environ.get("PATH")) for name in _compilers(snapshot)
    ):
        found.append(ToolNeed(name="a C compiler", mend=_COMPILER.get(sys.platform, "install gcc or clang")))
    return tuple(found)


def compiler(name: str, snapshot: Snapshot) -> str:
    """The program that is run for `cc` or `c++`: what CC or CXX say, else the one of that name."""
    said = shlex.split(snapshot.environ.get({"cc": "CC", "c++": "CXX"}[name], ""))
    return said[0] if said else name


def _compilers(snapshot: Snapshot) -> tuple[str, ...]:
    return (compiler("cc", snapshot), "gcc", "clang")


_COMPILER = {
    "linux": "apt-get install build-essential, or your system's packages with gcc and g++",
    "darwin": "xcode-select --install",
}


def _mend(version: str) -> str:
    return f"uv python install {version}"
