"""Credentials for a registry, from the files of the container tools or the variables of a CI job.

Sources: docker's config.json and containers-auth.json(5), read in November 2026.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cartwheel.model.errors import CartwheelError
from cartwheel.process import run

_DOCKER_HUB = "https://index.docker.io/v1/"


def credentials(host: str, name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """User name and password for a repository of a registry; None if no place has any.

    A login (`docker login`, `podman login`) comes before a job's own variables.
    """
    for path in _files(environ):
        try:
            config = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(config, dict) and (entry := _in_file(config, host, name, environ)):
            return entry
    return _of_job(host, environ)


def _files(environ: Mapping[str, str]) -> Iterable[Path]:
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "containers", "auth.json")
    if config := environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config"):
        yield Path(config, "containers", "auth.json")
    if docker := environ.get("DOCKER_CONFIG") or (home and f"{home}/.docker"):
        yield Path(docker, "config.json")


def _in_file(config: Mapping[str, Any], host: str, name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    auths, helpers = config.get("auths") or {}, config.get("credHelpers") or {}
    for key in _keys(host, name):
        if isinstance(auths, dict) and isinstance(row := auths.get(key), dict) and row.get("auth"):
            try:
                user, colon, password = base64.b64decode(str(row["auth"]), validate=True).decode().partition(":")
            except ValueError:
                continue
            if colon:
                return user, password.rstrip("\0")
    helper = (helpers.get(host) if isinstance(helpers, dict) else None) or config.get("credsStore")
    return _from_helper(str(helper), host, environ) if helper else None


def _keys(host: str, name: str) -> Iterable[str]:
    """The keys under which a login may stand, the longest path first."""
    parts = name.split("/")
    for count in range(len(parts), -1, -1):
        yield "/".join((host, *parts[:count]))
    yield from (f"https://{host}", f"https://{host}/", f"https://{host}/v1/", f"https://{host}/v2/")
    if host in ("docker.io", "registry-1.docker.io"):
        yield _DOCKER_HUB


def _from_helper(helper: str, host: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    try:
        answer = run.capture(
            (f"docker-credential-{helper}", "get"), cwd=Path.cwd(), env=environ, stdin=host.encode(), seconds=10
        )
        row = json.loads(answer)
        return str(row["Username"]), str(row["Secret"])
    except (CartwheelError, ValueError, KeyError, TypeError):
        return None


def _of_job(host: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    if host == "ghcr.io" and environ.get("GITHUB_TOKEN"):
        return environ.get("GITHUB_ACTOR") or "token", environ["GITHUB_TOKEN"]
    if host == environ.get("CI_REGISTRY") and environ.get("CI_REGISTRY_PASSWORD"):
        return environ.get("CI_REGISTRY_USER", ""), environ["CI_REGISTRY_PASSWORD"]
    return None
