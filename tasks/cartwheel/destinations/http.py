"""HTTP for every destination: each exchange ends, answers are redacted, credentials go only to their host."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

from cartwheel.destinations.http_adapter import adapter_of
from cartwheel.destinations.protocol import Answer
from cartwheel.destinations.retries import seconds_until
from cartwheel.destinations.worker import Worker
from cartwheel.model.errors import StepFailed
from cartwheel.process.redact import inert, redact
from cartwheel.process.run import STOP, Interrupted

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 20.0
READ_SECONDS = 120.0
"""Deadline of an exchange that reads: a page, an identity, an API call."""
SEND_SECONDS = 300.0
"""Base deadline of an exchange that sends or downloads a file; one second more per `SLOWEST` bytes."""
SLOWEST = 50_000
NOTICE_SECONDS = 10.0
"""Seconds after which a line names the host whose answer is awaited, and the deadline; a tenth of a longer deadline."""
_WORDS = 300
_BODY = 1 << 20
"""Bytes of an answer's body that are read at most."""

_T = TypeVar("_T")


def sending_seconds(size: int) -> float:
    """The deadline, in seconds, of an exchange that sends or downloads `size` bytes."""
    return SEND_SECONDS + size / SLOWEST


class Conversation:
    """A `requests` session whose exchanges all end: at their deadline, or at once when the run is stopped.

    `requests` has no deadline for a whole answer, and cannot be interrupted while a server sends byte by byte. So each
    exchange runs in its own thread, and its sockets are shut down to end it.
    """

    def __init__(self, session: requests.Session, url: str) -> None:
        self.session, self._host = session, urlsplit(url).netloc.rpartition("@")[2]
        self._open: set[Any] = set()
        self._cancelled = self._connected = False
        session.trust_env = not is_loopback(url)
        session.stream = True
        adapter = adapter_of(self, timeout=(CONNECT_SECONDS, SEND_SECONDS))
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)

    def exchange(
        self,
        ask: Callable[[requests.Session], _T],
        *,
        seconds: float = READ_SECONDS,
        connect: float = CONNECT_SECONDS,
    ) -> _T:
        """Returns what `ask` returns; `ask` must read its answer to the end.

        Raises what `ask` raises, `Interrupted`, and `requests.Timeout` after `seconds`, or after `connect` seconds
        without a connection (`requests` sets no limit to looking up the host's address).
        """
        import requests

        work = Worker(lambda: ask(self.session))
        connect, notice = min(connect, seconds), max(NOTICE_SECONDS, seconds / 10)
        began = time.monotonic()
        for moment in sorted((connect, min(notice, seconds), seconds)):
            work.wait(moment - (time.monotonic() - began))
            if not work.running or STOP.is_set() or (moment >= connect and not self._connected):
                break
            if moment == notice:
                end = datetime.fromtimestamp(time.time() + seconds - notice).strftime("%H:%M:%S")
                sys.stderr.write(f"waiting for the answer of {self._host}, until {end} at the latest\n")
        if work.running:
            self.cancel()
            work.wait(0.5, stopped=True)
        if work.done and not self._cancelled:  # a cut-off answer may look whole
            return work.done[0]
        if STOP.is_set():
            raise Interrupted
        if self._cancelled or not work.failed:
            what = f"whole answer within {seconds:.0f} s" if self._connected else f"connection within {connect:.0f} s"
            raise requests.Timeout(f"no {what}")
        error = work.failed[0]
        if isinstance(error, ValueError) and not isinstance(error, requests.RequestException):
            raise requests.exceptions.InvalidURL(str(error))  # a redirect to what is no address
        if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
            raise StepFailed(
                f"{self._host} cannot be reached: {first_line(error)}; correct this machine's settings of certificates"
            )
        raise error

    def cancel(self) -> None:
        """Ends every exchange at once; the next one needs a new conversation."""
        import socket

        self._cancelled = True
        for connection in list(self._open):
            if connection.sock is not None:
                try:
                    connection.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # already closed

    def register(self, connection: Any) -> None:
        """Registers a connection before it is made; raises `ConnectionError` after `cancel`."""
        if self._cancelled:
            raise ConnectionAbortedError("the exchange was ended")
        self._open.add(connection)

    def note_contact(self) -> None:
        """Notes that a host was reached."""
        self._connected = True


class NoAuth:
    """Sends a `Bearer` token, or no credentials at all; either way .netrc is ignored."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        """Adds the header to a request."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@contextmanager
def conversation(url: str, auth: Any = None) -> Iterator[Conversation]:
    """A conversation with the host of `url`; refuses redirects from https to http.

    `auth`: as for `requests`; None: the credentials in .netrc for that host, if any.
    """
    import requests

    def stay(answer: requests.Response, *_: Any, **__: Any) -> None:
        if answer.is_redirect and answer.url.startswith("https:"):
            to = answer.headers.get("Location", "")
            if to.lower().startswith("http:"):
                if answer.raw is not None:
                    answer.close()
                raise requests.exceptions.InvalidURL(f"it redirects from https to {without_userinfo(to)}")

    with requests.Session() as session:
        session.hooks["response"].append(stay)
        opened = Conversation(session, url)
        if auth is not None:
            session.auth = auth
        elif not session.trust_env:
            session.auth = requests.utils.get_netrc_auth(url)
        yield opened


def answer_of(response: requests.Response, secrets: Iterable[str]) -> Answer:
    """Parses a response: the status line's reason (PyPI puts its message there) and a short body, without HTML and
    secrets."""
    hidden = tuple(secrets)
    body = body_of(response)
    redirect = response.is_redirect or bool(response.headers.get("Location") and response.status_code == 304)
    return Answer(
        status=response.status_code,
        words=in_words(f"{response.reason or ''}\n{body}", hidden),
        retry_after=seconds_until(response.headers.get("Retry-After", ""), datetime.now(UTC)),
        location=in_words(response.headers.get("Location", ""), hidden) if redirect else "",
        page="html" in response.headers.get("Content-Type", "") and bool(re.search(r"(?i)<(html|form|body)\b", body)),
    )


def body_of(response: requests.Response) -> str:
    """The beginning of a response's body, as far as it arrived.

    Raises `requests.ConnectionError` if a response with a success status breaks off, since its outcome is unknown.
    """
    import requests
    import urllib3

    data = b""
    try:
        for part in response.raw.stream(1 << 14, decode_content=True):
            data += part
            if len(data) >= _BODY:
                break
    except urllib3.exceptions.HTTPError as error:
        if response.ok:
            raise requests.ConnectionError(error) from None
    try:
        return data.decode(response.encoding or "utf-8", "replace") if response.encoding != "binary" else ""
    except (LookupError, UnicodeError):  # a server names any encoding
        return data.decode(errors="replace")


def in_words(text: str, secrets: Iterable[str], *, limit: int = _WORDS) -> str:
    """A server's text in one line that is safe to show: redacted, then without HTML, then cut to `limit`."""
    hidden = tuple(secrets)
    text = redact(text, hidden)
    text = unescape(re.sub(r"(?s)<(style|script|head)\b.*?</\1>|<[^>]+>", " ", text))
    text = redact(text, hidden)
    lines = (" ".join(line.split()) for line in text.splitlines())
    text = inert(" ".join(" ".join(dict.fromkeys(line for line in lines if line)).split()))
    return text[:limit]


def redirects_away(answer: requests.Response, url: str) -> str:
    """The address that a response redirects to, if its host or port differs from that of `url`; else empty. The
    default ports of http and https count as equal."""
    if answer.is_redirect:
        to = urljoin(answer.url, answer.headers["Location"])
        if host_of(to) != host_of(url):
            return to
    return ""


def host_of(url: str) -> tuple[str, int]:
    """Host and port of an address; the port is 0 if it is the default of the scheme."""
    parts = urlsplit(url)
    port = parts.port or 0
    return parts.hostname or "", 0 if port == {"http": 80, "https": 443}.get(parts.scheme) else port


def is_loopback(url: str) -> bool:
    """Whether an address is on the loopback interface, where no proxy is used."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def is_insecure(url: str) -> bool:
    """Whether an address is plain http on another machine."""
    return urlsplit(url).scheme == "http" and not is_loopback(url)


def reason(error: Exception, secrets: Iterable[str] = ()) -> str:
    """The cause of a failed request in one line; without the request, whose headers hold credentials."""
    cause: BaseException = error
    for inner in _causes(error):
        cause = inner
    text = first_line(cause) if str(cause).strip() else type(cause).__name__
    return in_words(re.sub(_PYTHON_OBJECT, "", without_userinfo(text)), secrets)


_PYTHON_OBJECT = r"<[^>]*object at 0x[0-9a-f]+>:? ?|\b\w+\(host='[^']*', port=\w+\): "
"""The connection, as the versions of urllib3 write it before the cause."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            yield inner
            yield from _causes(inner)
            return


def body_up_to(answer: requests.Response, longest: int, fault: Exception) -> bytes:
    """The whole body, unpacked; raises `fault` if it has more than `longest` bytes."""
    parts, size = [], 0
    for part in answer.iter_content(1 << 16):
        size += len(part)
        if size > longest:
            raise fault
        parts.append(part)
    return b"".join(parts)


def without_userinfo(text: str) -> str:
    """The text with `***` for the user name and password in every address."""
    return re.sub(r"(?<=://)[^/\s]+@|[^/:@\s'\"]+:[^/:@\s]+@", "***@", text)


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, or its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
