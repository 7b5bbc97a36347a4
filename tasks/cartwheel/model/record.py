"""A record: what a step read and wrote when it last succeeded.  One small JSON file for each task.

Digests are of content and paths are relative, so a record is valid in every clone and on every machine; only `tools`
and `seen.local` are valid on one machine alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

SCHEMA = 1


class UnreadableRecord(ValueError):
    """The file is not a record that this version reads; the text says why."""


class Dependencies(Struct, frozen=True, kw_only=True):
    """What a step depends on besides its settings and earlier steps, and how to look at it again."""

    listing: Mapping[str, str] = {}
    """Path to digest; `""` for a missing file whose appearance counts."""
    facts: Mapping[str, str] = {}
    """Other values by name, compared as text and shown in reasons: `pyo3` to `0.29.3 …`."""
    local: Mapping[str, str] = {}
    """Absolute path to digest: files outside the project; compared only on the machine that made the record."""
    learned: Mapping[str, tuple[str, ...]] = {}
    """Names that the step was seen to read, by kind; its sources look at these again."""
    written: tuple[str, ...] = ()
    """Files that were written while the step ran; if they are the same at the next run, the step writes them itself."""
    generated: tuple[str, ...] = ()
    """Files that the commands before it made and git does not hold; not in the listing."""
    hints: Mapping[str, str] = {}
    """Cached digests; never compared."""


class Record(Struct, frozen=True, kw_only=True):
    """One success of one step."""

    task: str
    settings: Mapping[str, str]
    """The settings, by name; shown in reasons."""
    needs: Mapping[str, str]
    """Path to digest of the files that earlier steps wrote."""
    makes: Mapping[str, str]
    """Path to digest of the files that this step wrote."""
    seen: Dependencies
    tools: Mapping[str, str]
    """Tool to version; compared only on `machine`."""
    machine: str
    seconds: float


class _File(Struct, frozen=True, kw_only=True):
    """A record on disk: its listing of inputs is in a shared file that is named by its digest."""

    schema: int
    listing: str
    record: Record


class _Head(Struct):
    schema: int


def is_variable(fact: str) -> bool:
    """Whether a name in `Dependencies.facts` is an environment variable's; the other names contain spaces."""
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
    """The listing; raises `UnreadableRecord` if the file's digest is not its name."""
    if listing_name(data) != name:
        raise UnreadableRecord("its list of inputs is damaged")
    found: Mapping[str, str] = json.decode(data, type=dict[str, str])
    return found


def record_with_listing(record: Record, listing: Mapping[str, str]) -> Record:
    """The record with the listing of its inputs, which is stored apart from it."""
    return replace(record, seen=replace(record.seen, listing=listing))


def listing_name(data: bytes) -> str:
    """The name of a listing's file: its digest."""
    return hashlib.sha256(data).hexdigest()[:32]
