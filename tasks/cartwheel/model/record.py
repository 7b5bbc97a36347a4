"""A record: what a step read and wrote when it last succeeded.  One small JSON file a task.

Digests are of content and paths are relative, so a record means the same in every clone and on every machine;
only `tools` is bound to the machine that made it.  Imported by doit's backend in every doit project of an
environment: standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

SCHEMA = 1


class UnreadableRecord(ValueError):
    """The file is not a record that this version understands; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a step depends on besides its settings and earlier steps, and how that is found again."""

    listing: Mapping[str, str] = field(default_factory=dict)
    """Path to digest; `""` where no file was and its appearance counts."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Values of other kinds by name, compared as text and shown in reasons: `pyo3` to `0.29.3 …`."""
    local: Mapping[str, str] = field(default_factory=dict)
    """Absolute path to digest: files outside the project; compared only on the machine that made the record."""
    learned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names by kind that the step was seen to read; what its sources need to look again."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """Digests that save looking again; never compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One success of one step."""

    task: str
    settings: Mapping[str, str]
    """The declared settings, by name; shown in reasons."""
    needs: Mapping[str, str]
    """Path to digest of what earlier steps wrote."""
    makes: Mapping[str, str]
    """Path to digest of what this step wrote."""
    seen: Seen
    tools: Mapping[str, str]
    """Name to version of what it was made with; compared only on `machine`."""
    machine: str
    seconds: float


def to_json(record: Record, listing: str) -> bytes:
    """The record's file; its listing of inputs lies in a shared file of its own, named by its digest."""
    body = asdict(record)
    body["seen"]["listing"] = listing
    return json.dumps({"schema": SCHEMA, **body}, indent=1, sort_keys=True).encode() + b"\n"


def from_json(data: bytes) -> tuple[Record, str]:
    """The record and the digest of its listing; raises `UnreadableRecord`."""
    try:
        body = json.loads(data)
    except ValueError:
        raise UnreadableRecord("it is damaged") from None
    if not isinstance(body, dict) or not isinstance(body.get("schema"), int):
        raise UnreadableRecord("it is damaged")
    if body["schema"] > SCHEMA:
        raise UnreadableRecord("it was written by a newer version of cartwheel")
    try:
        seen = body["seen"]
        listing = seen["listing"]
        for table in ("settings", "needs", "makes", "tools"):
            _refuse_unless_texts(body[table])
        _refuse_unless_texts(seen["facts"])
        _refuse_unless_texts(seen["hints"])
        _refuse_unless_texts(seen["local"])
        learned = {kind: tuple(names) for kind, names in seen["learned"].items()}
        made = {f.name: body[f.name] for f in fields(Record) if f.name != "seen"}
        record = Record(**made, seen=_seen(seen, learned))
    except (KeyError, TypeError, AttributeError):
        raise UnreadableRecord("it is damaged") from None
    if not isinstance(listing, str):
        raise UnreadableRecord("it is damaged")
    return record, listing


def _seen(body: Mapping[str, Mapping[str, str]], learned: Mapping[str, tuple[str, ...]]) -> Seen:
    return Seen(facts=body["facts"], local=body["local"], learned=learned, hints=body["hints"])


def _refuse_unless_texts(table: object) -> None:
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise UnreadableRecord("it is damaged")


def listing_to_json(listing: Mapping[str, str]) -> bytes:
    """The shared file of a listing."""
    return json.dumps(dict(sorted(listing.items())), indent=0).encode()


def listing_name(data: bytes) -> str:
    """The name of a listing's file: its digest."""
    return hashlib.sha256(data).hexdigest()[:32]
