"""Publishing to GitHub: the release page of a package's tag, with every file, their digests and an archive of all."""

from __future__ import annotations

from pathlib import Path

from cartwheel.destinations.github_api import Api, Place, place_named
from cartwheel.destinations.github_release import ONE_AT_A_TIME, complete, look, shown
from cartwheel.destinations.ledger import Ledger
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.release_page import SUMS, Wanted, extra_files, extra_names
from cartwheel.destinations.retries import Patience
from cartwheel.filesystem.files import sha256_of
from cartwheel.gate import unplanned_files, verified_digests
from cartwheel.model.destination import is_prerelease
from cartwheel.model.errors import StepFailed
from cartwheel.model.project import Package, Project, packages_with_same_tag
from cartwheel.model.step import Work
from cartwheel.model.wheels.artifacts import ledger, package_artifacts
from cartwheel.model.wheels.wheel_name import normalised_name
from cartwheel.versions.changelog_file import notes_for_tag

PATIENCE = Patience()


def locate(project: Project, name: str, work: Work) -> None:
    """Raises `ConfigError` where the configuration and the remote name no repository, or no address of an API."""
    place(project, name, work)


def refuse(project: Project, package: Package, name: str, work: Work) -> None:
    """All that can be known before anything is public, also before the tag is there; raises `StepFailed`."""
    want = wanted(project, package, name, work, tagged=False)
    with Api(place(project, name, work), work.snapshot.environ) as api:
        wrong = look(api, want, say=work.announce, patience=PATIENCE)
    if wrong:
        raise StepFailed("\n".join((f"nothing was sent to {name}:", *wrong)))


def send(project: Project, package: Package, name: str, work: Work) -> dict[str, tuple[str, ...]]:
    """Make, complete and publish the release; raises `StepFailed`."""
    where = place(project, name, work)
    want = wanted(project, package, name, work, tagged=True)
    path = work.root / ledger(package, name)
    with ONE_AT_A_TIME, Api(where, work.snapshot.environ) as api:
        book = Ledger(path, Index(name=name, url=where.url, simple=""), package.name, package.version, work.announce)
        complete(api, want, book=book, say=work.announce, patience=PATIENCE)
    return {}


def verify(project: Project, package: Package, name: str, work: Work) -> None:
    """Raises `StepFailed` where the published release does not show every file with its bytes."""
    want = wanted(project, package, name, work, tagged=True)
    with Api(place(project, name, work), work.snapshot.environ) as api:
        wrong = shown(api, want, say=work.announce, patience=PATIENCE)
    if wrong:
        raise StepFailed("\n".join((f"{name} does not show what was published:", *wrong)))
    work.announce(f"{len(want.files)} files on the release {want.tag}, each with the same bytes")


def place(project: Project, name: str, work: Work) -> Place:
    """The repository that the configuration or the release's remote names."""
    return place_named(name, project.indexes, remote_of(project, work.root), work.snapshot.environ)


def remote_of(project: Project, root: Path) -> str:
    """The address of the remote that releases are pushed to; empty where there is none."""
    from cartwheel.repository import tags
    from cartwheel.repository.git import Repository

    with Repository(root) as repository:
        remote = tags.remote_of(repository, project.release.remote)
        return repository.url(remote) if remote else ""


def wanted(project: Project, package: Package, name: str, work: Work, *, tagged: bool) -> Wanted:
    """The release as it shall be; raises `StepFailed` where a file is not the one that was checked."""
    expected = verified_digests(package, work.root)
    odd = unplanned_files(project, package, work.root)
    if odd:
        raise StepFailed(odd[0])
    partners = packages_with_same_tag(package, project.packages, name)
    paths = [work.root / artifact.path for artifact in package_artifacts(package)]
    extra = extra_files(paths, work.scratch, stem=_stem(package), sums=_sums(package, shared=bool(partners)))
    words = notes_for_tag(work.root, package, ignored=project.release.ignore_tags)
    if not words:
        work.announce(f"the changelog has no entry for {package.version}, so the release page has no notes")
    return Wanted(
        tag=package.tag_name,
        commit=_head(work.root) if tagged else "",
        title=package.tag_name if partners else f"{package.name} {package.version}",
        notes=words,
        prerelease=is_prerelease(package.version),
        project=normalised_name(package.name),
        files={path.name: path for path in (*paths, *extra)},
        sha256={**expected, **{path.name: sha256_of(path) for path in extra}},
        others=tuple(file for other in partners for file in files_of(other, shared=True)),
    )


def files_of(package: Package, *, shared: bool) -> tuple[str, ...]:
    """The names of all files that a package's release holds; `shared`: other packages have the same tag."""
    planned = tuple(artifact.file for artifact in package_artifacts(package))
    return (*planned, *extra_names(_stem(package), _sums(package, shared=shared)))


def _stem(package: Package) -> str:
    return f"{normalised_name(package.name)}-{package.version}"


def _sums(package: Package, *, shared: bool) -> str:
    return f"{SUMS}-{package.key}" if shared else SUMS


def _head(root: Path) -> str:
    from cartwheel.repository.git import Repository

    with Repository(root) as repository:
        return repository.head()
