"""A target: where a wheel runs, named by its Rust triple, and the platform tag that promises it."""

from __future__ import annotations

import re

from msgspec import Struct

from cartwheel.model.errors import ConfigError, did_you_mean

ANY = "any"

_LEGACY_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


class Target(Struct, frozen=True, kw_only=True):
    """One row of `TARGETS`: the facts of a triple that every stage reads."""

    triple: str
    system: str
    """`linux`, `macos`, `windows` or `any`."""
    libc: str = ""
    """`gnu` or `musl` on Linux, `gnu` or `msvc` on Windows, else empty."""
    arch: str = ""
    """The architecture as the wheel's platform tag writes it."""
    floor: str = ""
    """The oldest system promised when the project does not say: `manylinux2014`, `musllinux_1_2`, `11.0`."""
    machine: str = ""
    """The architecture as `platform.machine()` says it on a machine of this kind, lower case."""


def _linux(triple: str, arch: str, floor: str, machine: str = "") -> Target:
    libc = "musl" if "musl" in triple else "gnu"
    return Target(triple=triple, system="linux", libc=libc, arch=arch, floor=floor, machine=machine or arch)


def _windows(triple: str, arch: str, machine: str) -> Target:
    return Target(triple=triple, system="windows", libc=triple.rsplit("-", 1)[1], arch=arch, machine=machine)


def _macos(triple: str, arch: str, floor: str) -> Target:
    return Target(triple=triple, system="macos", arch=arch, floor=floor, machine=arch)


_ROWS = (
    Target(triple=ANY, system=ANY),
    _linux("x86_64-unknown-linux-gnu", "x86_64", "manylinux2014"),
    _linux("i686-unknown-linux-gnu", "i686", "manylinux2014"),
    _linux("aarch64-unknown-linux-gnu", "aarch64", "manylinux2014"),
    _linux("armv7-unknown-linux-gnueabihf", "armv7l", "manylinux2014"),
    _linux("powerpc64le-unknown-linux-gnu", "ppc64le", "manylinux2014"),
    _linux("s390x-unknown-linux-gnu", "s390x", "manylinux2014"),
    _linux("riscv64gc-unknown-linux-gnu", "riscv64", "manylinux_2_31"),
    _linux("x86_64-unknown-linux-musl", "x86_64", "musllinux_1_2"),
    _linux("i686-unknown-linux-musl", "i686", "musllinux_1_2"),
    _linux("aarch64-unknown-linux-musl", "aarch64", "musllinux_1_2"),
    _linux("armv7-unknown-linux-musleabihf", "armv7l", "musllinux_1_2"),
    _macos("x86_64-apple-darwin", "x86_64", "10.12"),
    _macos("aarch64-apple-darwin", "arm64", "11.0"),
    _windows("x86_64-pc-windows-msvc", "win_amd64", "amd64"),
    _windows("x86_64-pc-windows-gnu", "win_amd64", "amd64"),
    _windows("i686-pc-windows-msvc", "win32", "x86"),
    _windows("i686-pc-windows-gnu", "win32", "x86"),
    _windows("aarch64-pc-windows-msvc", "win_arm64", "arm64"),
)
"""Triple, platform tag and lowest floor: maturin's platform table, read November 2026."""

TARGETS = {row.triple: row for row in _ROWS}


def target_named(triple: str, *, where: str) -> Target:
    """The target of that name; `where` names the place it was written, for the error."""
    try:
        return TARGETS[triple]
    except KeyError:
        hint = did_you_mean(triple, TARGETS)
        raise ConfigError(f"{where}: unknown target '{triple}'{hint}") from None


def version_of_floor(target: Target, floor: str, *, where: str) -> tuple[int, int]:
    """The libc or macOS version that a floor names, `(2, 17)` for `manylinux2014`; `(0, 0)` where there is none."""
    kind = _FLOOR_FORMS.get((target.system, target.libc), _FLOOR_FORMS.get((target.system, "")))
    if kind is None:
        if floor:
            raise ConfigError(f"{where}: floor '{floor}' for {target.triple}; this target has none, remove it")
        return (0, 0)
    pattern, example = kind
    if floor in _LEGACY_MANYLINUX and target.libc == "gnu":
        return _LEGACY_MANYLINUX[floor]
    match = re.fullmatch(pattern, floor)
    if match is None:
        raise ConfigError(f"{where}: floor '{floor}' for {target.triple}; expected one like '{example}'")
    return (int(match[1]), int(match[2]))


_FLOOR_FORMS = {
    ("linux", "gnu"): (r"manylinux_(\d+)_(\d+)", "manylinux_2_28"),
    ("linux", "musl"): (r"musllinux_(\d+)_(\d+)", "musllinux_1_2"),
    ("macos", ""): (r"(\d+)\.(\d+)", "11.0"),
}


def platform_tag(target: Target, floor: str) -> str:
    """The platform part of the wheel's file name, in the sorted order that the binary distribution format asks for."""
    major, minor = version_of_floor(target, floor, where="floor")
    if target.system == "linux" and target.libc == "musl":
        return f"musllinux_{major}_{minor}_{target.arch}"
    if target.system == "linux":
        modern = f"manylinux_{major}_{minor}_{target.arch}"
        legacy = [f"{name}_{target.arch}" for name, v in _LEGACY_MANYLINUX.items() if v == (major, minor)]
        return ".".join(sorted([modern, *legacy]))
    if target.system == "macos":
        return f"macosx_{major}_{minor}_{target.arch}"
    return target.arch if target.system == "windows" else ANY
