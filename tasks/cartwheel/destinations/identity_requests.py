"""Requests that exchange a job's identity for a token: one at a time, without redirects, .netrc and stored logins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.destinations.http import NoAuth, conversation, in_words, reason
from cartwheel.destinations.retries import LOST, seconds_until

if TYPE_CHECKING:
    import requests


class Reply(Struct, frozen=True, kw_only=True):
    """An answer to one request."""

    status: int
    """`LOST` if there was none."""
    document: Mapping[str, Any] | None = None
    """The answer's JSON object; None for any other body."""
    words: str = ""
    """The reason in the status line, or why there was no answer; without secrets."""
    retry_after: float = 0.0


def ask(
    method: str, url: str, *, body: Mapping[str, str] | None = None, token: str = "", stopping: bool = False
) -> Reply:
    """Sends one request.  `body`: sent as JSON, and secret.  `stopping`: also while the run is being stopped."""
    import requests

    hidden = (*(body or {}).values(), token)
    headers = {"User-Agent": "cartwheel", **({"Authorization": f"Bearer {token}"} if token else {})}

    def exchange(session: requests.Session) -> Reply:
        with session.request(
            method, url, json=body, headers=headers, timeout=(20.0, 30.0), allow_redirects=False
        ) as answer:
            try:
                document = answer.json() if answer.content else None
            except (requests.JSONDecodeError, RecursionError):
                document = None
            return Reply(
                status=answer.status_code,
                document=document if isinstance(document, dict) else None,
                words=in_words(str(answer.reason or ""), hidden),
                retry_after=seconds_until(answer.headers.get("Retry-After", ""), datetime.now(UTC)),
            )

    try:
        if stopping:
            with requests.Session() as session:
                session.auth = NoAuth()
                return exchange(session)
        with conversation(url, NoAuth()) as talk:
            return talk.exchange(exchange, seconds=60.0)
    except requests.RequestException as error:
        return Reply(status=LOST, words=f"it cannot be reached: {reason(error, hidden)}; start again later")
