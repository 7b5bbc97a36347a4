"""One file sent to an index by exactly one POST, through twine.

twine's interface as a library is not promised: all that sends by it is in this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cartwheel.index.warehouse import (
    CONNECT_SECONDS,
    PYPIRC,
    Index,
    first_line,
    is_loopback,
    reason,
    token_variable,
)
from cartwheel.model.errors import CartwheelError, StepFailed

if TYPE_CHECKING:
    import requests
    from twine.repository import Repository

ANSWER_SECONDS = 300.0
LOST = 0
"""The status of an answer that never came."""


class Answer(Struct, frozen=True, kw_only=True):
    """What an index answered to one POST."""

    status: int
    """The HTTP status, or `LOST`."""
    words: str
    retry_after: float = 0.0
    """Seconds, 0 where it names none."""

    @property
    def taken(self) -> bool:
        """The file is there now, by this POST or by an equal earlier one."""
        return 200 <= self.status < 300

    @property
    def passing(self) -> bool:
        """The same POST may succeed later."""
        return self.status in (LOST, 408, 425, 429) or self.status >= 500


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user name and password; never shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def credentials(index: Index, environ: Mapping[str, str]) -> Credentials | None:
    """What the environment says for this index; None leaves it to .pypirc, the keyring and trusted publishing."""
    if index.anonymous:
        return Credentials(username="", password="")
    token = environ.get(token_variable(index.name), "").strip()
    if token:
        return Credentials(username="__token__", password=token)
    password = environ.get("TWINE_PASSWORD", "").strip()
    if password:
        return Credentials(username=environ.get("TWINE_USERNAME", "").strip() or "__token__", password=password)
    return None


class Sender:
    """A conversation with an index: its credentials are found once, then each `upload` is exactly one POST."""

    def __init__(self, index: Index, *, environ: Mapping[str, str], pypirc: str = PYPIRC) -> None:
        self._index = index
        self._repository = _repository(index, credentials(index, environ), environ, pypirc)

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._repository.close()

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
            return Answer(
                status=response.status_code,
                words=self._safe(_words(response)),
                retry_after=seconds_until(response.headers.get("Retry-After", ""), datetime.now(UTC)),
            )

    def _safe(self, text: str) -> str:
        """The text without any secret that an index may have sent back."""
        auth = self._repository.session.auth
        for secret in auth if isinstance(auth, tuple) else ():
            if len(secret) > 3 and secret != "__token__":
                text = text.replace(str(secret), "***")
        return text


def seconds_until(retry_after: str, now: datetime) -> float:
    """A Retry-After header, in seconds or as a date, as seconds from now; 0 where there is none that can be read."""
    text = retry_after.strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _repository(index: Index, found: Credentials | None, environ: Mapping[str, str], pypirc: str) -> Repository:
    from id import IdentityError
    from requests import RequestException
    from twine.exceptions import NonInteractive, TwineException
    from twine.settings import Settings

    where = {"repository_name": index.name} if _in_pypirc(index, pypirc) else {"repository_url": index.url}
    named = environ.get("TWINE_USERNAME") or None
    try:
        repository = Settings(
            **where,  # type: ignore[arg-type]
            config_file=pypirc,
            username=found.username if found else named,
            password=found.password if found else None,
            cacert=environ.get("TWINE_CERT") or None,
            non_interactive=True,
            disable_progress_bar=True,
        ).create_repository()
    except NonInteractive:
        raise CartwheelError(
            f"index {index.name}: no credentials; set {token_variable(index.name)} (or TWINE_PASSWORD), "
            f"or give them in {pypirc} or the keyring"
        ) from None
    except (TwineException, IdentityError, RequestException) as error:
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
    """twine prints through rich's shared console, which nothing else here uses."""
    from rich import get_console

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
