"""Interpreters that can be started here, and how: this machine's own, those of a machine it can stand in for, and those
of another one in a file system that is named, by qemu."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from cartwheel.machine.host import Host, this_machine
from cartwheel.model.check_report import HERE
from cartwheel.model.errors import CartwheelError
from cartwheel.model.wheels.architecture import BY_NAME
from cartwheel.model.wheels.python import ABI3, ABI3T, PURE, implementation, maturin_interpreter, oldest, version
from cartwheel.model.wheels.target import Target, version_of_floor
from cartwheel.process.run import capture, module_command

UV = module_command("uv")

Through = Callable[[tuple[str, ...], Mapping[str, str], Path], tuple[str, ...]]
"""From a command, its environment and its folder to the command that this machine starts for it."""


def directly(argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
    """As it is."""
    return argv


class Interpreter(Struct, frozen=True, kw_only=True):
    """One that can be started here."""

    path: str
    """Its file; in a container's own file system where it is in one."""
    by: str = HERE
    """What starts it, in words."""
    through: Through = directly
    """How it, and other programs for its machine, are started."""
    env: Mapping[str, str] = {}
    """What its programs are given besides."""
    foreign: bool = False
    """It is for another machine than this: nothing is compiled for it unless that is allowed."""
    alone: bool = False
    """Programs that are not in its environment are not to be had from this machine, but from where it is."""


class NoInterpreter(Struct, frozen=True, kw_only=True):
    """None can be started."""

    why: str
    """In words."""
    all: bool = False
    """It would be the same for every other Python."""


def native_interpreter(target: Target, floor: str, python: str, env: Mapping[str, str]) -> Interpreter | NoInterpreter:
    """This machine's own, where it is of the target's kind; else one of a kind that it runs besides."""
    host = this_machine()
    if why := cannot_run(target, host, floor or target.floor):
        request = _besides(target, python, host)
        path = _asked(request, env) if request else ""
        return Interpreter(path=path, by=f"{target.machine} here") if path else NoInterpreter(why=why, all=True)
    path = interpreter_path(python, env)
    return Interpreter(path=path) if path else NoInterpreter(why=f"{display_name(python)} is not installed here")


def some(python: str, minimum: str, env: Mapping[str, str]) -> Interpreter | NoInterpreter:
    """This machine's own for a wheel that several can run, the oldest that it promises (`minimum`) where it is here."""
    stable = oldest(python, minimum) if python in (ABI3, ABI3T) else ""
    wanted = (stable, f">={stable}") if stable else (python,)
    path = next((path for request in wanted if (path := interpreter_path(request, env))), "")
    if path:
        return Interpreter(path=path)
    return NoInterpreter(why=f"{f'Python {stable} or newer' if stable else display_name(python)} is not installed here")


def display_name(python: str) -> str:
    """`Python 3.13`, `PyPy 3.11`, `GraalPy 3.12`."""
    kind = implementation(python)
    return f"{_IMPLEMENTATIONS[kind]} {python.removeprefix(kind)}"


_IMPLEMENTATIONS = {"cpython": "Python", "pypy": "PyPy", "graalpy": "GraalPy"}


def cannot_run(target: Target, host: Host, floor: str) -> str:
    """Why `host` cannot run what is compiled for `target`, `""` when it can."""
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
    return f"{machine} {name}{runtime}".lstrip()  # a universal wheel is for no machine in particular


_BESIDES = {
    ("linux", "x86_64", "i686"): "linux-x86-gnu",
    ("linux", "aarch64", "armv7l"): "linux-armv7-gnueabihf",
    ("windows", "amd64", "x86"): "windows-x86-none",
    ("windows", "arm64", "amd64"): "windows-x86_64-none",
    ("windows", "arm64", "x86"): "windows-x86-none",
    ("macos", "arm64", "x86_64"): "macos-x86_64-none",
}
"""System, machine and the other machine whose programs it starts too (32-bit ones, Rosetta 2, Windows' emulation), with
uv's name for such an interpreter.  Whether one is here decides: a kernel or a Mac may lack the support."""


def _besides(target: Target, python: str, host: Host) -> str:
    """What uv is asked for, empty where this machine runs nothing for the target."""
    if target.libc not in ("", "gnu", "msvc") or (target.system == "linux" and host.libc != "gnu"):
        return ""
    platform = _BESIDES.get((host.system, host.machine, target.machine))
    if not platform or not version(python):
        return ""
    free = "+freethreaded" if python.endswith("t") else ""
    return f"{implementation(python)}-{version(python)}{free}-{platform}"


def interpreter_path(python: str, env: Mapping[str, str]) -> str:
    """The path of an interpreter (`3.13`, `3.14t`, `pypy3.11`, `>=3.16`, or `py3` for the running one's version); `""`
    for none.

    uv gives up at a broken program on PATH, such as pyenv's stand-ins: then pyenv's own folders are looked at.
    """
    request = f"{sys.version_info.major}.{sys.version_info.minor}" if python == PURE else python.partition("-v")[0]
    if path := _asked(request, env):
        return path
    root = Path(env.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    kept = sorted(root.glob(f"{request}.*/bin/python{request}")) if re.fullmatch(r"3\.\d+t?", request) else []
    return str(kept[-1]) if kept else ""


def _asked(request: str, env: Mapping[str, str]) -> str:
    command = (*UV, "python", "find", "--no-project", "--no-config", "--no-python-downloads", "--system", request)
    try:
        return capture(command, cwd=Path(sys.executable).parent, env=env).strip()
    except CartwheelError:
        return ""


# Emulation


def _loader(target: Target) -> str:
    """The path of the dynamic loader in a file system for the target; empty if nobody emulates such a machine."""
    row = BY_NAME.get(target.arch) if target.system == "linux" else None
    return (row.musl_loader if target.libc == "musl" else row.glibc_loader) if row else ""


QEMU = "apt-get install qemu-user-static, or your system's package of that name"
SYSROOT = "CARTWHEEL_SYSROOT_"
"""And the triple in capitals: the folder with a file system of such a machine."""


def variable(target: Target) -> str:
    """`CARTWHEEL_SYSROOT_AARCH64_UNKNOWN_LINUX_GNU`."""
    return SYSROOT + re.sub(r"[^A-Za-z0-9]", "_", target.triple).upper()


def sysroot(target: Target, env: Mapping[str, str]) -> Path | None:
    """The folder that is named for such a machine, or that qemu is told of, if it is for one; looks, starts nothing."""
    loader = _loader(target)
    if not loader or sys.platform != "linux":
        return None
    if folder := env.get(variable(target)):
        return Path(folder)
    folder = env.get("QEMU_LD_PREFIX")
    return Path(folder) if folder and os.path.lexists(Path(folder, loader)) else None


def emulated_interpreter(
    target: Target, floor: str, python: str, env: Mapping[str, str]
) -> Interpreter | NoInterpreter | None:
    """One of the file system that is named for the target; None where none is."""
    root = sysroot(target, env)
    if root is None:
        return None
    loader = _loader(target)
    if not os.path.lexists(root / loader):
        return NoInterpreter(why=f"{root} has no {loader}, so it is no file system of {target.triple}", all=True)
    suffix = BY_NAME[target.arch].qemu or target.arch
    qemu = _qemu(suffix, env)
    if not qemu:
        return NoInterpreter(why=f"qemu-{suffix} is missing; {QEMU}", all=True)
    path = _within(root, python)
    if not path:
        return NoInterpreter(why=f"{display_name(python)} is not in {root}")
    prefix = (qemu, "-L", str(root))
    interpreter = Interpreter(
        path=path, by=f"emulated by {Path(qemu).name}", foreign=True, env={"QEMU_LD_PREFIX": str(root)},
        through=lambda argv, env, cwd: (*prefix, *argv),
    )  # fmt: skip
    why = _unfit(target, floor, interpreter, root, env)
    return NoInterpreter(why=why, all=True) if why else interpreter


def _qemu(suffix: str, env: Mapping[str, str]) -> str:
    names = (f"qemu-{suffix}", f"qemu-{suffix}-static")
    return next((path for name in names if (path := shutil.which(name, path=env.get("PATH")))), "")


_FOLDERS = ("usr/local/bin", "usr/bin", "bin", "opt/python/*/bin")


def _within(root: Path, python: str) -> str:
    """An interpreter inside a file system; links are followed as that file system means them."""
    name = "python3" if python == PURE else maturin_interpreter(python)
    kept = (path for folder in _FOLDERS for path in sorted(root.glob(f"{folder}/{name}")))
    return next((str(path) for path in kept if os.path.lexists(path)), "")


_ASKED = """
import os, venv
try:
    print(os.confstr("CS_GNU_LIBC_VERSION").split()[1])
except (AttributeError, OSError, ValueError):
    print("0.0")
"""


def _unfit(target: Target, floor: str, interpreter: Interpreter, root: Path, env: Mapping[str, str]) -> str:
    """Why an environment for wheels of that floor cannot be made of it, by what it says itself; empty where it can."""
    command = interpreter.through((interpreter.path, "-I", "-c", _ASKED), env, root)
    try:
        there = capture(command, cwd=root, env={**env, **interpreter.env}).strip()
    except CartwheelError as error:
        code, _, said = str(error).rpartition(": exit ")[2].partition(":")
        return f"{interpreter.path} makes no environments: {(said.strip() or f'exit {code}').splitlines()[-1]}"
    oldest = version_of_floor(target, floor or target.floor, where="floor")
    version = tuple(int(part) for part in there.split(".")[:2])
    if target.libc != "gnu" or version >= oldest:
        return ""
    return f"{root} has glibc {there}; the wheel is for {oldest[0]}.{oldest[1]} and newer"
