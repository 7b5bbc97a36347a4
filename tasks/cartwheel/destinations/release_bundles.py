"""Sigstore bundles on a release page: beside each file `NAME.sigstore.json`, which proves the job that made the page.

The bundle holds build provenance (SLSA 1.0), as `gh attestation verify --bundle` and `sigstore verify` read it. A
bundle differs each time it is signed, so it is no planned file: it is added if its name is missing, and never replaced.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from cartwheel.destinations import trusted_publishing
from cartwheel.destinations.github_api import Api, Persistent
from cartwheel.destinations.protocol import Release
from cartwheel.destinations.pypi_provenance import NextPublisher, changed_publisher
from cartwheel.destinations.release_page import Asset
from cartwheel.destinations.worker import call_within
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.provenance import attestations
from cartwheel.provenance.attestations import Publisher
from cartwheel.provenance.build_provenance import ISSUERS

SUFFIX = ".sigstore.json"
SIGNING_SECONDS = 60.0
"""The longest wait for one signature."""


def job_needs(settings: IndexSettings) -> tuple[str, ...]:
    """Whom a job of the pipeline shows its identity to: Sigstore, unless the configuration has no bundles.

    A GitHub server of one's own is no issuer that the public Sigstore knows, so it needs `attestations = true`.
    """
    planned = not settings.url if settings.attestations is None else settings.attestations
    return (attestations.AUDIENCE,) if planned else ()


def provenance_of(file: str, assets: Collection[str]) -> str:
    """What a release page with these `assets` states of a file's origin; empty without a bundle."""
    return f"signed: {file}{SUFFIX}" if f"{file}{SUFFIX}" in assets else ""


def stated_publisher(text: str) -> Publisher | None:
    """The pipeline that a bundle's build provenance (SLSA 1.0) states, unverified; None if it states none."""
    try:
        statement = json.loads(b64decode(json.loads(text)["dsseEnvelope"]["payload"]))
        workflow = statement["predicate"]["buildDefinition"]["externalParameters"]["workflow"]
        parts = urlsplit(str(workflow["repository"]))
    except (ValueError, KeyError, TypeError):
        return None
    kind = "GitHub" if parts.hostname == "github.com" else "GitLab"
    return Publisher(kind=kind, repository=parts.path.strip("/"), workflow=str(workflow.get("path", "")))


def losses(name: str, settings: IndexSettings, tag: str, bundle: str, by: NextPublisher) -> tuple[str, ...]:
    """Why a release page would prove less than the last one, that of `tag`; `bundle`: a Sigstore bundle from there."""
    if not by.trusted:
        return (
            f"{name}: the files of {tag} have Sigstore bundles, and those of this release would have none; publish "
            f"from the pipeline, or say why not: [tool.cartwheel.index.{name}] attestations = false, unattested = "
            '"…"',
        )
    last = stated_publisher(bundle)
    if last and (other := by.differs((last,))) and not settings.publisher_changed:
        return (changed_publisher(name, tag, (last,), other),)
    return ()


class Bundles:
    """The bundles of one release page."""

    def __init__(self, release: Release) -> None:
        self._name, self._say = release.index, release.say
        self._settings = release.settings or IndexSettings()
        self._environ = {} if release.project.rehearsed else release.environ
        self._trust = release.root / self._settings.sigstore if self._settings.sigstore else None

    def refusal(self) -> str:
        """Why files cannot be signed although the configuration requires it; empty if they can, or need not be."""
        if not self._settings.attestations:
            return ""
        lacking = attestations.missing_packages()
        return (
            f"index {self._name}: {lacking}"
            if lacking
            else trusted_publishing.missing_identity(self._name, self._environ)
        )

    def add(self, forge: Persistent, upload: str, digests: Mapping[str, str], present: Iterable[str]) -> None:
        """Sign each file of `digests` (SHA-256 by name) whose bundle is not `present`, and upload the bundles to
        `upload`. Raises `CartwheelError` if Sigstore or the forge refuses."""
        there = set(present)
        missing = {name: digest for name, digest in digests.items() if f"{name}{SUFFIX}" not in there}
        token = self._identity() if missing else ""
        if not token:
            return
        claims = trusted_publishing.claims_of(token)

        def signed() -> dict[str, str]:
            with attestations.signing(token, self._trust) as signer:
                return {name: signer.provenance(name, digest, claims) for name, digest in missing.items()}

        late = f"index {self._name}: Sigstore does not answer; the page stays a draft; start again later"
        bundles = call_within(signed, seconds=SIGNING_SECONDS * len(missing), late=late)
        with TemporaryDirectory() as folder:
            for name, text in bundles.items():
                file = Path(folder, f"{name}{SUFFIX}")
                file.write_text(text, encoding="utf-8")
                self._upload(forge, upload, file)
        self._say(f"{len(bundles)} files signed: {SUFFIX} beside each")

    def _upload(self, forge: Persistent, upload: str, file: Path) -> None:
        reply = forge.attempt(lambda: forge.api.upload(f"{upload}?name={file.name}", file), file.name)
        if not reply.answer.taken and "already_exists" not in reply.codes:
            raise StepFailed(forge.refusal(reply.answer, file.name))

    def _identity(self) -> str:
        """This job's identity for Sigstore; empty if files need no bundle, or this is no job of a public repository.

        The public log shows the repository of each signature, so a private repository signs only if it says so.
        """
        attest = self._settings.attestations
        if attest is False or not (attest or trusted_publishing.is_available(self._environ)):
            return ""
        if not attest and (lacking := attestations.missing_packages()):
            self._say(f"no {SUFFIX} files: {lacking}")
            return ""
        try:
            token = trusted_publishing.job_identity(self._name, attestations.AUDIENCE)
        except CartwheelError:
            if attest:
                raise
            return ""
        claims = trusted_publishing.claims_of(token)
        public = "public" in (claims.get("repository_visibility"), claims.get("project_visibility"))
        return token if attest or (public and claims.get("iss") in ISSUERS) else ""

    def verify(self, api: Api, assets: Iterable[Asset], digests: Mapping[str, str], repository: str) -> str:
        """Verify the bundle of every file that has one; returns a summary line, empty without bundles.

        `repository`: whose jobs may have signed, `owner/name`; empty if unknown. Raises `StepFailed` with all problems.
        """
        by_name = {asset.name: asset for asset in assets}
        bundles = {name: by_name[f"{name}{SUFFIX}"] for name in digests if f"{name}{SUFFIX}" in by_name}
        if not bundles:
            if self._settings.attestations:
                raise StepFailed(f"{self._name}: no file of the release page has a bundle")
            return ""
        if lacking := attestations.missing_packages():
            return f"{len(bundles)} bundles, not verified: {lacking}"
        wrong = [f"{name}: its bundle {name}{SUFFIX} is missing" for name in digests if name not in bundles]
        for name, asset in bundles.items():
            try:
                text = api.content(asset.url).decode("utf-8", "replace")
                attestations.verify_bundle(text, name, digests[name], repository, self._trust)
            except StepFailed as error:
                wrong.append(str(error))
        if wrong:
            raise StepFailed("\n".join(("the bundles are not those of this release:", *wrong)))
        return f"{len(bundles)} bundles verified"
