"""Cache entries: the key of a step, and a finished step as blobs with a manifest.

The exact key is the digest of everything that may count for a step before it runs. A second tag per task and branch
names the last entry; its record is compared like a local one, so an edit of a file that the step does not read still
hits.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import DecodeError, Struct, ValidationError, json
from msgspec.structs import replace

from cartwheel.filesystem.files import write_atomically
from cartwheel.inputs import git_reads
from cartwheel.inputs.staleness import input_reasons
from cartwheel.model.record import (
    FROM_CACHE,
    PROVEN,
    Dependencies,
    Record,
    UnreadableRecord,
    from_json,
    listing_from_json,
    listing_name,
    listing_to_json,
    record_with_listing,
    to_json,
)
from cartwheel.model.step import Snapshot, Step
from cartwheel.shared_cache.store import CacheFault, DamagedEntry, Store

STAGES = ("build", "repair", "sdist")
"""Stages whose steps are shared. A check is not: each machine examines a file from the cache itself."""

_TYPE = "application/vnd.cartwheel.step.v1"
_TITLE = "org.opencontainers.image.title"
_CREATED = "org.opencontainers.image.created"
_BUILDER = "dev.cartwheel.builder"
_EMPTY = b"{}"
_LARGEST = 4 << 30


class Layer(Struct, rename="camel"):
    """A row of a manifest that names a blob."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = {}


class Manifest(Struct, rename="camel"):
    """An OCI image manifest as an artifact: the record, its listing, then the files."""

    schema_version: int
    media_type: str
    artifact_type: str
    config: Layer
    layers: list[Layer]
    annotations: dict[str, str] = {}


def is_shared(step: Step) -> bool:
    """Whether a step's result may be in the cache."""
    return step.name.split(":")[0] in STAGES and bool(step.makes) and not step.always


def is_of_one_clone(record: Record) -> bool:
    """Whether a build read git's tags, edits or branch, which differ between clones of one commit."""
    return any(name in git_reads.LOCAL for name in record.seen.local)


def exact_tag(step: Step, snapshot: Snapshot) -> str:
    """The tag of an entry for exactly this state of the sources."""
    seen = step.sources.dependencies(snapshot, None) if step.sources else Dependencies()
    needs = {path: snapshot.digest(path) for path in step.needs}
    return _tag("exact", [step.name, step.settings, needs, seen.listing, seen.facts])


def latest_tag(step: Step, branch: str) -> str:
    """The tag of the last entry of a task on a branch, which a registry's retention rule can match by its name."""
    slug = re.sub(r"[^a-z0-9_.-]+", "-", branch.lower()).strip("-.")[:60] or "none"
    return _tag(f"latest-{slug}", [step.name, branch])


def _tag(kind: str, value: object) -> str:
    return f"{kind}-{hashlib.sha256(json.encode(value, order='deterministic')).hexdigest()[:48]}"


def send(step: Step, record: Record, snapshot: Snapshot, store: Store, branch: str = "") -> int:
    """Store a finished step as the last of a branch; returns the bytes of its files, 0 if the cache has the entry.
    Raises `CacheFault`."""
    exact = exact_tag(step, snapshot)
    known = store.manifest(exact)
    first = _whole(known, store) if known is not None else None
    if first:
        _confirm(first, exact, record, store)
        return 0
    shared = replace(record, machine=FROM_CACHE, seen=replace(record.seen, local={}, hints={}))
    listing = listing_to_json(shared.seen.listing)
    layers = [
        _store_blob(to_json(shared, listing_name(listing)), f"{_TYPE}.record", store),
        _store_blob(listing, f"{_TYPE}.listing", store),
    ]
    size = 0
    for path, digest in record.makes.items():
        data = (snapshot.root / path).read_bytes()
        layer = _store_blob(data, f"{_TYPE}.file", store, path)
        if layer.digest != f"sha256:{_plain(digest)}":
            raise CacheFault(f"{path} changed while it was sent")
        layers.append(layer)
        size += len(data)
    manifest = Manifest(
        schema_version=2,
        media_type="application/vnd.oci.image.manifest.v1+json",
        artifact_type=_TYPE,
        config=_store_blob(_EMPTY, "application/vnd.oci.empty.v1+json", store),
        layers=layers,
        annotations=_annotations(step.name, record),
    )
    for tag in (exact, latest_tag(step, branch)):
        store.put_manifest(tag, json.encode(manifest))
    return size


def _annotations(task: str, record: Record) -> dict[str, str]:
    return {_CREATED: datetime.now(UTC).isoformat(timespec="seconds"), _TITLE: task, _BUILDER: record.machine}


def _whole(data: bytes, store: Store) -> Manifest | None:
    """An entry with all its blobs, which need not be sent again; None if it is damaged."""
    try:
        manifest = _manifest(data)
        return manifest if all(store.has_blob(layer.digest, layer.size) for layer in manifest.layers) else None
    except DamagedEntry:
        return None


def _confirm(first: Manifest, exact: str, record: Record, store: Store) -> None:
    """Note beside an entry that a second machine built the same bytes."""
    if record.machine == first.annotations.get(_BUILDER) or _files(first) != _names(record):
        return
    if store.manifest(_second(exact)) is None:
        again = replace(first, annotations=_annotations(first.annotations.get(_TITLE, ""), record))
        store.put_manifest(_second(exact), json.encode(again))


def _second(exact: str) -> str:
    """The tag under which a second machine confirms an entry."""
    return exact.replace("exact-", "again-", 1)


def _files(manifest: Manifest) -> frozenset[str]:
    return frozenset(layer.digest for layer in manifest.layers[2:])


def _names(record: Record) -> frozenset[str]:
    return frozenset(f"sha256:{_plain(digest)}" for digest in record.makes.values())


def _store_blob(data: bytes, media_type: str, store: Store, title: str = "") -> Layer:
    digest = store.put_blob(data)
    return Layer(media_type=media_type, digest=digest, size=len(data), annotations={_TITLE: title} if title else {})


def fetch(
    step: Step,
    snapshot: Snapshot,
    store: Store,
    *,
    same_tools: bool,
    proven: bool = False,
    branches: Iterable[str] = ("",),
) -> Record | None:
    """Write the files of a fitting entry to their places, and return its record; None if missing. Besides the entry of
    exactly these sources the last ones of `branches` are compared.

    `same_tools`: the entry must have been made with the versions of the tools that are installed here. `proven`: two
    different machines must have built its files with the same digests. Raises
    `CacheFault` if the cache fails, `DamagedEntry` if the entry is not what it says.
    """
    exact = exact_tag(step, snapshot)
    for tag in (exact,) if proven else (exact, *(latest_tag(step, branch) for branch in branches)):
        data = store.manifest(tag)
        if data is None:
            continue
        manifest = _manifest(data)
        if proven and not _is_confirmed(manifest, store.manifest(_second(exact))):
            continue
        record = _record(manifest, store)
        if record.task != step.name or set(record.makes) != set(step.makes):
            raise DamagedEntry(f"it is of another task ({record.task}) or makes other files")
        if input_reasons(step, record, snapshot) or (same_tools and _other_tools(step, record, snapshot)):
            continue
        if proven and _files(manifest) != _names(record):
            raise DamagedEntry("it confirms other files than those of its record")
        _write(record, manifest, snapshot.root, store)
        return replace(record, machine=PROVEN) if proven else record
    return None


def _is_confirmed(first: Manifest, second: bytes | None) -> bool:
    """Whether two different machines made the files of an entry."""
    if second is None:
        return False
    again = _manifest(second)
    builders = {manifest.annotations.get(_BUILDER, "") for manifest in (first, again)} - {""}
    return len(builders) == 2 and bool(_files(first)) and _files(first) == _files(again)


def creation_time(data: bytes) -> datetime:
    """When an entry was made, from its manifest; raises `DamagedEntry`."""
    try:
        moment = datetime.fromisoformat(_manifest(data).annotations[_CREATED])
    except (KeyError, ValueError):
        raise DamagedEntry("it has no date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _manifest(data: bytes) -> Manifest:
    try:
        manifest = json.decode(data, type=Manifest)
    except (DecodeError, ValidationError, UnicodeDecodeError, RecursionError):
        raise DamagedEntry("its manifest is damaged") from None
    if manifest.artifact_type != _TYPE or len(manifest.layers) < 2:
        raise DamagedEntry("its manifest is of another kind")
    for layer in manifest.layers:
        if not 0 <= layer.size < _LARGEST or not re.fullmatch(r"sha256:[0-9a-f]{64}", layer.digest):
            raise DamagedEntry("its manifest is damaged")
    return manifest


def _record(manifest: Manifest, store: Store) -> Record:
    head, listing = (store.blob(layer.digest, layer.size) for layer in manifest.layers[:2])
    try:
        record, name = from_json(head)
        record = record_with_listing(record, listing_from_json(listing, name))
    except (UnreadableRecord, ValueError, RecursionError) as error:
        raise DamagedEntry(f"its record cannot be read: {error}") from None
    return replace(record, machine=FROM_CACHE, seen=replace(record.seen, local={}, hints={}))


def _other_tools(step: Step, record: Record, snapshot: Snapshot) -> bool:
    names = ((name, step.chosen.get(name) or snapshot.tool(name)) for name in (*step.chosen, *step.tools))
    return any(now and record.tools.get(name, now) != now for name, now in names)


def _write(record: Record, manifest: Manifest, root: Path, store: Store) -> None:
    sizes = {layer.digest: layer.size for layer in manifest.layers}
    files: dict[str, bytes] = {}
    for path, digest in record.makes.items():
        name = f"sha256:{_plain(digest)}"
        if name not in sizes:
            raise DamagedEntry(f"it lacks {path}")
        files[path] = store.blob(name, sizes[name])
    for path, data in files.items():
        mode = 0o755 if record.makes[path].endswith("+x") and os.name == "posix" else 0o644
        write_atomically(root / path, data, mode=mode)


def _plain(digest: str) -> str:
    return digest.removesuffix("+x")


def prune(store: Store, before: datetime, say: Callable[[str], None]) -> Iterable[str]:
    """Delete the entries that were made before a moment; yields their tags. Raises `CacheFault`.

    `say` gets a line about each entry whose age cannot be read; it stays, and the others are still looked at.
    """
    for tag in store.tags():
        if not tag.startswith(("exact-", "again-", "latest-")):
            continue  # the repository may hold other artifacts
        data = store.manifest(tag)
        try:
            old = data is not None and creation_time(data) < before
        except CacheFault as error:
            say(f"{tag} stays: {error}")
            continue
        if old:
            store.delete(tag)
            yield tag
    store.sweep()
