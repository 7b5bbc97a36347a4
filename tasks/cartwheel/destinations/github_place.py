"""Finds the repository that gets the release, and its token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from cartwheel.destinations.credentials import REHEARSAL_TOKEN, refuse_foreign_token, refuse_unsendable
from cartwheel.destinations.http import is_loopback, without_userinfo
from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import api_of, repository_at, token_variable
from cartwheel.model.errors import ConfigError


class Place(Struct, frozen=True, kw_only=True):
    """The releases of a repository."""

    name: str
    """The name of the index in the configuration."""
    api: str
    repository: str
    anonymous: bool = False
    """True for a stand-in on this machine, which receives only the rehearsal's token."""
    own_token: bool = True
    """Whether GITHUB_TOKEN and GH_TOKEN may be sent to this host."""

    @property
    def url(self) -> str:
        """The repository's address in the API."""
        return f"{self.api}/repos/{self.repository}"


def place_of(name: str, table: Mapping[str, IndexSettings], remote: str, environ: Mapping[str, str]) -> Place:
    """The repository that an index of the kind `github` means.

    `remote`: the address of the release's git remote. On a GitHub runner the environment names the API. Raises
    `ConfigError` if neither the table nor the remote names a repository, or if the API's address is invalid.
    """
    settings = table.get(name)
    host, at_remote = repository_at(remote)
    repository = (settings.repository if settings else "") or at_remote
    if not repository:
        raise ConfigError(
            f"index {name}: the remote ({without_userinfo(remote) or 'none'}) names no repository of GitHub's; "
            f'add [tool.cartwheel.index.{name}] repository = "owner/name"'
        )
    api = (settings.url if settings else "") or _of_runner(host, environ) or api_of(host or "github.com")
    secure = api.startswith("https") or is_loopback(api) or bool(settings and settings.plain_http)
    if not re.fullmatch(r"https?://[^/@\s]+(/[^\s?#]*)?", api) or not secure:
        raise ConfigError(
            f"index {name}: its url is '{without_userinfo(api)}'; "
            "expected the API's address, with https and without a user"
        )
    api = api.rstrip("/")
    return Place(
        name=name, api=api, repository=repository,
        anonymous=bool(settings and settings.rehearsal) and is_loopback(api), own_token=_is_github(api, environ),
    )  # fmt: skip


def _of_runner(host: str, environ: Mapping[str, str]) -> str:
    server = environ.get("GITHUB_SERVER_URL", "").rstrip("/")
    return environ.get("GITHUB_API_URL", "") if host and server == f"https://{host}" else ""


def _is_github(api: str, environ: Mapping[str, str]) -> bool:
    """Whether GITHUB_TOKEN and GH_TOKEN may be sent to an API: GitHub's, the runner's, or one on this machine.

    `gh` has the same rule, with GH_ENTERPRISE_TOKEN for any other host (its manual, November 2026).
    """
    host = urlsplit(api).hostname or ""
    runner = urlsplit(environ.get("GITHUB_API_URL", "")).hostname
    return host == "api.github.com" or host.endswith(".ghe.com") or host == runner or is_loopback(api)


def token_names(place: Place) -> tuple[str, ...]:
    """The variables that may hold the token; the first one that is set counts."""
    own = token_variable(place.name)
    if place.anonymous:
        return (REHEARSAL_TOKEN,)
    others = ("GITHUB_TOKEN", "GH_TOKEN") if place.own_token else ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
    return (own, *others)


def token_for(place: Place, environ: Mapping[str, str]) -> str:
    """The token from the environment; empty if no variable is set.

    Raises `ConfigError` for a token that cannot be sent or that belongs to another host.
    """
    for variable in token_names(place):
        if token := environ.get(variable, "").strip():
            refuse_unsendable(place.name, variable, token)
            refuse_foreign_token(place.name, variable, token, place.api)
            return token
    return ""
