"""One file sent to an index by exactly one POST, through twine.

twine's interface as a library is not promised: all that sends by it is in this file.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.destinations.pypi_index import (
    CONNECT_SECONDS,
    PYPIRC,
    Index,
    first_line,
    is_loopback,
    reason,
    token_variable,
)
from cartwheel.destinations.retries import LOST, passing, seconds_until
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.process.redact import redact

if TYPE_CHECKING:
    import requests
    from twine.repository import Repository

ANSWER_SECONDS = 300.0
BEFORE_THE_END = 60.0
"""A token is replaced that many seconds before it expires."""


class Answer(Struct, frozen=True, kw_only=True):
    """What an index answered to one POST."""

    status: int
    """The HTTP status, or `LOST`."""
    words: str
    retry_after: float = 0.0
    """Seconds, 0 where it names none."""
    location: str = ""
    """Where it would have the file sent instead; that is not followed, the credentials are for this address."""

    @property
    def taken(self) -> bool:
        """The file is there now, by this POST or by an equal earlier one."""
        return 200 <= self.status < 300

    @property
    def passing(self) -> bool:
        """The same POST may succeed later."""
        return passing(self.status)

    @property
    def open(self) -> bool:
        """The index may have kept what was sent, although it did not say so."""
        return self.status == LOST or self.status >= 500


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user name and password; never shown."""

    username: str
    password: str
    expires: float = 0.0
    """For a token of trusted publishing: when it ends, in seconds since 1970; 0 for any other."""

    def __repr__(self) -> str:
        return "Credentials(…)"


def credentials(index: Index, environ: Mapping[str, str]) -> Credentials | None:
    """What the environment says for this index, if it says anything.

    twine's variables may be meant for another index: they count for the one that TWINE_REPOSITORY or
    TWINE_REPOSITORY_URL name, if they name one, and a token of PyPI goes nowhere but there.
    """
    if index.anonymous:
        return Credentials(username="", password="")
    token = environ.get(token_variable(index.name), "").strip()
    if token:
        return Credentials(username="__token__", password=token)
    password = environ.get("TWINE_PASSWORD", "").strip()
    if password and _meant(index, environ, password):
        return Credentials(username=environ.get("TWINE_USERNAME", "").strip() or "__token__", password=password)
    return None


def _meant(index: Index, environ: Mapping[str, str], password: str) -> bool:
    return (
        environ.get("TWINE_REPOSITORY_URL", index.url) in ("", index.url)
        and environ.get("TWINE_REPOSITORY", index.name) in ("", index.name)
        and (index.public or not password.startswith("pypi-"))
    )


def found(index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC, *, again: bool = False) -> Credentials:
    """The credentials for an index, in the way that its `auth` says; raises `CartwheelError` where there are none.

    `token`: from the environment, .pypirc or the keyring.  `trusted`: minted for this CI job.  Neither said: the
    first, or for PyPI's own indexes the second.  `again`: the minted one has expired.
    """
    from cartwheel.destinations import trusted_publishing

    if index.auth != "trusted":
        given = credentials(index, environ) or _stored(index, environ, pypirc)
        if given:
            return given
        if index.auth or not (index.public and trusted_publishing.offered(environ)):
            raise CartwheelError(_none(index, pypirc))
    minted = trusted_publishing.mint(index, again=again)
    return Credentials(username="__token__", password=minted.token, expires=minted.expires)


def lacking(index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC) -> str:
    """Why nothing could be sent for want of credentials, asked before anything is public; empty where they are here."""
    from cartwheel.destinations import trusted_publishing

    if index.auth == "trusted":
        return trusted_publishing.lacking(index, environ)
    if credentials(index, environ) or _stored(index, environ, pypirc):
        return ""
    return "" if not index.auth and index.public and trusted_publishing.offered(environ) else _none(index, pypirc)


def _none(index: Index, pypirc: str) -> str:
    return (
        f"index {index.name}: no credentials; set {token_variable(index.name)} (or TWINE_PASSWORD), "
        f"or give them in {pypirc} or the keyring"
    )


def _stored(index: Index, environ: Mapping[str, str], pypirc: str) -> Credentials | None:
    """What .pypirc or the keyring has for the index's address, as twine finds it."""
    from twine import utils
    from twine.auth import CredentialInput, Private
    from twine.exceptions import NonInteractive

    config: utils.RepositoryConfig = {"repository": index.url, "username": None, "password": None}
    if _in_pypirc(index, pypirc):
        config = utils.get_repository_from_config(pypirc, index.name)
    resolver = Private(config, CredentialInput(username=environ.get("TWINE_USERNAME") or None))
    try:
        username = resolver.username
    except NonInteractive:
        return None
    password = config.get("password") or resolver.get_password_from_keyring()
    return Credentials(username=username or "", password=password) if password else None


class Sender:
    """A conversation with an index: its credentials are found once, then each `upload` is exactly one POST."""

    def __init__(self, index: Index, *, environ: Mapping[str, str], pypirc: str = PYPIRC) -> None:
        self._index, self._environ, self._pypirc = index, environ, pypirc
        self._credentials = found(index, environ, pypirc)
        self._repository = _repository(index, self._credentials, environ, pypirc)
        self._secrets = {self._credentials.password}
        self._accepted = False

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *error: object) -> None:
        self._repository.close()

    def refresh(self) -> None:
        """Replace a token that is about to expire; raises `CartwheelError` where the job can have no other."""
        if self._credentials.expires and self._credentials.expires - time.time() < BEFORE_THE_END:
            self.renewed()

    def renewed(self) -> bool:
        """Whether a token that was accepted before, and is not now, could be replaced; only a minted one can."""
        if not (self._credentials.expires and self._accepted):
            return False
        self._credentials = found(self._index, self._environ, self._pypirc, again=True)
        self._repository.session.auth = (self._credentials.username, self._credentials.password)
        self._secrets.add(self._credentials.password)
        self._accepted = False
        return True

    def upload(self, path: Path) -> Answer:
        """Send one file, once.  A connection that breaks is an answer too: `LOST`, and nobody knows if it arrived."""
        import requests
        from twine.exceptions import TwineException
        from twine.package import PackageFile

        try:
            package = PackageFile.from_filename(str(path), None)
        except TwineException as error:
            raise StepFailed(f"{path.name}: cannot be sent: {first_line(error)}") from None
        try:
            with _quiet():
                response = self._repository.upload(package, max_redirects=1)
        except requests.RequestException as error:
            return Answer(status=LOST, words=self._safe(reason(error)))
        with response:
            answer = Answer(
                status=response.status_code,
                words=self._safe(_words(response)),
                retry_after=seconds_until(response.headers.get("Retry-After", ""), datetime.now(UTC)),
                location=self._safe(response.headers.get("Location", "")) if response.is_redirect else "",
            )
        self._accepted = self._accepted or answer.taken
        return answer

    def _safe(self, text: str) -> str:
        """The text without any secret that an index may have sent back."""
        return redact(text, self._secrets)


def _repository(index: Index, given: Credentials, environ: Mapping[str, str], pypirc: str) -> Repository:
    from twine.exceptions import TwineException
    from twine.settings import Settings

    where = {"repository_name": index.name} if _in_pypirc(index, pypirc) else {"repository_url": index.url}
    try:
        repository = Settings(
            **where,  # type: ignore[arg-type]
            config_file=pypirc,
            username=given.username,
            password=given.password,
            cacert=environ.get("TWINE_CERT") or None,
            non_interactive=True,
            disable_progress_bar=True,
        ).create_repository()
    except TwineException as error:
        raise CartwheelError(f"index {index.name}: its credentials cannot be used: {reason(error)}") from None
    for scheme in ("http://", "https://"):
        repository.session.mount(scheme, _patient())
    repository.session.trust_env = not is_loopback(index.url)
    return repository


def _in_pypirc(index: Index, pypirc: str) -> bool:
    """Whether .pypirc means the very same address by this name: only then are its credentials for it."""
    from twine import exceptions, utils

    try:
        return utils.get_repository_from_config(pypirc, index.name)["repository"] == index.url
    except exceptions.TwineException:
        return False


def _patient() -> Any:
    """An adapter with a time limit, which twine's own has not, and without retries, which are ours."""
    from requests.adapters import HTTPAdapter

    class Patient(HTTPAdapter):
        def send(self, request: Any, **how: Any) -> Any:  # type: ignore[override]
            how["timeout"] = how.get("timeout") or (CONNECT_SECONDS, ANSWER_SECONDS)
            return super().send(request, **how)

    return Patient(max_retries=0)


@contextmanager
def _quiet() -> Iterator[None]:
    """twine prints through rich's shared console, which nothing else here uses; and it warns that it retries, which it
    does not: a log that nobody set up would print that."""
    from rich import get_console

    twine = logging.getLogger("twine")
    if not twine.handlers:
        twine.addHandler(logging.NullHandler())

    console = get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def _words(response: requests.Response) -> str:
    """An index's reason: in the status line (PyPI's habit) or in a short body, without HTML."""
    body = re.sub(r"(?s)<(style|script|head).*?</\1>|<[^>]+>", " ", response.text[:4000])
    body = " ".join(unescape(body).split())[:300]
    reason = str(response.reason or "")
    return " ".join(dict.fromkeys(part for part in (reason, body) if part))
