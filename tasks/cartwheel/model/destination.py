"""Destinations: of which kind each index of a release is, and which repository a remote's address means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from cartwheel.model.errors import ConfigError

if TYPE_CHECKING:
    from cartwheel.model.config.release_settings import IndexSettings

PYPI, GITHUB, CRATES = "pypi", "github", "crates"
"""Like PyPI; releases with their assets; registries of crates."""

_BY_NAME = {"github": GITHUB, "crates-io": CRATES}
KNOWN = ("pypi", "testpypi", *_BY_NAME)
"""The indexes that need no table."""


def kind_of(name: str, indexes: Mapping[str, IndexSettings]) -> str:
    """The kind of the index of that name."""
    settings = indexes.get(name)
    return (settings.kind if settings else None) or _BY_NAME.get(name, PYPI)


class _MayRehearse(Protocol):
    @property
    def rehearsal(self) -> bool | None: ...


def is_rehearsal(name: str, indexes: Mapping[str, _MayRehearse]) -> bool:
    """Whether an index is for practice: it needs no tag and takes development versions."""
    settings = indexes.get(name)
    said = settings.rehearsal if settings else None
    return name == "testpypi" if said is None else said


def repository_at(url: str) -> tuple[str, str]:
    """Host and `owner/name` of a remote's address, in the forms that git takes; empty where it names none.

    `git@host:owner/name.git` → `("host", "owner/name")`.
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
    """Where the API of a GitHub host answers (github.com, NAME.ghe.com, or a server of one's own)."""
    if host in ("github.com", "ssh.github.com", "www.github.com"):
        return "https://api.github.com"
    return f"https://api.{host}" if host.endswith(".ghe.com") else f"https://{host}/api/v3"


def may_receive_the_token(api: str, url: str) -> bool:
    """Whether an address that the API named is the API's own: its host, or `uploads.` beside `api.`."""
    from urllib.parse import urlsplit

    ours, theirs = urlsplit(api), urlsplit(url)
    hosts = (ours.netloc, f"uploads.{ours.netloc.removeprefix('api.')}")
    return theirs.scheme == ours.scheme and theirs.netloc in hosts


def is_prerelease(version: str) -> bool:
    """Whether a PEP 440 version is a pre-release or a development version."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version).is_prerelease
    except InvalidVersion:
        raise ConfigError(f"version '{version}': PEP 440 has nothing equal to it") from None
