"""The pipeline of a project, derived from its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.ci.build_matrix import builds, sdist_pythons
from cartwheel.ci.jobs import (
    BUILD,
    FORGE,
    GATHER,
    OWN,
    PLAN,
    PUBLISH,
    SDIST,
    Job,
    Permission,
    Pipeline,
    RepositoryFacts,
)
from cartwheel.ci.publish_jobs import READ, job_needs, publish_jobs, tag_patterns
from cartwheel.model.config.values import Secret
from cartwheel.model.destination import GITHUB, PYPI, is_rehearsal, kind_of, token_variable
from cartwheel.model.errors import ConfigError, did_you_mean
from cartwheel.model.project import Project

_AT_ROOT = RepositoryFacts()


def pipeline(project: Project, *, version: str, where: RepositoryFacts = _AT_ROOT) -> Pipeline:
    """The pipeline of a project.

    `version`: cartwheel's own, installed unless the project configures another.  Raises `ConfigError` if a setting
    fits no index of the project, or a release could not be finished.
    """
    _refuse_unfit(project)
    publishing = tuple(publish_jobs(project))
    return Pipeline(
        jobs=(*_build_jobs(project), *publishing, *_own_jobs(project, publishing)),
        builds=builds(project),
        sdist_pythons=sdist_pythons(project),
        cartwheel=project.ci.install or (f"cartwheel[zig]=={version}",),
        branches=project.ci.branches or (project.release.branch,),
        tags=tag_patterns(project, tuple(p.key for p in project.packages if p.publish)),
        trigger=project.ci.trigger,
        sccache=any(package.sccache for package in project.packages),
        shared_cache=project.cache.by_pipelines,
        choices=tuple(job.index for job in publishing if job.role == PUBLISH),
        ci=project.ci,
        where=where,
    )


def _build_jobs(project: Project) -> Iterable[Job]:
    secrets = _build_secrets(project)
    environment = BUILD if secrets else ""
    token, reading, writing = _cache_access(project)
    to_read = _reading_secrets(project)
    yield Job(
        name=PLAN, role=PLAN, title="Plan", permissions=(READ,), minutes=15, secrets=to_read,
        environment=PLAN if to_read else "",
    )  # fmt: skip
    yield Job(
        name=BUILD, role=BUILD, title="Build", needs=(PLAN,), permissions=(READ, *reading), minutes=120,
        secrets={**secrets, **token}, environment=environment,
    )  # fmt: skip
    yield Job(
        name=SDIST, role=SDIST, title="Source distributions", needs=(PLAN,), permissions=(READ, *reading), minutes=60,
        secrets={**secrets, **token}, environment=environment,
    )  # fmt: skip
    yield Job(
        name=GATHER, role=GATHER, title="All files", needs=(PLAN, BUILD, SDIST), permissions=(READ, *writing),
        minutes=30, files=True, secrets=token,
    )  # fmt: skip


def _cache_access(project: Project) -> tuple[Mapping[str, str], tuple[Permission, ...], tuple[Permission, ...]]:
    """The token for the shared cache, and the permissions to read and to write it; empty unless GitHub has the cache.

    For another registry a step of the user's logs in.
    """
    if not (project.cache.by_pipelines and project.cache.url.startswith("oci://ghcr.io/")):
        return {}, (), ()
    read, write = (
        Permission(scope="packages", access=access, why=f"to {access} the shared cache") for access in ("read", "write")
    )
    return {"GITHUB_TOKEN": FORGE}, (read,), (write,)


def _build_secrets(project: Project) -> Mapping[str, str]:
    """The secrets that `environment` of some wheel or package names, by variable."""
    tables = (*(wheel.environment for _, wheel in project.wheels), *(p.environment for p in project.packages))
    values = (value for table in tables for value in table.values())
    return {value.secret: value.secret for value in values if isinstance(value, Secret)}


def _reading_secrets(project: Project) -> Mapping[str, str]:
    """The secrets with which the plan reads the last release on private indexes, by variable."""
    secrets: dict[str, str] = {}
    for package in project.packages:
        indexes = (name for name in package.publish if kind_of(name, project.indexes) == PYPI)
        first = next((name for name in indexes if not is_rehearsal(name, project.indexes)), "")
        if first and job_needs(project, first).private:
            secrets[token_variable(first)] = token_variable(first)
    return secrets


def _own_jobs(project: Project, publishing: Iterable[Job]) -> Iterable[Job]:
    for name, own in project.ci.jobs.items():
        before = tuple(job.name for job in publishing if job.role == own.needs and job.by_tag)
        if own.needs != BUILD and not before:
            raise ConfigError(f"[tool.cartwheel] ci.jobs.{name}: needs {own.needs}, and no tag publishes anything")
        extra = (Permission(scope=s, access=a, why="for your own steps") for s, a in own.permissions.items())
        permissions = {p.scope: p for p in (READ, *extra)}
        yield Job(
            name=name, role=OWN, title=name, needs=(PLAN, BUILD, SDIST, *before), permissions=(*permissions.values(),),
            minutes=own.minutes, files=True, environment=own.environment, runner=own.runner,
        )  # fmt: skip


def _refuse_unfit(project: Project) -> None:
    published = tuple(dict.fromkeys(name for package in project.packages for name in package.publish))
    for name in project.ci.on_request:
        if name not in published:
            raise ConfigError(
                f"[tool.cartwheel] ci.on-request: '{name}' is not in publish{did_you_mean(name, published)}"
            )
    nightly = project.ci.nightly
    if nightly and not is_rehearsal(nightly, project.indexes):
        raise ConfigError(
            f"[tool.cartwheel] ci.nightly: {nightly} is no index for practice; development versions go to one with "
            f"rehearsal = true in [tool.cartwheel.index.{nightly}]"
        )
    if project.ci.reproduce and not any(
        kind_of(name, project.indexes) == PYPI and name not in project.ci.on_request for name in published
    ):
        raise ConfigError(
            "[tool.cartwheel] ci.reproduce: a tag publishes to no index to compare with; add one to publish, or remove "
            "ci.reproduce"
        )
    if project.ci.trigger == "release" and (pages := [n for n in published if kind_of(n, project.indexes) == GITHUB]):
        raise ConfigError(
            f'[tool.cartwheel] ci.trigger = "release": a published page starts the run, and {pages[0]} would then add '
            "files to that page, which a repository with immutable releases refuses after everything else is public; "
            f'take {pages[0]} out of publish, or say trigger = "tag"'
        )
