"""Interpreters that this machine can start: native or compatible (32-bit, Rosetta)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from cartwheel.machine.host import Host, this_machine
from cartwheel.model.check_report import HERE
from cartwheel.model.errors import CartwheelError
from cartwheel.model.wheels.python import ABI3, ABI3T, PURE, implementation, oldest, version
from cartwheel.model.wheels.target import Target, version_of_floor
from cartwheel.process.run import capture, module_command

UV = module_command("uv")

Through = Callable[[tuple[str, ...], Mapping[str, str], Path], tuple[str, ...]]
"""Maps a command, its environment and its folder to the command that this machine starts for it."""


def directly(argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
    """The command unchanged, for a native interpreter."""
    return argv


class Interpreter(Struct, frozen=True, kw_only=True):
    """An interpreter that can be started on this machine."""

    path: str
    """The path; inside the container if the interpreter is in one."""
    by: str = HERE
    """How it is started, in words for reports: `here`, `emulated by qemu-aarch64`."""
    through: Through = directly
    """Wraps commands for the interpreter and for other programs of its machine."""
    env: Mapping[str, str] = {}
    """Further environment variables for its programs."""
    foreign: bool = False
    """It is for another kind of machine, so requirements are compiled for it only if `test.compile` allows that."""
    alone: bool = False
    """Programs missing in its environment are searched beside the interpreter, not on this machine."""
    version: str = ""
    """Its version, `3.13`, if it runs on another system and uv must install for it without starting it."""
    local_path: Callable[[str], str] = str
    """The path of this machine for a path that the interpreter reports."""


class NoInterpreter(Struct, frozen=True, kw_only=True):
    """The reason that no interpreter can be started."""

    why: str
    """The reason in words for people."""
    all: bool = False
    """The reason applies to every Python version."""
    install: str = ""
    """What uv is asked to install, `3.13`, if that is all that is missing."""


def reasons(missing: Iterable[NoInterpreter]) -> tuple[str, ...]:
    """The different reasons in words; interpreters that can be installed share one, with the command."""
    every = tuple(missing)
    others = tuple(dict.fromkeys(one.why for one in every if not one.install))
    names = tuple(dict.fromkeys(one.install for one in every if one.install))
    if not names:
        return others
    shown = ", ".join(map(display_name, names))
    verb, them = ("are", "them") if names[1:] else ("is", "it")
    return (*others, f"{shown} {verb} not installed here; install {them}: uv python install {' '.join(names)}")


def native_interpreter(target: Target, floor: str, python: str, env: Mapping[str, str]) -> Interpreter | NoInterpreter:
    """A native interpreter for the target, else a compatible one (32-bit, Rosetta, Windows' emulation)."""
    host = this_machine()
    if why := cannot_run(target, host, floor or target.floor):
        request = _compatible_request(target, python, host)
        path = _uv_find(request, env) if request else ""
        kind = "musl" if target.libc == "musl" else target.machine
        return Interpreter(path=path, by=f"{kind} here") if path else NoInterpreter(why=why, all=True)
    path = interpreter_path(python, env)
    if path:
        return Interpreter(path=path)
    return NoInterpreter(why=f"{display_name(python)} is not installed here", install=python)


def any_interpreter(python: str, minimum: str, env: Mapping[str, str]) -> Interpreter | NoInterpreter:
    """A native interpreter that can run the wheel: the oldest supported (`minimum`) if installed, else a newer one."""
    stable = oldest(python, minimum) if python in (ABI3, ABI3T) else ""
    requests = (stable, f">={stable}") if stable else (python,)
    path = next((path for request in requests if (path := interpreter_path(request, env))), "")
    if path:
        return Interpreter(path=path)
    name = f"Python {stable} or newer" if stable else display_name(python)
    return NoInterpreter(why=f"{name} is not installed here", install=stable or python)


def display_name(python: str) -> str:
    """The interpreter's name in messages: `Python 3.13`, `PyPy 3.11`, `GraalPy 3.12`."""
    kind = implementation(python)
    return f"{_IMPLEMENTATIONS[kind]} {python.removeprefix(kind)}"


_IMPLEMENTATIONS = {"cpython": "Python", "pypy": "PyPy", "graalpy": "GraalPy"}


def cannot_run(target: Target, host: Host, floor: str) -> str:
    """The reason that `host` cannot run code compiled for `target`; empty if it can."""
    if not host.runs(target):
        meant = _in_words(target.system, target.machine, target.libc)
        return f"this machine is {_in_words(host.system, host.machine, host.libc)}; the wheel is for {meant}"
    if target.system == "linux" and target.libc == "gnu":
        oldest = version_of_floor(target, floor, where="floor")
        if host.glibc < oldest:
            there = ".".join(map(str, host.glibc))
            return f"this machine has glibc {there}; the wheel is for {oldest[0]}.{oldest[1]} and newer"
    return ""


def _in_words(system: str, machine: str, libc: str) -> str:
    name = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}.get(system, system)
    runtime = {"gnu": " with glibc", "musl": " with musl"}.get(libc, "") if system == "linux" else ""
    return f"{machine} {name}{runtime}".lstrip()  # a universal wheel has no machine


_COMPATIBLE = {
    ("linux", "x86_64", "i686"): "linux-x86-gnu",
    ("linux", "aarch64", "armv7l"): "linux-armv7-gnueabihf",
    ("windows", "amd64", "x86"): "windows-x86-none",
    ("windows", "arm64", "amd64"): "windows-x86_64-none",
    ("windows", "arm64", "x86"): "windows-x86-none",
    ("macos", "arm64", "x86_64"): "macos-x86_64-none",
}
"""uv's platform of an interpreter for a compatible machine, by system, machine and compatible machine.

These are 32-bit programs, Rosetta 2 and Windows' emulation.  A kernel or a Mac may lack the support, so such an
interpreter is used only if it is installed.
"""


def _compatible_request(target: Target, python: str, host: Host) -> str:
    """uv's request for a compatible interpreter; empty if this machine is not compatible with the target."""
    if target.libc not in ("", "gnu", "msvc", "musl") or (target.system == "linux" and host.libc != "gnu"):
        return ""
    musl = target.libc == "musl" and target.machine == host.machine and host.machine
    platform = (
        f"linux-{host.machine}-musl"
        if musl
        else ""
        if target.libc == "musl"
        else _COMPATIBLE.get((host.system, host.machine, target.machine))
    )
    if not platform or not version(python):
        return ""
    free = "+freethreaded" if python.endswith("t") else ""
    return f"{implementation(python)}-{version(python)}{free}-{platform}"


def interpreter_path(python: str, env: Mapping[str, str]) -> str:
    """The path of an interpreter; empty if it is not installed.

    `python` is `3.13`, `3.14t`, `pypy3.11`, `>=3.16`, or `py3` for the version of this process.  uv stops at a broken
    program on PATH, such as a shim of pyenv; then pyenv's folders are searched.
    """
    request = f"{sys.version_info.major}.{sys.version_info.minor}" if python == PURE else python.partition("-v")[0]
    if path := _uv_find(request, env):
        return path
    return _in_pyenv(request, env) if re.fullmatch(r"3\.\d+t?", request) else ""


def _in_pyenv(request: str, env: Mapping[str, str]) -> str:
    """The newest interpreter of that minor version in pyenv's or pyenv-win's folder; empty if missing."""
    if os.name == "nt":
        named = env.get("PYENV_ROOT") or env.get("PYENV")
        root = Path(named) if named else Path.home() / ".pyenv" / "pyenv-win"
        pattern = f"{request}.*/python.exe"
    else:
        root, pattern = Path(env.get("PYENV_ROOT") or Path.home() / ".pyenv"), f"{request}.*/bin/python{request}"
    folders = sorted((root / "versions").glob(pattern), key=_patch_release)
    return str(folders[-1]) if folders else ""


def _patch_release(path: Path) -> tuple[int, ...]:
    """The numbers in a pyenv folder's name, `3.11.10`, for sorting."""
    name = next(part for part in path.parts[::-1] if re.match(r"3\.\d+\.", part))
    return tuple(int(digits) for digits in re.findall(r"\d+", name))


def _uv_find(request: str, env: Mapping[str, str]) -> str:
    command = (*UV, "python", "find", "--no-project", "--no-config", "--no-python-downloads", "--system", request)
    try:
        return capture(command, cwd=Path(sys.executable).parent, env=env).strip()
    except CartwheelError:
        return ""
