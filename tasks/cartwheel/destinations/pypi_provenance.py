"""Attestations of a release on an index: signed before the first upload, read back and verified after the last.

The index serves them at `/integrity/NAME/VERSION/FILE/provenance` (PyPI's Integrity API, November 2026).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct

from cartwheel.destinations import trusted_publishing
from cartwheel.destinations.protocol import Item, Say
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_reader import Unreadable, read_bytes
from cartwheel.destinations.retries import READING, Patience
from cartwheel.destinations.worker import call_within
from cartwheel.model.destination import repository_at
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.project import Package, Project
from cartwheel.provenance import attestations
from cartwheel.provenance.attestations import Publisher

SIGNING_SECONDS = 60.0
"""The longest wait for one signature."""


def is_attested(index: Index) -> bool:
    """Whether the configuration wants the files attested, if trusted publishing issues the token."""
    return index.public if index.attestations is None else index.attestations


def trust_of(index: Index, root: Path) -> Path | None:
    """The trust configuration of the index's Sigstore; None: the public one."""
    return root / index.sigstore if index.sigstore else None


def refusals(index: Index, *, trusted: bool) -> tuple[str, ...]:
    """Why the files cannot be attested, known before anything is public; `trusted`: trusted publishing issues the
    token."""
    if not trusted:
        if not index.attestations:
            return ()
        return (
            f'index {index.name}: attestations need trusted publishing; say auth = "trusted" in '
            f"[tool.cartwheel.index.{index.name}], and publish from the pipeline",
        )
    lacking = attestations.missing_packages() if is_attested(index) else ""
    return (f"index {index.name}: {lacking}",) if lacking else ()


def sign(index: Index, items: Sequence[Item], root: Path, say: Say) -> dict[str, str]:
    """The attestation of each item by its name, as JSON. Raises `CartwheelError`, and then nothing was sent."""
    if not items:
        return {}
    trust = trust_of(index, root)

    def signed() -> dict[str, str]:
        token = trusted_publishing.job_identity(index.name, attestations.AUDIENCE)
        with attestations.signing(token, trust) as signer:
            return {item.name: signer.attestation(item.name, item.sha256) for item in items}

    late = f"index {index.name}: Sigstore does not answer; nothing was sent; start again later"
    signatures = call_within(signed, seconds=SIGNING_SECONDS * len(items), late=late)
    say(f"{len(signatures)} files attested")
    return signatures


def source_of(project: Project, package: Package, root: Path) -> tuple[str, str]:
    """The project's repository on its forge, `owner/name`, and the commit of the release; empty where unknown."""
    from cartwheel.repository.git import Repository
    from cartwheel.repository.tags import remote_of

    try:
        with Repository(root) as repository:
            remote = remote_of(repository, project.release.remote)
            commit = repository.tags().get(package.tag_name) or repository.head()
            return repository_at(repository.url(remote))[1] if remote else "", commit
    except CartwheelError:
        return "", ""


# Reading --------------------------------------------------------------------------------------------------------------


def provenance(
    index: Index, project: str, version: str, file: str, *, patience: Patience = READING
) -> Mapping[str, Any]:
    """The index's provenance document of a file; empty if the index holds none. Raises `Unreadable`."""
    parts = urlsplit(index.simple)
    path = "/".join(quote(part, safe="") for part in ("integrity", project, version, file, "provenance"))
    url = urlunsplit((parts.scheme, parts.netloc, f"/{path}", "", ""))
    try:
        document = json.loads(read_bytes(url, shown_as=f"the provenance of {file}", index=index, patience=patience))
    except Unreadable as error:
        if error.status == 404:
            return {}
        raise
    except (ValueError, RecursionError):
        raise StepFailed(f"index {index.name}: its provenance of {file} is not JSON") from None
    if not isinstance(document, dict):
        raise StepFailed(
            f"index {index.name}: its provenance of {file} is no JSON object; look at its 'simple' address"
        )
    return document


class FileProvenance(Struct, frozen=True, kw_only=True):
    """The origin of a file on an index, as far as it is known."""

    file: str
    publisher: str = ""
    commit: str = ""
    problem: str = ""
    """Why its attestations prove nothing; empty if they are valid, or if it has none."""

    @property
    def attested(self) -> bool:
        """Whether valid attestations exist."""
        return bool(self.publisher) and not self.problem


def file_provenance(index: Index, project: str, version: str, file: str, sha256: str, root: Path) -> FileProvenance:
    """Reads and verifies the attestations of one file; a problem is returned, not raised."""
    try:
        document = provenance(index, project, version, file)
        if not document:
            return FileProvenance(file=file)
        if lacking := attestations.missing_packages():
            stated = ", ".join(str(row) for row in attestations.publishers(document))
            return FileProvenance(file=file, publisher=stated, problem=f"not verified: {lacking}")
        attested = attestations.verify_attestations(document, file, sha256, trust_of(index, root))
    except StepFailed as error:
        return FileProvenance(file=file, problem=str(error))
    return FileProvenance(file=file, publisher=str(attested.publisher), commit=attested.commit)


def verify(
    index: Index, project: str, version: str, digests: Mapping[str, str], root: Path, *, repository: str, commit: str
) -> str:
    """Verifies the attestations of every file of a release; returns a line about them.

    `repository`: the project's repository on its forge, empty if unknown. `commit`: the released commit, empty if
    unknown. Raises `StepFailed` with all problems.
    """
    rows = [file_provenance(index, project, version, file, sha256, root) for file, sha256 in digests.items()]
    wrong = [row.problem or f"{row.file}: {index.name} holds no attestation of it" for row in rows if not row.attested]
    for row in rows:
        if row.attested and repository and f" {repository.lower()} " not in f"{row.publisher.lower()} ":
            wrong.append(f"{row.file}: it was published by {row.publisher}; expected a job of {repository}")
        elif row.attested and commit and row.commit and row.commit != commit:
            wrong.append(f"{row.file}: it was published from commit {row.commit}; expected {commit}")
    if wrong:
        raise StepFailed("\n".join(("the attestations are not those of this release:", *wrong)))
    named = sorted({row.publisher for row in rows})
    return f"{len(rows)} attestations verified: {', '.join(named)}"


# Comparison with the last release -------------------------------------------------------------------------------------


class NextPublisher(Struct, frozen=True, kw_only=True):
    """Who will publish a release."""

    trusted: bool
    """Whether a job with an identity publishes, so that it can sign."""
    repository: str = ""
    """`owner/name`; empty if unknown."""
    pipelines: Mapping[str, str] = {}
    """The file of each pipeline that may publish, by its forge (`github`, `gitlab`); empty if unknown."""

    def differs(self, last: Sequence[Publisher]) -> str:
        """The new publisher in words, if it differs from all of the last ones; empty if one may be the same."""
        if self.repository and self.repository.lower() not in (row.repository.lower() for row in last):
            return self.repository
        pairs = [(row.kind.lower(), row.workflow) for row in last if row.workflow]
        if not (self.pipelines and pairs) or any(
            f"/{self.pipelines.get(forge, '')}".endswith(f"/{workflow}") for forge, workflow in pairs
        ):
            return ""
        return " or ".join(f"{self.repository} {file}".strip() for file in self.pipelines.values())


def losses(index: Index, last: Sequence[Publisher], version: str, by: NextPublisher) -> tuple[str, ...]:
    """Why a release would prove less than the last one, `version`, whose files name the publishers `last`."""
    if not last or index.attestations is False:  # its reason is in the configuration
        return ()
    name = index.name
    if not (by.trusted and is_attested(index)):
        return (
            f"{name}: the files of {version} carry attestations, and those of this release would carry none; publish "
            f"from the pipeline with trusted publishing, or say why not: [tool.cartwheel.index.{name}] "
            'attestations = false, unattested = "…"',
        )
    if (other := by.differs(last)) and not index.publisher_changed:
        return (changed_publisher(name, version, last, other),)
    return ()


def changed_publisher(name: str, version: str, last: Sequence[Publisher], other: str) -> str:
    """The refusal of a release by another publisher than the last one."""
    return (
        f"{name}: {version} was published by {', '.join(map(str, last))}, and this is {other}; publish from there, or "
        f'say why: [tool.cartwheel.index.{name}] publisher-changed = "…"'
    )
