"""Selection: what one run of the pipeline does, from what is stale and what started it."""

from __future__ import annotations

from collections.abc import Container

from msgspec import Struct

from cartwheel.ci.jobs import PUBLISH, Build, Pipeline, practice
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.project import Project

NOWHERE = "nowhere"
"""What a person chooses for a run that builds and tests everything and publishes nothing."""


class SelectedBuild(Struct, frozen=True, kw_only=True):
    """One build of this run, with its doit tasks."""

    build: Build
    tasks: tuple[str, ...]


class Selection(Struct, frozen=True, kw_only=True):
    """What a run does."""

    builds: tuple[SelectedBuild, ...]
    sdists: tuple[str, ...]
    """The tasks that make and check source distributions."""
    for_sdists: tuple[str, ...]
    """The interpreters that these need."""
    packages: tuple[str, ...]
    """What it releases, by key; empty where it releases nothing."""


def selection(project: Project, pipeline: Pipeline, *, stale: Container[str], to: str = "") -> Selection:
    """What this run does: a release makes every file of its packages, any other run what is stale.

    `stale`: the names of the tasks that would run.  `to`: the index that a person chose, or `NOWHERE`.
    Raises `ConfigError` where what started the run is no release of this project.
    """
    packages = released_packages(project, pipeline, to)
    if packages:
        made = (SelectedBuild(build=b, tasks=b.tasks(packages)) for b in pipeline.builds)
        return Selection(
            builds=tuple(chosen for chosen in made if chosen.tasks),
            sdists=tuple(f"check:sdist:{key}" for key in packages),
            for_sdists=pipeline.for_sdists,
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
        for_sdists=pipeline.for_sdists,
        packages=(),
    )


def released_packages(project: Project, pipeline: Pipeline, to: str) -> tuple[str, ...]:
    """The packages that this run releases, by key: those of the tag that started it, or for an index to practise on
    that a person chose, all that may go there."""
    tag = project.started_by
    if to == NOWHERE or not (to or tag):
        return ()
    if to and to not in pipeline.choices:
        raise ConfigError(f"'{to}' is no index of this pipeline{did_you_mean(to, (*pipeline.choices, NOWHERE))}")
    public = tuple(package for package in project.packages if package.publish)
    there = next((job.packages for job in pipeline.doing(PUBLISH) if job.index == to), tuple(p.key for p in public))
    if not tag and practice(project, to):
        return there
    known = ", ".join(dict.fromkeys(package.tag_name for package in public))
    if not tag:
        raise ConfigError(f"{to} takes what is tagged, and this run was started on a branch; start it on {known}")
    meant = tuple(package.key for package in public if package.tag_name == tag and package.key in there)
    if not meant:
        where = f" that is published to {to}" if to else ""
        raise ConfigError(f"the tag {tag} is of no package{where} as it is here; expected {known}")
    return meant
