"""Never less: why a release would prove less of its origin than the last one at the same destination."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from cartwheel.destinations import pypi_provenance, trusted_publishing
from cartwheel.destinations.protocol import Say
from cartwheel.destinations.pypi_index import resolve
from cartwheel.destinations.pypi_provenance import NextPublisher
from cartwheel.last_release import ONCE, LastRelease, last_release, unread_in_words
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import GITHUB, PYPI, is_rehearsal, kind_of
from cartwheel.model.errors import CartwheelError
from cartwheel.model.project import Package, Project
from cartwheel.process.run import Interrupted


def provenance_losses(
    project: Project,
    package: Package,
    last: LastRelease | None,
    root: Path,
    environ: Mapping[str, str],
    say: Say,
    sent: Collection[str] = (),
) -> tuple[str, ...]:
    """Why this release would prove less than the last one: no attestations, no bundles, or another publisher.

    `last`: the last release on the index that releases are compared on.  `sent`: the indexes that this run sends files
    to; a pipeline sends them to the others.  Public indexes, those with `attestations` and release pages are asked;
    `say` gets a line about one that cannot be read.
    """
    if project.rehearsed:
        return ()
    lines: list[str] = []
    for name in package.publish:
        kind = "" if is_rehearsal(name, project.indexes) else kind_of(name, project.indexes)
        try:
            if kind == PYPI:
                lines += _on_index(project, package, name, last, root, environ, here=name in sent)
            elif kind == GITHUB:
                lines += _on_page(project, package, name, root, environ, here=name in sent)
        except Interrupted:
            raise
        except CartwheelError as error:
            say(unread_in_words(name, error))
    return tuple(lines)


def _on_index(
    project: Project,
    package: Package,
    name: str,
    last: LastRelease | None,
    root: Path,
    environ: Mapping[str, str],
    *,
    here: bool,
) -> tuple[str, ...]:
    from cartwheel.destinations.twine_upload import by_identity
    from cartwheel.provenance.attestations import publishers

    index = resolve(name, project.indexes)
    if not (index.public or index.attestations):
        return ()
    if last is None or last.index != name:
        last = last_release(index, package.name, root=root, below=package.version, patience=ONCE, keep=False)
    if not last or not last.files:
        return ()
    file = next((row for row in last.files if row.provenance), last.files[0]).file
    document = pypi_provenance.provenance(index, package.name, last.version, file, patience=ONCE)
    trusted = by_identity(index, environ) if here else _needs_identity(project, name)
    there = next_publisher(project, package, root, trusted=trusted, here=here)
    return pypi_provenance.losses(index, publishers(document), f"{package.name} {last.version}", there)


def _on_page(
    project: Project, package: Package, name: str, root: Path, environ: Mapping[str, str], *, here: bool
) -> tuple[str, ...]:
    from cartwheel.destinations.github import last_page
    from cartwheel.destinations.release_bundles import losses

    settings = project.indexes.get(name) or IndexSettings()
    if settings.attestations is False:  # its reason is in the configuration
        return ()
    there = last_page(project, package, name, root, environ, patience=ONCE)
    if there is None:
        return ()
    signs = _needs_identity(project, name) and (not here or trusted_publishing.is_available(environ))
    return losses(name, settings, *there, next_publisher(project, package, root, trusted=signs, here=here))


def _needs_identity(project: Project, name: str) -> bool:
    """Whether the pipeline's job for the destination gets an identity."""
    from cartwheel.ci.publish_jobs import job_needs

    return job_needs(project, name).identity


def next_publisher(project: Project, package: Package, root: Path, *, trusted: bool, here: bool) -> NextPublisher:
    """Who will publish this release, as far as it is known before.  `here`: this run does, and no pipeline."""
    repository, _ = pypi_provenance.source_of(project, package, root)
    pipelines = {} if here else dict(_pipelines(project, root))
    return NextPublisher(trusted=trusted, repository=repository, pipelines=pipelines)


def _pipelines(project: Project, root: Path) -> Iterator[tuple[str, str]]:
    """The committed pipelines that `doit ci` wrote: the forge's name, the file."""
    from cartwheel.ci.pipeline_files import committed_forges

    if not project.ci.own:
        for forge in committed_forges(root, project.ci):
            yield forge.name, forge.path_in(project.ci)
