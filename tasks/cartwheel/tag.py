"""Tag: marks this commit with the version of each published package, once all checks before it have passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel import checklist, gate
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.model.wheels.artifacts import ready_tasks


def steps(project: Project) -> Iterable[Step]:
    """Two steps for each published package: `ready_tasks` (may it be tagged?, first of all) and `tag`."""
    for package in project.packages:
        if package.publish:
            yield Step(
                name=f"ready:{package.key}",
                doc=f"whether {package.name} {package.version} may be released, as far as is known without a build",
                always=True,
                act=lambda work, package=package: _ready(project, package, work),  # type: ignore[misc]
            )
            yield Step(
                name=f"tag:{package.key}",
                doc=f"{package.tag_name} on this commit, pushed with its branch",
                needs=gate.reports_before_tag(project, package),
                after=(
                    *ready_tasks(package),
                    "version-sync",
                    *checklist.tasks_before_tag(project, package),
                    *gate.checks_before_tag(project, package),
                ),
                always=True,
                act=lambda work, package=package: _tag(project, package, work),  # type: ignore[misc]
            )


def _ready(project: Project, package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.release_candidate import ReleaseCandidate, starts_pipeline
    from cartwheel.release_checkout import differences
    from cartwheel.release_rules import refusals
    from cartwheel.repository.tags import before_push

    candidate = ReleaseCandidate(project, package, work)
    if lines := refusals(candidate):
        raise StepFailed("\n".join(lines))
    if not candidate.needs_tag:
        return {}
    for line in differences(work.root):
        work.announce(f"not in the commit, and so not in the release: {line}")
    if not candidate.facts.done:
        for line in before_push(candidate.facts, pipeline=starts_pipeline(project, work)):
            work.announce(line)
    return {}


def _tag(project: Project, package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.release_candidate import starts_pipeline, tag_facts
    from cartwheel.release_checkout import refuse_uncommitted_inputs
    from cartwheel.release_rules import refuse_without_notes
    from cartwheel.repository.tag_rules import tag_refusals
    from cartwheel.repository.tags import make

    gate.refuse_unless_named(project, work, "tag", "publish", "release")
    refuse_uncommitted_inputs(work.root, project, work.snapshot.environ)
    gate.refuse_unversioned(project, package, work)
    facts = tag_facts(project, package, work)
    if not tag_refusals(facts) and not facts.done:
        refuse_without_notes(project, package, work)
        gate.refuse_before_tag(project, package, work)
    make(work.root, facts, _message(project, package, work), work.announce, pipeline=starts_pipeline(project, work))
    return {}


def _message(project: Project, package: Package, work: Work) -> str:
    """The message of the tag: name, version, and the notes of the changelog."""
    from cartwheel.versions.changelog_file import notes_for_tag

    notes = notes_for_tag(work.root, package, ignored=project.release.ignore_tags)
    return f"{package.name} {package.version}\n\n{notes}".strip()
