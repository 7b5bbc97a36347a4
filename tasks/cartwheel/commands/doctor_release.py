"""`doit doctor` on a release: every reason that refuses it before a build, by the rules of `ready`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from cartwheel.model.project import Package
from cartwheel.model.step import Work
from cartwheel.process.step_log import StepLog
from cartwheel.release_candidate import ReleaseCandidate
from cartwheel.release_rules import refusals
from cartwheel.run_context import RunContext


class ReleaseReadiness(Struct, frozen=True, kw_only=True):
    """A package that is published, and what would refuse its release now."""

    package: str
    version: str
    tag: str
    refusals: tuple[str, ...]
    notes: tuple[str, ...]


def release_readiness(context: RunContext) -> tuple[ReleaseReadiness, ...]:
    """The readiness of each published package.  Asks the remote and the index."""
    return tuple(_readiness(context, package) for package in context.project.packages if package.publish)


def _readiness(context: RunContext, package: Package) -> ReleaseReadiness:
    notes: list[str] = []
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Work(
            root=context.root, scratch=Path(folder), log=StepLog(Path(folder, "log"), shown_as="the log"),
            snapshot=context.snapshot, before=None, named=("release",), announce=notes.append,
        )  # fmt: skip
        reasons = refusals(ReleaseCandidate(context.project, package, work, keep=False))
    return ReleaseReadiness(
        package=package.name, version=package.version, tag=package.tag_name, refusals=reasons, notes=tuple(notes)
    )


def as_text(rows: Iterable[ReleaseReadiness]) -> str:
    """A line for each package, followed by what would refuse its release."""
    lines = []
    for row in rows:
        state = "would be refused:" if row.refusals else "nothing known refuses it"
        lines += [f"release of {row.package} {row.version}: {state}"]
        lines += [f"  {line}" for line in (*row.refusals, *row.notes)]
    return "".join(f"  {line}\n" for line in lines)  # indented, because a line from the margin is a target
