"""The jobs that publish to an index and verify it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.ci.jobs import BUILD, FORGE, PLAN, PUBLISH, SDIST, VERIFY, Job, Permission, slug
from cartwheel.destinations.pypi_index import token_variable
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import GITHUB, PYPI, is_rehearsal, kind_of
from cartwheel.model.project import Project

TESTPYPI = "testpypi"

READ = Permission(scope="contents", access="read", why="to check the sources out")
_WRITE = Permission(scope="contents", access="write", why="to make the release page")
_IDENTITY = Permission(scope="id-token", access="write", why="to publish as this very job")


def publish_jobs(project: Project) -> Iterable[Job]:
    """For each index in order a job that publishes and a job that verifies.

    Each pair waits for the pairs before it: a release appears on the last index only after it is verified on the first.
    """
    before: tuple[str, ...] = ()
    listed = dict.fromkeys(name for package in project.packages for name in package.publish)
    for index in listed:
        packages = tuple(p.key for p in project.packages if index in p.publish)
        pair = (_publish(project, index, packages, before), _verify(project, index, packages))
        yield from pair
        before += tuple(job.name for job in pair)
    public = tuple(p.key for p in project.packages if "pypi" in p.publish)
    if public and TESTPYPI not in listed and "pypi" not in project.indexes:  # what is private stays off public indexes
        yield _publish(project, TESTPYPI, public, (), asked_only=True)
        yield _verify(project, TESTPYPI, public, asked_only=True)


def _publish(
    project: Project, index: str, packages: tuple[str, ...], before: tuple[str, ...], *, asked_only: bool = False
) -> Job:
    table = _table(project, index)
    kind = kind_of(index, project.indexes)
    identity = kind == PYPI and _by_identity(index, table)
    own_page = kind == GITHUB and not (table.url or table.repository)
    permissions = [_WRITE if own_page else READ]
    if identity:
        permissions.append(_IDENTITY)
    return Job(
        name=f"publish-{slug(index)}",
        role=PUBLISH,
        title=f"Publish to {index}",
        needs=(PLAN, BUILD, SDIST, *before),
        permissions=tuple(permissions),
        minutes=60,
        history=True,
        files=True,
        index=index,
        packages=packages,
        tags=tag_patterns(project, packages),
        asked_only=asked_only,
        environment=table.environment or index,
        identity=identity,
        secrets=_secrets(index, identity=identity, own_page=own_page),
        variables=_variables(index, asked_only=asked_only),
    )


def _verify(project: Project, index: str, packages: tuple[str, ...], *, asked_only: bool = False) -> Job:
    table = _table(project, index)
    kind = kind_of(index, project.indexes)
    own_page = kind == GITHUB and not (table.url or table.repository)
    return Job(
        name=f"verify-{slug(index)}",
        role=VERIFY,
        title=f"Verify {index}",
        needs=(PLAN, f"publish-{slug(index)}"),
        permissions=(READ,),
        minutes=60,
        history=kind == GITHUB,
        files=True,
        index=index,
        packages=packages,
        tags=tag_patterns(project, packages),
        asked_only=asked_only,
        secrets=_secrets(index, identity=False, own_page=True) if own_page else {},
        variables=_variables(index, asked_only=asked_only),
    )


def _table(project: Project, index: str) -> IndexSettings:
    return project.indexes.get(index, IndexSettings())


def _by_identity(index: str, table: IndexSettings) -> bool:
    """Whether an index takes trusted publishing: as configured, by default on PyPI and TestPyPI."""
    return table.auth == "trusted" or (table.auth is None and index in ("pypi", TESTPYPI) and not table.url)


def _secrets(index: str, *, identity: bool, own_page: bool) -> Mapping[str, str]:
    if own_page:
        return {"GITHUB_TOKEN": FORGE}
    return {} if identity else {token_variable(index): token_variable(index)}


def _variables(index: str, *, asked_only: bool) -> Mapping[str, str]:
    """The variables of a job whose index is not in `publish`: it is added for this run."""
    return {"CARTWHEEL_PUBLISH": index} if asked_only else {}


def is_rehearsal_index(project: Project, index: str) -> bool:
    """Whether an index takes versions without a tag."""
    return kind_of(index, project.indexes) == PYPI and is_rehearsal(index, project.indexes)


def tag_patterns(project: Project, packages: tuple[str, ...]) -> tuple[str, ...]:
    """The tag patterns of these packages, with `{name}` filled in."""
    return tuple(dict.fromkeys(p.tag.replace("{name}", p.name) for p in project.packages if p.key in packages))
