"""One file sent to an index by exactly one POST, through twine.

twine's interface as a library is not promised: all that sends by it is in this file.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cartwheel.destinations import trusted_publishing
from cartwheel.destinations.credentials import (
    PYPIRC,
    Credentials,
    environment_credentials,
    in_pypirc,
    stored,
    token_variable,
)
from cartwheel.destinations.http import Conversation, NoAuth, answer_of, first_line, reason, sending_seconds
from cartwheel.destinations.protocol import Answer, Item
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.retries import LOST
from cartwheel.model.errors import CartwheelError, StepFailed

if TYPE_CHECKING:
    import requests
    from twine.repository import Repository

BEFORE_THE_END = 60.0
"""A token is replaced that many seconds before it expires."""


def uploading_credentials(
    index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC, *, again: bool = False
) -> Credentials:
    """The credentials for an index, in the way that its `auth` says; raises `CartwheelError` where there are none.

    `token`: from the environment, .pypirc or the keyring.  `trusted`: minted for this CI job.  Neither said: the
    first, or for PyPI's own indexes the second.  `again`: the minted one has expired.
    """
    if index.auth != "trusted":
        given = environment_credentials(index, environ) or stored(index, environ, pypirc)
        if given:
            return given
        if index.auth or not (index.public and trusted_publishing.offered(environ)):
            raise CartwheelError(_no_credentials(index, pypirc))
    minted = trusted_publishing.mint(index, again=again)
    return Credentials(username="__token__", password=minted.token, expires=minted.expires)


def lacking(index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC) -> str:
    """Why nothing could be sent for want of credentials, asked before anything is public; empty where they are here."""
    try:
        if index.auth == "trusted":
            return trusted_publishing.lacking(index, environ)
        if environment_credentials(index, environ) or stored(index, environ, pypirc):
            return ""
    except CartwheelError as error:
        return str(error)
    offered = not index.auth and index.public and trusted_publishing.offered(environ)
    return "" if offered else _no_credentials(index, pypirc)


def _no_credentials(index: Index, pypirc: str) -> str:
    return (
        f"index {index.name}: no credentials; set {token_variable(index.name)} (or TWINE_PASSWORD), "
        f"or give them in {pypirc} or the keyring"
    )


class Sender:
    """A conversation with an index: its credentials are found once, then each `upload` is exactly one POST."""

    def __init__(self, index: Index, *, environ: Mapping[str, str], pypirc: str = PYPIRC) -> None:
        self._index, self._environ, self._pypirc = index, environ, pypirc
        self._credentials = uploading_credentials(index, environ, pypirc)
        self._repository = _repository(index, self._credentials, environ, pypirc)
        self._conversation = Conversation(self._repository.session, index.url)
        self._secrets = {self._credentials.password}
        self._accepted = False

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._repository.close()

    def refresh(self) -> None:
        """Replace a token that is about to expire; raises `CartwheelError` where the job can have no other."""
        if self._credentials.expires and self._credentials.expires - time.time() < BEFORE_THE_END:
            self.renewed()

    def renewed(self) -> bool:
        """Whether a token that was accepted before, and is not now, could be replaced; only a minted one can."""
        if not (self._credentials.expires and self._accepted):
            return False
        self._credentials = uploading_credentials(self._index, self._environ, self._pypirc, again=True)
        self._repository.session.auth = (self._credentials.username, self._credentials.password)
        self._secrets.add(self._credentials.password)
        self._accepted = False
        return True

    def upload(self, item: Item) -> Answer:
        """Send one file, once.  A connection that breaks is an answer too: `LOST`, and nobody knows if it arrived.

        Raises `StepFailed`, and sends nothing, where what twine would send is not what was checked.
        """
        import requests
        from twine.exceptions import TwineException
        from twine.package import PackageFile

        try:
            package = PackageFile.from_filename(str(item.path), None)
        except TwineException as error:
            raise StepFailed(f"{item.name}: cannot be sent: {first_line(error)}") from None
        except OSError as error:
            raise StepFailed(f"{item.name}: cannot be read: {error.strerror}") from None
        if package.sha2_digest != item.sha256 or package.basefilename != item.name:
            raise StepFailed(
                f"{item.name}: nothing was sent: twine read sha256 {package.sha2_digest}, and {item.sha256} was "
                "checked; run its check again and start again"
            )

        def ask(session: requests.Session) -> Answer:
            with _quiet(), self._repository.upload(package, max_redirects=1) as response:
                return answer_of(response, self._secrets)

        try:
            with _held(item) as package.filename:
                answer = self._conversation.exchange(ask, seconds=sending_seconds(item.path.stat().st_size))
        except requests.RequestException as error:
            self._conversation = Conversation(self._repository.session, self._index.url)
            return Answer(status=LOST, words=reason(error, self._secrets))
        self._accepted = self._accepted or answer.taken
        return answer


@contextmanager
def _held(item: Item) -> Iterator[str]:
    """A name for twine to open the file by that leads to the bytes that were just digested, even if another file takes
    the place of the item meanwhile.  On Windows an open file cannot be replaced."""
    with open(item.path, "rb") as file:
        digest = hashlib.sha256()
        while part := file.read(1 << 20):
            digest.update(part)
        if digest.hexdigest() != item.sha256:
            raise StepFailed(f"{item.name}: nothing was sent: it was exchanged at the last moment; start again")
        file.seek(0)
        opened = f"/dev/fd/{file.fileno()}"
        yield opened if os.path.exists(opened) else str(item.path)


def _repository(index: Index, given: Credentials, environ: Mapping[str, str], pypirc: str) -> Repository:
    from twine.exceptions import TwineException
    from twine.settings import Settings

    where = {"repository_name": index.name} if in_pypirc(index, pypirc) else {"repository_url": index.url}
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
    if not given.password:
        repository.session.auth = NoAuth()
    return repository


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
