"""The interface of every kind of destination: a release is located, judged, looked at, sent item by item, and verified.

A kind is a module with the functions of `Implementation`, named by its row in `model.destination.KINDS`. `delivery`
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
"""Shows the user one line."""
Sleep = Callable[[float], None]
"""Waits for a number of seconds."""

THERE, MISSING, OTHER, EXTRA, BROKEN = "there", "missing", "other bytes", "not planned", "broken off"
COMPLETE, PARTIAL, NOTHING, DIFFERS, UNKNOWN = "complete", "partial", "nothing", "differs", "unknown"


class Answer(Struct, frozen=True, kw_only=True):
    """A destination's answer to one request; contains no secrets."""

    status: int
    """The HTTP status, or `LOST`."""
    words: str
    retry_after: float = 0.0
    """Seconds; 0 if the answer names none."""
    location: str = ""
    """The redirect target; it is not followed, since the credentials are for the original address."""
    page: bool = False
    """Whether the body is a web page for people, such as a sign-in page, whatever the status."""
    late: bool = False
    """Whether the request was ended because it took too long; it is not repeated."""

    @property
    def taken(self) -> bool:
        """Whether the destination has the item now, from this request or from an equal earlier one."""
        return 200 <= self.status < 300 and self.status != 203 and not self.page

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return passing(self.status) and not self.late

    @property
    def open(self) -> bool:
        """Whether the destination may have kept the item although it did not confirm it."""
        return self.status == LOST or self.status >= 500 or (200 <= self.status < 300 and not self.taken)

    @property
    def text(self) -> str:
        """The status and words, for a message."""
        return self.words if self.status == LOST else f"{self.status} {self.words}".strip()


class Item(Struct, frozen=True, kw_only=True):
    """One thing to send: a file or a crate."""

    name: str
    """Its file name, which is its key in the ledger."""
    path: Path
    sha256: str
    title: str = ""
    """Its name in messages; empty: `name`."""

    @property
    def label(self) -> str:
        """Its name in messages."""
        return self.title or self.name


class Standing(Struct, frozen=True, kw_only=True):
    """The state of a release's items at a destination, by name."""

    send: tuple[str, ...] = ()
    """Missing there, in sending order."""
    there: tuple[str, ...] = ()
    """Already there with the same content."""
    wrong: tuple[str, ...] = ()
    """Reasons against sending anything; empty: `send` may be sent."""
    trouble: str = ""
    """Why the state is unknown or not public yet, if that may pass; empty: the state is known."""
    withdrawn: tuple[str, ...] = ()
    """There but yanked (PEP 592); verification refuses them."""


class ItemStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item and its state at a destination."""

    name: str
    state: str
    """`there`, `missing`, `other bytes`, `not planned`, `broken off`."""
    provenance: str = ""
    """What the destination states of its origin, not verified; empty if it states nothing."""


class DestinationStatus(Struct, frozen=True, kw_only=True):
    """A destination, and how much of a release it has."""

    name: str
    kind: str
    state: str
    """`complete`, `partial`, `nothing`, `differs`, `unknown`."""
    detail: str = ""
    items: tuple[ItemStatus, ...] = ()


class JobNeeds(Struct, frozen=True, kw_only=True):
    """The requirements of a destination on the CI jobs that publish to it and verify it."""

    audiences: tuple[str, ...] = ()
    """Whom the job shows its identity to (trusted publishing, Sigstore); empty: it needs none."""
    own_page: bool = False
    """The job's own token suffices: the repository's own release page."""
    history: bool = False
    """Verifying needs git's history."""
    private: bool = False
    """Reading needs credentials too, so the verifying job gets them."""
    practice: bool = False
    """The destination accepts an untagged release."""

    @property
    def identity(self) -> bool:
        """Whether the job needs permission to request its identity."""
        return bool(self.audiences)


class Release(Struct, frozen=True, kw_only=True):
    """One package's release to one index, with everything needed to act on it."""

    project: Project
    package: Package
    index: str
    """The name of the index in the configuration."""
    root: Path
    environ: Mapping[str, str]
    say: Say
    log: CommandLog | None = None
    scratch: Path = Path()
    """An empty folder for this step."""
    notes: Callable[[], str] = str
    """The changelog's notes of this version."""
    tagged: bool = True
    """Whether the tag must exist by now."""
    sending: bool = False
    """Whether the credentials must exist by now."""

    @property
    def settings(self) -> IndexSettings | None:
        """The index's table; None if it has none."""
        return self.project.indexes.get(self.index)


class Destination(Protocol):
    """One release at one destination. Methods that contact it raise `StepFailed` if it cannot be reached."""

    name: str
    url: str
    """The address that receives the items; a ledger for another address is ignored."""
    patience: Patience
    content: str
    """The basis of comparison: `bytes`, or `content` if packing is not reproducible."""
    lags: bool
    """Whether it may list an item late; an item sent recently is then not sent again."""
    one_by_one: bool
    """Whether each item must be shown before the next is sent."""
    deadline: float
    """Seconds to wait until everything is shown."""

    def session(self) -> AbstractContextManager[object]:
        """The context for all work on the release; its end closes the connections."""

    def items(self, files: Sequence[Item]) -> tuple[Item, ...]:
        """The items to send for these planned files, in order."""

    def refusals(self, items: Sequence[Item], *, sending: bool) -> tuple[str, ...]:
        """Reasons against sending that do not depend on what the destination holds. Usually offline.

        `sending`: credentials and the tag must exist by now.
        """

    def look(self, items: Sequence[Item], *, public: bool = False) -> Standing:
        """Compares what the destination holds with the plan; changes nothing. `public`: counts only what every user
        sees."""

    def prepare(self, standing: Standing) -> None:
        """Makes what must exist before the first item is sent, or does nothing."""

    def send(self, item: Item) -> Answer:
        """Sends one item with one request."""

    def renew_credentials(self, answer: Answer) -> bool:
        """Whether refused credentials could be replaced, so that the item is sent again."""

    def settles(self, answer: Answer) -> int:
        """How often to look for the item despite this answer; 0: the answer is conclusive."""

    def refusal(self, item: Item, answer: Answer) -> str:
        """Why the item was not taken, and what to do."""

    def finish(self, items: Sequence[Item]) -> None:
        """Publishes what was sent."""

    def prove(self, items: Sequence[Item]) -> str:
        """Runs the final verification once everything is shown; returns a line about it."""

    def status(self, digests: Mapping[str, str]) -> DestinationStatus:
        """How much of the release is there; `digests`: the SHA-256 by name of the files made on this machine."""


class StandIn(Protocol):
    """A destination on this machine, for a rehearsal."""

    settings: Mapping[str, object]
    """The keys that replace the index's table."""

    def summary(self) -> str:
        """Its contents in lines; empty if the rehearsal's table shows them."""


class Implementation(Protocol):
    """The functions of a kind's module."""

    def locate(self, project: Project, name: str, root: Path, environ: Mapping[str, str]) -> None:
        """Raises `ConfigError` if the index is unknown or its table is invalid; works offline."""

    def destination(self, release: Release) -> Destination:
        """The release at this destination."""

    def name_refusals(self, release: Release, names: Sequence[str], paths: Sequence[Path]) -> tuple[str, ...]:
        """The destination's refusals that are known offline: these file names and files, and what the package
        declares; with `release.sending` also missing credentials."""

    def existing_files(self, release: Release, version: str, crates: Mapping[str, str]) -> tuple[str, ...]:
        """The destination's files of another `version` of the package; `crates`: the new version by crate
        name."""

    def job_needs(self, name: str, settings: IndexSettings) -> JobNeeds:
        """The needs of a CI job for this destination; computes only."""

    def stand_in(self, project: Project, folder: Path, clone: Path, token: str) -> AbstractContextManager[StandIn]:
        """A stand-in that accepts uploads only with `token`; `folder` is for its use, `clone` is the rehearsed
        project."""


def implementation(name: str, indexes: Mapping[str, IndexSettings]) -> Implementation:
    """The module for the kind of the index called `name`."""
    return cast(Implementation, import_module(kind_row(name, indexes).module))


def overall_state(items: Sequence[ItemStatus]) -> str:
    """The state of a destination, computed from the states of its items."""
    states = {item.state for item in items}
    if states & {OTHER, EXTRA}:
        return DIFFERS
    if states <= {THERE}:
        return COMPLETE
    return NOTHING if states == {MISSING} else PARTIAL


def item_statuses(planned: Mapping[str, str], held: Mapping[str, str], *, extra: bool = True) -> tuple[ItemStatus, ...]:
    """Each planned file compared with `held` (SHA-256 by name, empty if unknown); then, with `extra`, unplanned
    files. Unknown digests count as equal."""
    items = []
    for file, ours in planned.items():
        theirs = held.get(file)
        same = theirs is not None and (not ours or not theirs or ours == theirs)
        items.append(ItemStatus(name=file, state=MISSING if theirs is None else THERE if same else OTHER))
    return (*items, *(ItemStatus(name=file, state=EXTRA) for file in held if extra and file not in planned))


def in_order(files: Sequence[str] | Mapping[str, object] | set[str]) -> tuple[str, ...]:
    """Sorts files for upload: wheels for one platform, then those for any, then the sdist.

    An installer must not find the sdist before its platform's wheel, or it would compile it. The order is the same in
    every run, so of two concurrent releases the later one stops at the first file that differs, and everything on the
    index is from the other one.
    """
    return tuple(sorted(files, key=lambda file: (not file.endswith(".whl"), file.endswith("-any.whl"), file)))
