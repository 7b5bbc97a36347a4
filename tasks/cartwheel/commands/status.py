"""`doit status`: what of a release is where: the tag, each index, each file, the crates, the release page.

Looks and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from doit.exceptions import InvalidCommand
from msgspec import Struct, to_builtins

from cartwheel.commands.options import WordsAndOptions
from cartwheel.commands.plan import workshop_of
from cartwheel.model.destination import CRATES, GITHUB, PYPI, kind_of
from cartwheel.model.errors import CartwheelError, did_you_mean
from cartwheel.model.project import Package, Project, packages_with_same_tag
from cartwheel.model.wheels.artifacts import package_artifacts
from cartwheel.process import run
from cartwheel.process.step_log import StepLog
from cartwheel.run_context import RunContext

THERE, MISSING, OTHER, EXTRA, BROKEN = "there", "missing", "other bytes", "not planned", "broken off"
COMPLETE, PARTIAL, NOTHING, DIFFERS, UNKNOWN = "complete", "partial", "nothing", "differs", "unknown"


class FileStatus(Struct, frozen=True, kw_only=True):
    """A file or a crate, and how it stands on an index."""

    name: str
    state: str
    """`there`, `missing`, `other bytes`, `not planned`, `broken off`."""


class DestinationStatus(Struct, frozen=True, kw_only=True):
    """An index, and how much of a release it has."""

    name: str
    kind: str
    state: str
    """`complete`, `partial`, `nothing`, `differs`, `unknown`."""
    detail: str = ""
    items: tuple[FileStatus, ...] = ()


class TagStatus(Struct, frozen=True, kw_only=True):
    """The tag of a version: the commit it leads to here and on the remote, empty where it is not; `unknown` where the
    remote could not be asked."""

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
    cmd_options = (
        {"name": "as_json", "short": "", "long": "json", "type": bool, "default": False, "help": "print JSON"},
    )

    def _execute(self, as_json: bool, pos_args: list[str]) -> int:
        shop = workshop_of(self.task_list)
        shop.world.readonly = True
        run.stop_on_signals()
        try:
            found = tuple(release(shop.project, package, shop) for package in _asked(shop.project, pos_args))
        except CartwheelError as error:
            raise InvalidCommand(str(error)) from None
        document = {"schema": 1, "packages": [to_builtins(row) for row in found]}
        self.outstream.write(json.dumps(document, indent=2) + "\n" if as_json else as_text(found))
        return 1 if any(_odd(row) for row in found) else 0


def _odd(row: ReleaseStatus) -> bool:
    """Whether something is other than planned, or could not be asked."""
    elsewhere = any(commit not in ("", row.head) for commit in (row.tag.here, row.tag.there))
    return elsewhere or any(index.state in (DIFFERS, UNKNOWN) for index in row.indexes)


def _asked(project: Project, names: list[str]) -> tuple[Package, ...]:
    known = {package.key: package for package in project.packages}
    for name in names:
        if name not in known:
            raise InvalidCommand(f"status: there is no package '{name}'{did_you_mean(name, known)}")
    return tuple(known[name] for name in names) or project.packages


def release(project: Project, package: Package, shop: RunContext) -> ReleaseStatus:
    """One package's version and where it is.  What cannot be asked is said so, and the rest is still shown."""
    tag, head = _tag(project, package, shop.root)
    looks = {PYPI: _on_index, GITHUB: _on_page, CRATES: _in_registry}
    digests = recorded_digests(package, shop.root)
    found = []
    for name in package.publish:
        kind = kind_of(name, project.indexes)
        try:
            found.append(looks[kind](project, package, name, shop, digests))
        except CartwheelError as error:
            found.append(DestinationStatus(name=name, kind=kind, state=UNKNOWN, detail=str(error)))
    return ReleaseStatus(package=package.name, version=package.version, head=head, tag=tag, indexes=tuple(found))


def recorded_digests(package: Package, root: Path) -> dict[str, str]:
    """The SHA-256 of each planned file as its check recorded it; empty where it was not made here."""
    from cartwheel.model.check_report import parse_report

    found = {}
    for artifact in package_artifacts(package):
        try:
            found[artifact.file] = parse_report((root / artifact.report).read_bytes(), where=artifact.report).sha256
        except (OSError, CartwheelError):
            found[artifact.file] = ""
    return found


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


Digests = Mapping[str, str]


def _on_index(project: Project, package: Package, name: str, shop: RunContext, digests: Digests) -> DestinationStatus:
    from cartwheel.destinations.pypi_index import listing, resolve

    said: list[str] = []
    rows = listing(resolve(name, project.indexes), package.name, package.version, say=said.append)
    withdrawn = [row.file for row in rows if row.yanked]
    items = file_statuses(digests, {row.file: row.sha256 for row in rows})
    detail = f"withdrawn: {', '.join(withdrawn)}" if withdrawn else "".join(said)
    return DestinationStatus(name=name, kind=PYPI, state=overall_state(items), detail=detail, items=items)


def _on_page(project: Project, package: Package, name: str, shop: RunContext, digests: Digests) -> DestinationStatus:
    from cartwheel.destinations.github_api import Api, Persistent, place_named
    from cartwheel.destinations.release_page import find
    from cartwheel.destinations.retries import Patience, sleep
    from cartwheel.publish_github import files_of, remote_of

    partners = packages_with_same_tag(package, project.packages, name)
    place = place_named(name, project.indexes, remote_of(project, shop.root), shop.world.environ)
    with Api(place, shop.world.environ) as api:
        page = find(Persistent(api, lambda text: None, Patience(tries=2, base=1.0), sleep), package.tag_name)
    if page is None:
        nothing = tuple(FileStatus(name=file, state=MISSING) for file in files_of(package, shared=bool(partners)))
        return DestinationStatus(name=name, kind=GITHUB, state=NOTHING, detail="no release page", items=nothing)
    planned = {file: digests.get(file, "") for file in files_of(package, shared=bool(partners))}
    others = {file for other in partners for file in files_of(other, shared=True)}
    assets = {asset.name: asset for asset in page.assets if asset.name in planned or asset.name not in others}
    items = tuple(
        FileStatus(name=item.name, state=BROKEN) if item.name in assets and not assets[item.name].whole else item
        for item in file_statuses(planned, {n: asset.sha256 for n, asset in assets.items()}, extra=False)
    )
    kind = "a draft" if page.draft else "published, and can no longer be changed" if page.immutable else "published"
    state = overall_state(items)
    state = PARTIAL if page.draft and state == COMPLETE else state
    return DestinationStatus(name=name, kind=GITHUB, state=state, detail=f"{kind}: {page.html}", items=items)


def _in_registry(
    project: Project, package: Package, name: str, shop: RunContext, digests: Digests
) -> DestinationStatus:
    from cartwheel.publish_crates import cargo_for, its_crates

    with TemporaryDirectory() as folder:
        log = StepLog(Path(folder, "cargo.log"), shown_as="cargo's words")
        cargo = cargo_for(project, package, name, shop.root, log=log, environ=shop.world.environ)
        crates = its_crates(project, package, name, cargo, shop.root)
        items = tuple(
            FileStatus(name=crate.file, state=MISSING if cargo.published(crate) is None else THERE) for crate in crates
        )
    return DestinationStatus(name=name, kind=CRATES, state=overall_state(items), items=items)


def file_statuses(planned: Digests, held: Digests, *, extra: bool = True) -> tuple[FileStatus, ...]:
    """Each planned file against what is held (SHA-256 by name, empty: not known), then what is held beside them."""
    items = []
    for file, ours in planned.items():
        theirs = held.get(file)
        same = theirs is not None and (not ours or not theirs or ours == theirs)
        items.append(FileStatus(name=file, state=MISSING if theirs is None else THERE if same else OTHER))
    return (*items, *(FileStatus(name=file, state=EXTRA) for file in held if extra and file not in planned))


def overall_state(items: Iterable[FileStatus]) -> str:
    """The state of an index, from those of its files."""
    states = {item.state for item in items}
    if states & {OTHER, EXTRA}:
        return DIFFERS
    if states <= {THERE}:
        return COMPLETE
    return NOTHING if states == {MISSING} else PARTIAL


def as_text(found: Iterable[ReleaseStatus]) -> str:
    """The form for people: the tag, a line for each index, and below it the files that are not simply there."""
    lines = []
    for row in found:
        lines.append(f"{row.package} {row.version}  (HEAD {row.head[:12]})")
        lines.append(f"  {'tag ' + row.tag.name:24}{_said(row)}")
        for index in row.indexes:
            there = sum(item.state == THERE for item in index.items)
            counted = f"{there} of {len(index.items)}" if index.items else ""
            head, *more = (index.detail or "").splitlines() or [""]
            parts = (f"  {index.name:24}{index.state:10}", counted, head)
            lines.append("  ".join(part for part in parts if part).rstrip())
            lines += [f"{'':28}{line.strip()}" for line in more]
            odd = index.items if index.state in (PARTIAL, DIFFERS) else ()
            lines += [f"{'':28}{item.state:12}  {item.name}" for item in odd]
        if not row.indexes:
            lines.append("  never published")
    return "\n".join(lines) + "\n"


def _said(row: ReleaseStatus) -> str:
    words = []
    for place, commit in (("here", row.tag.here), ("on the remote", row.tag.there)):
        if commit == UNKNOWN:
            words.append(f"{UNKNOWN} {place}")
        elif commit:
            words.append(place + ("" if commit == row.head else f" on another commit, {commit[:12]}"))
    return ", ".join(words or ["nowhere"]) + (f"  ({row.tag.detail})" if row.tag.detail else "")
