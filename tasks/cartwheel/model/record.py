"""A record: the inputs and outputs of a step's last success, in one small JSON file per task.

Digests are of content and paths are relative, so a record is valid in every clone and on every machine, except `tools`
and `seen.local`, which are valid only on the machine that made them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

SCHEMA = 1

FROM_CACHE = "shared cache"
"""Takes the place of the machine in a record that came from the shared cache."""

PROVEN = "shared cache, built twice"
"""Takes the place of the machine in a record from the shared cache whose files two different machines built with equal
digests. A release may use them."""


class UnreadableRecord(ValueError):
    """The file is not a record that this version can read; the text says why."""


class Dependencies(Struct, frozen=True, kw_only=True):
    """The files and facts that a step depends on, besides its settings and the outputs of earlier steps."""

    listing: Mapping[str, str] = {}
    """Path to digest; `""` for a missing file whose creation would make the step stale."""
    facts: Mapping[str, str] = {}
    """Other values by name, compared as text and shown in reasons: `{"pyo3": "0.29.3 …"}`."""
    local: Mapping[str, str] = {}
    """Absolute path to digest of files outside the project, and what git says of this clone (see `inputs.git_reads`).
    Compared only on the machine that made the record."""
    learned: Mapping[str, tuple[str, ...]] = {}
    """Names that the step was seen to read, by kind; its `Sources` evaluate them at the next judgement."""
    written: tuple[str, ...] = ()
    """Files that changed while the step ran.  If the next run leaves them equal, the step itself writes them."""
    generated: tuple[str, ...] = ()
    """Files that `before` commands made and that git ignores; not in the listing."""
    hints: Mapping[str, str] = {}
    """A cache of digests; never compared."""


class Record(Struct, frozen=True, kw_only=True):
    """One success of one step."""

    task: str
    settings: Mapping[str, str]
    """Setting name to value; shown in reasons."""
    needs: Mapping[str, str]
    """Path to digest of the outputs of earlier steps."""
    makes: Mapping[str, str]
    """Path to digest of the outputs of this step."""
    seen: Dependencies
    tools: Mapping[str, str]
    """Tool name to version; compared only on `machine`."""
    machine: str
    seconds: float


class _File(Struct, frozen=True, kw_only=True):
    """A record on disk.  Its input listing is in a separate file, shared by records and named by its digest."""

    schema: int
    listing: str
    record: Record


class _Head(Struct):
    schema: int


def is_variable(fact: str) -> bool:
    """Whether a name in `Dependencies.facts` is an environment variable; all other names contain a space."""
    return " " not in fact


def replaced_outputs(before: Record, makes: Collection[str], digest: Callable[[str], str]) -> tuple[str, ...]:
    """The files that `before` made and its step, which now makes `makes`, does not; without those edited since.

    `digest`: the present digest of a file, as records hold it.
    """
    return tuple(path for path, earlier in before.makes.items() if path not in makes and digest(path) == earlier)


def to_json(record: Record, listing: str) -> bytes:
    """The content of the record's file; `listing` is the name of the input listing's file."""
    portable = replace(record, seen=replace(record.seen, listing={}))
    return json.format(json.encode(_File(schema=SCHEMA, listing=listing, record=portable)), indent=1) + b"\n"


def from_json(data: bytes) -> tuple[Record, str]:
    """The record and the name of its input listing; raises `UnreadableRecord`."""
    try:
        document = json.decode(data, type=_File)
    except (DecodeError, UnicodeDecodeError):
        raise UnreadableRecord(_why(data)) from None
    if document.schema != SCHEMA:
        raise UnreadableRecord(_why(data))
    return document.record, document.listing


def _why(data: bytes) -> str:
    try:
        newer = json.decode(data, type=_Head).schema > SCHEMA
    except (DecodeError, UnicodeDecodeError):
        newer = False
    return "it was written by a newer version of cartwheel" if newer else "it is damaged"


def listing_to_json(listing: Mapping[str, str]) -> bytes:
    """The content of a listing's file, sorted by path."""
    return json.format(json.encode(dict(sorted(listing.items()))), indent=0)


def listing_from_json(data: bytes, name: str) -> Mapping[str, str]:
    """Parse a listing; raises `UnreadableRecord` if the digest of `data` is not `name`."""
    if listing_name(data) != name:
        raise UnreadableRecord("its list of inputs is damaged")
    listing: Mapping[str, str] = json.decode(data, type=dict[str, str])
    return listing


def record_with_listing(record: Record, listing: Mapping[str, str]) -> Record:
    """The record with its input listing filled in."""
    return replace(record, seen=replace(record.seen, listing=listing))


def listing_name(data: bytes) -> str:
    """The name of a listing's file: 32 hexadecimal digits of the SHA-256 of its content."""
    return hashlib.sha256(data).hexdigest()[:32]
