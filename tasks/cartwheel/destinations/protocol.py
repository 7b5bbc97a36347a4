"""What every kind of destination promises: a release is located, judged, looked at, sent item by item, and verified.

A kind is a module with the functions of `Implementation`, named by its row in `model.destination.KINDS`; `delivery`
does the rest: the ledger, the retries and the waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from msgspec import Struct

from cartwheel.destinations.retries import LOST, Patience, passing
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import kind_row
from cartwheel.model.project import Package, Project
from cartwheel.model.step import CommandLog

Say = Callable[[str], None]
"""Tells the user something, in one line."""
Sleep = Callable[[float], None]
"""Waits so many seconds."""

THERE, MISSING, OTHER, EXTRA, BROKEN = "there", "missing", "other bytes", "not planned", "broken off"
COMPLETE, PARTIAL, NOTHING, DIFFERS, UNKNOWN = "complete", "partial", "nothing", "differs", "unknown"


class Answer(Struct, frozen=True, kw_only=True):
    """What a destination answered to one request; without secrets."""

    status: int
    """The HTTP status, or `LOST`."""
    words: str
    retry_after: float = 0.0
    """Seconds, 0 where it names none."""
    location: str = ""
    """Where it would have the request sent instead; that is not followed, the credentials are for this address."""
    page: bool = False
    """A web page for people, such as a sign-in page, whatever the status says."""

    @property
    def taken(self) -> bool:
        """The item is there now, by this request or by an equal earlier one."""
        return 200 <= self.status < 300 and self.status != 203 and not self.page

    @property
    def passing(self) -> bool:
        """The same request may succeed later."""
        return passing(self.status)

    @property
    def open(self) -> bool:
        """The destination may have kept what was sent, although it did not say so."""
        return self.status == LOST or self.status >= 500 or (200 <= self.status < 300 and not self.taken)

    @property
    def text(self) -> str:
        """The answer in words, for a message."""
        return self.words if self.status == LOST else f"{self.status} {self.words}".strip()


class Item(Struct, frozen=True, kw_only=True):
    """One thing that is sent: a file, or a crate."""

    name: str
    """Its file name, by which the ledger knows it."""
    path: Path
    sha256: str
    title: str = ""
    """What messages call it; empty: by its name."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.title or self.name


class Standing(Struct, frozen=True, kw_only=True):
    """Where the items of a release stand at a destination, by name."""

    send: tuple[str, ...] = ()
    """Missing there, in the order in which to send them."""
    there: tuple[str, ...] = ()
    """There already, with the same content."""
    wrong: tuple[str, ...] = ()
    """Why nothing may be sent, each in words; none: the rest may."""
    trouble: str = ""
    """Why the destination could not be asked, where that may pass; nothing is known then."""
    withdrawn: tuple[str, ...] = ()
    """There, and not offered to anybody (PEP 592); a verification refuses that."""


class ItemStatus(Struct, frozen=True, kw_only=True):
    """An item, and how it stands at a destination."""

    name: str
    state: str
    """`there`, `missing`, `other bytes`, `not planned`, `broken off`."""


class DestinationStatus(Struct, frozen=True, kw_only=True):
    """A destination, and how much of a release it has."""

    name: str
    kind: str
    state: str
    """`complete`, `partial`, `nothing`, `differs`, `unknown`."""
    detail: str = ""
    items: tuple[ItemStatus, ...] = ()


class JobNeeds(Struct, frozen=True, kw_only=True):
    """What the CI jobs need that publish to a destination and verify it."""

    identity: bool = False
    """Trusted publishing: the job may ask for its identity."""
    own_page: bool = False
    """The job's own token is enough: the repository's own release page."""
    history: bool = False
    """Verifying reads git's history."""
    private: bool = False
    """Reading needs credentials as well, so the verifying job is given them."""
    practice: bool = False
    """It takes a release that is not tagged."""


class Release(Struct, frozen=True, kw_only=True):
    """One package's release to one index, and what is needed to act on it."""

    project: Project
    package: Package
    index: str
    """The name of the index in the configuration."""
    root: Path
    environ: Mapping[str, str]
    say: Say
    log: CommandLog | None = None
    scratch: Path = Path()
    """An empty folder for this step alone."""
    notes: Callable[[], str] = str
    """The changelog's notes of this version."""
    tagged: bool = True
    """Whether the tag must be there by now."""

    @property
    def settings(self) -> IndexSettings | None:
        """The index's table, where there is one."""
        return self.project.indexes.get(self.index)


class Destination(Protocol):
    """One release at one destination.  Methods that ask it raise `StepFailed` where it cannot be asked."""

    name: str
    url: str
    """Where things are sent; the ledger of another address does not count."""
    patience: Patience
    content: str
    """What is compared: `bytes`, or `content` where packing may differ."""
    lags: bool
    """It may take a while to show what it took; what it took not long ago is not sent again meanwhile."""
    one_by_one: bool
    """Each item must be shown before the next is sent."""
    deadline: float
    """Seconds to wait until everything is shown."""

    def alone(self) -> AbstractContextManager[object]:
        """Held while the release is worked on; closes connections at its end."""

    def items(self, files: Sequence[Item]) -> tuple[Item, ...]:
        """What is sent for these planned files, in order."""

    def refusals(self, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
        """Why nothing may be sent, as far as it is known without looking at what is held; asks nobody for a rule.

        `sending`: credentials and the tag must be there by now.
        """

    def look(self, items: Sequence[Item], *, public: bool = False) -> Standing:
        """What it holds against what is planned; changes nothing.  `public`: only what everybody sees counts."""

    def prepare(self, standing: Standing) -> None:
        """What must be there before the first item."""

    def send(self, item: Item) -> Answer:
        """Send one item by one request."""

    def renewed(self, answer: Answer) -> bool:
        """Whether credentials that were refused could be replaced, so that the item is sent again."""

    def settles(self, answer: Answer) -> int:
        """How often to look whether the item is there after all; 0: the answer leaves no doubt."""

    def refused(self, item: Item, answer: Answer) -> str:
        """Why the item was not taken, and what to do."""

    def finish(self, items: Sequence[Item]) -> None:
        """Make public what was sent."""

    def prove(self, items: Sequence[Item]) -> str:
        """What verification does once everything is shown; a line about it."""

    def status(self, digests: Mapping[str, str]) -> DestinationStatus:
        """How much of the release is there; `digests`: the SHA-256 of the files that were made here, by name."""


class StandIn(Protocol):
    """A destination on this machine, for a rehearsal."""

    settings: Mapping[str, object]
    """What replaces the index's table."""

    def summary(self) -> str:
        """What it holds, in lines; empty where the table of files shows it."""


class Implementation(Protocol):
    """The functions of a kind's module."""

    def locate(self, project: Project, name: str, root: Path, environ: Mapping[str, str]) -> None:
        """Raises `ConfigError` where nobody knows where the index is, or its table cannot be meant; asks nobody."""

    def destination(self, release: Release) -> Destination:
        """The release at this destination."""

    def name_refusals(self, release: Release, names: Sequence[str], paths: Sequence[Path]) -> tuple[str, ...]:
        """What the destination's rules say to these names of files and to the files that are here; asks nobody."""

    def held(self, release: Release, version: str, crates: Mapping[str, str]) -> tuple[str, ...]:
        """What the destination holds of another `version` of the package; `crates`: the new version by crate."""

    def job_needs(self, name: str, settings: IndexSettings) -> JobNeeds:
        """What a CI job needs for it; pure."""

    def stand_in(self, project: Project, folder: Path, clone: Path, token: str) -> AbstractContextManager[StandIn]:
        """A stand-in that takes uploads with `token` alone; `folder` is its own, `clone` the rehearsed project."""


def implementation(name: str, indexes: Mapping[str, IndexSettings]) -> Implementation:
    """The module of the kind of the index of that name."""
    return cast(Implementation, import_module(kind_row(name, indexes).module))


def overall_state(items: Sequence[ItemStatus]) -> str:
    """The state of a destination, from those of its items."""
    states = {item.state for item in items}
    if states & {OTHER, EXTRA}:
        return DIFFERS
    if states <= {THERE}:
        return COMPLETE
    return NOTHING if states == {MISSING} else PARTIAL


def item_statuses(planned: Mapping[str, str], held: Mapping[str, str], *, extra: bool = True) -> tuple[ItemStatus, ...]:
    """Each planned file against what is held (SHA-256 by name, empty: not known), then what is held beside them."""
    items = []
    for file, ours in planned.items():
        theirs = held.get(file)
        same = theirs is not None and (not ours or not theirs or ours == theirs)
        items.append(ItemStatus(name=file, state=MISSING if theirs is None else THERE if same else OTHER))
    return (*items, *(ItemStatus(name=file, state=EXTRA) for file in held if extra and file not in planned))


def in_order(files: Sequence[str] | Mapping[str, object] | set[str]) -> tuple[str, ...]:
    """Wheels for one platform first, then those for any, the sdist last: until a platform has its wheel, nothing that
    would be compiled there instead can be found.

    Every run has the same order, so of two releases at once the later one stops at the first file that differs, and
    all that the index holds is of the other one."""
    return tuple(sorted(files, key=lambda file: (not file.endswith(".whl"), file.endswith("-any.whl"), file)))
