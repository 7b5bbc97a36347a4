"""Run tests against an installed wheel in a fresh environment."""

from __future__ import annotations

import json
import re
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from cartwheel.filesystem.windows_files import remove_tree
from cartwheel.machine.interpreters import Interpreter
from cartwheel.machine.wine import failure_in_words, program_architecture
from cartwheel.model.check_report import WINE, TestRun
from cartwheel.model.errors import StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.model.wheels.wheel_name import WheelName
from cartwheel.testing import windows_layout
from cartwheel.testing.fresh_environment import FreshEnvironment, create_environment, path_in_environment
from cartwheel.testing.installers import PIP, Installer, installer, pip_variables
from cartwheel.testing.test_runners import Runner

Install = Callable[["FreshEnvironment", "Installer", tuple[str, ...]], None]
"""Installs the distribution to test and the further requirements of the test runner into an environment."""


def run_wheel_tests(
    wheel: Path,
    *,
    base: Interpreter,
    module: str,
    requirements: tuple[str, ...],
    extras: tuple[str, ...],
    command: tuple[str, ...],
    tests_from: Path,
    scratch: Path,
    log: CommandLog,
    env: Mapping[str, str],
    may_compile: bool,
    installer_env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> TestRun:
    """Install the wheel in a fresh environment and run its tests against the installed copy.

    `module`: the module that must be imported from the environment; empty if the wheel has none.  `tests_from`: the
    value of `{package}` in the command, the package's folder.  `cwd`: the folder to run in; by default an empty one.
    The wheel is installed from its path, requirements and extras from an index.  Requirements for another machine are
    compiled only if `may_compile`.  `installer_env`: further variables for the installer only.  Raises `StepFailed`.
    """
    named = f"{wheel.resolve()}[{','.join(extras)}]" if extras else str(wheel.resolve())

    def install(environment: FreshEnvironment, tool: Installer, needs: tuple[str, ...]) -> None:
        finished = ("--only-binary", ":all:") if environment.only_wheels else ()
        argv = (*environment.install_command(tool), *finished, named, *requirements, *needs)
        try:
            log.run(argv, cwd=scratch, env=environment.installer_env)
        except StepFailed as error:
            raise _with_reason(error, environment) from None

    return run_installed_tests(
        install, wheel=wheel, base=base, module=module, command=command, tests_from=tests_from, scratch=scratch,
        log=log, env=env, only_wheels=base.foreign and not may_compile, installer_env=installer_env, cwd=cwd,
    )  # fmt: skip


def _with_reason(error: StepFailed, environment: FreshEnvironment) -> StepFailed:
    if not environment.only_wheels or "no usable wheels" not in str(error):
        return error
    return StepFailed(
        f"a requirement of the tests has no wheel for the machine that is {environment.base.by}, and is not compiled "
        f"there; leave it out for this target, skip its tests (test.skip), or allow it (test.compile = true)\n{error}"
    )


def run_installed_tests(
    install: Install,
    *,
    wheel: Path | None = None,
    base: Interpreter,
    module: str,
    command: tuple[str, ...],
    tests_from: Path,
    scratch: Path,
    log: CommandLog,
    env: Mapping[str, str],
    only_wheels: bool = False,
    installer_env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> TestRun:
    """Run the tests against whatever `install` puts into a fresh environment.

    If `wheel` is given, the installed files are compared with it.  For the other arguments see `run_wheel_tests`.
    """
    start = time.monotonic()
    runner = Runner.of(command)
    remove_tree(scratch, ignore_errors=True)
    (scratch / "run").mkdir(parents=True)
    for_installer = dict(installer_env or {})
    tool = installer(log, {**env, **for_installer})
    if tool is PIP and for_installer:
        for_installer |= pip_variables(env)
    environment = create_environment(
        scratch / "env", base=base, tool=tool, log=log, env=env, installer_env=for_installer, only_wheels=only_wheels
    )
    install(environment, tool, runner.needs)
    if environment.target:
        windows_layout.arrange(environment.folder, wheel, Path(base.path), program_architecture(Path(base.path)))
    place = cwd or scratch / "run"
    try:
        ran = _test_run(environment, runner, command, wheel, module, tests_from, scratch, place, log)
    except StepFailed as error:
        words = failure_in_words(str(error)) if base.by == WINE else ""
        if not words:
            raise
        raise StepFailed(f"{WINE}: {words}\n{error}") from None
    remove_tree(environment.folder, ignore_errors=True)
    return replace(ran, seconds=time.monotonic() - start, by=base.by)


def _test_run(
    environment: FreshEnvironment, runner: Runner, command: tuple[str, ...], wheel: Path | None, module: str,
    tests_from: Path, scratch: Path, place: Path, log: CommandLog,
) -> TestRun:  # fmt: skip
    """Import the module, compare the installed files with the wheel and run the tests in the folder `place`."""
    imported = _import_module(environment, module, scratch, log)
    if wheel is not None:
        _compare_installed(wheel, Path(environment.base.local_path(imported["platlib"])))
    where = path_in_environment(environment, module, imported["file"])
    ran = TestRun(not_run="no test command is configured; it was installed and imported")
    if command:
        arguments = tuple(part.replace("{package}", str(tests_from.resolve())) for part in command)
        ran = runner.run(environment, arguments, module, scratch, place, log)
    return replace(ran, python=imported["python"], where=where)


def minimum_of(name: WheelName) -> str:
    """The oldest CPython in a wheel's tags, `3.11` for `cp311`; the version of this process if the tags name none."""
    minors = [int(match[1]) for tag in name.pythons if (match := re.fullmatch(r"cp3(\d+)", tag))]
    return f"3.{min(minors, default=sys.version_info.minor)}"


_PROBE = """
import importlib, json, platform, sys, sysconfig
module = importlib.import_module(sys.argv[1]) if sys.argv[1] else None
file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "") # a namespace has no file
print()
print(json.dumps({"file": file, "python": platform.python_version(), "platlib": sysconfig.get_path("platlib")}))
"""


def _import_module(environment: FreshEnvironment, module: str, scratch: Path, log: CommandLog) -> dict[str, str]:
    """Import the module in isolated mode (`-I`); returns `file`, `python` (the version) and `platlib`.

    Raises `StepFailed` with the module's name: an import that crashes writes nothing.
    """
    folder = scratch / "run"
    try:
        output = log.read(environment.python("-I", "-c", _PROBE, module, cwd=folder), cwd=folder, env=environment.env)
    except StepFailed as error:
        if not module:
            raise
        raise StepFailed(f"the installed {module} cannot be imported; correct what it shows:\n{error}") from None
    versions: dict[str, str] = json.loads(output.strip().splitlines()[-1])
    return versions


def _compare_installed(wheel: Path, packages: Path) -> None:
    """Raises `StepFailed` if an installed file differs from the wheel.

    An installer's cache may hold other bytes under the same file name (measured with uv and `--find-links`).
    """
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            top = entry.filename.split("/")[0]
            if entry.is_dir() or top.endswith(".data") or entry.filename.endswith(".dist-info/RECORD"):
                continue
            copy = packages / entry.filename
            if not copy.is_file() or copy.read_bytes() != archive.read(entry):
                raise StepFailed(f"{wheel.name}: the installed {entry.filename} is not the one in the wheel")
