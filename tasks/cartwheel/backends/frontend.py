"""Build frontends: uv on this machine, pip in a container. Both run a package's backend (PEP 517).

A backend never receives index credentials. If the user's environment has some, an installer with access to them
installs the build requirements first; the backend then runs without credentials and without build isolation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from cartwheel.filesystem.manifest_files import table, toml
from cartwheel.model.step import CommandLog, Work
from cartwheel.process import environment, run

Install = Callable[[Path, tuple[str, ...]], None]
"""Installs requirements into the environment of an interpreter."""


def uv_build(
    what: str, source: Path, out: Path, env: Mapping[str, str], work: Work, *, python: str = "",
    cwd: Path | None = None, settings: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Build `--wheel` or `--sdist` in an isolated environment with the interpreter `python`; empty: any that fits.

    `env`: the backend's environment, without uv's variables. `cwd`: the folder whose uv settings apply; None: the
    project. `settings`: the backend's config settings (PEP 517), `name=value`.
    """
    environ, folder = work.snapshot.environ, cwd or work.root
    shared = {**env, **environment.family(environ, "uv", credentials=False)}
    options = tuple(f"--config-setting={setting}" for setting in settings)
    argv = (*run.module_command("uv"), "build", what, "--no-create-gitignore", "--out-dir", str(out), *options)
    if not _credentials(environ, "uv"):
        chosen = ("--python", python) if python else ()
        work.log.run((*argv, *chosen, str(source)), cwd=folder, env=shared)
        return
    uv, own = run.module_command("uv"), {**env, **environment.family(environ, "uv")}
    place = work.scratch / "build-environment"
    python_option = ("--python", python) if python else ()
    work.log.run((*uv, "venv", "--clear", *python_option, str(place)), cwd=source, env=own)
    inner = _interpreter(place)

    def install(interpreter: Path, requirements: tuple[str, ...]) -> None:
        command = (*uv, "pip", "install", "--python", str(interpreter), *requirements)
        work.log.run(command, cwd=folder, env=own)

    _install_requirements(what.removeprefix("--"), source, inner, install, shared, work.log)
    work.log.run((*argv, "--no-build-isolation", "--python", str(inner), str(source)), cwd=folder, env=shared)


def pip_build(
    python: str, source: Path, out: Path, env: Mapping[str, str], work: Work, inside: CommandLog,
    settings: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Build a wheel in a container with an interpreter's pip; `inside` runs the commands.

    `settings`: the backend's config settings (PEP 517), `name=value`.
    """
    environ = work.snapshot.environ
    shared = {**env, **environment.family(environ, "pip", credentials=False)}
    options = tuple(f"--config-settings={setting}" for setting in settings)
    wheel = ("-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--wheel-dir", str(out), *options)
    if not _credentials(environ, "pip"):
        inside.run((python, *wheel, str(source)), cwd=source, env=shared)
        return
    own, place = {**env, **environment.family(environ, "pip")}, work.scratch / "build-environment"
    inside.run((python, "-m", "venv", str(place)), cwd=source, env=shared)
    inner = _interpreter(place)

    def install(interpreter: Path, requirements: tuple[str, ...]) -> None:
        command = (str(interpreter), "-m", "pip", "--disable-pip-version-check", "install", *requirements)
        inside.run(command, cwd=source, env=own)

    _install_requirements("wheel", source, inner, install, shared, inside)
    inside.run((str(inner), *wheel, "--no-build-isolation", str(source)), cwd=source, env=shared)


def _credentials(environ: Mapping[str, str], tool: str) -> bool:
    own = environment.family(environ, tool)
    return any(environment.is_credential(name, value) for name, value in own.items())


def _interpreter(place: Path) -> Path:
    windows = place / "Scripts" / "python.exe"
    return windows if windows.is_file() else place / "bin" / "python"


_SETUPTOOLS = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}
"""The default of `[build-system]` (PEP 517)."""

_HOOK = """
import functools, importlib, json, os, sys
what, backend, *paths = sys.argv[1:]
sys.path[:0] = [os.path.abspath(path) for path in paths]
module, _, name = backend.partition(":")
found = functools.reduce(getattr, name.split(".") if name else (), importlib.import_module(module))
hook = getattr(found, "get_requires_for_build_" + what, None)
wanted = list(hook(None)) if hook else []
print()
print(json.dumps(wanted))
"""


def _install_requirements(
    what: str, source: Path, interpreter: Path, install: Install, env: Mapping[str, str], log: CommandLog
) -> None:
    """Install the requirements of `[build-system]`, then those that the backend requests."""
    system = {**_SETUPTOOLS, **table(toml(source / "pyproject.toml"), "build-system")}
    if requires := tuple(map(str, system["requires"])):
        install(interpreter, requires)
    paths = tuple(map(str, system.get("backend-path", ())))
    command = (str(interpreter), "-c", _HOOK, what, str(system["build-backend"]), *paths)
    more = json.loads(log.read(command, cwd=source, env=env).strip().splitlines()[-1])
    if more:
        install(interpreter, tuple(more))
