"""Reads what an index of the PyPI kind holds, through the simple API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from cartwheel.destinations.credentials import Credentials, reading_credentials
from cartwheel.destinations.http import (
    CONNECT_SECONDS,
    SEND_SECONDS,
    conversation,
    host_of,
    reason,
    without_userinfo,
)
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.retries import (
    LOST,
    READING,
    Patience,
    Trouble,
    passing,
    seconds_until,
    too_long,
    with_retries,
)
from cartwheel.destinations.simple_api import BrokenPage, ListedFile, NoIndex
from cartwheel.destinations.simple_page import Elsewhere, project_page
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.wheel_name import name_and_version

if TYPE_CHECKING:
    import requests


class Unreadable(StepFailed):
    """The index could not be read."""

    def __init__(self, text: str, *, status: int, may_pass: bool) -> None:
        super().__init__(text)
        self.status = status
        self.may_pass = may_pass
        """Whether the same request may succeed later."""


def digests_on_index(index: Index, project: str, version: str, **how: Any) -> dict[str, str]:
    """The files of one version on the index, by name, with their SHA-256 (empty if unknown)."""
    return {row.file: row.sha256 for row in listing(index, project, version, **how)}


def listing(
    index: Index,
    project: str,
    version: str,
    *,
    environ: Mapping[str, str] | None = None,
    patience: Patience = READING,
    say: Callable[[str], None] | None = None,
) -> tuple[ListedFile, ...]:
    """The files of one version as the index lists them now. See `project_listing`."""
    from packaging.version import Version

    rows = project_listing(index, project, environ=environ, patience=patience, say=say)
    parts = ((row, name_and_version(row.file)) for row in rows)
    return tuple(row for row, known in parts if known and known[1] == Version(version))


def project_listing(
    index: Index,
    project: str,
    *,
    environ: Mapping[str, str] | None = None,
    patience: Patience = READING,
    say: Callable[[str], None] | None = None,
) -> tuple[ListedFile, ...]:
    """The files of all versions as the index lists them now, from JSON or HTML; empty if it does not know the project.

    An index that redirects to the project's page on another host does not hold the project (pypiserver and GitLab do so
    for unknown projects); `say` gets a line about it. Raises `Unreadable` if the index cannot be read or serves another
    kind of page, such as a sign-in page.
    """
    environ = os.environ if environ is None else environ
    credentials = reading_credentials(index, environ, keyring=False)

    def page() -> tuple[ListedFile, ...] | None:
        nonlocal credentials
        try:
            return project_page(index, project, credentials, connect=patience.connect)
        except Elsewhere as error:
            if say:
                say(f"{index.name} does not hold {project}: it sends readers on to {error}")
            return None
        except Exception as error:
            if _status_of(error)[0] == 401 and credentials is None:
                credentials = reading_credentials(index, environ)
                if credentials:
                    return page()
            raise

    rows = _retry(page, f"index {index.name}: {without_userinfo(index.simple)}", patience, index, lambda: credentials)
    return rows or ()


def with_digests(rows: Iterable[ListedFile], files: Iterable[str], index: Index) -> tuple[ListedFile, ...]:
    """The rows, with digests: a row for one of `files` that lacks a digest is downloaded and digested."""
    names = frozenset(files)
    return tuple(
        replace(row, sha256=download_digest(row, index)) if row.file in names and not row.sha256 else row
        for row in rows
    )


def download_digest(
    listed: ListedFile,
    index: Index,
    *,
    patience: Patience = READING,
    environ: Mapping[str, str] | None = None,
) -> str:
    """The SHA-256 of a listed file's bytes as the index serves them; credentials go only to the index's host."""
    import hashlib

    def digest(answer: requests.Response) -> str:
        digest_so_far = hashlib.sha256()
        for part in answer.iter_content(1 << 20):
            digest_so_far.update(part)
        return digest_so_far.hexdigest()

    return _download(listed.url, digest, listed.file, index, patience, environ)


def read_bytes(
    url: str,
    *,
    shown_as: str,
    index: Index,
    patience: Patience = READING,
    environ: Mapping[str, str] | None = None,
) -> bytes:
    """The content of an address; the credentials of `index` go only to its own host. Raises `Unreadable`."""
    return _download(url, lambda answer: answer.content, shown_as, index, patience, environ)


_Response = TypeVar("_Response")


def _download(
    url: str,
    read: Callable[[requests.Response], _Response],
    shown_as: str,
    index: Index,
    patience: Patience,
    environ: Mapping[str, str] | None,
) -> _Response:
    """The result of `read` for a file of an index; the keyring is asked only if the file needs credentials."""
    environ = os.environ if environ is None else environ
    ours = index if host_of(url) == host_of(index.simple) else None
    login = reading_credentials(ours, environ, keyring=False) if ours else None

    def ask(session: requests.Session) -> _Response:
        with session.get(url, timeout=(CONNECT_SECONDS, 60.0)) as answer:
            answer.raise_for_status()
            return read(answer)

    def attempt() -> _Response:
        nonlocal login
        try:
            with conversation(url, (login.username, login.password) if login else None) as talk:
                return talk.exchange(ask, seconds=3 * SEND_SECONDS)
        except Exception as error:
            if ours and login is None and _status_of(error)[0] == 401:
                login = reading_credentials(ours, environ)
                if login:
                    return attempt()
            raise

    patience = replace(patience, total=3 * SEND_SECONDS)
    return _retry(attempt, shown_as, patience, index, lambda: login)


def _retry(
    ask: Callable[[], _Response],
    what: str,
    patience: Patience,
    index: Index | None,
    credentials: Callable[[], Credentials | None],
) -> _Response:
    """Calls `ask`, and repeats it after passing failures; raises `Unreadable` in the end."""
    import requests

    def attempt() -> _Response | Exception:
        try:
            return ask()
        except (requests.RequestException, ValueError, NoIndex) as error:
            return error

    def may_pass(answer: Exception) -> bool:
        if isinstance(answer, requests.RequestException):
            return not isinstance(answer, requests.exceptions.InvalidURL) and passing(_status_of(answer)[0])
        return isinstance(answer, BrokenPage)

    def trouble_of(answer: _Response | Exception) -> Trouble | None:
        if not isinstance(answer, Exception) or not may_pass(answer):
            return None
        after = _status_of(answer)[1]
        return None if after > patience.obeyed else Trouble(words=reason(answer), retry_after=after)

    answer = with_retries(attempt, trouble_of, patience=patience, who=what)
    if not isinstance(answer, Exception):
        return answer
    status, after = _status_of(answer)
    login = credentials()
    why = reason(answer, (login.password,) if login else ())
    advice = too_long(after, patience) or (
        "try again when it answers" if may_pass(answer) else _advice(status, index, login)
    )
    raise Unreadable(f"{what} cannot be read: {why}; {advice}", status=status, may_pass=may_pass(answer))


def _advice(status: int, index: Index | None, login: Credentials | None) -> str:
    if status not in (401, 403):
        return "look at its 'simple' address"
    own = f"set {token_variable(index.name)} (and 'user' in its table), or " if index else ""
    if status == 401 and not login:
        return f"{own}give this machine's user name and password in ~/.netrc or the keyring, and start again"
    return (
        f"look whether these credentials may read there; {own}give others in ~/.netrc or the keyring, and start again"
    )


def _status_of(error: Exception) -> tuple[int, float]:
    """The status of a failed request, and its Retry-After in seconds."""
    response = getattr(error, "response", None)
    if response is None:
        return LOST, 0.0
    return response.status_code, seconds_until(response.headers.get("Retry-After", ""), datetime.now(UTC))
