"""Tag: marks this commit with the version of each published package, once all checks before it have passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cartwheel import checklist, gate
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels.artifacts import ready
from cartwheel.process import environment

if TYPE_CHECKING:
    from cartwheel.repository.tag_rules import TagFacts


def steps(project: Project) -> Iterable[Step]:
    """Two steps for each published package: `ready` (may it be tagged?, first of all) and `tag`."""
    for package in project.packages:
        if package.publish:
            yield Step(
                name=f"ready:{package.key}",
                doc=f"whether {package.tag_name} may be made of this commit, as far as git and the changelog know",
                always=True,
                act=lambda work, package=package: _ready(project, package, work),  # type: ignore[misc]
            )
            yield Step(
                name=f"tag:{package.key}",
                doc=f"{package.tag_name} on this commit, pushed with its branch",
                needs=gate.reports_before_tag(project, package),
                after=(
                    *ready(package),
                    "version-sync",
                    *checklist.tasks_before_tag(project, package),
                    *gate.checks_before_tag(project, package),
                ),
                always=True,
                act=lambda work, package=package: _tag(project, package, work),  # type: ignore[misc]
            )


def _ready(project: Project, package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.release_checkout import differences
    from cartwheel.repository import undo_note
    from cartwheel.repository.tags import before_push, refuse

    undo_note.refuse(work.root)
    gate.refuse_unversioned(project, package, work)
    found = _facts(project, package, work)
    refuse(found)
    for line in differences(work.root):
        work.announce(f"not in the commit, and so not in the release: {line}")
    for line in () if found.done else before_push(found, pipeline=_starts(project, work)):
        work.announce(line)
    if not found.done:
        _refuse_without_notes(package, work, project.release.ignore_tags)
    if project.made_by_ci:
        _refuse_another_pipeline(project, work)
    gate.locate_destinations(project, package, work)
    if not found.done:
        _refuse_other_publishers(project, package, work)
        gate.refuse_untested(project, package, work)
        _refuse_lost_files(project, package, work)
    return {}


def _tag(project: Project, package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.release_checkout import refuse_uncommitted_inputs
    from cartwheel.repository.tag_rules import tag_refusals
    from cartwheel.repository.tags import make

    gate.refuse_unless_meant(project, work, "tag", "publish", "release")
    refuse_uncommitted_inputs(work.root, project, work.snapshot.environ)
    gate.refuse_unversioned(project, package, work)
    found = _facts(project, package, work)
    if not tag_refusals(found) and not found.done:
        _refuse_without_notes(package, work, project.release.ignore_tags)
        gate.refuse_before_tag(project, package, work)
    make(work.root, found, _message(project, package, work), work.announce, pipeline=_starts(project, work))
    return {}


def _starts(project: Project, work: Work) -> str:
    """The forge's job that this run is, if the tag should start a pipeline; empty if it is not a job or the tag
    starts none."""
    return environment.forge_job(work.snapshot.environ) if project.made_by_ci else ""


def _facts(project: Project, package: Package, work: Work) -> TagFacts:
    from cartwheel.repository.tags import facts

    return facts(
        work.root,
        tag=package.tag_name,
        version=package.version,
        template=package.tag,
        name=package.name,
        remote=project.release.remote,
        ignored=project.release.ignore_tags,
        branch=project.release.branch,
        pipeline=environment.in_ci(work.snapshot.environ),
        started=bool(project.started_by),
        checked_out=environment.released_branch(work.snapshot.environ),
    )


def _message(project: Project, package: Package, work: Work) -> str:
    """The message of the tag: name, version, and the notes of the changelog."""
    from cartwheel.versions.changelog_file import notes_for_tag

    notes = notes_for_tag(work.root, package, ignored=project.release.ignore_tags)
    return f"{package.name} {package.version}\n\n{notes}".strip()


def _refuse_without_notes(package: Package, work: Work, ignored: tuple[str, ...]) -> None:
    from cartwheel.versions.changelog_file import without_entry

    missing = without_entry(work.root, package, ignored=ignored)
    if missing:
        raise StepFailed("\n".join((f"{package.tag_name}: not tagged:", *(f"  {line}" for line in missing))))


def _refuse_another_pipeline(project: Project, work: Work) -> None:
    """Raises `StepFailed` if the committed pipeline, which the tag starts, is missing or differs from the
    configuration."""
    from cartwheel import __version__
    from cartwheel.ci.pipeline_files import refusals

    wrong = refusals(work.root, project, version=__version__)
    if wrong:
        raise StepFailed("\n".join(wrong))


def _refuse_other_publishers(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` if the tag would start another workflow that publishes the same version."""
    from cartwheel.ci.other_publishers import other_publishers

    if project.rehearsed or project.started_by:
        return
    if lines := other_publishers(work.root, project):
        own = "or, where that workflow is to release, say [tool.cartwheel.ci] own = true"
        raise StepFailed("\n".join((f"{package.tag_name} would be published twice:", *lines, own)))


def _refuse_lost_files(project: Project, package: Package, work: Work) -> None:
    """Raises `StepFailed` if this release loses a file of the last one without a reason; an unreadable index is only
    announced."""
    from cartwheel.last_release import change_before_release, comparison_index, losses_in_words, unread_in_words

    try:
        change = change_before_release(project, package, work.root)
    except StepFailed as error:
        work.announce(unread_in_words(comparison_index(project, package), error))
        return
    if change and (lines := losses_in_words(change)):
        raise StepFailed("\n".join(lines))
