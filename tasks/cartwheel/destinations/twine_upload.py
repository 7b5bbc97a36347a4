"""Sends one file to an index with exactly one POST, through twine.

twine promises no stable library interface, so everything that sends with it is in this file.
"""

from __future__ import annotations

import hashlib
import json
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
    stored_credentials,
)
from cartwheel.destinations.http import Conversation, NoAuth, answer_of, first_line, reason, sending_seconds
from cartwheel.destinations.protocol import Answer, Item
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.retries import LOST
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import CartwheelError, StepFailed

if TYPE_CHECKING:
    import requests
    from twine.repository import Repository

BEFORE_THE_END = 60.0
"""A token is replaced this many seconds before it expires."""


def uploading_credentials(
    index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC, *, again: bool = False
) -> Credentials:
    """The upload credentials for an index, according to its `auth`; raises `CartwheelError` if they are missing.

    `token`: from the environment, .pypirc or the keyring. `trusted`: minted for this CI job. Unset: like `token`, else
    minted on PyPI and TestPyPI. `again`: the minted token has expired.
    """
    if index.auth != "trusted":
        credentials = environment_credentials(index, environ) or stored_credentials(index, environ, pypirc)
        if credentials:
            return credentials
        if index.auth or not (index.public and trusted_publishing.is_available(environ)):
            raise CartwheelError(_no_credentials(index, pypirc))
    minted = trusted_publishing.mint(index, again=again)
    return Credentials(username="__token__", password=minted.token, expires=minted.expires)


def missing_credentials(index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC) -> str:
    """Why credentials are missing, known before anything is public; empty if they exist."""
    try:
        if index.auth == "trusted":
            return trusted_publishing.missing_identity(index.name, environ)
        if environment_credentials(index, environ) or stored_credentials(index, environ, pypirc):
            return ""
    except CartwheelError as error:
        return str(error)
    offered = not index.auth and index.public and trusted_publishing.is_available(environ)
    return "" if offered else _no_credentials(index, pypirc)


def by_identity(index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC) -> bool:
    """Whether trusted publishing issues the token for uploads, because it is configured, or because there is no
    other."""
    if index.auth:
        return index.auth == "trusted"
    if not (index.public and trusted_publishing.is_available(environ)):
        return False
    return not (environment_credentials(index, environ) or stored_credentials(index, environ, pypirc))


def _no_credentials(index: Index, pypirc: str) -> str:
    return (
        f"index {index.name}: no credentials; set {token_variable(index.name)} (or TWINE_PASSWORD), "
        f"or give them in {pypirc} or the keyring"
    )


class Sender:
    """A connection to an index: credentials are looked up once, and each `upload` is exactly one POST."""

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
        """Closes the connections."""
        self._repository.close()

    def refresh(self) -> None:
        """Replaces a token that is about to expire; raises `CartwheelError` if the job cannot get another."""
        if self._credentials.expires and self._credentials.expires - time.time() < BEFORE_THE_END:
            self.renew_credentials()

    def renew_credentials(self) -> bool:
        """Whether a token that was accepted earlier and is now refused could be replaced; only minted tokens can."""
        if not (self._credentials.expires and self._accepted):
            return False
        self._credentials = uploading_credentials(self._index, self._environ, self._pypirc, again=True)
        self._repository.session.auth = (self._credentials.username, self._credentials.password)
        self._secrets.add(self._credentials.password)
        self._accepted = False
        return True

    def upload(self, item: Item, attestation: str = "") -> Answer:
        """Sends one file with its attestation (JSON, may be empty), once. A broken connection returns an answer with
        the status `LOST`: the file may have arrived.

        Raises `StepFailed`, and sends nothing, if twine would send something other than what was checked.
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

        if attestation:
            package.attestations = [json.loads(attestation)]

        def ask(session: requests.Session) -> Answer:
            with _quiet(), self._repository.upload(package, max_redirects=1) as response:
                return answer_of(response, self._secrets)

        try:
            with _stable_path(item) as package.filename:
                answer = self._conversation.exchange(ask, seconds=sending_seconds(item.path.stat().st_size))
        except requests.RequestException as error:
            self._conversation = Conversation(self._repository.session, self._index.url)
            return Answer(status=LOST, words=reason(error, self._secrets))
        self._accepted = self._accepted or answer.taken
        return answer


@contextmanager
def _stable_path(item: Item) -> Iterator[str]:
    """A path for twine that leads to the bytes just digested, even if the file is replaced meanwhile.

    On Windows an open file cannot be replaced.
    """
    with open(item.path, "rb") as file:
        digest = hashlib.sha256()
        while part := file.read(1 << 20):
            digest.update(part)
        if digest.hexdigest() != item.sha256:
            raise StepFailed(f"{item.name}: nothing was sent: it was exchanged at the last moment; start again")
        file.seek(0)
        opened = f"/dev/fd/{file.fileno()}"
        yield opened if os.name == "posix" and os.path.exists(opened) else str(item.path)


def _repository(index: Index, credentials: Credentials, environ: Mapping[str, str], pypirc: str) -> Repository:
    from twine.exceptions import TwineException
    from twine.settings import Settings

    where = {"repository_name": index.name} if in_pypirc(index, pypirc) else {"repository_url": index.url}
    try:
        repository = Settings(
            **where,  # type: ignore[arg-type]
            config_file=pypirc,
            username=credentials.username,
            password=credentials.password,
            cacert=environ.get("TWINE_CERT") or None,
            non_interactive=True,
            disable_progress_bar=True,
        ).create_repository()
    except TwineException as error:
        raise CartwheelError(f"index {index.name}: its credentials cannot be used: {reason(error)}") from None
    if not credentials.password:
        repository.session.auth = NoAuth()
    return repository


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences twine: it prints through rich's shared console, and warns about retries that it does not make."""
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
