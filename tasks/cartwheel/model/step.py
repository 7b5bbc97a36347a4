"""A step: one unit of work, as a value.  The pipeline makes a doit task of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cartwheel.model.record import Dependencies, Record


class Snapshot(Protocol):
    """Looking at the world: the only way in which sources see it."""

    root: Path
    environ: Mapping[str, str]

    def digest(self, path: str) -> str:
        """The digest of a file's content, `""` where there is none; read at most once a process."""

    def digests(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """The digests of files that many steps read; the same tuple is gone through once."""

    def moved(self, path: str) -> bool:
        """Whether a file was written, came or went since its digest was taken, even if it is as it was again."""

    def tool(self, name: str) -> str:
        """The version of a tool on this machine, `""` where it is not here."""

    def remember(self, key: str, make: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        """What `make` gives, kept on this machine under `key`, which names all that it depends on."""


class CommandLog(Protocol):
    """Where a step's commands run and what they print is kept."""

    def hide(self, words: Sequence[str]) -> None:
        """Keep these words out of the log."""

    def say(self, text: str) -> None:
        """Add a line to the log."""

    def run(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Run a command to its end; raises `StepFailed` with its last words."""

    def read(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> str:
        """The same, and return what it printed."""

    def attempt(
        self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], hide: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        """Run a command to its end, whatever that is: its exit code and words, without those in `hide`."""


class Slots(Protocol):
    """What the steps of a run hold while they are at work."""

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Be the only one that holds this name."""

    def free(self, name: str) -> bool:
        """Whether nobody holds the name now."""


class Work(Struct, frozen=True, kw_only=True):
    """What a step's action is given."""

    root: Path
    scratch: Path
    """An empty folder on the file system of the project; gone when the step ends."""
    log: CommandLog
    snapshot: Snapshot
    before: Record | None
    """The last success of this step, if there was one."""
    named: tuple[str, ...]
    """The tasks that stand literally on the command line: what publishes runs only when it is among them."""
    announce: Callable[[str], None]
    """Tell the user something, in one line."""
    slots: Mapping[str, str] = {}
    """What compilers must find in their environment to share this run's slots."""


class Sources(Protocol):
    """What a step reads that no earlier step wrote."""

    def seen(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """How things stand now; with `before`, of exactly what was learned then, else of all that might count."""


Act = Callable[[Work], Mapping[str, tuple[str, ...]]]
"""Does the work; returns what it learned that it reads, by kind (see `Seen.learned`).  Raises `StepFailed`."""


class Step(Struct, frozen=True, kw_only=True):
    """One unit of work: what it needs, reads and makes, and how it is done."""

    name: str
    doc: str
    act: Act
    needs: tuple[str, ...] = ()
    """Files that earlier steps wrote, relative to the project."""
    manifests: tuple[str, ...] = ()
    """Files shown by `doit info` as what it reads; how their content counts is the sources' business."""
    makes: tuple[str, ...] = ()
    """Files that it writes, relative to the project."""
    after: tuple[str, ...] = ()
    """Tasks that come first without giving it a file."""
    follows: tuple[str, ...] = ()
    """Tasks that come first where one of them is asked for as well, and are not brought along where none is."""
    settings: Mapping[str, str] = {}
    """What the configuration says of it, by name; a change is a reason to run."""
    tools: tuple[str, ...] = ()
    """Tools whose version is part of the result."""
    chosen: Mapping[str, str] = {}
    """What this machine chose by itself; recorded and compared like a tool's version."""
    blocked: str = ""
    """Why it cannot be done on this machine, if it cannot."""
    unset: Callable[[Snapshot], str] | None = None
    """Which variable it needs that is not set here, in words, empty where none; the plan asks that as well."""
    lacks: Callable[[Snapshot], str] | None = None
    """What it lacks here, in words, empty where nothing; asked before anything of its last success is dropped."""
    sources: Sources | None = None
    always: bool = False
    """It looks at the world outside (a remote, an index) and so runs whenever it is asked for."""
    rewrites: bool = False
    """It may write what it reads: what counts afterwards is how it left that."""
    ships: bool = False
    """What it makes is published, or becomes that."""
    prepare: Callable[[Work], tuple[str, ...]] | None = None
    """What comes before it and may write what it reads; done before that is looked at.  Returns what it wrote."""
    heavy: bool = False
    """It compiles; only as many at once as there are slots."""
    reserve: Callable[[Slots, Path], AbstractContextManager[None]] | None = None
    """What it prepares and holds, in the project, before it takes a slot and until it ends."""
    also: Callable[[Snapshot], tuple[str, ...]] | None = None
    """Further reasons to run again, beyond what records can tell."""
