"""GitHub's API, as far as a release needs it: each call is one request, and says what was answered.

The calls and their answers are those of the REST API's pages "Releases" and "Release assets" (version 2022-11-28, read
November 2026).  A token is sent to the API's own hosts only; nothing is followed to another address with it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.destinations.pypi_index import CONNECT_SECONDS, is_loopback, reason, token_variable, without_userinfo
from cartwheel.destinations.retries import LOST, Patience, pause, seconds_until, too_long
from cartwheel.destinations.twine_upload import ANSWER_SECONDS, Answer
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import api_of, may_receive_the_token, repository_at
from cartwheel.model.errors import ConfigError, StepFailed
from cartwheel.process.run import STOP, Interrupted

VERSION = "2022-11-28"
SECONDARY_SECONDS = 60.0
"""How long to wait at a limit that names no time (GitHub's own advice)."""

Say = Callable[[str], None]
Sleep = Callable[[float], None]


class Place(Struct, frozen=True, kw_only=True):
    """A repository's releases."""

    name: str
    """Of the index in the configuration."""
    api: str
    repository: str
    anonymous: bool = False
    """A stand-in on this machine, which is sent no token."""

    @property
    def url(self) -> str:
        """The repository in the API."""
        return f"{self.api}/repos/{self.repository}"


class Reply(Struct, frozen=True, kw_only=True):
    """What was answered to one request."""

    answer: Answer
    document: Any = None
    more: str = ""
    """The address of the next page."""
    location: str = ""

    @property
    def status(self) -> int:
        """The HTTP status, or `LOST`; a limit that GitHub answers with 403 counts as 429."""
        return self.answer.status


def place_named(name: str, table: Mapping[str, IndexSettings], remote: str, environ: Mapping[str, str]) -> Place:
    """The releases that an index of this kind means.

    `remote`: the address of the release's git remote.  On a runner of GitHub's the environment says which API it is.
    Raises `ConfigError` where neither tells the repository.
    """
    settings = table.get(name)
    host, at_remote = repository_at(remote)
    repository = (settings.repository if settings else "") or at_remote
    if not repository:
        raise ConfigError(
            f"index {name}: the remote ({without_userinfo(remote) or 'none'}) names no repository of GitHub's; "
            f'add [tool.cartwheel.index.{name}] repository = "owner/name"'
        )
    api = (settings.url if settings else "") or _of_runner(host, environ) or api_of(host or "github.com")
    if not re.fullmatch(r"https?://[^/@\s]+(/[^\s?#]*)?", api) or not (api.startswith("https") or is_loopback(api)):
        raise ConfigError(
            f"index {name}: its url is '{without_userinfo(api)}'; "
            "expected the API's address, with https and without a user"
        )
    api = api.rstrip("/")
    return Place(
        name=name, api=api, repository=repository,
        anonymous=bool(settings and settings.rehearsal) and is_loopback(api),
    )  # fmt: skip


def _of_runner(host: str, environ: Mapping[str, str]) -> str:
    server = environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    return environ.get("GITHUB_API_URL", "") if host and server == f"https://{host}" else ""


def token_for(place: Place, environ: Mapping[str, str]) -> str:
    """The token that the environment gives for it; empty where there is none."""
    names = (token_variable(place.name), "GITHUB_TOKEN", "GH_TOKEN")
    return "" if place.anonymous else next((t for n in names if (t := environ.get(n, "").strip())), "")


class Api:
    """A conversation about one repository; a context, since it holds connections."""

    def __init__(self, place: Place, environ: Mapping[str, str]) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self.place = place
        self._token = token_for(place, environ)
        self._session = requests.Session()
        self._session.trust_env = not is_loopback(place.api)
        self._session.auth = _Bearer(self._token)  # else a .netrc would put other credentials in its place
        self._session.headers.update({"X-GitHub-Api-Version": VERSION, "User-Agent": "cartwheel"})
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=0))

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    @property
    def has_token(self) -> bool:
        """Whether it may write at all."""
        return bool(self._token) or self.place.anonymous

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Reply:
        """One request below the repository, or to an address of the API's own."""
        url = path if path.startswith(("http://", "https://")) else f"{self.place.url}/{path}"
        return self._once(method, url, json=document)

    def upload(self, url: str, path: Path) -> Reply:
        """Send a file, once."""
        with open(path, "rb") as file:
            length = {"Content-Length": str(path.stat().st_size)}
            return self._once("POST", url, data=file, headers={"Content-Type": "application/octet-stream", **length})

    def digest(self, url: str) -> str:
        """The SHA-256 of an asset's bytes as they are served; the token stays with the API."""
        import hashlib

        import requests

        reply = self._once("GET", url, headers={"Accept": "application/octet-stream"}, raw=True)
        if not reply.location:
            if reply.status != 200:
                raise StepFailed(f"{self.place.name}: an asset cannot be downloaded: {told(reply)}")
            return str(reply.document)
        digest = hashlib.sha256()
        try:
            with _anonymous(reply.location) as session:
                wait = (CONNECT_SECONDS, ANSWER_SECONDS)
                with session.get(reply.location, stream=True, timeout=wait) as response:
                    response.raise_for_status()
                    for part in response.iter_content(1 << 20):
                        digest.update(part)
        except requests.RequestException as error:
            raise StepFailed(f"{self.place.name}: an asset cannot be downloaded: {reason(error)}") from None
        return digest.hexdigest()

    def _once(self, method: str, url: str, *, raw: bool = False, **how: Any) -> Reply:
        import hashlib

        import requests

        if STOP.is_set():
            raise Interrupted
        if not may_receive_the_token(self.place.api, url):
            raise StepFailed(
                f"{self.place.name}: it names another host for the next step ({url}); nothing was sent there"
            )
        headers = {"Accept": "application/vnd.github+json", **how.pop("headers", {})}
        try:
            response = self._session.request(
                method, url, headers=headers, allow_redirects=False, timeout=(CONNECT_SECONDS, ANSWER_SECONDS), **how
            )
            with response:
                content = response.content
        except requests.RequestException as error:
            return Reply(answer=Answer(status=LOST, words=self._safe(reason(error))))
        good = 200 <= response.status_code < 300
        document: Any = hashlib.sha256(content).hexdigest() if raw and good else _document(content)
        answer = _answer(response.status_code, document, response.headers, str(response.reason or ""))
        return Reply(
            answer=Answer(status=answer.status, words=self._safe(answer.words), retry_after=answer.retry_after),
            document=document,
            more=response.links.get("next", {}).get("url", ""),
            location=response.headers.get("Location", "") if response.is_redirect else "",
        )

    def _safe(self, text: str) -> str:
        return text.replace(self._token, "***") if len(self._token) > 3 else text


class _Bearer:
    """The token in its header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@contextmanager
def _anonymous(url: str) -> Iterator[Any]:
    import requests

    with requests.Session() as session:
        session.trust_env = not is_loopback(url)
        session.auth = _Bearer("")
        yield session


def _document(content: bytes) -> Any:
    import json

    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


def _answer(status: int, document: Any, headers: Mapping[str, str], phrase: str) -> Answer:
    words = _words(document) or phrase
    wait = seconds_until(headers.get("Retry-After", ""), datetime.now(UTC))
    if headers.get("X-RateLimit-Remaining") == "0" and headers.get("X-RateLimit-Reset", "").isdigit() and not wait:
        wait = max(1.0, float(headers["X-RateLimit-Reset"]) - time.time())
    limited = status == 429 or (status == 403 and (wait or "rate limit" in words.lower()))
    return Answer(status=429, words=words, retry_after=wait or SECONDARY_SECONDS) if limited else Answer(
        status=status, words=words, retry_after=wait
    )  # fmt: skip


def _words(document: Any) -> str:
    """GitHub's reason: its message, and the code of each error in it."""
    if not isinstance(document, dict) or not document.get("message"):
        return ""
    errors = (error for error in document.get("errors") or () if isinstance(error, dict))
    codes = (str(error.get("message") or f"{error.get('field')}: {error.get('code')}") for error in errors)
    return "; ".join(dict.fromkeys((str(document["message"]).rstrip("."), *codes)))[:300]


def code_of(reply: Reply) -> tuple[str, ...]:
    """The codes of the errors in an answer, such as `already_exists`."""
    errors = reply.document.get("errors") or () if isinstance(reply.document, dict) else ()
    return tuple(str(error.get("code")) for error in errors if isinstance(error, dict))


def told(reply: Reply) -> str:
    """An answer in words."""
    return reply.answer.words if reply.status == LOST else f"{reply.status} {reply.answer.words}".strip()


class Persistent:
    """Asks again while a failure may pass, one request at a time; what will not pass is put in words."""

    def __init__(self, api: Api, say: Say, patience: Patience, sleep: Sleep) -> None:
        self.api = api
        self._say, self._patience, self._sleep = say, patience, sleep

    def ask(
        self, method: str, path: str, document: Mapping[str, Any] | None = None, *, ok: tuple[int, ...] = ()
    ) -> Reply:
        """An answer of 2xx, or of a status in `ok`.  For requests that may be repeated."""
        for attempt in range(1, self._patience.tries + 1):
            reply = self.api.ask(method, path, document)
            if reply.answer.taken or reply.status in ok:
                return reply
            if not self.again(path.split("?")[0], attempt, reply):
                break
        raise StepFailed(self.refused(reply))

    def pages(self, path: str) -> Iterator[Any]:
        """Every row of a list, from all its pages."""
        following = f"{path}?per_page=100"
        while following:
            reply = self.ask("GET", following)
            if not isinstance(reply.document, list):
                raise StepFailed(
                    f"{self.api.place.name}: no list at {path}; is {self.api.place.api} an API of GitHub's?"
                )
            yield from reply.document
            following = reply.more

    def again(self, what: str, attempt: int, reply: Reply) -> bool:
        """Whether to try once more: waits as long as the answer asks; raises where that is too long."""
        if not reply.answer.passing or attempt == self._patience.tries:
            return False
        seconds = pause(attempt, reply.answer.retry_after, self._patience)
        name = self.api.place.name
        if waiting := too_long(seconds, self._patience):
            raise StepFailed(f"{name}: {told(reply)}: {waiting}")
        self._say(f"{what}: {name}: {told(reply)}; again in {seconds:.0f} s")
        self._sleep(seconds)
        return True

    def refused(self, reply: Reply, what: str = "") -> str:
        """Why it ended, and what to do."""
        place, said = self.api.place, told(reply)
        where = f"{what}: {place.name}" if what else place.name
        variable = token_variable(place.name)
        if reply.status == 401:
            return f"{where} does not accept the token ({said}); set {variable} or GITHUB_TOKEN to a valid one"
        if reply.status == 403:
            return f"{where}: the token may not do this ({said}); it needs to write contents of {place.repository}"
        if reply.status == 404:
            given = "the token may not see it" if self.api.has_token else f"no token is set ({variable}, GITHUB_TOKEN)"
            return f"{where}: {place.repository} is not found at {place.api} ({said}): another name, or {given}"
        if reply.location:
            return (
                f"{where}: {place.repository} has moved ({reply.status}); update the remote's address or 'repository'"
            )
        if reply.answer.passing:
            again = "start again later: only what is missing is sent"
            return f"{where} did not do it after {self._patience.tries} tries ({said}); {again}"
        return f"{where} refuses it ({said})"
