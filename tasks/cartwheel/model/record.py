"""A record: what a step read and wrote when it last succeeded.  One small JSON file a task.

Digests are of content and paths are relative, so a record means the same in every clone and on every machine;
only `tools` and `seen.local` are bound to the machine that made it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

SCHEMA = 1


class UnreadableRecord(ValueError):
    """The file is not a record that this version understands; the text says why."""


class Dependencies(Struct, frozen=True, kw_only=True):
    """What a step depends on besides its settings and earlier steps, and how that is found again."""

    listing: Mapping[str, str] = {}
    """Path to digest; `""` where no file was and its appearance counts."""
    facts: Mapping[str, str] = {}
    """Values of other kinds by name, compared as text and shown in reasons: `pyo3` to `0.29.3 …`."""
    local: Mapping[str, str] = {}
    """Absolute path to digest: files outside the project; compared only on the machine that made the record."""
    learned: Mapping[str, tuple[str, ...]] = {}
    """Names by kind that the step was seen to read; what its sources need to look again."""
    written: tuple[str, ...] = ()
    """What was written while the step ran: by itself, where it is the same at the next one."""
    generated: tuple[str, ...] = ()
    """What the commands before it made, and git does not hold: not part of the listing."""
    hints: Mapping[str, str] = {}
    """Digests that save looking again; never compared."""


class Record(Struct, frozen=True, kw_only=True):
    """One success of one step."""

    task: str
    settings: Mapping[str, str]
    """The declared settings, by name; shown in reasons."""
    needs: Mapping[str, str]
    """Path to digest of what earlier steps wrote."""
    makes: Mapping[str, str]
    """Path to digest of what this step wrote."""
    seen: Dependencies
    tools: Mapping[str, str]
    """Name to version of what it was made with; compared only on `machine`."""
    machine: str
    seconds: float


class _File(Struct, frozen=True, kw_only=True):
    """A record as it is kept: its listing of inputs lies in a shared file of its own, named by its digest."""

    schema: int
    listing: str
    record: Record


class _Head(Struct):
    schema: int


def is_variable(fact: str) -> bool:
    """Whether a name among `Seen.facts` is that of an environment variable: the others are words with spaces."""
    return " " not in fact


def to_json(record: Record, listing: str) -> bytes:
    """The record's file; `listing` names the file with the listing of its inputs."""
    kept = replace(record, seen=replace(record.seen, listing={}))
    return json.format(json.encode(_File(schema=SCHEMA, listing=listing, record=kept)), indent=1) + b"\n"


def from_json(data: bytes) -> tuple[Record, str]:
    """The record and the name of its listing; raises `UnreadableRecord`."""
    try:
        found = json.decode(data, type=_File)
    except (DecodeError, UnicodeDecodeError):
        raise UnreadableRecord(_why(data)) from None
    if found.schema != SCHEMA:
        raise UnreadableRecord(_why(data))
    return found.record, found.listing


def _why(data: bytes) -> str:
    try:
        newer = json.decode(data, type=_Head).schema > SCHEMA
    except (DecodeError, UnicodeDecodeError):
        newer = False
    return "it was written by a newer version of cartwheel" if newer else "it is damaged"


def listing_to_json(listing: Mapping[str, str]) -> bytes:
    """The shared file of a listing."""
    return json.format(json.encode(dict(sorted(listing.items()))), indent=0)


def listing_from_json(data: bytes, name: str) -> Mapping[str, str]:
    """The listing; raises `UnreadableRecord` where the file is not the one of that name."""
    if listing_name(data) != name:
        raise UnreadableRecord("its list of inputs is damaged")
    found: Mapping[str, str] = json.decode(data, type=dict[str, str])
    return found


def record_with_listing(record: Record, listing: Mapping[str, str]) -> Record:
    """The record with the listing of its inputs, which it was kept without."""
    return replace(record, seen=replace(record.seen, listing=listing))


def listing_name(data: bytes) -> str:
    """The name of a listing's file: its digest."""
    return hashlib.sha256(data).hexdigest()[:32]
