"""Destinations of the kind `github`: the release page of a tag, with all files and their digests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cartwheel.destinations import release_bundles
from cartwheel.destinations.github_api import Api, Persistent
from cartwheel.destinations.github_place import Place, place_of
from cartwheel.destinations.github_release import GitHubRelease
from cartwheel.destinations.protocol import (
    JobNeeds,
    Release,
)
from cartwheel.destinations.release_bundles import Bundles
from cartwheel.destinations.release_page import (
    PageSpec,
    files_of,
    newest_below,
    page_of,
    partners,
)
from cartwheel.destinations.retries import Patience, sleep
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.project import Package, Project
from cartwheel.model.versions.version import is_prerelease
from cartwheel.model.wheels.wheel_name import normalised_name
from cartwheel.stand_ins.github import LoopbackReleases


def locate(project: Project, name: str, root: Path, environ: Mapping[str, str]) -> None:
    """Raises `ConfigError` if neither the configuration nor the remote names a repository, or if the API's address
    is invalid."""
    _place(project, name, root, environ)


def destination(release: Release) -> GitHubRelease:
    """The release page of a package's tag."""
    api = Api(_place(release.project, release.index, release.root, release.environ), release.environ)
    return GitHubRelease(api, _page_of(release), say=release.say, release=release, bundles=Bundles(release))


def name_refusals(release: Release, names: Sequence[str], paths: Sequence[Path]) -> tuple[str, ...]:
    """A missing token, with `release.sending`; a release page accepts every file name."""
    if not release.sending:
        return ()
    with Api(_place(release.project, release.index, release.root, release.environ), release.environ) as api:
        return api.without_token()


def existing_files(release: Release, version: str, crates: Mapping[str, str]) -> tuple[str, ...]:
    """Always empty: a release page exists only with its tag, which is checked elsewhere."""
    return ()


def job_needs(name: str, settings: IndexSettings) -> JobNeeds:
    """The job's own token can write the repository's own release page; Sigstore signs for the job's identity."""
    own_page = not (settings.url or settings.repository)
    return JobNeeds(own_page=own_page, history=True, audiences=release_bundles.job_needs(settings))


@contextmanager
def stand_in(project: Project, folder: Path, clone: Path, token: str) -> Iterator[LoopbackReleases]:
    """Release pages for the tags of the rehearsal's remote."""
    from cartwheel.repository.git import Repository

    def tags() -> Mapping[str, str]:
        with Repository(clone.with_name("remote.git")) as remote:
            return remote.tags()

    with LoopbackReleases(tags, token=token).open() as shelf:
        yield shelf


def last_page(
    project: Project, package: Package, name: str, root: Path, environ: Mapping[str, str], *, patience: Patience
) -> tuple[str, str] | None:
    """The tag of the newest older release whose page holds Sigstore bundles, if it is the last release, and one of its
    bundles; else None. Raises `StepFailed` if the pages cannot be read."""
    with Api(_place(project, name, root, environ), environ) as api:
        forge = Persistent(api, lambda line: None, patience, sleep)
        row = newest_below(forge, package.tag.replace("{name}", package.name), package.version)
        assets = page_of(forge, row).assets if row else ()
        bundle = next((asset for asset in assets if asset.whole and asset.name.endswith(release_bundles.SUFFIX)), None)
        if row is None or bundle is None:
            return None
        return str(row["tag_name"]), api.content(bundle.url).decode("utf-8", "replace")


def _place(project: Project, name: str, root: Path, environ: Mapping[str, str]) -> Place:
    """The repository from the configuration, else from the release's git remote."""
    from cartwheel.repository import tags
    from cartwheel.repository.git import Repository

    with Repository(root) as repository:
        remote = tags.remote_of(repository, project.release.remote)
        address = repository.url(remote) if remote else ""
    return place_of(name, project.indexes, address, environ)


def _page_of(release: Release) -> PageSpec:
    """The planned release page, without its files."""
    package, others = release.package, partners(release)
    return PageSpec(
        tag=package.tag_name,
        commit=_head(release.root) if release.tagged else "",
        title=package.tag_name if others else f"{package.name} {package.version}",
        notes=release.notes(),
        prerelease=is_prerelease(package.version),
        generated=package.changelog.origin == "github",
        project=normalised_name(package.name),
        form=package.tag.replace("{name}", package.name),
        others=tuple(file for other in others for file in files_of(other, shared=True)),
    )


def _head(root: Path) -> str:
    from cartwheel.repository.git import Repository

    with Repository(root) as repository:
        return repository.head()
