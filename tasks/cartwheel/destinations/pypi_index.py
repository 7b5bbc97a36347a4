"""An index of the PyPI kind: where it is and what it holds.

twine and pypi-simple know the public indexes by name; their host names are never written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.destinations.retries import LOST, READING, Patience, passing, pause, seconds_until, sleep, too_long
from cartwheel.model.destination import KNOWN, is_rehearsal
from cartwheel.model.errors import ConfigError, StepFailed, did_you_mean

if TYPE_CHECKING:
    import requests

PYPIRC = "~/.pypirc"
CONNECT_SECONDS = 20.0


class IndexTable(Protocol):
    """`[tool.cartwheel.index.NAME]`, as far as it matters here."""

    @property
    def url(self) -> str: ...
    @property
    def simple(self) -> str: ...
    @property
    def rehearsal(self) -> bool | None: ...
    @property
    def auth(self) -> str | None: ...
    @property
    def environment(self) -> str: ...
    @property
    def rules(self) -> Mapping[str, str]: ...


class Index(Struct, frozen=True, kw_only=True):
    """An index by its name in the configuration."""

    name: str
    url: str
    """Where files are sent."""
    simple: str
    """Where it is read: the simple API's root, with a slash at its end."""
    rehearsal: bool = False
    """A place to practise: needs no tag and takes development versions."""
    anonymous: bool = False
    """Nobody's credentials are looked for or sent."""
    public: bool = False
    """One of PyPI's own, with PyPI's rules."""
    auth: str = ""
    """`token`, `trusted`, or empty: whichever is there."""
    environment: str = ""
    """The environment that the pipeline's job must run in, where one is said."""
    rules: Mapping[str, str] = {}
    """What of PyPI's rules is let pass here, and why."""


class Listed(Struct, frozen=True, kw_only=True):
    """A file as an index lists it."""

    file: str
    sha256: str
    """Empty where the index gives no such digest."""
    url: str
    uploaded: datetime | None = None
    yanked: bool = False
    size: int = 0
    """In bytes; 0 where the index does not say."""
    metadata_url: str = ""
    """Where its METADATA lies by itself (PEP 658); empty where the index has none."""


# Which index ---------------------------------------------------------------------------------------------------------


def resolve(name: str, table: Mapping[str, IndexTable], *, pypirc: str = PYPIRC) -> Index:
    """The index of that name: from `[tool.cartwheel.index.NAME]`, twine's own names, or .pypirc.

    An index to practise on that is on this machine is anonymous.  Raises `ConfigError` where nobody knows the name.
    """
    settings = table.get(name)
    written = settings.url if settings else ""
    url = written or _by_name(name, pypirc, table)
    simple = (settings.simple if settings else "") or _simple_of(name, url)
    for what, text in (("url", url), ("simple", simple)):
        _refuse_url(name, what, text)
    rehearsal = is_rehearsal(name, table)
    return Index(
        name=name,
        url=url,
        simple=simple.rstrip("/") + "/",
        rehearsal=rehearsal,
        anonymous=rehearsal and is_loopback(url),
        public=_is_public(url),
        auth=(settings.auth or "") if settings else "",
        environment=settings.environment if settings else "",
        rules=_known_rules(name, settings.rules) if settings else {},
    )


def _known_rules(name: str, rules: Mapping[str, str]) -> Mapping[str, str]:
    if rules:
        from cartwheel.checks.index_rules import refuse_unknown

        refuse_unknown(rules, where=f"[tool.cartwheel.index.{name}] rules")
    return rules


def _by_name(name: str, pypirc: str, table: Iterable[str]) -> str:
    from twine import exceptions, utils

    try:
        found = utils.get_repository_from_config(pypirc, name)["repository"]
    except exceptions.TwineException:
        found = utils.TEST_REPOSITORY if name == "testpypi" else None  # a .pypirc may list its servers without it
    if not found:
        others = {*KNOWN, *table} - {name}
        raise ConfigError(
            f"publish: index '{name}' is neither one that twine knows nor in {pypirc}{did_you_mean(name, others)}\n"
            f'if it is one of your own, add [tool.cartwheel.index.{name}] with url = "…" and simple = "…"'
        )
    return found


def _simple_of(name: str, url: str) -> str:
    """Where an index is read that is sent to at `url`; only known for PyPI's own."""
    import pypi_simple
    from twine import utils

    if url.startswith(utils.DEFAULT_REPOSITORY):
        return pypi_simple.PYPI_SIMPLE_ENDPOINT
    if url.startswith(utils.TEST_REPOSITORY):
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc, "/simple/", "", ""))
    raise ConfigError(
        f'[tool.cartwheel.index.{name}]: add simple = "…", where the index at {without_userinfo(url)} is read'
    )


def _is_public(url: str) -> bool:
    from twine import utils

    return url.startswith((utils.DEFAULT_REPOSITORY, utils.TEST_REPOSITORY))


def _refuse_url(name: str, what: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigError(
            f"index {name}: its {what} holds a user name or password; take it out, "
            f"and set {token_variable(name)} in the environment instead"
        )
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(
            f"index {name}: its {what} is '{without_userinfo(url)}', expected an address with http or https"
        )


def token_variable(name: str) -> str:
    """The environment variable that holds an index's token."""
    return f"CARTWHEEL_INDEX_{re.sub(r'[^A-Za-z0-9]+', '_', name).upper()}_TOKEN"


# What it holds -------------------------------------------------------------------------------------------------------


def held(index: Index, project: str, version: str) -> dict[str, str]:
    """The files of one version that the index holds, by name, with their SHA-256 (empty where it gives none)."""
    return {row.file: row.sha256 for row in listing(index, project, version)}


def listing(
    index: Index, project: str, version: str, *, patience: Patience = READING, say: Callable[[str], None] | None = None
) -> tuple[Listed, ...]:
    """The files of one version as the index lists them now, from JSON or HTML; none where it knows no such project.

    An index that sends a reader on to another host or port for a project does not hold it (pypiserver's and GitLab's
    habit with projects that they do not know): `say` is told so.  Raises `StepFailed` where it cannot be read.
    """
    rows = project_listing(index, project, patience=patience, say=say)
    return tuple(row for row in rows if _is_of(row.file, version))


def project_listing(
    index: Index, project: str, *, patience: Patience = READING, say: Callable[[str], None] | None = None
) -> tuple[Listed, ...]:
    """The files of all versions, read as `listing` reads those of one."""
    import pypi_simple

    headers = {"Cache-Control": "no-cache", "Pragma": "no-cache"}

    def page() -> Any:
        with conversation(index.simple) as session, pypi_simple.PyPISimple(index.simple, session=session) as client:
            session.hooks["response"].insert(0, partial(_stay_at, index.simple))
            try:
                return client.get_project_page(
                    project, timeout=(CONNECT_SECONDS, 60.0), accept=pypi_simple.ACCEPT_JSON_PREFERRED, headers=headers
                )
            except pypi_simple.NoSuchProjectError:
                return None
            except _Elsewhere as error:
                if say:
                    say(f"{index.name} does not hold {project}: it sends readers on to {error}")
                return None

    found = _read(page, f"index {index.name}: {without_userinfo(index.simple)}", patience)
    return tuple(_listed(row) for row in (found.packages if found else ()))


class _Elsewhere(Exception):
    """An index sends its readers on to the address that is the text."""


def _stay_at(simple: str, answer: requests.Response, *_: Any, **__: Any) -> None:
    """Raises `_Elsewhere` for a redirect to another host or port than that of `simple`; http to https is none."""
    if answer.is_redirect:
        to = urljoin(answer.url, answer.headers["Location"])
        if _host(to) != _host(simple):
            raise _Elsewhere(without_userinfo(to.partition("?")[0]))


def _host(url: str) -> tuple[str, int]:
    """Host and port of an address, 0 for the port of its scheme."""
    parts = urlsplit(url)
    port = parts.port or 0
    return parts.hostname or "", 0 if port == {"http": 80, "https": 443}.get(parts.scheme) else port


def with_digests(rows: Iterable[Listed], files: Iterable[str]) -> tuple[Listed, ...]:
    """The same rows; a file among `files` that is listed without a digest is downloaded for it."""
    wanted = frozenset(files)
    return tuple(
        replace(row, sha256=download_digest(row)) if row.file in wanted and not row.sha256 else row for row in rows
    )


def read_bytes(url: str, *, shown_as: str, patience: Patience = READING) -> bytes:
    """What an index serves at an address; raises `StepFailed`."""

    def content() -> bytes:
        with conversation(url) as session, session.get(url, timeout=(CONNECT_SECONDS, 60.0)) as answer:
            answer.raise_for_status()
            return answer.content

    return _read(content, shown_as, patience)


def download_digest(listed: Listed, *, patience: Patience = READING) -> str:
    """The SHA-256 of a listed file's bytes as the index serves them."""
    import hashlib

    def digest() -> str:
        found = hashlib.sha256()
        with (
            conversation(listed.url) as session,
            session.get(listed.url, stream=True, timeout=(CONNECT_SECONDS, 60.0)) as answer,
        ):
            answer.raise_for_status()
            for part in answer.iter_content(1 << 20):
                found.update(part)
        return found.hexdigest()

    return _read(digest, listed.file, patience)


_Found = TypeVar("_Found")


def _read(ask: Callable[[], _Found], what: str, patience: Patience) -> _Found:
    """Ask, and ask again after what passes; raises `StepFailed` where it cannot be read."""
    import pypi_simple
    import requests

    for attempt in range(1, patience.tries + 1):
        try:
            return ask()
        except requests.RequestException as error:
            status, asked = _status_of(error)
            seconds = pause(attempt, asked, patience)
            late = too_long(seconds, patience)
            said, again = reason(error), passing(status) and not late and attempt < patience.tries
        except (ValueError, pypi_simple.UnsupportedRepoVersionError) as error:
            said, late, status, again = reason(error), "", LOST, False
        if not again:
            break
        sleep(seconds)
    advice = late or _READ_ADVICE.get(status, "try again when it answers")
    raise StepFailed(f"{what} cannot be read: {said}; {advice}")


_READ_ADVICE = {
    401: "give this machine's user name and password for it in ~/.netrc, where uv looks for them too",
    403: "look whether this machine's user, in ~/.netrc, may read there",
}


def _status_of(error: requests.RequestException) -> tuple[int, float]:
    """The status of a failed request, and its Retry-After in seconds."""
    if error.response is None:
        return LOST, 0.0
    return error.response.status_code, seconds_until(error.response.headers.get("Retry-After", ""), datetime.now(UTC))


@contextmanager
def conversation(url: str) -> Iterator[requests.Session]:
    """A session for looking: no retries but ours, no proxy to this machine, and never from https down to http.

    An index that asks who reads is told what ~/.netrc says, and only at its own address.
    """
    import requests

    def stay(answer: requests.Response, *_: Any, **__: Any) -> None:
        if answer.is_redirect and answer.url.startswith("https:"):
            to = answer.headers.get("Location", "")
            if to.lower().startswith("http:"):
                raise requests.exceptions.InvalidURL(f"it redirects from https to {without_userinfo(to)}")

    with requests.Session() as session:
        session.hooks["response"].append(stay)
        session.trust_env = not is_loopback(url)
        if not session.trust_env:
            session.auth = requests.utils.get_netrc_auth(url)
        yield session


def is_loopback(url: str) -> bool:
    """Whether an address is this machine itself, which no proxy leads to."""
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


def _listed(row: Any) -> Listed:
    uploaded = row.upload_time
    return Listed(
        file=row.filename,
        sha256=str(row.digests.get("sha256", "")).lower(),
        url=row.url,
        uploaded=uploaded.replace(tzinfo=UTC) if uploaded and uploaded.tzinfo is None else uploaded,
        yanked=row.is_yanked,
        size=row.size or 0,
        metadata_url=row.metadata_url if row.has_metadata else "",
    )


def _is_of(file: str, version: str) -> bool:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion, Version

    try:
        found = parse_wheel_filename(file)[1] if file.endswith(".whl") else parse_sdist_filename(file)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return False
    return found == Version(version)


def reason(error: Exception) -> str:
    """What went wrong on the way, in one line; never the request, whose headers hold the credentials."""
    cause: BaseException = error
    for inner in _causes(error):
        cause = inner
    text = first_line(cause) if str(cause).strip() else type(cause).__name__
    return re.sub(r"<[^>]*object at 0x[0-9a-f]+>:? ?", "", without_userinfo(text))


def _causes(error: BaseException) -> Iterator[BaseException]:
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            yield inner
            yield from _causes(inner)
            return


def without_userinfo(text: str) -> str:
    """The text with `***` for the user name and password of every address in it."""
    return re.sub(r"(?<=://)[^/\s]+@|[^/:@\s'\"]+:[^/:@\s]+@", "***@", text)


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
