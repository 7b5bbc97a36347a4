"""Installs a version from the index that shows it, by fixed rules instead of the user's settings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from cartwheel.destinations.credentials import Credentials
from cartwheel.destinations.protocol import Say, Sleep
from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.retries import poll
from cartwheel.model.destination import token_variable
from cartwheel.model.errors import StepFailed

_NAME = "verified"
"""uv's name for the index; its credentials are passed in variables with this name."""

_OBEYED = (
    "UV_CACHE_DIR", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_*", "UV_KEYRING_PROVIDER", "UV_CREDENTIALS_DIR",
    "UV_PYTHON_INSTALL_*", "UV_CONCURRENT_*", "UV_NO_PROGRESS", "UV_LINK_MODE", "PIP_CERT", "PIP_CLIENT_CERT",
    "PIP_PROXY",
)  # fmt: skip
"""Settings of uv and pip that still apply: caches, certificates, proxies, credentials. All others are removed:
another index, constraints, an upload-date limit or a configuration file would change what is verified."""

INSTALL_SECONDS = 300.0
"""How long to wait for the installer: a cache in front of the index may serve it an older page than the reader got."""

BUILD_SECONDS = 3600.0
"""The time for one call of the installer that may build from sources; one that only downloads has `INSTALL_SECONDS`."""

_UNSEEN = re.compile(r"no version of|no versions of|not found in the package registry", re.IGNORECASE)
_REFUSED = re.compile(r"40[137] |lack of valid authentication|authentication credentials|unauthorized", re.IGNORECASE)
"""uv's messages if the page lacks the version, and if it may not read the page (uv 0.9 to 0.13)."""


def requirement(name: str, version: str, expected: Mapping[str, str]) -> str:
    """A line of a requirements file that admits only these files of that version."""
    hashes = sorted(set(expected.values()))
    return " ".join((f"{name}=={version}", *(f"--hash=sha256:{digest}" for digest in hashes))) + "\n"


def install_commands(
    uv: tuple[str, ...],
    python: Path,
    index: Index,
    name: str,
    version: str,
    *,
    requirements: Path,
    extras: tuple[str, ...] = (),
    source: bool = False,
) -> tuple[tuple[str, ...], ...]:
    """The two commands with which uv installs exactly this version into the environment of `python`.

    The first installs the package alone, from this index alone, with the hashes in `requirements` (the text of
    `requirement`) and without a cache. The second adds its dependencies from the main index, and also from a private
    index, but never from a rehearsal index, where anyone may register the same names. `source`: no wheel of the release
    runs here, so the sdist is built.
    """
    install = (*uv, "pip", "install", "--python", str(python), "--no-config")
    alone = (
        *install, "--no-cache", "--no-deps", "--require-hashes", "--default-index", f"{_NAME}={index.simple}",
        *(() if source else ("--only-binary", name)), "--requirements", str(requirements),
    )  # fmt: skip
    extra = f"[{','.join(extras)}]" if extras else ""
    private = () if index.public or index.rehearsal else ("--index", f"{_NAME}={index.simple}")
    return alone, (*install, *private, f"{name}{extra}=={version}")


def installer_environment(environ: Mapping[str, str], credentials: Credentials | None = None) -> dict[str, str]:
    """The environment of both commands: without the user's settings of uv and pip except those in `_OBEYED`.

    The index's credentials are passed here, since a command line is visible to others.
    """
    environment = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("UV_", "PIP_")) or any(fnmatchcase(name, pattern) for pattern in _OBEYED)
    }
    environment["PIP_CONFIG_FILE"] = os.devnull
    if credentials:
        environment |= {
            f"UV_INDEX_{_NAME.upper()}_USERNAME": credentials.username,
            f"UV_INDEX_{_NAME.upper()}_PASSWORD": credentials.password,
        }
    return environment


def install_when_visible(
    install: Callable[[], None], index: Index, *, say: Say, wait: Sleep | None = None, seconds: float = INSTALL_SECONDS
) -> None:
    """Runs `install`, and repeats it while the installer does not see the version that the index lists.

    Raises `StepFailed` with the installer's message; at once if access is refused or installing fails.
    """
    last: list[StepFailed] = []

    def attempt() -> str:
        try:
            install()
        except StepFailed as error:
            text = str(error)
            if _REFUSED.search(text):
                raise StepFailed(
                    f"the installer may not read {index.name}: set {token_variable(index.name)} (and 'user' in its "
                    f"table), or give its user name and password in ~/.netrc or the keyring\n{text}"
                ) from None
            if not _UNSEEN.search(text):
                raise
            last.append(error)
            return f"the installer does not see it on {index.name} yet"
        return ""

    if poll(attempt, seconds=seconds, say=say, wait=wait):
        raise last[-1]
