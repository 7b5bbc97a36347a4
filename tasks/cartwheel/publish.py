"""Publish: sends the files of each package to each of its indexes; everything that can refuse them is asked first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from cartwheel import gate
from cartwheel.checklist import tasks_before_tag
from cartwheel.gate import refuse_unless_named, refuse_unversioned
from cartwheel.model.destination import is_rehearsal
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels.artifacts import check_tasks, ledger_path, package_artifacts, ready_tasks, report_paths
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.destinations.protocol import Item


def steps(project: Project) -> Iterable[Step]:
    """One step for each package and index."""
    for package in project.packages:
        before: tuple[str, ...] = ()
        for name in package.publish:
            early, late = (ready_tasks(package), ()) if _needs_no_tag(project, name) else _tag_tasks(project, package)
            yield Step(
                name=f"publish:{name}:{package.key}",
                doc=f"{package.name} {package.version} to {name}",
                needs=(*report_paths(package), *(artifact.path for artifact in package_artifacts(package))),
                after=(*early, *check_tasks(package), *late),
                follows=before,
                always=True,
                act=lambda work, package=package, name=name: _act(project, package, name, work),  # type: ignore[misc]
            )
            before = (f"publish:{name}:{package.key}",)


def _tag_tasks(project: Project, package: Package) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tasks of a package's tag to run before its files are built, and those to run after."""
    return (*ready_tasks(package), *tasks_before_tag(project, package)), (f"tag:{package.key}",)


def _needs_no_tag(project: Project, name: str) -> bool:
    """Whether the index accepts an untagged release; always False in a rehearsal, whose stand-ins require the tag."""
    return not project.rehearsed and is_rehearsal(name, project.indexes)


def _act(project: Project, package: Package, name: str, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.destinations.delivery import deliver
    from cartwheel.destinations.ledger import Ledger
    from cartwheel.release_checkout import refuse_moved_tags, refuse_uncommitted_inputs

    refuse_unless_named(project, work, "publish", "release")
    if not _needs_no_tag(project, name):
        refuse_uncommitted_inputs(work.root, project, work.snapshot.environ)
        refuse_moved_tags(package, work, rehearsed=bool(project.rehearsed))
    refuse_unversioned(project, package, work)
    destination = gate.destination(project, package, name, work)
    with destination.session():
        files, items = gate.release_items(destination, project, package, work, sending=True, copies=True)
        if environment.builds_forbidden(work.snapshot.environ):
            _examine_again(package, files, work)
        book = Ledger(
            work.root / ledger_path(package, name), index=destination.name, url=destination.url, project=package.name,
            version=package.version, say=work.announce,
        )  # fmt: skip
        deliver(destination, items, book, say=work.announce, measure=work.log.measure)
    return {}


def _examine_again(package: Package, files: Sequence[Item], work: Work) -> None:
    """Repeats on the copies to send those checks that run no other tool, since other machines made and checked the
    files.

    The set of files is checked in any case. Raises `StepFailed`.
    """
    from cartwheel.check import refuse_invalid_wheel
    from cartwheel.checks.rules import OF_OTHER_TOOLS

    copies = {item.name: item.path for item in files}
    for wheel in package.wheels:
        refuse_invalid_wheel(package, wheel, work.root, copies[wheel.file], but=OF_OTHER_TOOLS)
    left = ", ".join(OF_OTHER_TOOLS)
    work.announce(f"{len(package.wheels)} wheels examined again (where they were built: {left})")
