"""The pipeline of a project, derived from its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.ci.build_matrix import builds, sdist_pythons
from cartwheel.ci.jobs import BUILD, GATHER, PLAN, PUBLISH, SDIST, Job, Pipeline
from cartwheel.ci.publish_jobs import READ, publish_jobs, tag_patterns
from cartwheel.model.config.settings import Secret
from cartwheel.model.project import Project


def pipeline(project: Project, *, version: str) -> Pipeline:
    """The pipeline of a project.  `version`: cartwheel's own, installed unless the project configures another."""
    publishing = tuple(publish_jobs(project))
    return Pipeline(
        jobs=(*_build_jobs(project), *publishing),
        builds=builds(project),
        sdist_pythons=sdist_pythons(project),
        cartwheel=project.ci.install or (f"cartwheel[zig]=={version}",),
        branch=project.release.branch,
        tags=tag_patterns(project, tuple(p.key for p in project.packages if p.publish)),
        trigger=project.ci.trigger,
        sccache=any(package.sccache for package in project.packages),
        choices=tuple(job.index for job in publishing if job.role == PUBLISH),
    )


def _build_jobs(project: Project) -> Iterable[Job]:
    secrets = _build_secrets(project)
    environment = BUILD if secrets else ""
    yield Job(name=PLAN, role=PLAN, title="Plan", permissions=(READ,), minutes=15)
    yield Job(
        name=BUILD, role=BUILD, title="Build", needs=(PLAN,), permissions=(READ,), minutes=120,
        secrets=secrets, environment=environment,
    )  # fmt: skip
    yield Job(
        name=SDIST, role=SDIST, title="Source distributions", needs=(PLAN,), permissions=(READ,), minutes=60,
        secrets=secrets, environment=environment,
    )  # fmt: skip
    yield Job(
        name=GATHER, role=GATHER, title="All files", needs=(PLAN, BUILD, SDIST), permissions=(READ,), minutes=30,
        files=True,
    )  # fmt: skip


def _build_secrets(project: Project) -> Mapping[str, str]:
    """The secrets that `environment` of some wheel or package names, by variable."""
    tables = (*(wheel.environment for _, wheel in project.wheels), *(p.environment for p in project.packages))
    values = (value for table in tables for value in table.values())
    return {value.secret: value.secret for value in values if isinstance(value, Secret)}
