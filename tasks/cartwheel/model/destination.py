"""Destinations: the table of kinds, the kind of each index, and the repository that a remote's address names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from cartwheel.model.errors import ConfigError

if TYPE_CHECKING:
    from cartwheel.model.config.release_settings import IndexSettings

PYPI, GITHUB, CRATES = "pypi", "github", "crates"


class Kind(Struct, frozen=True, kw_only=True):
    """A kind of destination: the facts that the configuration and the graph need."""

    module: str
    """The module that implements it (`destinations.protocol.Implementation`); imported only when a step acts."""
    indexes: tuple[str, ...] = ()
    """Well-known indexes of this kind; they need no table in the configuration."""
    keys: tuple[str, ...] = ()
    """Keys of `index.NAME` that are not valid for every kind."""
    needs_crate: bool = False
    """It accepts crates; a package without a crate is not published there."""
    page_of_tag: bool = False
    """Packages with the same tag share one release page."""
    wheel_rules: bool = False
    """PyPI's rules for file names and metadata apply."""


KINDS: dict[str, Kind] = {
    PYPI: Kind(
        module="cartwheel.destinations.pypi",
        indexes=("pypi", "testpypi"),
        keys=(
            *("simple", "rehearsal", "auth", "user", "rules"),
            *("attestations", "unattested", "sigstore", "publisher_changed"),
        ),
        wheel_rules=True,
    ),
    GITHUB: Kind(
        module="cartwheel.destinations.github",
        indexes=("github",),
        keys=("repository", "attestations", "unattested", "publisher_changed", "sigstore"),
        page_of_tag=True,
    ),
    CRATES: Kind(
        module="cartwheel.destinations.crates", indexes=("crates-io",), keys=("crates", "auth"), needs_crate=True
    ),
}
"""All kinds by their name in `index.NAME.kind`.  An index without `kind` whose name is not well known is `pypi`."""

_BY_NAME = {index: kind for kind, row in KINDS.items() for index in row.indexes}
KNOWN = tuple(_BY_NAME)
"""The well-known indexes, which need no table."""


def token_variable(name: str) -> str:
    """The environment variable that holds the token or password of an index."""
    return f"CARTWHEEL_INDEX_{re.sub(r'[^A-Za-z0-9]+', '_', name).upper()}_TOKEN"


def holds_userinfo(url: str) -> bool:
    """Whether an address holds a user name or a password."""
    return re.match(r"[^/]*//[^/]*@", url) is not None


def is_address(text: str) -> bool:
    """Whether a text is an address that can be requested by http or https."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    plain = text.isprintable() and not re.search(r"[\s\\#]", text)
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def kind_of(name: str, indexes: Mapping[str, IndexSettings]) -> str:
    """The kind of the index `name`."""
    settings = indexes.get(name)
    return (settings.kind if settings else None) or _BY_NAME.get(name, PYPI)


def kind_row(name: str, indexes: Mapping[str, IndexSettings]) -> Kind:
    """The `KINDS` row of the index `name`; raises `ConfigError` for an unknown kind."""
    kind = kind_of(name, indexes)
    if kind not in KINDS:
        raise ConfigError(f"index {name}: unknown kind '{kind}'; expected one of {', '.join(KINDS)}")
    return KINDS[kind]


class _MayRehearse(Protocol):
    @property
    def rehearsal(self) -> bool | None: ...


def is_rehearsal(name: str, indexes: Mapping[str, _MayRehearse]) -> bool:
    """Whether an index is a rehearsal index, which needs no tag and accepts development versions."""
    settings = indexes.get(name)
    chosen = settings.rehearsal if settings else None
    return name == "testpypi" if chosen is None else chosen


def repository_at(url: str) -> tuple[str, str]:
    """Host and `owner/name` of a git remote's address; two empty texts if the address has no such form.

    `git@host:owner/name.git` gives `("host", "owner/name")`.
    """
    from urllib.parse import urlsplit

    scp = re.fullmatch(r"(?:[^/@:]+@)?([^/:@]{2,}):(?!/)(.+)", url)
    if scp:
        host, path = scp[1], scp[2]
    else:
        try:
            parts = urlsplit(url)
            host, path = parts.hostname or "", parts.path
            if host and parts.port and parts.scheme in ("http", "https"):
                host = f"{host}:{parts.port}"
        except ValueError:
            return "", ""
    named = path.strip("/").removesuffix(".git")
    return (host, named) if host and re.fullmatch(r"[\w.-]+/[\w.-]+", named, re.ASCII) else ("", "")


def api_of(host: str) -> str:
    """The API address of a GitHub host: github.com, NAME.ghe.com, or a GitHub Enterprise server."""
    if host in ("github.com", "ssh.github.com", "www.github.com"):
        return "https://api.github.com"
    return f"https://api.{host}" if host.endswith(".ghe.com") else f"https://{host}/api/v3"


def may_receive_the_token(api: str, url: str) -> bool:
    """Whether `url`, from an answer of the API at `api`, may get the API's token.

    It may if it has the API's scheme, and the API's host or `uploads.HOST` for `api.HOST`.
    """
    from urllib.parse import urlsplit

    ours, theirs = urlsplit(api), urlsplit(url)
    hosts = (ours.netloc, f"uploads.{ours.netloc.removeprefix('api.')}")
    return theirs.scheme == ours.scheme and theirs.netloc in hosts
