"""The work of one run of the pipeline, derived from what is stale and from the event that started the run."""

from __future__ import annotations

from collections.abc import Container

from msgspec import Struct

from cartwheel.ci.jobs import PUBLISH, Build, Pipeline
from cartwheel.ci.publish_jobs import is_rehearsal_index
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.project import Project

NOWHERE = "nowhere"
"""The choice of a manual run that builds and tests what is stale and publishes nothing."""


class SelectedBuild(Struct, frozen=True, kw_only=True):
    """A build of this run with its doit tasks."""

    build: Build
    tasks: tuple[str, ...]


class Selection(Struct, frozen=True, kw_only=True):
    """The builds and packages of one run."""

    builds: tuple[SelectedBuild, ...]
    sdists: tuple[str, ...]
    """The tasks that build and check source distributions."""
    sdist_pythons: tuple[str, ...]
    """The interpreters that these tasks need."""
    packages: tuple[str, ...]
    """The keys of the packages that the run releases; empty if it releases none."""


def selection(project: Project, pipeline: Pipeline, *, stale: Container[str], to: str = "") -> Selection:
    """The work of this run: a release builds every file of its packages, any other run builds what is stale.

    `stale`: the names of the tasks that would run.  `to`: the index that a person chose, or `NOWHERE`.
    Raises `ConfigError` if the tag or the chosen index is invalid for this project.
    """
    packages = packages_to_release(project, pipeline, to)
    if packages:
        rows = (SelectedBuild(build=b, tasks=b.tasks(packages)) for b in pipeline.builds)
        return Selection(
            builds=tuple(chosen for chosen in rows if chosen.tasks),
            sdists=tuple(f"check:sdist:{key}" for key in packages),
            sdist_pythons=pipeline.sdist_pythons,
            packages=packages,
        )
    return Selection(
        builds=tuple(
            SelectedBuild(build=b, tasks=b.tasks(b.packages))
            for b in pipeline.builds
            if any(f"{stage}:{wheel}" in stale for wheel in b.wheels for stage in ("build", "repair", "check"))
        ),
        sdists=tuple(
            f"check:sdist:{package.key}"
            for package in project.packages
            if f"sdist:{package.key}" in stale or f"check:sdist:{package.key}" in stale
        ),
        sdist_pythons=pipeline.sdist_pythons,
        packages=(),
    )


def packages_to_release(project: Project, pipeline: Pipeline, to: str) -> tuple[str, ...]:
    """The keys of the packages that this run releases.

    With a tag: the packages of that tag.  For a chosen rehearsal index: every package that may go there.
    Raises `ConfigError` if the tag or the chosen index is invalid for this project.
    """
    tag = project.started_by
    if to == NOWHERE or not (to or tag):
        return ()
    if to and to not in pipeline.choices:
        raise ConfigError(f"unknown index '{to}' of this pipeline{did_you_mean(to, (*pipeline.choices, NOWHERE))}")
    public = tuple(package for package in project.packages if package.publish)
    there = next(
        (job.packages for job in pipeline.jobs_of_role(PUBLISH) if job.index == to), tuple(p.key for p in public)
    )
    if not tag and is_rehearsal_index(project, to):
        return there
    known = ", ".join(dict.fromkeys(package.tag_name for package in public))
    if not tag:
        raise ConfigError(f"{to} takes tagged versions only, and this run started on a branch; start it on {known}")
    tagged = tuple(package.key for package in public if package.tag_name == tag and package.key in there)
    if not tagged:
        where = f" that is published to {to}" if to else ""
        raise ConfigError(f"the tag {tag} belongs to no package{where} in this commit; expected {known}")
    return tagged
