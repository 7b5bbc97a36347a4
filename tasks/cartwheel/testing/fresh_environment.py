"""An environment that holds only a wheel and the requirements of its tests."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.machine import interpreters
from cartwheel.machine.interpreters import Interpreter, directly
from cartwheel.machine.wine import program_architecture, windows_path
from cartwheel.model.errors import StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.testing.installers import UV, Installer


class FreshEnvironment(Struct, frozen=True, kw_only=True):
    """A separate environment for the tests of one wheel."""

    folder: Path
    interpreter: Path
    """The path of its interpreter; start it through `base.through`."""
    starter: Path
    """A program of this machine that starts the environment's interpreter."""
    base: Interpreter
    env: Mapping[str, str]
    """For the tests: the environment's programs are first on PATH; no path to other packages and no credentials."""
    installer_env: Mapping[str, str]
    """For the installer: `env` and the variables that configure package sources."""
    target: tuple[str, ...] = ()
    """uv's arguments to install into the folder for an interpreter of another system; empty for any other."""
    only_wheels: bool = False
    """Requirements are installed from wheels only, never compiled."""

    def install_command(self, tool: Installer) -> tuple[str, ...]:
        """The command that installs packages here; the caller appends them."""
        return (*interpreters.UV, "pip", "install", *self.target) if self.target else tool.install(self.starter)

    def python(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """The command that starts the environment's interpreter."""
        return self.base.through((str(self.interpreter), *arguments), self.env if env is None else env, cwd)

    def command(self, argv: tuple[str, ...], *, cwd: Path) -> tuple[str, ...]:
        """The command that starts a program, preferably the one in the environment."""
        name, *arguments = argv
        if name in ("python", "python3"):
            return self.python(*arguments, cwd=cwd)
        own = shutil.which(name, path=str(self.interpreter.parent))
        if self.base.through is directly or not (own or self.base.alone):
            return (own or shutil.which(name, path=self.env["PATH"]) or name, *arguments)
        if own and _is_script(Path(own)):
            return self.python(own, *arguments, cwd=cwd)
        return self.base.through((own or name, *arguments), self.env, cwd)


def _is_script(program: Path) -> bool:
    """Whether a program is a Python script as installers write it."""
    with open(program, "rb") as file:
        start = file.read(512)
    return start.startswith(b"#!") and b"python" in start


def create_environment(
    folder: Path,
    *,
    base: Interpreter,
    tool: Installer,
    log: CommandLog,
    env: Mapping[str, str],
    installer_env: Mapping[str, str],
    only_wheels: bool = False,
) -> FreshEnvironment:
    """Create an empty environment in `folder` from the interpreter `base`.

    `installer_env`: further variables for the installer only.  Raises `StepFailed`.
    """
    remove_tree(folder, ignore_errors=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    inner = {k: v for k, v in env.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS")} | {
        "PATH": os.pathsep.join((str(scripts), env.get("PATH", os.defpath))),
        "VIRTUAL_ENV": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        **base.env,
    }
    interpreter = scripts / ("python.exe" if os.name == "nt" else "python")
    environment = FreshEnvironment(
        folder=folder, interpreter=interpreter, starter=interpreter, base=base, env=inner,
        installer_env={**inner, **installer_env}, only_wheels=only_wheels,
    )  # fmt: skip
    if base.through is directly:
        log.run(tool.create(base.path, folder), cwd=folder.parent, env={**env, **installer_env})
        return environment
    if tool is not UV:
        raise StepFailed("uv does not start here, and installing for another machine needs it; install uv again")
    if base.version:
        return _for_windows(environment)
    bare = base.through((base.path, "-m", "venv", "--without-pip", str(folder)), inner, folder.parent)
    log.run(bare, cwd=folder.parent, env={**env, **base.env})
    return replace(environment, starter=_starter(environment))


_PLATFORMS = {"win_amd64": "x86_64-pc-windows-msvc", "win32": "i686-pc-windows-msvc"}


def _for_windows(environment: FreshEnvironment) -> FreshEnvironment:
    """Create an environment for Windows without starting a program there: copies of the interpreter and its DLLs."""
    base = Path(environment.base.path)
    scripts, packages = environment.folder / "Scripts", environment.folder / "Lib" / "site-packages"
    scripts.mkdir(parents=True)
    packages.mkdir(parents=True)
    for file in (base, *base.parent.glob("*.dll")):
        shutil.copy(file, scripts)
    (environment.folder / "pyvenv.cfg").write_text(f"home = {windows_path(str(base.parent))}\n", "utf-8")
    version, platform = environment.base.version, _PLATFORMS[program_architecture(base)]
    target = ("--python-platform", platform, "--python-version", version, "--target", str(packages))
    return replace(environment, target=target, interpreter=scripts / "python.exe", only_wheels=True)


def _starter(environment: FreshEnvironment) -> Path:
    """A script that starts the interpreter; uv runs it to find out the platform to install for."""
    program = environment.folder.with_name("interpreter")
    command = shlex.join(environment.python(cwd=environment.folder.parent))
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
    program.chmod(0o755)
    return program


def path_in_environment(environment: FreshEnvironment, module: str, file: str) -> str:
    """The module's file, relative to the environment; raises `StepFailed` if it lies elsewhere."""
    if not module:
        return ""
    path = Path(environment.base.local_path(file)).resolve()
    if not file or not path.is_relative_to(environment.folder.resolve()):
        raise StepFailed(f"{module} was imported from {file or 'nowhere'}, not from the environment it is installed in")
    return path.relative_to(environment.folder.resolve()).as_posix()
