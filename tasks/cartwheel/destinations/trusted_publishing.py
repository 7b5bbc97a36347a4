"""Trusted publishing: exchanges the identity of a CI job for a token that lives 15 minutes.

The index names the audience of the identity (GET `/_/oidc/audience`) and exchanges it for a token (POST
`/_/oidc/mint-token`); a 422 has a code for the reason. Source: PyPI's documentation of the token exchange, and
Warehouse, oidc/views.py, 21 August 2026.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from cartwheel.destinations import identity_requests
from cartwheel.destinations.http import in_words
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.retries import (
    LOST,
    READING,
    Patience,
    Trouble,
    passing,
    passing_trouble,
    sleep,
    too_long,
    with_retries,
)
from cartwheel.destinations.worker import call_within
from cartwheel.model.errors import CartwheelError, ConfigError
from cartwheel.process.environment import in_ci

LIFETIME = 900.0
"""Lifetime of a token in seconds if the index does not state it."""

CODES: Mapping[str, str] = {
    "not-enabled": "it has trusted publishing switched off; start again later, or publish with a token",
    "invalid-payload": "it cannot read the job's identity; start the job again",
    "invalid-token": "it does not believe the job's identity: expired, or for another audience or issuer; "
    "start the job again, and look at the pipeline's audience",
    "invalid-publisher": "it knows no publisher like this job; add one on the project's page there that says exactly",
    "invalid-pending-publisher": "the pending publisher of this job is not valid; add it again there so that it says",
    "invalid-reuse-token": "the job's identity was used before and works once; start the job again, "
    "and publish one package at a time",
}
"""Why an index mints no token, and what to do, by the code in its answer."""

_OF_THE_PUBLISHER = ("invalid-publisher", "invalid-pending-publisher")
_SHOWN = (
    "repository", "workflow_ref", "job_workflow_ref", "project_path", "ci_config_ref_uri", "environment", "ref",
)  # fmt: skip
"""Claims that identify a publisher on GitHub and GitLab; none is secret."""


@dataclass(frozen=True, kw_only=True)
class MintedToken:
    """A token that an index minted for a job's identity."""

    token: str = field(repr=False)
    expires: float
    """Seconds since 1970."""


class _Refusal(Struct, frozen=True, kw_only=True):
    """Why an exchange gave no token."""

    status: int
    words: str
    retry_after: float = 0.0


def is_available(environ: Mapping[str, str]) -> bool:
    """Whether this is a GitHub or GitLab job with an identity, or with permission to request one."""
    if github_gives_identities(environ):
        return True
    return bool(environ.get("GITLAB_CI")) and any(name.endswith("_ID_TOKEN") for name in environ)


def github_gives_identities(environ: Mapping[str, str]) -> bool:
    """Whether this is a GitHub job that may request an identity."""
    return bool(environ.get("GITHUB_ACTIONS") and environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"))


def missing_identity(name: str, environ: Mapping[str, str]) -> str:
    """Why no identity can exist, as far as it is known offline; empty if one may."""
    if in_ci(environ) or any(environ.get(job) for job in _JOBS):
        return ""
    return (
        f"index {name}: trusted publishing works only in a job of GitHub or GitLab; this process is not in one; "
        f'publish from the pipeline, or say auth = "token" in [tool.cartwheel.index.{name}]'
    )


_JOBS = ("GITHUB_ACTIONS", "GITLAB_CI", "GOOGLE_SERVICE_ACCOUNT_NAME")


def mint(
    index: Index, *, patience: Patience = READING, wait: Callable[[float], None] | None = None, again: bool = False
) -> MintedToken:
    """A token of this index for this job; raises `CartwheelError` that says what the job or the index lacks.

    The index accepts an identity only once, so the token is cached for this process. `again`: the cached token has
    expired; raises if no new identity is available.
    """

    def trouble_of(answer: MintedToken | _Refusal) -> Trouble | None:
        if isinstance(answer, MintedToken):
            return None
        return passing_trouble(answer.status, answer.words, answer.retry_after, patience)

    answer = with_retries(
        lambda: _exchange(index, again), trouble_of, patience=patience, who=f"index {index.name}", wait=wait or sleep
    )
    if isinstance(answer, MintedToken):
        return answer
    why = too_long(answer.retry_after, patience) or answer.words
    raise CartwheelError(f"index {index.name}: no token by trusted publishing: {why}")


_MINTED: dict[tuple[str, str], MintedToken] = {}


def _exchange(index: Index, again: bool) -> MintedToken | _Refusal:
    audience_answer = _ask(index, "GET", "audience")
    if isinstance(audience_answer, _Refusal):
        return audience_answer
    audience = str(audience_answer.get("audience", ""))
    identity = job_identity(index.name, audience)
    claims = claims_of(identity)
    refuse_other_environment(index.name, index.environment, claims)
    key = (index.url, hashlib.sha256(identity.encode()).hexdigest())
    if key in _MINTED:
        if again:
            raise CartwheelError(
                f"index {index.name}: its token has expired, and this job has one identity for one token; "
                "start the job again: only what is missing is sent"
            )
        return _MINTED[key]
    token_answer = _ask(index, "POST", "mint-token", {"token": identity})
    if isinstance(token_answer, _Refusal):
        return token_answer
    if not isinstance(token_answer.get("token"), str):
        return _refusal(index, token_answer, claims, identity)
    expires = token_answer.get("expires")
    _MINTED[key] = MintedToken(
        token=token_answer["token"],
        expires=float(expires) if isinstance(expires, int | float) else time.time() + LIFETIME,
    )
    return _MINTED[key]


def _ask(index: Index, method: str, what: str, body: dict[str, str] | None = None) -> Mapping[str, Any] | _Refusal:
    """The JSON document of an answer of the index's own host, including that of a refusal by status 422."""
    parts = urlsplit(index.url)
    reply = identity_requests.ask(
        method, urlunsplit((parts.scheme, parts.netloc, f"/_/oidc/{what}", "", "")), body=body
    )
    words = reply.words
    if reply.status != LOST and passing(reply.status):
        words = f"it answers {reply.status} {reply.words} to {what}; start again later"
    elif reply.status != LOST:
        if reply.document is not None and reply.status in (200, 422):
            return reply.document
        words = f"it answers {reply.status} to {what}, as an index does that has none; publish with a token"
    return _Refusal(status=reply.status, words=words, retry_after=reply.retry_after)


def job_identity(name: str, audience: str) -> str:
    """This job's identity for an audience. Raises `CartwheelError` if the job has none; it names the index `name`."""
    import id

    try:
        late = f"index {name}: the job's identity is not given; start the job again"
        identity = call_within(lambda: id.detect_credential(audience), seconds=60.0, late=late)
    except id.GitHubOidcPermissionCredentialError:
        raise ConfigError(
            f"index {name}: this job may not show who it is; give it 'permissions: id-token: write'"
        ) from None
    except id.AmbientCredentialError as error:
        raise CartwheelError(
            f"index {name}: this job has no identity for the audience '{audience}' ({_first_line(error)}); "
            f"on GitLab give it 'id_tokens: {identity_variable(audience)}: {{aud: {audience}}}'"
        ) from None
    if not identity:
        raise CartwheelError(missing_identity(name, {}))
    return identity


def identity_variable(audience: str) -> str:
    """The variable in which a GitLab job finds its identity for an audience (PyPI's `id`, detect_gitlab)."""
    return re.sub(r"[^A-Z0-9_]|^[^A-Z_]", "_", audience.upper()) + "_ID_TOKEN"


def _first_line(error: Exception) -> str:
    """The error without the server's response body, which may contain the identity."""
    return (str(error).splitlines() or [type(error).__name__])[0].split(", body=")[0]


def claims_of(identity: str) -> Mapping[str, Any]:
    """The claims of an identity, not verified; only for messages."""
    try:
        part = identity.split(".")[1]
        document = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError):
        return {}
    return document if isinstance(document, dict) else {}


def refuse_other_environment(name: str, environment: str, claims: Mapping[str, Any]) -> None:
    """Raises `ConfigError` if an identity's claims name another environment than the configuration (empty: any)."""
    claimed = str(claims.get("environment") or "")
    if claims and environment and claimed.lower() != environment.lower():
        raise ConfigError(
            f"index {name}: the configuration says environment '{environment}', and this job runs in "
            f"{repr(claimed) if claimed else 'none'}; let the job that publishes run in '{environment}'"
        )


def shown_claims(claims: Mapping[str, Any]) -> str:
    """The claims that identify a publisher, for a message."""
    return ", ".join(f"{name} = {claims[name]}" for name in _SHOWN if claims.get(name))


def _refusal(index: Index, answer: Mapping[str, Any], claims: Mapping[str, Any], identity: str) -> _Refusal:
    errors = [error for error in answer.get("errors", ()) if isinstance(error, dict)]
    code = str(errors[0].get("code", "")) if errors else ""
    words = CODES.get(code, f"it says {errors or answer.get('message', 'nothing')}; look at the publisher there")
    if code in _OF_THE_PUBLISHER:
        words += " " + shown_claims(claims)
    return _Refusal(status=422, words=in_words(words, (identity,), limit=1000) + (f" ({code})" if code else ""))
