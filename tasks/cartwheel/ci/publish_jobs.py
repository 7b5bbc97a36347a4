"""The jobs that publish to an index and verify it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cartwheel.ci.jobs import BUILD, FORGE, PLAN, PUBLISH, SDIST, VERIFY, Job, Permission, slug
from cartwheel.destinations.credentials import token_variable
from cartwheel.destinations.protocol import JobNeeds, implementation
from cartwheel.model.config.release_settings import IndexSettings
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
    table, needs = _table(project, index), _needs(project, index)
    permissions = [_WRITE if needs.own_page else READ]
    if needs.identity:
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
        identity=needs.identity,
        secrets=_secrets(index, identity=needs.identity, own_page=needs.own_page),
        variables=_variables(index, asked_only=asked_only),
    )


def _verify(project: Project, index: str, packages: tuple[str, ...], *, asked_only: bool = False) -> Job:
    needs = _needs(project, index)
    return Job(
        name=f"verify-{slug(index)}",
        role=VERIFY,
        title=f"Verify {index}",
        needs=(PLAN, f"publish-{slug(index)}"),
        permissions=(READ,),
        minutes=60,
        history=needs.history,
        files=True,
        index=index,
        packages=packages,
        tags=tag_patterns(project, packages),
        asked_only=asked_only,
        secrets=_secrets(index, identity=False, own_page=needs.own_page) if needs.own_page or needs.private else {},
        variables=_variables(index, asked_only=asked_only),
    )


def _table(project: Project, index: str) -> IndexSettings:
    return project.indexes.get(index, IndexSettings())


def _needs(project: Project, index: str) -> JobNeeds:
    """What the jobs of an index need, as its kind says."""
    return implementation(index, project.indexes).job_needs(index, _table(project, index))


def _secrets(index: str, *, identity: bool, own_page: bool) -> Mapping[str, str]:
    if own_page:
        return {"GITHUB_TOKEN": FORGE}
    return {} if identity else {token_variable(index): token_variable(index)}


def _variables(index: str, *, asked_only: bool) -> Mapping[str, str]:
    """The variables of a job whose index is not in `publish`: it is added for this run."""
    return {"CARTWHEEL_PUBLISH": index} if asked_only else {}


def is_rehearsal_index(project: Project, index: str) -> bool:
    """Whether an index takes versions without a tag."""
    return _needs(project, index).practice


def tag_patterns(project: Project, packages: tuple[str, ...]) -> tuple[str, ...]:
    """The tag patterns of these packages, with `{name}` filled in."""
    return tuple(dict.fromkeys(p.tag.replace("{name}", p.name) for p in project.packages if p.key in packages))
