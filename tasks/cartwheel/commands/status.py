"""`doit status`: shows how far a release has got: the tag, each index, each file, the crates, the release page.

Only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from doit.exceptions import InvalidCommand
from msgspec import Struct

from cartwheel.commands.options import AS_JSON, WordsAndOptions, packages_as_json
from cartwheel.commands.plan import context_of
from cartwheel.destinations.protocol import (
    DIFFERS,
    PARTIAL,
    THERE,
    UNKNOWN,
    DestinationStatus,
    Release,
    implementation,
)
from cartwheel.model.destination import kind_of
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Package, Project, packages_named
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.process import run
from cartwheel.run_context import RunContext


class TagStatus(Struct, frozen=True, kw_only=True):
    """The tag of a version: the commit it points to here and on the remote.

    Empty if the tag does not exist there, `unknown` if the remote could not be asked.
    """

    name: str
    here: str = ""
    there: str = ""
    detail: str = ""


class ReleaseStatus(Struct, frozen=True, kw_only=True):
    """One package's version, and where it is."""

    package: str
    version: str
    head: str
    tag: TagStatus
    indexes: tuple[DestinationStatus, ...]


class Status(WordsAndOptions):
    """The command, as doit's plugin `status`."""

    name = "status"
    doc_purpose = "show what of a release is where: the tag, each index, each file, the release page"
    doc_usage = "[PACKAGE ...]"
    doc_description = "Changes nothing.  Exits with 1 where something is other than planned, or could not be asked."
    cmd_options = (AS_JSON,)

    def _execute(self, as_json: bool, pos_args: list[str]) -> int:
        context = context_of(self.task_list)
        context.snapshot.readonly = True
        run.stop_on_signals()
        try:
            packages = packages_named(context.project, pos_args, "status") or context.project.packages
            states = tuple(release_status(context.project, package, context) for package in packages)
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        self.outstream.write(packages_as_json(states) if as_json else as_text(states))
        return 1 if any(_odd(row) for row in states) else 0


def _odd(row: ReleaseStatus) -> bool:
    """Whether something differs from the plan, or could not be asked."""
    elsewhere = any(commit not in ("", row.head) for commit in (row.tag.here, row.tag.there))
    return elsewhere or any(index.state in (DIFFERS, UNKNOWN) for index in row.indexes)


def release_status(project: Project, package: Package, context: RunContext) -> ReleaseStatus:
    """One package's version and where it is. A destination that cannot be asked is reported as unknown."""
    tag, head = _tag(project, package, context.root)
    digests = recorded_digests(package, context.root)
    statuses = tuple(_status(project, package, name, context, digests) for name in package.publish)
    return ReleaseStatus(package=package.name, version=package.version, head=head, tag=tag, indexes=statuses)


def _status(
    project: Project, package: Package, name: str, context: RunContext, digests: Mapping[str, str]
) -> DestinationStatus:
    try:
        with TemporaryDirectory() as folder:
            there = implementation(name, project.indexes).destination(
                Release(
                    project=project, package=package, index=name, root=context.root, environ=context.snapshot.environ,
                    say=lambda text: None, scratch=Path(folder),
                )
            )  # fmt: skip
            with there.session():
                return there.status(digests)
    except CartwheelError as error:
        kind = kind_of(name, project.indexes)
        return DestinationStatus(name=name, kind=kind, state=UNKNOWN, detail=str(error))


def recorded_digests(package: Package, root: Path) -> dict[str, str]:
    """The SHA-256 of each planned file as recorded by its check; empty if it was not made here."""
    from cartwheel.model.check_report import parse_report

    digests = {}
    for artifact in package_artifacts(package):
        try:
            digests[artifact.file] = parse_report((root / artifact.report).read_bytes(), where=artifact.report).sha256
        except (OSError, CartwheelError):
            digests[artifact.file] = ""
    return digests


def _tag(project: Project, package: Package, root: Path) -> tuple[TagStatus, str]:
    from cartwheel.repository.git import Repository
    from cartwheel.repository.tags import remote_of

    with Repository(root) as repository:
        head, name, remote = repository.head(), package.tag_name, project.release.remote
        here = repository.tags().get(name, "")
        try:
            remote = remote_of(repository, remote)
            if not remote:
                return TagStatus(name=name, here=here, detail="the repository has no remote"), head
            there = repository.remote_refs(remote).get(f"refs/tags/{name}", "")
        except CartwheelError as error:
            return TagStatus(name=name, here=here, there=UNKNOWN, detail=" ".join(str(error).splitlines())), head
    return TagStatus(name=name, here=here, there=there), head


def as_text(states: Iterable[ReleaseStatus]) -> str:
    """The text form: the tag, a line for each index, and the files that are not simply there."""
    lines = []
    for row in states:
        lines.append(f"{row.package} {row.version}  (HEAD {row.head[:12]})")
        lines.append(f"  {'tag ' + row.tag.name:24}{_tag_in_words(row)}")
        for index in row.indexes:
            there = sum(item.state == THERE for item in index.items)
            counted = f"{there} of {len(index.items)}" if index.items else ""
            head, *more = (index.detail or "").splitlines() or [""]
            parts = (f"  {index.name:24}{index.state:10}", counted, head)
            lines.append("  ".join(part for part in parts if part).rstrip())
            lines += [f"{'':28}{line.strip()}" for line in more]
            odd = index.items if index.state in (PARTIAL, DIFFERS) else ()
            lines += [f"{'':28}{item.state:12}  {item.name}" for item in odd]
            lines += [f"{'':28}{line}" for line in _provenance(index)]
        if not row.indexes:
            lines.append("  never published")
    return "\n".join(lines) + "\n"


def _provenance(index: DestinationStatus) -> tuple[str, ...]:
    """The origin of each file as the destination states it; one line if all files have the same."""
    there = [item for item in index.items if item.state == THERE]
    known = {item.provenance for item in there}
    if len(known) == 1:
        return tuple(f"each file: {provenance}" for provenance in known if provenance)
    return tuple(f"{item.name}: {item.provenance or 'no provenance'}" for item in there)


def _tag_in_words(row: ReleaseStatus) -> str:
    words = []
    for place, commit in (("here", row.tag.here), ("on the remote", row.tag.there)):
        if commit == UNKNOWN:
            words.append(f"{UNKNOWN} {place}")
        elif commit:
            words.append(place + ("" if commit == row.head else f" on another commit, {commit[:12]}"))
    return ", ".join(words or ["nowhere"]) + (f"  ({row.tag.detail})" if row.tag.detail else "")
