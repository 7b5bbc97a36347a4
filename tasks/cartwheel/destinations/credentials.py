"""Finds the credentials of an index, and refuses those that cannot be sent or that belong to another host."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cartwheel.destinations.http import first_line, host_of, without_userinfo
from cartwheel.destinations.worker import call_within
from cartwheel.model.destination import KINDS, PYPI, token_variable
from cartwheel.model.errors import ConfigError

if TYPE_CHECKING:
    from cartwheel.destinations.pypi_index import Index

PYPIRC = "~/.pypirc"
REHEARSAL_TOKEN = "CARTWHEEL_REHEARSAL_TOKEN"
"""The variable with the token of a rehearsal's stand-ins; they receive no other credentials."""
_KEYRING_SECONDS = 60.0
"""Long enough for a person to unlock the keyring."""
_LOCKED = "the keyring does not answer; unlock it and start again"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A user name and password; hidden in its repr."""

    username: str
    password: str
    expires: float = 0.0
    """Expiry of a trusted-publishing token, in seconds since 1970; 0 for other credentials."""

    def __repr__(self) -> str:
        return "Credentials(…)"


def environment_credentials(index: Index, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials in the environment for this index, or None.

    twine's variables may be meant for another index: if TWINE_REPOSITORY or TWINE_REPOSITORY_URL is set, they count
    only for that index. Raises `ConfigError` for a token that must not be sent to this index.
    """
    if index.anonymous:
        return Credentials(username="rehearsal", password=environ.get(REHEARSAL_TOKEN, ""))
    variable = token_variable(index.name)
    token = environ.get(variable, "").strip()
    if token:
        refuse_unsendable(index.name, variable, token)
        if not index.user and re.match(r"[\"']|(?i:bearer|basic|token)\s|__token__:|pypi-\S*\s", token):
            raise ConfigError(
                f"index {index.name}: {variable} holds quotes or words besides a token; nothing was sent: "
                f"copy the token alone, or name the user of a password: user in [tool.cartwheel.index.{index.name}]"
            )
        refuse_foreign_token(index.name, variable, token, index.url, public=index.public)
        return Credentials(username=index.user or "__token__", password=token)
    password = environ.get("TWINE_PASSWORD", "").strip()
    if password and _is_for(index, environ) and not foreign_owner(password, index.url, public=index.public):
        username = index.user or environ.get("TWINE_USERNAME", "").strip() or "__token__"
        refuse_unsendable(index.name, "TWINE_PASSWORD", password)
        refuse_unsendable(index.name, "TWINE_USERNAME", username)
        return Credentials(username=username, password=password)
    return None


def _is_for(index: Index, environ: Mapping[str, str]) -> bool:
    return environ.get("TWINE_REPOSITORY_URL", index.url) in ("", index.url) and environ.get(
        "TWINE_REPOSITORY", index.name
    ) in ("", index.name)


# What may be sent where ----------------------------------------------------------------------------------------------


def refuse_unsendable(name: str, variable: str, value: str) -> None:
    """Raises `ConfigError` for a value that an HTTP header cannot hold; the message does not show the value."""
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        wrong = f"a character that cannot be sent (U+{ord(value[error.start]):04X}, the {error.start + 1}th)"
    else:
        control = next((i for i, c in enumerate(value) if ord(c) < 32 or ord(c) == 127), None)
        if control is None:
            return
        wrong = f"a control character (the {control + 1}th)"
    raise ConfigError(f"index {name}: {variable} holds {wrong}; nothing was sent: copy it again, without quotes")


def refuse_foreign_token(name: str, variable: str, token: str, url: str, *, public: bool = False) -> None:
    """Raises `ConfigError` for a token that belongs to another host than that of `url`."""
    if whose := foreign_owner(token, url, public=public, meant=name not in _PYPI_NAMES):
        raise ConfigError(
            f"index {name}: {variable} holds a token of {whose}, and its url is {without_userinfo(url)}; "
            f"nothing was sent there: set {variable} to a token of that index, or correct the url"
        )


_PYPI_NAMES = KINDS[PYPI].indexes


def foreign_owner(token: str, url: str, *, public: bool, meant: bool = False) -> str:
    """The owner of a token, judged by its format, if that is not the host of `url`; empty if it may be sent to `url`.

    `public`: `url` belongs to PyPI or TestPyPI. `meant`: the token was configured for this very index, which has no
    PyPI name; a token in PyPI's format that names no host is then accepted.
    """
    host = urlsplit(url).hostname or ""
    if token.startswith("pypi-"):
        where = _location(token)
        if where:
            return "" if host in (where, f"upload.{where}") else where
        return "" if public or meant else "PyPI"
    if re.match(r"gh[pousr]_|github_pat_", token):
        return "GitHub" if public else ""
    return ""


def _location(token: str) -> str:
    """The host named in a token of PyPI's format; empty if missing.

    Such a token is a macaroon of format 2, whose first field is the location (libmacaroons' description of the format;
    PyPI's tokens, November 2026).
    """
    text = token.removeprefix("pypi-")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return ""
    if data[:2] != b"\x02\x01" or len(data) < 4 or data[2] > 127:
        return ""
    location = data[3 : 3 + data[2]].decode("ascii", "replace")
    return location if re.fullmatch(r"[a-z0-9.-]+", location) else ""


# Stored credentials ---------------------------------------------------------------------------------------------------


def stored_credentials(index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC) -> Credentials | None:
    """The credentials in .pypirc or the keyring for the upload address, looked up by twine; None if missing.

    Raises `ConfigError` for a value that cannot be sent, `CartwheelError` if the keyring does not answer.
    """
    from twine import utils
    from twine.auth import CredentialInput, Private
    from twine.exceptions import NonInteractive

    config: utils.RepositoryConfig = {"repository": index.url, "username": None, "password": None}
    if in_pypirc(index, pypirc):
        config = utils.get_repository_from_config(pypirc, index.name)
    resolver = Private(config, CredentialInput(username=index.user or environ.get("TWINE_USERNAME") or None))

    def look() -> Credentials | None:
        if not config.get("password"):
            _refuse_broken_keyring(index)
        try:
            username = resolver.username
        except NonInteractive:
            return None
        password = config.get("password") or resolver.get_password_from_keyring()
        return Credentials(username=username or "", password=password) if password else None

    stored = call_within(look, seconds=_KEYRING_SECONDS, late=_LOCKED)
    if stored:
        refuse_unsendable(index.name, f"{pypirc} or the keyring", stored.password)
    return None if stored and foreign_owner(stored.password, index.url, public=index.public, meant=True) else stored


def reading_credentials(
    index: Index, environ: Mapping[str, str], pypirc: str = PYPIRC, *, keyring: bool = True
) -> Credentials | None:
    """The credentials for reading a private index; None: send none.

    The upload credentials if uploads go to the same host, else those in .netrc (or the file in NETRC) or, with
    `keyring`, in the keyring for the host that is read.
    """
    if index.public or index.anonymous:
        return None
    if host_of(index.url) == host_of(index.simple):
        if (credentials := environment_credentials(index, environ)) and credentials.password:
            return credentials
        if (
            index.auth != "trusted"
            and in_pypirc(index, pypirc)
            and (credentials := stored_credentials(index, environ, pypirc))
        ):
            return credentials
    if entry := _from_netrc(index):
        return entry
    return call_within(lambda: _from_keyring(index), seconds=_KEYRING_SECONDS, late=_LOCKED) if keyring else None


def _from_netrc(index: Index) -> Credentials | None:
    import requests

    try:
        entry = requests.utils.get_netrc_auth(index.simple)
    except UnicodeDecodeError:
        raise ConfigError(f"index {index.name}: the file .netrc is not UTF-8 text; save it as such") from None
    for text in entry or ():
        refuse_unsendable(index.name, ".netrc", text)
    return Credentials(username=entry[0], password=entry[1]) if entry else None


def _refuse_broken_keyring(index: Index) -> None:
    """Raises `ConfigError` for a configured backend that cannot be used; twine would only log it."""
    try:
        import keyring
    except ImportError:
        return  # some platforms have none
    try:
        keyring.get_keyring()
    except Exception as error:  # a backend may raise anything
        raise ConfigError(
            f"index {index.name}: the keyring cannot be used ({first_line(error)}); "
            f"correct PYTHON_KEYRING_BACKEND or keyringrc.cfg, or set {token_variable(index.name)}"
        ) from None


def _from_keyring(index: Index) -> Credentials | None:
    _refuse_broken_keyring(index)
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    for address in (index.simple, urlsplit(index.simple).netloc, index.url):
        if host_of(index.url) != host_of(index.simple) and address == index.url:
            continue
        try:
            entry = keyring.get_credential(address, index.user or None)
        except (KeyringError, RuntimeError):
            return None
        if entry:
            return Credentials(username=entry.username, password=entry.password)
    return None


def in_pypirc(index: Index, pypirc: str) -> bool:
    """Whether .pypirc has the same address under this name; otherwise its credentials belong to another index."""
    from twine import exceptions, utils

    try:
        return utils.get_repository_from_config(pypirc, index.name)["repository"] == index.url
    except (exceptions.TwineException, KeyError):  # a section may lack its repository
        return False
