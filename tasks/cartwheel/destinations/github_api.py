"""A client for the part of GitHub's REST API that a release needs; each call is one request.

Follows the API's pages "Releases" and "Release assets" (version 2022-11-28, read November 2026). The token is sent to
the API's hosts only; redirects with it are not followed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.destinations.github_place import Place, token_for, token_names
from cartwheel.destinations.http import (
    READ_SECONDS,
    SEND_SECONDS,
    Conversation,
    NoAuth,
    conversation,
    in_words,
    reason,
    sending_seconds,
)
from cartwheel.destinations.protocol import Answer, Say, Sleep
from cartwheel.destinations.retries import LOST, Patience, Trouble, seconds_until, with_retries
from cartwheel.model.destination import may_receive_the_token, token_variable
from cartwheel.model.errors import StepFailed

if TYPE_CHECKING:
    import requests

VERSION = "2022-11-28"
SECONDARY_SECONDS = 60.0
"""Wait at a rate limit that names no time (GitHub's advice)."""


class Reply(Struct, frozen=True, kw_only=True):
    """The response to one request."""

    answer: Answer
    document: Any = None
    more: str = ""
    """The address of the next page; empty on the last."""
    location: str = ""

    @property
    def status(self) -> int:
        """The HTTP status, or `LOST`; a rate limit that GitHub reports as 403 is 429 here."""
        return self.answer.status

    @property
    def fields(self) -> Mapping[str, Any]:
        """The document's keys; empty if it is no object."""
        return self.document if isinstance(self.document, dict) else {}

    @property
    def codes(self) -> tuple[str, ...]:
        """The error codes in the document, such as `already_exists`."""
        errors = self.fields.get("errors")
        errors = errors if isinstance(errors, list) else ()
        return tuple(str(error.get("code")) for error in errors if isinstance(error, dict))


class Api:
    """A connection to the API for one repository; a context manager that closes its connections."""

    def __init__(self, place: Place, environ: Mapping[str, str]) -> None:
        import requests

        self.place = place
        self._token = token_for(place, environ)
        self._session = requests.Session()
        self._session.auth = NoAuth(self._token)  # else requests would take credentials from .netrc
        self._session.headers.update({"X-GitHub-Api-Version": VERSION, "User-Agent": "cartwheel"})
        self._conversation = Conversation(self._session, place.api)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    @property
    def has_token(self) -> bool:
        """Whether it has credentials to write with."""
        return bool(self._token) or self.place.anonymous

    def without_token(self) -> tuple[str, ...]:
        """A line if there are no credentials to write with; else empty."""
        if self.has_token:
            return ()
        names = " or ".join(token_names(self.place))
        return (f"{self.place.name}: no token; set {names} to one that may write contents of {self.place.repository}",)

    def ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, *, seconds: float = READ_SECONDS
    ) -> Reply:
        """Sends one request; `path` is below the repository or an absolute address of the API."""
        url = path if path.startswith(("http://", "https://")) else f"{self.place.url}/{path}"
        return self._once(method, url, json=document, seconds=seconds)

    def upload(self, url: str, path: Path) -> Reply:
        """Sends a file, once."""
        with open(path, "rb") as file:
            size = path.stat().st_size
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            return self._once("POST", url, data=file, headers=headers, seconds=sending_seconds(size))

    def digest(self, url: str) -> str:
        """The SHA-256 of an asset's bytes as served."""
        digest = hashlib.sha256()
        self._download(url, digest.update)
        return digest.hexdigest()

    def content(self, url: str) -> bytes:
        """An asset's bytes as served."""
        parts: list[bytes] = []
        self._download(url, parts.append)
        return b"".join(parts)

    def _download(self, url: str, take: Callable[[bytes], object]) -> None:
        """Calls `take` with each part of an asset's bytes; a redirect is followed without the token."""
        import requests

        reply = self._once("GET", url, headers={"Accept": "application/octet-stream"}, raw=True)
        if not reply.location:
            if reply.status != 200:
                raise StepFailed(f"{self.place.name}: an asset cannot be downloaded: {reply.answer.text}")
            take(reply.document)
            return

        def ask(session: requests.Session) -> None:
            with session.get(reply.location) as response:
                response.raise_for_status()
                for part in response.iter_content(1 << 20):
                    take(part)

        try:
            with conversation(reply.location, NoAuth()) as talk:
                talk.exchange(ask, seconds=3 * SEND_SECONDS)
        except requests.RequestException as error:
            raise StepFailed(f"{self.place.name}: an asset cannot be downloaded: {reason(error)}") from None

    def _once(self, method: str, url: str, *, raw: bool = False, seconds: float = READ_SECONDS, **how: Any) -> Reply:
        import requests

        if not may_receive_the_token(self.place.api, url):
            raise StepFailed(
                f"{self.place.name}: it names another host for the next step ({in_words(url, (self._token,))}); "
                "nothing was sent there"
            )
        headers = {"Accept": "application/vnd.github+json", **how.pop("headers", {})}

        def ask(session: requests.Session) -> tuple[requests.Response, bytes]:
            with session.request(method, url, headers=headers, allow_redirects=False, **how) as response:
                return response, response.content

        try:
            response, content = self._conversation.exchange(ask, seconds=seconds)
        except requests.RequestException as error:
            self._conversation = Conversation(self._session, self.place.api)
            return Reply(answer=Answer(status=LOST, words=reason(error, (self._token,))))
        good = 200 <= response.status_code < 300
        document: Any = content if raw and good else _document(content)
        return Reply(
            answer=_answer(response, document, self._token),
            document=document,
            more=response.links.get("next", {}).get("url", ""),
            location=response.headers.get("Location", "") if response.is_redirect else "",
        )


def _document(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def _answer(response: requests.Response, document: Any, token: str) -> Answer:
    headers, status = response.headers, response.status_code
    words = in_words(_words(document) or str(response.reason or ""), (token,))
    wait = seconds_until(headers.get("Retry-After", ""), datetime.now(UTC))
    if headers.get("X-RateLimit-Remaining") == "0" and headers.get("X-RateLimit-Reset", "").isdigit() and not wait:
        wait = max(1.0, float(headers["X-RateLimit-Reset"]) - time.time())
    limited = status == 429 or (status == 403 and (wait or "rate limit" in words.lower()))
    if limited:
        return Answer(status=429, words=words, retry_after=wait or SECONDARY_SECONDS)
    return Answer(status=status, words=words, retry_after=wait)


def _words(document: Any) -> str:
    """GitHub's reason: the message and each error, or empty."""
    if not isinstance(document, dict) or not document.get("message"):
        return ""
    errors = document.get("errors")
    errors = (error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else ()
    codes = (str(error.get("message") or f"{error.get('field')}: {error.get('code')}") for error in errors)
    return "; ".join(dict.fromkeys((str(document["message"]).rstrip("."), *codes)))


class Persistent:
    """Repeats requests while a failure may pass, and words the failures that may not."""

    def __init__(self, api: Api, say: Say, patience: Patience, wait: Sleep) -> None:
        self.api = api
        self.patience = patience
        self._say, self._wait = say, wait

    def ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, *, ok: tuple[int, ...] = ()
    ) -> Reply:
        """The reply, which has a 2xx status or one in `ok`; only for requests that may be repeated. Raises
        `StepFailed`."""
        reply = self.attempt(lambda: self.api.ask(method, path, document), path.split("?")[0], ok=ok)
        if reply.answer.taken or reply.status in ok:
            return reply
        raise StepFailed(self.refusal(reply.answer))

    def attempt(self, ask: Any, what: str, *, ok: tuple[int, ...] = ()) -> Reply:
        """The last reply to `ask`, which is repeated after passing failures."""

        def trouble_of(reply: Reply) -> Trouble | None:
            if reply.answer.taken or reply.status in ok or not reply.answer.passing:
                return None
            return Trouble(words=reply.answer.text, retry_after=reply.answer.retry_after)

        who = f"{what}: {self.api.place.name}"
        reply: Reply = with_retries(ask, trouble_of, patience=self.patience, who=who, say=self._say, wait=self._wait)
        return reply

    def pages(self, path: str) -> Iterator[Any]:
        """The rows of a list, from all its pages."""
        following = f"{path}?per_page=100"
        while following:
            reply = self.ask("GET", following)
            if not isinstance(reply.document, list) or not all(isinstance(row, dict) for row in reply.document):
                raise StepFailed(
                    f"{self.api.place.name}: no list at {path}; is {self.api.place.api} an API of GitHub's?"
                )
            yield from reply.document
            following = reply.more

    def refusal(self, answer: Answer, what: str = "") -> str:
        """Why the request failed, and what to do."""
        place, reason = self.api.place, answer.text
        where = f"{what}: {place.name}" if what else place.name
        own = token_variable(place.name)
        other = token_names(place)[1:2] or (own,)
        if answer.status == 401:
            return f"{where} does not accept the token ({reason}); set {own} or {other[0]} to a valid one"
        if answer.status == 403:
            return f"{where}: the token may not do this ({reason}); it needs to write contents of {place.repository}"
        if answer.status == 404:
            token_state = "the token may not see it" if self.api.has_token else f"no token is set ({own}, {other[0]})"
            return f"{where}: {place.repository} is not found at {place.api} ({reason}): another name, or {token_state}"
        if answer.status in (301, 302, 307, 308):
            return (
                f"{where}: {place.repository} has moved ({answer.status}); update the remote's address or 'repository'"
            )
        if answer.passing:
            again = "start again later: only what is missing is sent"
            return f"{where} did not do it after {self.patience.tries} tries ({reason}); {again}"
        return f"{where} refuses it ({reason})"
