"""The jobs that publish to an index and verify it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from cartwheel.ci.jobs import BUILD, FORGE, PLAN, PUBLISH, REPRODUCE, SDIST, VERIFY, Job, Permission, slug
from cartwheel.destinations.protocol import JobNeeds, implementation
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import GITHUB, PYPI, kind_of, token_variable
from cartwheel.model.project import Project
from cartwheel.provenance.attestations import AUDIENCE

TESTPYPI = "testpypi"

READ = Permission(scope="contents", access="read", why="to check the sources out")
_WRITE = Permission(scope="contents", access="write", why="to make the release page")
_IDENTITY = Permission(scope="id-token", access="write", why="to publish as this very job")
_SIGNING = Permission(scope="id-token", access="write", why="to sign as this very job")


def publish_jobs(project: Project) -> Iterable[Job]:
    """For each index in order a job that publishes and a job that verifies.

    Each pair waits for the pairs before it: a release appears on the last index only after it is verified on the first.
    Indexes of `ci.on-request`, the one for nightly versions and TestPyPI follow a tag in no case.
    """
    before: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    listed = dict.fromkeys(name for package in project.packages for name in package.publish)
    for index in listed:
        packages = tuple(p.key for p in project.packages if index in p.publish)
        earlier = (*before, *again) if kind_of(index, project.indexes) == GITHUB else before
        pair = _pair(project, index, packages, before=earlier, by_tag=index not in project.ci.on_request)
        yield from pair
        before += tuple(job.name for job in pair)
        if project.ci.reproduce and not again and pair[0].by_tag and kind_of(index, project.indexes) == PYPI:
            again = (REPRODUCE,)
            yield _reproduce(index, pair[1])
    public = tuple(p.key for p in project.packages if "pypi" in p.publish)
    if public and TESTPYPI not in listed and not _table(project, "pypi").url:  # private files stay off public indexes
        yield from _pair(project, TESTPYPI, public, by_tag=False, added=True)
    nightly, published = project.ci.nightly, tuple(p.key for p in project.packages if p.publish)
    if nightly and nightly not in listed and not (nightly == TESTPYPI and public):
        yield from _pair(project, nightly, published, by_tag=False, added=True)


def _pair(
    project: Project, index: str, packages: tuple[str, ...], *, before: tuple[str, ...] = (),
    by_tag: bool, added: bool = False,
) -> tuple[Job, Job]:  # fmt: skip
    """The job that publishes to an index and the one that verifies it.  `added`: the index is not in `publish`."""
    needs = job_needs(project, index)
    environment = _table(project, index).environment or index
    secrets = _secrets(index, needs)
    publish = Job(
        name=f"publish-{slug(index)}",
        role=PUBLISH,
        title=f"Publish to {index}",
        needs=(PLAN, BUILD, SDIST, *before),
        permissions=(_WRITE if needs.own_page else READ, *_identity(needs)),
        minutes=60,
        history=True,
        files=True,
        index=index,
        packages=packages,
        tags=tag_patterns(project, packages),
        by_tag=by_tag,
        by_schedule=index == project.ci.nightly,
        environment=environment,
        page=kind_of(index, project.indexes) == GITHUB,
        audiences=needs.audiences,
        secrets=secrets,
        variables={"CARTWHEEL_PUBLISH": index} if added else {},
    )
    verify = replace(
        publish,
        name=f"verify-{slug(index)}",
        role=VERIFY,
        title=f"Verify {index}",
        needs=(PLAN, publish.name),
        permissions=(READ,),
        history=needs.history,
        environment=environment if needs.private else "",
        audiences=(),
        secrets=secrets if needs.own_page or needs.private else {},
    )
    return publish, verify


def _reproduce(index: str, verify: Job) -> Job:
    """The job that builds the release again and compares it with the verified index."""
    return Job(
        name=REPRODUCE, role=REPRODUCE, title="Build again and compare", needs=(PLAN, verify.name), permissions=(READ,),
        minutes=120, history=True, index=index, tags=verify.tags,
    )  # fmt: skip


def _identity(needs: JobNeeds) -> tuple[Permission, ...]:
    if not needs.identity:
        return ()
    return (_SIGNING if needs.audiences == (AUDIENCE,) else _IDENTITY,)


def _table(project: Project, index: str) -> IndexSettings:
    return project.indexes.get(index, IndexSettings())


def job_needs(project: Project, index: str) -> JobNeeds:
    """The needs of an index's jobs, from its kind."""
    return implementation(index, project.indexes).job_needs(index, _table(project, index))


def _secrets(index: str, needs: JobNeeds) -> Mapping[str, str]:
    """The job's secrets; an identity that Sigstore alone sees is no credential for the index."""
    if needs.own_page:
        return {"GITHUB_TOKEN": FORGE}
    trusted = set(needs.audiences) - {AUDIENCE}
    return {} if trusted else {token_variable(index): token_variable(index)}


def is_rehearsal_index(project: Project, index: str) -> bool:
    """Whether an index takes versions without a tag."""
    return job_needs(project, index).practice


def tag_patterns(project: Project, packages: tuple[str, ...]) -> tuple[str, ...]:
    """The tag patterns of these packages, with `{name}` filled in."""
    return tuple(dict.fromkeys(p.tag.replace("{name}", p.name) for p in project.packages if p.key in packages))
