"""Platform tags of wheel names, by system, architecture and floor."""

from __future__ import annotations

import re

from msgspec import Struct

from cartwheel.model.wheels.outside_facts import LEGACY_MANYLINUX


class Platform(Struct, frozen=True, kw_only=True):
    """One platform tag: a system, an architecture and the oldest version of the system that it runs on."""

    system: str
    """`glibc`, `musl`, `linux`, `macos`, `windows`, `ios`, `android`, `wasm`, `any`, or the tag itself if unknown."""
    arch: str
    floor: tuple[int, int] = (0, 0)

    @property
    def label(self) -> str:
        """`glibc x86_64`, `windows win32`."""
        return f"{self.system} {self.arch}".strip()


_PLATFORMS = (
    (re.compile(r"manylinux_(\d+)_(\d+)_(\w+)"), "glibc"),
    (re.compile(r"musllinux_(\d+)_(\d+)_(\w+)"), "musl"),
    (re.compile(r"macosx_(\d+)_(\d+)_(\w+)"), "macos"),
    (re.compile(r"ios_(\d+)_(\d+)_(\w+)"), "ios"),
    (re.compile(r"android_(\d+)()_(\w+)"), "android"),
    (re.compile(r"(?:pyemscripten|pyodide|emscripten)_(\d+)_(\d+)(?:_\d+)?_(wasm32)"), "wasm"),
    (re.compile(r"(linux)()_(\w+)"), "linux"),
    (re.compile(r"(win)()(32|_\w+)"), "windows"),
)


_FAT = {"universal2": ("x86_64", "arm64"), "intel": ("x86_64", "i386")}
"""macOS architectures that a fat binary joins (packaging 26, `tags.py`)."""


def platforms(tag: str) -> tuple[Platform, ...]:
    """The platforms of one platform tag; two for a fat macOS binary."""
    legacy, _, arch = tag.partition("_")
    if legacy in LEGACY_MANYLINUX:
        return (Platform(system="glibc", arch=arch, floor=LEGACY_MANYLINUX[legacy]),)
    for pattern, system in _PLATFORMS:
        if match := pattern.fullmatch(tag):
            if system in ("windows", "linux"):
                return (Platform(system=system, arch=tag if system == "windows" else match[3]),)
            floor = (int(match[1]), int(match[2] or 0))
            arches = _FAT.get(match[3], (match[3],)) if system == "macos" else (match[3],)
            oldest = {"arm64": (11, 0)} if system == "macos" else {}
            return tuple(Platform(system=system, arch=a, floor=max(floor, oldest.get(a, floor))) for a in arches)
    return (Platform(system=tag, arch=""),)


def is_wheel(file: str) -> bool:
    """Whether a file name is a wheel's."""
    return file.endswith(".whl")


def is_sdist(file: str) -> bool:
    """Whether a file name is a source distribution's."""
    return file.endswith((".tar.gz", ".zip"))
