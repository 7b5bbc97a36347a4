"""Secrets that the publishing jobs of a committed pipeline need, and whether GitHub has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from cartwheel.ci.jobs import PUBLISH, Job
from cartwheel.ci.pipeline_files import committed_forges, project_pipeline
from cartwheel.model.project import Package, Project

if TYPE_CHECKING:
    from cartwheel.destinations.github_api import Api

SECONDS = 2.0
"""The time for one answer: `ready` is quick."""


def missing_secrets(
    root: Path, project: Project, package: Package, environ: Mapping[str, str], *, version: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Why jobs that publish the package will have no credentials, and notes on secrets that cannot be read.

    GitHub lists the names of secrets to a token that may read them, from GITHUB_TOKEN or GH_TOKEN.  `version` is
    cartwheel's own.
    """
    wrong: list[str] = []
    notes: list[str] = []

    @cache
    def secrets_of(environment: str) -> frozenset[str] | None:
        return _secrets_of(root, project, environ, environment)

    for forge in () if project.ci.own else committed_forges(root, project.ci):
        for job, variable in _publish_jobs(root, project, package, version):
            place = forge.secret_place(job, variable)
            known = secrets_of(job.environment) if forge.name == "github" else None
            if known is None:
                notes.append(f"the job {job.name} needs {place}; whether it is set cannot be seen here")
            elif variable not in known:
                wrong.append(f"{job.index}: the job {job.name} has no credentials; keep its token as {place}")
    return tuple(wrong), tuple(notes)


def _publish_jobs(root: Path, project: Project, package: Package, version: str) -> Iterable[tuple[Job, str]]:
    """The jobs that a tag starts and that publish the package, each with the name of its secret."""
    for job in project_pipeline(root, project, version=version).jobs_of_role(PUBLISH):
        if job.by_tag and package.key in job.packages:
            yield from ((job, name) for name, secret in job.secrets.items() if secret == name)


def _secrets_of(root: Path, project: Project, environ: Mapping[str, str], environment: str) -> frozenset[str] | None:
    """The names of the secrets that a job of this environment gets on GitHub; None if they cannot be read."""
    from cartwheel.destinations.github_api import Api
    from cartwheel.destinations.github_place import place_of
    from cartwheel.model.errors import CartwheelError
    from cartwheel.repository.git import Repository
    from cartwheel.repository.tags import remote_of

    try:
        with Repository(root) as repository:
            remote = remote_of(repository, project.release.remote)
            place = place_of("", {}, repository.url(remote) if remote else "", environ)
        with Api(place, environ) as api:
            return _secret_names(api, environment) if api.has_token else None
    except CartwheelError:
        return None


def _secret_names(api: Api, environment: str) -> frozenset[str] | None:
    """The secrets of the repository, its organization and the environment (REST API "Secrets", November 2026).

    An environment that does not exist has none; GitHub makes it with the first job.
    """
    names: set[str] = set()
    for path in ("actions/secrets", "actions/organization-secrets", f"environments/{quote(environment)}/secrets"):
        reply = api.ask("GET", f"{path}?per_page=100", seconds=SECONDS)
        rows = reply.document.get("secrets") if isinstance(reply.document, dict) else None
        if reply.answer.taken and isinstance(rows, list):
            names |= {str(row.get("name")) for row in rows if isinstance(row, dict)}
        elif not (path.startswith("environments") and reply.status == 404):
            return None
    return frozenset(names)
