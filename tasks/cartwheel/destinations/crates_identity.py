"""Trusted publishing on registries of crates: exchanges a CI job's identity for a token of 30 minutes, and revokes it.

crates.io takes identities of GitHub and GitLab.com for the audience `crates.io`: POST to exchange, DELETE to revoke, at
`/api/v1/trusted_publishing/tokens` (its controllers/trustpub/tokens, November 2026). For another registry the `api` of
its index's config.json takes the place of https://crates.io, and the audience is that address without its scheme.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Thread
from typing import Any

from msgspec import Struct

from cartwheel.destinations import identity_requests, retries, trusted_publishing
from cartwheel.destinations.cargo_publish import CRATES_IO, Registry
from cartwheel.destinations.http import in_words
from cartwheel.destinations.protocol import Say
from cartwheel.destinations.retries import (
    LOST,
    READING,
    Trouble,
    passing_trouble,
    too_long,
    with_retries,
)
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import CartwheelError, ConfigError
from cartwheel.process.run import STOP

AUDIENCE = "crates.io"
RENEW_AFTER = 1500.0
"""Seconds after which a token is replaced; crates.io's tokens last 1800."""
_PATH = "/api/v1/trusted_publishing/tokens"


class _Reply(Struct, frozen=True, kw_only=True):
    """A registry's answer: its document, or in `words` why it sent no document."""

    document: Mapping[str, Any] = {}
    status: int = 200
    words: str = ""
    retry_after: float = 0.0


def is_planned(name: str, settings: IndexSettings, environ: Mapping[str, str]) -> bool:
    """Whether the job's identity authorises uploads: `auth` says so, or it is crates.io and there is no token."""
    if settings.auth or name != CRATES_IO:
        return settings.auth == "trusted"
    if any(environ.get(variable) for variable in (token_variable(name), "CARGO_REGISTRY_TOKEN")):
        return False
    on_gitlab = bool(environ.get(trusted_publishing.identity_variable(AUDIENCE)))
    return on_gitlab or trusted_publishing.github_gives_identities(environ)


def job_token(
    registry: Registry, settings: IndexSettings | None, environ: Mapping[str, str], say: Say
) -> JobToken | None:
    """The source of tokens for this job; None if uploads take a token of the user. A rehearsal's stand-in has one."""
    settings = settings or IndexSettings()
    if registry.stand_in or not is_planned(registry.name, settings, environ):
        return None
    return JobToken(registry, settings.environment, environ, say)


class JobToken:
    """Tokens that a registry issues to this job; at most one is valid at a time."""

    def __init__(self, registry: Registry, environment: str, environ: Mapping[str, str], say: Say) -> None:
        self._registry, self._environment, self._environ, self._say = registry, environment, environ, say
        self._api, self._token, self._issued = "", "", 0.0

    def refusal(self) -> str:
        """Why this process can have no identity; empty if it may have one."""
        return trusted_publishing.missing_identity(self._registry.name, self._environ)

    @property
    def stale(self) -> bool:
        """Whether there is no token that lasts long enough for one more crate."""
        return not self._token or time.monotonic() - self._issued > RENEW_AFTER

    def issue(self) -> str:
        """A new token; the one before is revoked. Raises `CartwheelError` that says what the job or the registry
        lacks."""
        self.revoke()
        name = self._registry.name

        def trouble_of(reply: _Reply) -> Trouble | None:
            return passing_trouble(reply.status, reply.words, reply.retry_after, READING)

        reply = with_retries(self._exchange, trouble_of, patience=READING, who=f"index {name}", wait=retries.sleep)
        token = reply.document.get("token")
        if not isinstance(token, str) or not token:
            words = too_long(reply.retry_after, READING) or reply.words or "its answer holds no token"
            raise CartwheelError(f"index {name}: no token by trusted publishing: {words}")
        self._token, self._issued = token, time.monotonic()
        return token

    def revoke(self) -> None:
        """Revokes the token, if there is one, also while the run is being stopped. A failure is announced only: the
        token ends by itself."""
        if not self._token:
            return
        token, self._token = self._token, ""
        replies: list[_Reply] = []
        work = Thread(target=lambda: replies.append(_ask("DELETE", self._api + _PATH, token=token)), daemon=True)
        work.start()
        work.join(1.5 if STOP.is_set() else 30.0)
        if not replies or replies[0].words:
            words = replies[0].words if replies else "no answer in time"
            self._say(f"{self._registry.name}: its token could not be revoked ({words}); it ends within 30 minutes")

    def _exchange(self) -> _Reply:
        self._api = self._api or self._address()
        audience = AUDIENCE if self._registry.name == CRATES_IO else self._api.partition("://")[2]
        identity = trusted_publishing.job_identity(self._registry.name, audience)
        claims = trusted_publishing.claims_of(identity)
        trusted_publishing.refuse_other_environment(self._registry.name, self._environment, claims)
        reply = _ask("POST", self._api + _PATH, identity=identity)
        if reply.status != 400:
            return reply
        shown = trusted_publishing.shown_claims(claims)
        advice = f"add this job on the crate's page there ({shown}); a crate's first version needs auth = \"token\""
        return _Reply(status=400, words=f"{reply.words}; {advice}")

    def _address(self) -> str:
        """The registry's address, without a slash at its end."""
        if self._registry.name == CRATES_IO:
            return "https://crates.io"
        if not self._registry.url.startswith("sparse+"):
            raise ConfigError(
                f'index {self._registry.name}: trusted publishing needs a sparse index; say auth = "token" in '
                f"[tool.cartwheel.index.{self._registry.name}]"
            )
        reply = _ask("GET", f"{self._registry.url.removeprefix('sparse+')}config.json")
        api = reply.document.get("api")
        if not isinstance(api, str) or not api.startswith(("https://", "http://")):
            raise CartwheelError(f"index {self._registry.name}: its index names no api ({reply.words or reply.status})")
        return api.rstrip("/")


def _ask(method: str, url: str, *, identity: str = "", token: str = "") -> _Reply:
    """Sends one request; the identity goes in the body, the token in a header."""
    body = {"jwt": identity} if identity else None
    reply = identity_requests.ask(method, url, body=body, token=token, stopping=method == "DELETE")
    document, words = reply.document or {}, reply.words
    if 200 <= reply.status < 400:
        return _Reply(document=document, status=reply.status)
    if reply.status != LOST:
        details = [str(row.get("detail")) for row in document.get("errors", ()) if isinstance(row, dict)]
        words = in_words("; ".join(details) or f"it answers {reply.status}", (identity, token), limit=1000)
    return _Reply(status=reply.status, words=words, retry_after=reply.retry_after)
