"""A step: one unit of work, as a value.  The pipeline makes a doit task of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cartwheel.model.record import Dependencies, Record


class Snapshot(Protocol):
    """The state of files, variables and tools, as sources see it."""

    root: Path
    environ: Mapping[str, str]

    def digest(self, path: str) -> str:
        """The digest of a file's content, `""` if it is missing; read at most once a process."""

    def digests(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """The digests of files that many steps read; computed once for one tuple."""

    def moved(self, path: str) -> bool:
        """Whether a file was written, created or removed since its digest was taken, even if its content is equal."""

    def tool(self, name: str) -> str:
        """The version of a tool on this machine, `""` if it is missing."""

    def remember(self, key: str, make: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        """The result of `make`, cached on this machine under `key`, which names everything that it depends on."""


class CommandLog(Protocol):
    """Runs a step's commands and keeps their output."""

    def hide(self, words: Sequence[str]) -> None:
        """Keep these words out of the log."""

    def say(self, text: str) -> None:
        """Add a line to the log."""

    def run(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Run a command to its end; raises `StepFailed` with its last words."""

    def read(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> str:
        """Run a command to its end and return its output; raises `StepFailed` with its last words."""

    def attempt(
        self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], hide: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        """Run a command to its end; returns its exit code and its output without the words in `hide`."""


class Slots(Protocol):
    """The locks of a run."""

    def alone(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock by name."""

    def free(self, name: str) -> bool:
        """Whether nobody holds the lock."""


class Work(Struct, frozen=True, kw_only=True):
    """The arguments of a step's action."""

    root: Path
    scratch: Path
    """An empty folder on the file system of the project; gone when the step ends."""
    log: CommandLog
    snapshot: Snapshot
    before: Record | None
    """The last success of this step, if there was one."""
    named: tuple[str, ...]
    """The tasks that the command line names literally; a publishing task runs only if it is one of them."""
    announce: Callable[[str], None]
    """Tell the user something, in one line."""
    slots: Mapping[str, str] = {}
    """The variables by which compilers share this run's slots."""


class Sources(Protocol):
    """The files and facts that a step depends on, besides the outputs of earlier steps."""

    def seen(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """Their state now: with `before`, of exactly what that build read; without, of everything that may count."""


Act = Callable[[Work], Mapping[str, tuple[str, ...]]]
"""Does the work; returns the names it was seen to read, by kind (`Dependencies.learned`).  Raises `StepFailed`."""


class Step(Struct, frozen=True, kw_only=True):
    """One unit of work: its inputs, its outputs and its action."""

    name: str
    doc: str
    act: Act
    needs: tuple[str, ...] = ()
    """Files that earlier steps wrote, relative to the project."""
    manifests: tuple[str, ...] = ()
    """Files that `doit info` shows as inputs; `sources` decide how their content counts."""
    makes: tuple[str, ...] = ()
    """Files that it writes, relative to the project."""
    after: tuple[str, ...] = ()
    """Tasks that run first and give it no file."""
    follows: tuple[str, ...] = ()
    """Ordering only: runs after these tasks if they are selected too; never selects them."""
    settings: Mapping[str, str] = {}
    """Its settings in the configuration, by name; a change is a reason to run."""
    tools: tuple[str, ...] = ()
    """Tools whose version is part of the result."""
    chosen: Mapping[str, str] = {}
    """What this machine chooses by default; recorded and compared like a tool's version."""
    blocked: str = ""
    """Why it cannot run on this machine; empty if it can."""
    unset: Callable[[Snapshot], str] | None = None
    """Gives the variable that it needs and that is not set, in words, or an empty text; the plan asks it too."""
    lacks: Callable[[Snapshot], str] | None = None
    """Gives what is missing on this machine, in words, or an empty text; asked before its record is dropped."""
    sources: Sources | None = None
    always: bool = False
    """It looks at a remote or an index, so it runs whenever it is selected."""
    rewrites: bool = False
    """It may write its own inputs; their state after it counts."""
    ships: bool = False
    """Its output is published, or becomes something that is."""
    prepare: Callable[[Work], tuple[str, ...]] | None = None
    """Runs before its inputs are digested and may write them; returns what it wrote."""
    heavy: bool = False
    """It compiles: at most one per slot at a time."""
    reserve: Callable[[Slots, Path], AbstractContextManager[None]] | None = None
    """What it prepares and locks in the project before it takes a slot, until it ends."""
    also: Callable[[Snapshot], tuple[str, ...]] | None = None
    """Further reasons to run again, beyond what records can tell."""
