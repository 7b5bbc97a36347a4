"""This machine: its system and architecture, and an id for machine-bound data in records."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache

from msgspec import Struct

from cartwheel.model.wheels.architecture import linux_machine, macos_machine
from cartwheel.model.wheels.target import TARGETS, Target

_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
_MACHINES = {"linux": linux_machine, "macos": macos_machine}


class Host(Struct, frozen=True, kw_only=True):
    """A machine that builds or runs wheels."""

    system: str
    machine: str
    libc: str
    """`gnu` or `musl` on Linux, else empty."""
    glibc: tuple[int, int]
    """The version of glibc, `(0, 0)` without glibc."""

    def runs(self, target: Target) -> bool:
        """Whether programs for this target run on this machine."""
        if target.system == "any":
            return True
        same_libc = target.system != "linux" or target.libc == self.libc
        same_machine = target.machine == self.machine or bool(target.parts)
        return target.system == self.system and same_machine and same_libc

    @property
    def triple(self) -> str:
        """The triple of this machine; `any` if `TARGETS` has no matching row."""
        own = (t for t, row in TARGETS.items() if row.system == self.system and self.runs(row))
        return next(own, "any")

    def __str__(self) -> str:
        return f"{self.machine} {self.system}" + (f" ({self.libc})" if self.libc else "")


@cache
def this_machine() -> Host:
    """The machine that runs this process."""
    system = _SYSTEMS.get(sys.platform, sys.platform)
    machine = _uname()[1].lower()
    machine = _MACHINES.get(system, str)(machine)
    glibc = _glibc() if system == "linux" else (0, 0)
    libc = ("gnu" if glibc > (0, 0) else "musl") if system == "linux" else ""
    return Host(system=system, machine=machine, libc=libc, glibc=glibc)


def _uname() -> tuple[str, str]:
    """Node name and machine, without `platform` on POSIX, which takes 2 ms to import."""
    if hasattr(os, "uname"):
        return os.uname().nodename, os.uname().machine
    import platform

    return platform.node(), platform.machine()


def _glibc() -> tuple[int, int]:
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        major, minor = version.split(".")[:2]
    except (ValueError, OSError):
        return (0, 0)
    return (int(major), int(minor)) if name == "glibc" else (0, 0)


@cache
def machine_id() -> str:
    """A digest that identifies this machine."""
    parts = [_uname()[0], sys.platform]
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            parts.append(file.read().strip())
    except OSError:
        pass
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
