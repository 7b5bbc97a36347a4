"""For the tests: a release delivered to an index, a release page or a registry, as `publish` does it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cartwheel.destinations import delivery
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.protocol import Destination, Item, Standing
from cartwheel.destinations.pypi import PypiDestination
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.retries import Patience
from cartwheel.filesystem.digests import sha256_of
from cartwheel.model.errors import StepFailed
from cartwheel.stand_ins.pypi import LoopbackIndex

Say = Callable[[str], None]


def index_of(loopback: LoopbackIndex) -> Index:
    """A loopback index as one of the configuration."""
    return Index(name=loopback.name, url=loopback.url, simple=loopback.simple, rehearsal=True, anonymous=True)


def item_of(path: Path) -> Item:
    """A file as it is."""
    return Item(name=path.name, path=path, sha256=sha256_of(path))


def book_of(path: Path, destination: Destination, project: str, version: str, say: Say) -> Ledger:
    """The ledger of a destination."""
    return Ledger(path, index=destination.name, url=destination.url, project=project, version=version, say=say)


def send(
    index: Index,
    project: str,
    version: str,
    files: Iterable[Path],
    *,
    ledger: Path,
    environ: Mapping[str, str],
    say: Say,
    wait: Callable[[float], None] | None = None,
    patience: Patience | None = None,
    expected: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Send what an index lacks of these files; the names of those that were sent."""
    paths = tuple(files)
    destination = PypiDestination(index, project, version, environ=environ, say=say, patience=patience)
    with tempfile.TemporaryDirectory() as folder, destination.session():
        copies = delivery.stage(paths, Path(folder, "upload"), expected or {p.name: sha256_of(p) for p in paths})
        items = destination.items(copies)
        book = book_of(ledger, destination, project, version, say)
        return delivery.deliver(destination, items, book, say=say, wait=wait)


def look(index: Index, project: str, version: str, planned: Mapping[str, str]) -> Standing:
    """Compare the index's files with the planned ones (SHA-256 by name)."""
    destination = PypiDestination(index, project, version, environ={}, say=lambda text: None)
    return destination.look([Item(name=n, path=Path(n), sha256=digest) for n, digest in planned.items()])


def wait_until_listed(
    index: Index,
    project: str,
    version: str,
    expected: Mapping[str, str],
    *,
    deadline: float = 1800.0,
    say: Say,
    sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[str, ...]:
    """The problems once every file is listed, or at the deadline."""
    destination = PypiDestination(index, project, version, environ={}, say=say)
    items = destination.items([Item(name=n, path=Path(n), sha256=digest) for n, digest in expected.items()])
    try:
        return delivery.wait_until_visible(destination, items, say=say, wait=sleep, clock=clock, seconds=deadline)
    except StepFailed as error:
        return (str(error),)


def publish(
    destination: Destination, items: Iterable[Item], book: Ledger, *, say: Say, wait: Callable[[float], None] | None
) -> tuple[str, ...]:
    """Judge and deliver, as `publish` does; raises `StepFailed`."""
    with destination.session():
        items_sent = destination.items(tuple(items))
        wrong = delivery.refusals(destination, items_sent, sending=True)
        if wrong:
            raise StepFailed("\n".join((f"nothing was sent to {destination.name}:", *wrong)))
        return delivery.deliver(destination, items_sent, book, say=say, wait=wait)
