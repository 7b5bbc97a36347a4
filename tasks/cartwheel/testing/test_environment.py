"""A fresh environment: a wheel's tests, run where nothing else is installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.machine.interpreters import Interpreter, directly
from cartwheel.model.check_report import TestRun, tests
from cartwheel.model.errors import StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.model.wheels.wheel_name import WheelName
from cartwheel.testing.installers import PIP, UV, Installer, installer, pip_variables

_WITNESS = Path(__file__).with_name("import_probe.py")


class FreshEnvironment(Struct, frozen=True, kw_only=True):
    """An environment of its own for one wheel's tests."""

    folder: Path
    interpreter: Path
    """The path of its interpreter; `base.through` starts it."""
    starter: Path
    """A program of this machine that starts its interpreter."""
    base: Interpreter
    env: Mapping[str, str]
    """For the tests: its own programs first on PATH, nothing that leads to other packages, no credential."""
    installer_env: Mapping[str, str]
    """For the installer: the same, and where packages come from."""
    only_wheels: bool = False
    """Requirements are not compiled for it."""

    def python(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """The command that starts the environment's interpreter."""
        return self.base.through((str(self.interpreter), *arguments), self.env if env is None else env, cwd)

    def command(self, argv: tuple[str, ...], *, cwd: Path) -> tuple[str, ...]:
        """The command that starts a program, preferably the environment's own."""
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
    """Whether a program is a script for the environment's interpreter, as installers write it."""
    with open(program, "rb") as file:
        start = file.read(512)
    return start.startswith(b"#!") and b"python" in start


def fresh(
    folder: Path,
    *,
    base: Interpreter,
    tool: Installer,
    log: CommandLog,
    env: Mapping[str, str],
    installer_env: Mapping[str, str],
    only_wheels: bool = False,
) -> FreshEnvironment:
    """Make an empty environment in `folder` from the interpreter `base`; `installer_env`: what only the installer is
    given beside `env`."""
    shutil.rmtree(folder, ignore_errors=True)
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
    made = FreshEnvironment(
        folder=folder, interpreter=interpreter, starter=interpreter, base=base, env=inner,
        installer_env={**inner, **installer_env}, only_wheels=only_wheels,
    )  # fmt: skip
    if base.through is directly:
        log.run(tool.create(base.path, folder), cwd=folder.parent, env={**env, **installer_env})
        return made
    if tool is not UV:
        raise StepFailed("uv does not start here, and installing for another machine needs it; install uv again")
    bare = base.through((base.path, "-m", "venv", "--without-pip", str(folder)), inner, folder.parent)
    log.run(bare, cwd=folder.parent, env={**env, **base.env})
    return replace(made, starter=_starter(made))


def _starter(made: FreshEnvironment) -> Path:
    """A script that starts the interpreter: uv queries it and then installs what fits the other machine."""
    program = made.folder.with_name("interpreter")
    command = shlex.join(made.python(cwd=made.folder.parent))
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8")
    program.chmod(0o755)
    return program


Install = Callable[["FreshEnvironment", "Installer", tuple[str, ...]], None]
"""Installs what is tested into an environment, with what the test command needs."""


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
    """Install the wheel where nothing else is, and run its tests against the installed copy.

    `module` must import from the fresh environment (`""` for a wheel without one).  `tests_from`: the package's folder,
    for `{package}` in the command; `cwd`: the folder that the tests run in, an empty one by default.  Requirements and
    extras come from an index, the wheel from its path.  Requirements for another machine are compiled only if
    `may_compile`.  `installer_env`: what only the installer is given.  Raises `StepFailed`.
    """
    named = f"{wheel.resolve()}[{','.join(extras)}]" if extras else str(wheel.resolve())

    def install(made: FreshEnvironment, tool: Installer, needs: tuple[str, ...]) -> None:
        finished = ("--only-binary", ":all:") if made.only_wheels else ()
        argv = (*tool.install(made.starter), *finished, named, *requirements, *needs)
        try:
            log.run(argv, cwd=scratch, env=made.installer_env)
        except StepFailed as error:
            raise _explained(error, made) from None

    return run_installed_tests(
        install, wheel=wheel, base=base, module=module, command=command, tests_from=tests_from, scratch=scratch,
        log=log, env=env, only_wheels=base.foreign and not may_compile, installer_env=installer_env, cwd=cwd,
    )  # fmt: skip


def _explained(error: StepFailed, made: FreshEnvironment) -> StepFailed:
    if not made.only_wheels or "no usable wheels" not in str(error):
        return error
    return StepFailed(
        f"a requirement of the tests has no wheel for the machine that is {made.base.by}, and is not compiled there; "
        f"leave it out for this target, skip its tests (test.skip), or allow it (test.compile = true)\n{error}"
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
    """Run the tests against what `install` puts into a fresh environment; a `wheel` is compared with the installed
    files.  See `run_wheel_tests`."""
    start = time.monotonic()
    runner = _Runner.of(command)
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "run").mkdir(parents=True)
    for_installer = dict(installer_env or {})
    tool = installer(log, {**env, **for_installer})
    if tool is PIP and for_installer:
        for_installer |= pip_variables(env)
    made = fresh(
        scratch / "env", base=base, tool=tool, log=log, env=env, installer_env=for_installer, only_wheels=only_wheels
    )
    install(made, tool, runner.needs)
    found = _imported(made, module, scratch, log)
    if wheel is not None:
        _installed_as_built(wheel, Path(found["platlib"]))
    where = _inside(made, module, found["file"])
    ran = TestRun(not_run="no test command is configured; it was installed and imported")
    if command:
        arguments = tuple(part.replace("{package}", str(tests_from.resolve())) for part in command)
        ran = runner.run(made, arguments, module, scratch, cwd or scratch / "run", log)
    shutil.rmtree(made.folder, ignore_errors=True)
    return replace(ran, seconds=time.monotonic() - start, python=found["python"], by=base.by, where=where)


def minimum_of(name: WheelName) -> str:
    """The oldest CPython in a wheel's tags, `3.11` for `cp311`; the version of this process if they name none."""
    minors = [int(match[1]) for tag in name.pythons if (match := re.fullmatch(r"cp3(\d+)", tag))]
    return f"3.{min(minors, default=sys.version_info.minor)}"


_PROBE = """
import importlib, json, platform, sys, sysconfig
module = importlib.import_module(sys.argv[1]) if sys.argv[1] else None
file = getattr(module, "__file__", None) or ""
print()
print(json.dumps({"file": file, "python": platform.python_version(), "platlib": sysconfig.get_path("platlib")}))
"""


def _imported(made: FreshEnvironment, module: str, scratch: Path, log: CommandLog) -> dict[str, str]:
    """Import the module in isolated mode (`-I`); returns its file, the Python version and `platlib`."""
    folder = scratch / "run"
    said = log.read(made.python("-I", "-c", _PROBE, module, cwd=folder), cwd=folder, env=made.env)
    found: dict[str, str] = json.loads(said.strip().splitlines()[-1])
    return found


def _inside(made: FreshEnvironment, module: str, file: str) -> str:
    """The module's file, relative to the environment; raises `StepFailed` if it lies elsewhere."""
    if not module:
        return ""
    path = Path(file).resolve()
    if not file or not path.is_relative_to(made.folder.resolve()):
        raise StepFailed(f"{module} was imported from {file or 'nowhere'}, not from the environment it is installed in")
    return path.relative_to(made.folder.resolve()).as_posix()


def _installed_as_built(wheel: Path, packages: Path) -> None:
    """Compare installed files with the wheel: an installer's cache may hold other bytes under the same name (uv with
    `--find-links`, measured)."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            top = entry.filename.split("/")[0]
            if entry.is_dir() or top.endswith(".data") or entry.filename.endswith(".dist-info/RECORD"):
                continue
            copy = packages / entry.filename
            if not copy.is_file() or copy.read_bytes() != archive.read(entry):
                raise StepFailed(f"{wheel.name}: the installed {entry.filename} is not the one in the wheel")


class _Runner(Struct, frozen=True, kw_only=True):
    """How a test command runs, and what it needs installed."""

    needs: tuple[str, ...]
    run: Callable[[FreshEnvironment, tuple[str, ...], str, Path, Path, CommandLog], TestRun]
    """From the environment, the command, the module, the scratch folder and the folder to run in."""

    @classmethod
    def of(cls, command: tuple[str, ...]) -> _Runner:
        return (
            cls(needs=("pytest",), run=_pytest) if _pytest_arguments(command) is not _OTHER else cls(needs=(), run=_any)
        )


_OTHER = ("",)


def _pytest_arguments(command: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments of pytest in the command; `_OTHER` if the command is not pytest."""
    if command and PurePath(command[0]).name.removesuffix(".exe") in ("pytest", "py.test"):
        return command[1:]
    if command[1:3] == ("-m", "pytest") and PurePath(command[0]).stem in ("python", "python3"):
        return command[3:]
    return _OTHER


def _pytest(
    made: FreshEnvironment, command: tuple[str, ...], module: str, scratch: Path, folder: Path, log: CommandLog
) -> TestRun:
    """The project's pytest settings count, except those that make its source tree importable."""
    witness = scratch / "witness"
    witness.mkdir()
    shutil.copy(_WITNESS, witness / "cartwheel_witness.py")
    report = scratch / "tests.xml"
    arguments = (
        "-m", "pytest", "--rootdir", str(folder), "--import-mode=importlib",
        "-p", "no:cacheprovider", "-p", "cartwheel_witness", "-o", "pythonpath=", f"--junitxml={report}",
        *_pytest_arguments(command),
    )  # fmt: skip
    env = {**made.env, "PYTHONPATH": str(witness), "CARTWHEEL_MODULE": module, "CARTWHEEL_WITNESS": str(witness)}
    log.run(made.python(*arguments, cwd=folder, env=env), cwd=folder, env=env)
    for statement in sorted(witness.glob("*.txt")):
        _inside(made, module, statement.read_text("utf-8"))
    return TestRun(count=_passed(report, arguments))


def _passed(report: Path, argv: tuple[str, ...]) -> int:
    """The number of tests that passed, from pytest's report; raises `StepFailed` if none did."""
    from xml.etree import ElementTree

    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    collected, skipped = (sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "skipped"))
    if collected == 0:
        raise StepFailed(
            f"no test was collected by `pytest {' '.join(argv[argv.index('-o') + 3 :])}`; name their folder"
        )
    if collected == skipped:
        raise StepFailed(f"nothing was tested: {tests(collected)} collected, all skipped")
    return collected - skipped


def _any(
    made: FreshEnvironment, command: tuple[str, ...], _: str, scratch: Path, folder: Path, log: CommandLog
) -> TestRun:
    log.run(made.command(command, cwd=folder), cwd=folder, env=made.env)
    return TestRun(note=f"{PurePath(command[0]).stem} is judged by its exit code alone")
