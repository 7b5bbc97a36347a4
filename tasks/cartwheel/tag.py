"""Tag: the version of each published package on this commit, once everything before it is proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.model.plan import checks, of_package, reports
from cartwheel.model.project import Package, Project
from cartwheel.model.step import Step, Work
from cartwheel.model.target import TARGETS
from cartwheel.proof import refuse_unless_meant
from cartwheel.world.host import this_machine


def steps(project: Project) -> Iterable[Step]:
    """One step for each package that is published."""
    for package in project.packages:
        if package.publish:
            yield Step(
                name=f"tag:{package.key}",
                doc=f"{package.tag_name} on this commit, pushed with its branch",
                needs=_reports(project, package),
                after=("version-sync", *_checks(project, package)),
                always=True,
                act=lambda work, package=package: _tag(project, package, work),  # type: ignore[misc]
            )


def _from_ci(project: Project) -> bool:
    """Whether the pipeline that the tag starts makes the wheels; a rehearsal plays both parts on one machine."""
    return project.release.origin == "ci" and not project.rehearsed


def _checks(project: Project, package: Package) -> tuple[str, ...]:
    if not _from_ci(project):
        return checks(package)
    host = this_machine()
    own = (f"check:{wheel.segments}" for wheel in package.wheels if host.runs(wheel.target))
    return (*own, f"check:sdist:{package.key}")


def _reports(project: Project, package: Package) -> tuple[str, ...]:
    if not _from_ci(project):
        return reports(package)
    host = this_machine()
    made = (a for a in of_package(package) if a.kind == "sdist" or host.runs(TARGETS[a.target]))
    return tuple(artifact.report for artifact in made)


def _tag(project: Project, package: Package, work: Work) -> Mapping[str, tuple[str, ...]]:
    from cartwheel.publish import refuse_what_the_index_would
    from cartwheel.world.tags import facts, judge, make

    refuse_unless_meant(project, work, "tag", "publish", "release")
    found = facts(
        work.root,
        tag=package.tag_name,
        version=package.version,
        template=package.tag,
        name=package.name,
        remote=project.release.remote,
        branch=project.release.branch,
        pipeline=bool(work.look.environ.get("CI")),
    )
    if not judge(found) and not found.done and not _from_ci(project):
        for name in package.publish:
            refuse_what_the_index_would(project, package, name, work)
    make(work.root, found, f"{package.name} {package.version}", work.announce)
    return {}
