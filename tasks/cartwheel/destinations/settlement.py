"""Compares what an index of the PyPI kind lists with the plan; computes only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from cartwheel.destinations.protocol import in_order
from cartwheel.destinations.simple_api import ListedFile

WINDOW = timedelta(days=14)
"""How long after the first file PyPI accepts further files for a release (pypi/warehouse#19727, 8 July 2026)."""


class Conflict(Struct, frozen=True, kw_only=True):
    """A file on the index with other bytes."""

    file: str
    ours: str
    theirs: str


class Settlement(Struct, frozen=True, kw_only=True):
    """The decision for each file of a release, in order."""

    send: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    """Already there with the same bytes."""
    conflicts: tuple[Conflict, ...] = ()
    unknown: tuple[str, ...] = ()
    """Already there, without a digest to compare."""
    foreign: tuple[str, ...] = ()
    """There but not planned."""


def settle(planned: Mapping[str, str], listed: Mapping[str, str]) -> Settlement:
    """Compares planned with listed files; both are SHA-256 by file name."""
    there = {file: listed[file] for file in planned if file in listed}
    return Settlement(
        send=in_order({file for file in planned if file not in listed}),
        skip=in_order({file for file, theirs in there.items() if theirs == planned[file]}),
        conflicts=tuple(
            Conflict(file=file, ours=planned[file], theirs=theirs)
            for file, theirs in sorted(there.items())
            if theirs not in ("", planned[file])
        ),
        unknown=in_order({file for file, theirs in there.items() if not theirs}),
        foreign=in_order({file for file in listed if file not in planned}),
    )


def conflict_lines(settled: Settlement, index: str) -> tuple[str, ...]:
    """Reasons against sending; empty: sending is allowed."""
    lines = [
        f"{c.file}: {index} has it with other bytes: ours sha256 {c.ours}, theirs {c.theirs}; "
        "a published file is never replaced: release the next version"
        for c in settled.conflicts
    ]
    lines += [
        f"{file}: {index} has it and gives no digest, so it cannot be compared; compare it by hand"
        for file in settled.unknown
    ]
    lines += [
        f"{file}: {index} has it and the plan has not; plan it, or release the next version" for file in settled.foreign
    ]
    return tuple(lines)


def too_late(listed: Iterable[ListedFile], now: datetime) -> tuple[str, ...]:
    """Why PyPI would refuse further files of a release; empty if it would not."""
    first = min((row.uploaded for row in listed if row.uploaded), default=now)
    if now - first <= WINDOW:
        return ()
    return (f"the release is from {first:%d %B %Y}, and PyPI takes no file after 14 days; release the next version",)
