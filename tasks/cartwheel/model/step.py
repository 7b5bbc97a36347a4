"""A step: one unit of work, as a value.  The pipeline makes a doit task of each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cartwheel.model.record import Dependencies, Record


class Snapshot(Protocol):
    """The state of files, variables and tools that all judgements of a run share."""

    root: Path
    environ: Mapping[str, str]

    def digest(self, path: str) -> str:
        """The digest of a file's content, `""` if it is missing; each file is read at most once per process."""

    def digests(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """The digests of files that many steps read; computed once per tuple."""

    def moved(self, path: str) -> bool:
        """Whether a file was written, created or removed since its digest was taken, even if its content is equal."""

    def tool(self, name: str) -> str:
        """The version of a tool on this machine, `""` if it is missing."""

    def remember(self, key: str, make: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
        """The result of `make`, cached on this machine; `key` must name everything that the result depends on."""


class CommandLog(Protocol):
    """Runs the commands of a step and logs their output."""

    def hide(self, words: Sequence[str]) -> None:
        """Redact these words in the log."""

    def measure(self, progress: Callable[[], str]) -> None:
        """From now on `progress` tells how far the step is, such as `12/45 crates`."""

    def say(self, text: str) -> None:
        """Add a line to the log."""

    def run(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], seconds: float = 0.0) -> None:
        """Run a command to its end; raises `StepFailed` with the end of its output, or after `seconds`; 0: no limit."""

    def read(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> str:
        """Run a command to its end and return its output; raises `StepFailed` with the end of its output."""

    def attempt(
        self,
        argv: tuple[str, ...],
        *,
        cwd: Path,
        env: Mapping[str, str],
        hide: tuple[str, ...] = (),
        seconds: float = 0.0,
    ) -> tuple[int, str]:
        """Run a command to its end; returns its exit code and its output, with the words in `hide` redacted.

        Raises `StepFailed` after `seconds`; 0: no limit.
        """


class Slots(Protocol):
    """The locks of a run."""

    processors: int
    """The number of processors that the run may use."""

    def exclusive(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock `name` exclusively."""

    def free(self, name: str) -> bool:
        """Whether no process holds the lock `name`."""


class Work(Struct, frozen=True, kw_only=True):
    """The arguments of a step's action."""

    root: Path
    scratch: Path
    """An empty folder on the project's file system; deleted when the step ends."""
    log: CommandLog
    snapshot: Snapshot
    before: Record | None
    """The last success of this step; `None` if it never succeeded."""
    named: tuple[str, ...]
    """The tasks that the command line names literally; a publishing task runs only if it is one of them."""
    announce: Callable[[str], None]
    """Show the user one line."""
    note: Callable[[str], None] = lambda text: None
    """Show the user one line that several steps may say, once a run."""
    slots: Mapping[str, str] = {}
    """The environment variables through which compilers share this run's slots."""


class Sources(Protocol):
    """The files and facts that a step depends on, besides the outputs of earlier steps."""

    def dependencies(self, snapshot: Snapshot, before: Dependencies | None) -> Dependencies:
        """Their current state: with `before`, of exactly what that build read; else of everything that may count."""


Act = Callable[[Work], Mapping[str, tuple[str, ...]]]
"""Does the work; returns the names that it was seen to read, by kind (`Dependencies.learned`).  Raises `StepFailed`."""


class Step(Struct, frozen=True, kw_only=True):
    """One unit of work: inputs, outputs and action."""

    name: str
    doc: str
    act: Act
    needs: tuple[str, ...] = ()
    """Files that earlier steps wrote, relative to the project."""
    manifests: tuple[str, ...] = ()
    """Files that `doit info` shows as inputs; only `sources` decides how their content counts."""
    makes: tuple[str, ...] = ()
    """Files that it writes, relative to the project."""
    after: tuple[str, ...] = ()
    """Tasks that must run first but whose files it does not read."""
    follows: tuple[str, ...] = ()
    """Ordering only: runs after these tasks if they are selected too; never selects them."""
    settings: Mapping[str, str] = {}
    """Its configured settings, by name; a change makes the step stale."""
    tools: tuple[str, ...] = ()
    """Tools whose version affects the result."""
    chosen: Mapping[str, str] = {}
    """Defaults chosen by this machine; recorded and compared like tool versions."""
    blocked: str = ""
    """The reason that it cannot run on this machine; empty if it can."""
    unset: Callable[[Snapshot], str] | None = None
    """Describes a required variable that is not set; empty text if all are set.  The plan calls it too."""
    lacks: Callable[[Snapshot], str] | None = None
    """Describes what is missing on this machine; empty text if nothing is.  Called before the old record is dropped."""
    sources: Sources | None = None
    always: bool = False
    """It queries a remote or an index, so it runs whenever it is selected."""
    rewrites: bool = False
    """It may rewrite its inputs; the record holds their state after the run."""
    ships: bool = False
    """Its output is published, or is an input of a published file."""
    prepare: Callable[[Work], tuple[str, ...]] | None = None
    """Runs before the inputs are digested and may write inputs; returns the paths that it wrote."""
    heavy: bool = False
    """It compiles: at most one per slot at a time."""
    reserve: Callable[[Slots, Path], AbstractContextManager[None]] | None = None
    """Prepares and locks project resources before the step takes a slot; held until the step ends."""
    also: Callable[[Snapshot], tuple[str, ...]] | None = None
    """Gives reasons to run again that records cannot show."""
