"""Attestations of released files (PEP 740): signed by Sigstore with a job's identity, and verified.

pypi-attestations and sigstore are optional (`pip install cartwheel[publish]`) and imported inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cartwheel.model.errors import CartwheelError, ConfigError, StepFailed
from cartwheel.process.redact import inert
from cartwheel.provenance.build_provenance import ISSUERS, PROVENANCE, build_provenance

AUDIENCE = "sigstore"
"""The audience of the identity that Sigstore accepts."""

_REPOSITORY, _COMMIT, _PIPELINE = (f"1.3.6.1.4.1.57264.1.{number}" for number in (12, 13, 18))
"""The repository, the commit and the pipeline's file in a certificate (Fulcio, docs/oid-info.md, November 2026)."""


class Publisher(Struct, frozen=True, kw_only=True):
    """Who published a file, as the index states it."""

    kind: str
    """`GitHub`, `GitLab`, `Google`, ..."""
    repository: str = ""
    workflow: str = ""
    """The file of the pipeline: `release.yml`, `.gitlab-ci.yml`."""
    environment: str = ""

    def __str__(self) -> str:
        inside = f" in {self.environment}" if self.environment else ""
        return f"{self.kind} {self.repository} {self.workflow}".rstrip() + inside


class Attested(Struct, frozen=True, kw_only=True):
    """The facts that verified attestations prove about a file."""

    publisher: Publisher
    commit: str = ""
    """The commit that the publishing job ran on; empty if the certificate names none."""


def missing_packages() -> str:
    """The missing packages for signing and verifying; empty if none is missing."""
    if find_spec("pypi_attestations") and find_spec("sigstore"):
        return ""
    return "attestations need two packages: python -m pip install pypi-attestations sigstore"


class Signer:
    """Signs files for one job; all signatures share one certificate while it lasts."""

    def __init__(self, signer: Any) -> None:
        self._signer = signer

    def attestation(self, file: str, sha256: str) -> str:
        """The attestation of a file, as JSON. Raises `StepFailed`."""
        from pypi_attestations import Attestation, AttestationError, Distribution

        try:
            return Attestation.sign(self._signer, Distribution(name=file, digest=sha256)).model_dump_json()
        except (AttestationError, ValueError) as error:
            raise StepFailed(f"{file}: cannot be attested: {_line(error)}; start again") from None

    def provenance(self, file: str, sha256: str, claims: Mapping[str, Any]) -> str:
        """A Sigstore bundle with build provenance of a file (SLSA 1.0), as JSON. `claims`: those of the job's
        identity. Raises `StepFailed`."""
        from sigstore import dsse
        from sigstore.errors import Error

        subject = dsse.Subject(name=file, digest=dsse.DigestSet(root={"sha256": sha256}))
        statement = dsse.StatementBuilder([subject], PROVENANCE, build_provenance(claims))
        try:
            return str(self._signer.sign_dsse(statement.build()).to_json())
        except (Error, ValueError) as error:
            raise StepFailed(f"{file}: cannot be signed: {_line(error)}; start again") from None


@contextmanager
def signing(token: str, trust: Path | None = None) -> Iterator[Signer]:
    """A signer for a job's identity `token`, whose audience is `AUDIENCE`.

    `trust`: the trust configuration of another Sigstore; None: the public one. Raises `ConfigError` if the identity or
    the configuration is unusable, and `StepFailed` if Sigstore refuses or cannot be reached.
    """
    from sigstore.oidc import IdentityError, IdentityToken
    from sigstore.sign import SigningContext

    try:
        identity = IdentityToken(token)
    except IdentityError as error:
        raise ConfigError(f"attestations: the job's identity cannot be used: {_line(error)}") from None
    try:
        with SigningContext.from_trust_config(_trust(trust)).signer(identity) as signer:
            yield Signer(signer)
    except CartwheelError:
        raise
    except Exception as error:  # the clients of Fulcio and Rekor raise errors without a common class (sigstore 4.5)
        raise StepFailed(f"attestations: Sigstore did not sign: {_line(error)}; start again later") from None


def _trust(path: Path | None) -> Any:
    """A Sigstore's keys and addresses. An index accepts only entries of the log's first version: an attestation has no
    place for the timestamp that the second one needs (PEP 740, pypi-attestations 0.0.30)."""
    from sigstore.models import ClientTrustConfig

    if path is None:
        config = ClientTrustConfig.production()
    else:
        try:
            config = ClientTrustConfig.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"attestations: {path.name} is no trust configuration: {_line(error)}") from None
    config.force_tlog_version = 1
    return config


# ---- verification


class _Bundle(Struct):
    publisher: dict[str, Any]
    attestations: list[Any] = []


def _bundles(document: Mapping[str, Any]) -> list[_Bundle]:
    """The bundles in an index's provenance document. Raises `StepFailed` if it is damaged."""
    try:
        return msgspec.convert(document.get("attestation_bundles", []), list[_Bundle])
    except msgspec.ValidationError as error:
        raise StepFailed(
            f"the index's provenance document is damaged: {_line(error)}; look at its 'simple' address"
        ) from None


def publishers(document: Mapping[str, Any]) -> tuple[Publisher, ...]:
    """The publishers in an index's provenance document of a file. Raises `StepFailed` if it is damaged."""
    return tuple(_publisher(bundle.publisher) for bundle in _bundles(document))


def _publisher(row: Mapping[str, Any]) -> Publisher:
    def text(*keys: str) -> str:
        return " ".join(inert(str(next(filter(None, map(row.get, keys)), ""))).split())

    return Publisher(
        kind=text("kind"), repository=text("repository", "email"), workflow=text("workflow", "workflow_filepath"),
        environment=text("environment"),
    )  # fmt: skip


def verify_attestations(document: Mapping[str, Any], file: str, sha256: str, trust: Path | None = None) -> Attested:
    """The facts that the provenance document proves about a file.

    Every attestation in it is verified by its signature, its digest, its name and its publisher.

    `document`: as the index's integrity interface returns it. Raises `StepFailed` with the reason if one is wrong.
    """
    from pypi_attestations import Attestation

    attested: Attested | None = None
    for bundle in _bundles(document):
        publisher = _publisher(bundle.publisher)
        for row in bundle.attestations:
            try:
                attestation = Attestation.model_validate(row)
            except ValueError as error:
                raise StepFailed(f"{file}: its attestation is damaged: {_line(error)}") from None
            _verify(attestation, bundle.publisher, file, sha256, trust)
            claims = attestation.certificate_claims
            attested = Attested(publisher=publisher, commit=claims.get(_COMMIT, ""))
    if attested is None:
        raise StepFailed(f"{file}: the index holds no attestation of it")
    return attested


def verify_bundle(text: str, file: str, sha256: str, repository: str, trust: Path | None = None) -> str:
    """The commit that a Sigstore bundle proves a file to come from; empty if its certificate names none.

    `repository`: whose jobs may have signed, `owner/name`; empty: anyone's. Raises `StepFailed` with the reason if the
    bundle is not valid.
    """
    from pypi_attestations import Attestation, AttestationError
    from sigstore.errors import Error
    from sigstore.models import Bundle
    from sigstore.verify import Verifier

    try:
        bundle = Bundle.from_json(text)
        _, payload = Verifier(trusted_root=_trust(trust).trusted_root).verify_dsse(bundle, _any_of(_issuers(trust)))
        claims = Attestation.from_bundle(bundle).certificate_claims
    except (Error, AttestationError, ValueError) as error:
        raise StepFailed(f"{file}: its bundle is refused: {_line(error)}") from None
    _refuse_other_subject(file, sha256, json.loads(payload), (PROVENANCE,))
    source = claims.get(_REPOSITORY, "")
    if repository and not source.lower().endswith(f"/{repository.lower()}"):
        raise StepFailed(f"{file}: its bundle was signed by {source or 'nobody'}; expected a job of {repository}")
    return claims.get(_COMMIT, "")


def _verify(attestation: Any, publisher: Mapping[str, Any], file: str, sha256: str, trust: Path | None) -> None:
    from pypi_attestations import AttestationError, AttestationType
    from sigstore.errors import Error
    from sigstore.verify import Verifier

    try:
        verifier = Verifier(trusted_root=_trust(trust).trusted_root)
        _, payload = verifier.verify_dsse(attestation.to_bundle(), _policy(publisher, attestation, trust))
    except (Error, AttestationError, ValueError) as error:
        raise StepFailed(f"{file}: its attestation is refused: {_line(error)}") from None
    if trust is not None:
        _refuse_other_publisher(file, _publisher(publisher), attestation.certificate_claims)
    _refuse_other_subject(file, sha256, json.loads(payload), [kind.value for kind in AttestationType])


def _refuse_other_subject(file: str, sha256: str, statement: Mapping[str, Any], kinds: Collection[str]) -> None:
    """Raises `StepFailed` if a statement is not about this one file, or its predicate is of none of these kinds."""
    subjects = [(row.get("name"), row.get("digest", {}).get("sha256")) for row in statement.get("subject", ())]
    if subjects != [(file, sha256)]:
        shown = ", ".join(f"{name} sha256 {digest}" for name, digest in subjects) or "nothing"
        raise StepFailed(f"{file}: its attestation is of {shown}; expected {file} sha256 {sha256}")
    if statement.get("predicateType") not in kinds:
        raise StepFailed(f"{file}: its attestation is of the unknown type {statement.get('predicateType')}")


def _policy(publisher: Mapping[str, Any], attestation: Any, trust: Path | None) -> Any:
    """What a certificate must say: the publisher, issued by its forge; with another Sigstore, by an issuer that its
    configuration names (`_refuse_other_publisher` compares the publisher then)."""
    from pypi_attestations import AttestationBundle

    if trust is None:
        bundle = AttestationBundle(publisher=publisher, attestations=[attestation])  # type: ignore[arg-type]
        return bundle.publisher._as_policy()
    return _any_of(_issuers(trust))


def _issuers(trust: Path | None) -> tuple[str, ...]:
    """The issuers of identities that count: those of a Sigstore's configuration, or GitHub and GitLab.com."""
    if trust is None:
        return ISSUERS
    rows = json.loads(trust.read_text(encoding="utf-8")).get("signingConfig", {}).get("oidcUrls", ())
    return tuple(str(row.get("url")) for row in rows)


def _any_of(issuers: tuple[str, ...]) -> Any:
    from sigstore.verify import policy

    allowed: list[policy.VerificationPolicy] = [policy.OIDCIssuerV2(url) for url in issuers]
    return policy.AnyOf(allowed)


def _refuse_other_publisher(file: str, publisher: Publisher, claims: Mapping[str, str]) -> None:
    """Raises `StepFailed` if a certificate is not of a job of the publisher's repository and pipeline."""
    source, build = claims.get(_REPOSITORY, ""), claims.get(_PIPELINE, "")
    if not source.endswith(f"/{publisher.repository}") or f"/{publisher.workflow}@" not in build:
        raise StepFailed(
            f"{file}: its attestation is refused: it was signed by {build or source or 'nobody'}; "
            f"expected {publisher.repository} {publisher.workflow}"
        )


def _line(error: BaseException) -> str:
    """The first line of an error, or of its cause if it has no text."""
    text = str(error).strip() or (str(error.__cause__).strip() if error.__cause__ else "")
    return (text.splitlines() or [type(error).__name__])[0][:300]
