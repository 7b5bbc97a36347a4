"""The limits of parallel work on this machine: processors, free memory, and the wheels that fit into both."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

_WHEEL_BYTES = 1_500_000_000
"""Memory that one compiling wheel may take.  Linking takes the most; large crates with LTO need 1 to 2 GB."""

_WHEELS_PER_PROCESSOR = 4
"""More wheels than processors, so that a processor is busy while a wheel links, packs or starts an interpreter."""

_CGROUP = Path("/sys/fs/cgroup")


class Capacity(Struct, frozen=True, kw_only=True):
    """The limits of one run on this machine."""

    processors: int
    memory: int
    """Free bytes."""

    @property
    def wheels(self) -> int:
        """The most wheels that compile at the same time, and so the most that link at the same time."""
        return max(1, min(self.processors * _WHEELS_PER_PROCESSOR, self.memory // _WHEEL_BYTES))


def capacity() -> Capacity:
    """The limits now; a container's limits count."""
    return Capacity(processors=processors(), memory=_free_memory())


def processors() -> int:
    """The number of processors that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _cgroup("cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, max(1, int(quota) // int(period)))
    return count


def _free_memory() -> int:
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    return min(free, max(0, int(limit) - int(used))) if limit.isdigit() and used.isdigit() else free


def _cgroup(name: str) -> str:
    """A value of this process's control group (version 2, as containers see their own); empty if missing."""
    try:
        return (_CGROUP / name).read_text().strip()
    except OSError:
        return ""
