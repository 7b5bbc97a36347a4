"""Installers that create and fill test environments: uv, or pip.

The user's settings decide only where packages come from.  Settings that choose versions (constraints, overrides,
cooldowns) or change builds are ignored.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from msgspec import Struct

from cartwheel.machine import interpreters
from cartwheel.model.errors import CartwheelError
from cartwheel.model.step import CommandLog
from cartwheel.process import environment
from cartwheel.process.environment import home_folder
from cartwheel.process.run import capture


class Installer(Struct, frozen=True, kw_only=True):
    """A program that creates environments and installs packages."""

    name: str
    create: Callable[[str, Path], tuple[str, ...]]
    """The command to create an environment, from the base interpreter and the folder."""
    install: Callable[[Path], tuple[str, ...]]
    """The command to install, from the environment's interpreter; the caller appends the packages."""


UV = Installer(
    name="uv",
    create=lambda base, folder: (
        *(*interpreters.UV, "venv", "--no-project", "--no-config", "--python", base),
        str(folder),
    ),
    install=lambda python: (*interpreters.UV, "pip", "install", "--python", str(python)),
)
PIP = Installer(
    name="pip",
    create=lambda base, folder: (base, "-m", "venv", str(folder)),
    install=lambda python: (str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"),
)


def installer(log: CommandLog, env: Mapping[str, str]) -> Installer:
    """uv if it starts, else venv and pip, which take 7 s instead of 0.5 s; the log says so."""
    try:
        capture((*interpreters.UV, "--version"), cwd=Path(sys.executable).parent, env=env)
    except CartwheelError as error:
        log.say(f"uv cannot be used, so venv and pip are: {error}")
        return PIP
    return UV


_SOURCES = (
    "UV_INDEX*", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE", "UV_CACHE_DIR",
    "UV_NO_CACHE", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_HTTP_*",
    "UV_REQUEST_TIMEOUT", "UV_CONCURRENT_*", "UV_LINK_MODE", "UV_CREDENTIALS_DIR", "UV_PYTHON*",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CERT", "PIP_CLIENT_CERT",
    "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_CACHE_DIR", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_KEYRING_PROVIDER",
)  # fmt: skip
"""Variables that configure package sources and downloads (uv 0.9 and pip 26, November 2026)."""


def installer_variables(environ: Mapping[str, str], project: Path, scratch: Path) -> dict[str, str]:
    """Further variables for an installer; writes uv's settings file to `scratch`.

    `project`: the folder whose uv settings may name indexes.
    """
    own = environment.family(environ, "uv", "pip")
    variables = {name: value for name, value in own.items() if any(fnmatchcase(name, pattern) for pattern in _SOURCES)}
    return variables | {"UV_CONFIG_FILE": str(_uv_settings(environ, project, scratch)), "PIP_CONFIG_FILE": os.devnull}


_KEYS = ("index", "index-url", "extra-index-url", "find-links", "no-index", "index-strategy", "keyring-provider",
         "native-tls", "allow-insecure-host", "offline", "cache-dir")  # fmt: skip
"""Keys of uv's settings that configure package sources (uv 0.9, November 2026)."""


def _uv_settings(environ: Mapping[str, str], project: Path, scratch: Path) -> Path:
    """Write a settings file with the user's package sources; for each key, the first file that sets it wins."""
    settings: dict[str, Any] = {}
    for file, table in _uv_tables(environ, project):
        for key in (key for key in _KEYS if key in table and key not in settings):
            value = table[key]
            if key == "index":
                value = [row for row in value if not row.get("explicit")]
            if key == "find-links":
                value = [link if "://" in link else str(file.parent / link) for link in value]
            settings[key] = value
    path = scratch / "uv.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in settings.items()), encoding="utf-8")
    path.chmod(0o600)
    return path


def _toml(value: Any) -> str:
    """A value of uv's settings in TOML syntax."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(row)}" for key, row in value.items()) + " }"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)


def _uv_tables(environ: Mapping[str, str], project: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """uv's settings in order of precedence: the file in UV_CONFIG_FILE alone, else project, user, system."""
    home = Path(environ.get("XDG_CONFIG_HOME") or home_folder(environ) / ".config")
    user = Path(environ["APPDATA"]) if os.name == "nt" and "APPDATA" in environ else home
    above = [folder / name for folder in (project, *project.parents) for name in ("uv.toml", "pyproject.toml")]
    named = environ.get("UV_CONFIG_FILE")
    for file in (Path(named),) if named else (*above, user / "uv" / "uv.toml", Path("/etc/uv/uv.toml")):
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        yield file, table.get("tool", {}).get("uv", {}) if file.name == "pyproject.toml" else table


_PIP_KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "cert", "trusted-host", "proxy")


def pip_variables(env: Mapping[str, str]) -> dict[str, str]:
    """The indexes in pip's settings, as variables for a pip that reads no settings file."""
    variables: dict[str, str] = {}
    try:
        listed = capture((sys.executable, "-m", "pip", "config", "list"), cwd=Path(sys.executable).parent, env=env)
    except CartwheelError:  # without pip, there are no settings of pip
        return variables
    for key, value in re.findall(r"(?m)^(?:global|install)\.([\w-]+)='(.*)'$", listed):
        name = f"PIP_{key.upper().replace('-', '_')}"
        if key in _PIP_KEYS and name not in env:
            variables[name] = value.replace("\\n", " ")
    return variables
