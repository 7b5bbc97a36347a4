"""Resolves an index of the PyPI kind from its name in the configuration.

twine and pypi-simple know the addresses of the public indexes; their host names are never written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from cartwheel.destinations.credentials import PYPIRC
from cartwheel.destinations.http import is_insecure, is_loopback, without_userinfo
from cartwheel.model.destination import KNOWN, holds_userinfo, is_address, is_rehearsal, token_variable
from cartwheel.model.errors import ConfigError, did_you_mean


class IndexTable(Protocol):
    """The keys of `[tool.cartwheel.index.NAME]` that are read here."""

    @property
    def url(self) -> str: ...
    @property
    def simple(self) -> str: ...
    @property
    def rehearsal(self) -> bool | None: ...
    @property
    def auth(self) -> str | None: ...
    @property
    def user(self) -> str: ...
    @property
    def plain_http(self) -> bool: ...
    @property
    def environment(self) -> str: ...
    @property
    def rules(self) -> Mapping[str, str]: ...
    @property
    def attestations(self) -> bool | None: ...
    @property
    def unattested(self) -> str: ...
    @property
    def publisher_changed(self) -> str: ...
    @property
    def sigstore(self) -> str: ...


class Index(Struct, frozen=True, kw_only=True):
    """An index, by its name in the configuration."""

    name: str
    url: str
    """The address for uploads."""
    simple: str
    """The root of the simple API, with a slash at its end."""
    rehearsal: bool = False
    """For practice: needs no tag and takes development versions."""
    anonymous: bool = False
    """Whether it gets only a rehearsal's token, and no credentials of the user."""
    public: bool = False
    """Whether it is PyPI or TestPyPI, with PyPI's rules."""
    auth: str = ""
    """`token`, `trusted`, or empty: whichever is available."""
    user: str = ""
    """The user name of its credentials, if configured."""
    environment: str = ""
    """The environment that the pipeline's job must run in, if configured."""
    rules: Mapping[str, str] = {}
    """The rules of PyPI that are waived here, with the reasons."""
    attestations: bool | None = None
    """Whether files are attested; None: with trusted publishing on PyPI and TestPyPI."""
    publisher_changed: str = ""
    """The reason for which another publisher than the last release's is accepted."""
    sigstore: str = ""
    """The trust configuration of another Sigstore, relative to the project; empty: the public one."""


def resolve(name: str, table: Mapping[str, IndexTable], *, pypirc: str = PYPIRC) -> Index:
    """The index called `name`: from `[tool.cartwheel.index.NAME]`, twine's built-in names, or .pypirc.

    A rehearsal index on this machine is anonymous. Raises `ConfigError` if the name is unknown or an address is
    invalid.
    """
    settings = table.get(name)
    written = settings.url if settings else ""
    url = _with_slash(written or _by_name(name, pypirc, table))
    _refuse_page_of_pypi(name, url)
    simple = (settings.simple if settings else "") or _simple_of(name, url)
    for what, text in (("url", url), ("simple", simple)):
        _refuse_url(name, what, text)
        if not (settings and settings.plain_http):
            refuse_plain_http(name, what, text)
    rehearsal = is_rehearsal(name, table)
    return Index(
        name=name,
        url=url,
        simple=simple.rstrip("/") + "/",
        rehearsal=rehearsal,
        anonymous=rehearsal and is_loopback(url),
        public=is_public(url),
        auth=(settings.auth or "") if settings else "",
        user=settings.user if settings else "",
        environment=settings.environment if settings else "",
        rules=_known_rules(name, settings.rules) if settings else {},
        attestations=settings.attestations if settings else None,
        publisher_changed=settings.publisher_changed if settings else "",
        sigstore=settings.sigstore if settings else "",
    )


def is_public(url: str) -> bool:
    """Whether `url` is the upload address of PyPI or TestPyPI."""
    from twine import utils

    return url.startswith((utils.DEFAULT_REPOSITORY, utils.TEST_REPOSITORY))


def refuse_plain_http(name: str, what: str, url: str) -> None:
    """Raises `ConfigError` for plain http on another machine."""
    if is_insecure(url):
        raise ConfigError(
            f"index {name}: its {what} is '{without_userinfo(url)}', without TLS: anybody in between reads the "
            f"credentials; use https, or allow it with plain-http = true in [tool.cartwheel.index.{name}]"
        )


def _known_rules(name: str, rules: Mapping[str, str]) -> Mapping[str, str]:
    if rules:
        from cartwheel.checks.index_rules import refuse_unknown

        refuse_unknown(rules, where=f"[tool.cartwheel.index.{name}] rules")
    return rules


def _by_name(name: str, pypirc: str, table: Iterable[str]) -> str:
    from twine import exceptions, utils

    try:
        url = utils.get_repository_from_config(pypirc, name)["repository"]
    except (exceptions.TwineException, KeyError):
        url = utils.TEST_REPOSITORY if name == "testpypi" else None  # a .pypirc may list servers without it
    if not url:
        others = {*KNOWN, *table} - {name}
        raise ConfigError(
            f"index '{name}' is neither one that twine knows nor in {pypirc}{did_you_mean(name, others)}\n"
            f'if it is one of your own, add [tool.cartwheel.index.{name}] with url = "…" and simple = "…"'
        )
    return url


_READ_BELOW = re.compile(
    r".*/(?:repository/[^/]+|api/pypi/[^/]+|api/packages/[^/]+/pypi|packages/pypi|pypi/(?!upload|legacy|simple)[^/]+)/?"
)
"""Paths of uploads that are read at `simple/` below them: Nexus, Artifactory, Gitea and Forgejo, GitLab, CodeArtifact
(their manuals on PyPI repositories, November 2026)."""
_READ_BESIDE = re.compile(r"(.*/)(?:pypi/upload|legacy)/?")
"""Paths that are read beside: at `pypi/simple/` of Azure Artifacts, at `simple/` of Warehouse and Pulp."""


def _simple_of(name: str, url: str) -> str:
    """The simple API of the index with the upload address `url`, for PyPI and known registries; else `ConfigError`."""
    parts = urlsplit(url)
    if is_public(url):
        return urlunsplit((parts.scheme, parts.netloc.removeprefix("upload."), "/simple/", "", ""))
    if beside := _READ_BESIDE.fullmatch(parts.path):
        folder = f"{beside[1]}pypi/" if "pypi/upload" in parts.path else beside[1]
        return urlunsplit((parts.scheme, parts.netloc, f"{folder}simple/", "", ""))
    if _READ_BELOW.fullmatch(parts.path):
        return urlunsplit((parts.scheme, parts.netloc, f"{parts.path.rstrip('/')}/simple/", "", ""))
    raise ConfigError(
        f'[tool.cartwheel.index.{name}]: add simple = "…", where the index at {without_userinfo(url)} is read'
    )


def _with_slash(url: str) -> str:
    """PyPI's upload address with the slash at its end, without which it answers a redirect."""
    return f"{url}/" if is_public(f"{url}/") and not is_public(url) else url


def _refuse_page_of_pypi(name: str, url: str) -> None:
    """Raises `ConfigError` for an address of PyPI or TestPyPI that takes no uploads."""
    from twine import utils

    for upload in (utils.DEFAULT_REPOSITORY, utils.TEST_REPOSITORY):
        host = urlsplit(upload).hostname or ""
        hosts = (host, host.removeprefix("upload."))
        if is_address(url) and urlsplit(url).hostname in hosts and not url.startswith(upload):
            raise ConfigError(f"index {name}: its url is '{without_userinfo(url)}'; uploads go to {upload}")


def _refuse_url(name: str, what: str, url: str) -> None:
    if holds_userinfo(url):
        raise ConfigError(
            f"index {name}: its {what} holds a user name or password; take it out, "
            f"and set {token_variable(name)} in the environment instead"
        )
    if not is_address(url):
        raise ConfigError(
            f"index {name}: its {what} is {without_userinfo(url)!r}, expected an address with http or https"
        )
