"""A fresh environment: which wheels this machine can run, and a wheel's tests run where nothing else is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from cartwheel.model.checked import TestRun
from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.model.python import ABI3, ABI3T, FIRST_ABI3T, PURE
from cartwheel.model.step import Words
from cartwheel.model.target import Target, version_of_floor
from cartwheel.model.wheel import WheelName
from cartwheel.world.environment import passed
from cartwheel.world.host import Host, this_machine
from cartwheel.world.run import capture, of_ours

_WITNESS = Path(__file__).with_name("witness.py")
_NO_ENV: Mapping[str, str] = MappingProxyType({})


def runs_here(
    target: Target, python: str, *, minimum: str = "3.11", floor: str = "", env: Mapping[str, str] = _NO_ENV
) -> str:
    """`""` when this machine can run such a wheel, else the reason in words.

    `minimum` is the oldest Python of an abi3 wheel, `floor` the system it promises.
    """
    if reason := cannot_run(target, this_machine(), floor or target.floor):
        return reason
    if interpreter(python, minimum, env=env or passed(os.environ)):
        return ""
    named = f"Python {minimum} or newer" if python == "abi3" else f"Python {python}"
    return f"{named} is not installed here"


def cannot_run(target: Target, host: Host, floor: str) -> str:
    """Why `host` cannot run what is compiled for `target`, `""` when it can."""
    if not host.runs(target):
        meant = _in_words(target.system, target.machine, target.libc)
        return f"this machine is {_in_words(host.system, host.machine, host.libc)}; the wheel is for {meant}"
    if target.system == "linux" and target.libc == "gnu":
        oldest = version_of_floor(target, floor, where="floor")
        if host.glibc < oldest:
            found = ".".join(map(str, host.glibc))
            return f"this machine has glibc {found}; the wheel is for {oldest[0]}.{oldest[1]} and newer"
    return ""


def _in_words(system: str, machine: str, libc: str) -> str:
    name = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}.get(system, system)
    runtime = {"gnu": " with glibc", "musl": " with musl"}.get(libc, "") if system == "linux" else ""
    return f"{machine} {name}{runtime}"


def interpreter(python: str, minimum: str, *, env: Mapping[str, str]) -> str:
    """The path of an interpreter for such a wheel, the oldest it promises where that is here; `""` for none."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    stable = {ABI3: minimum, ABI3T: f"3.{FIRST_ABI3T}"}.get(python, "")
    wanted = (stable, f">={stable}") if stable else (running,) if python == PURE else (python,)
    return next((path for request in wanted if (path := _found(request, env))), "")


def _found(request: str, env: Mapping[str, str]) -> str:
    """uv gives up at a broken program on PATH, such as pyenv's stand-ins: then pyenv's own folders are looked at."""
    try:
        command = (*_UV, "python", "find", "--no-project", "--no-config", "--no-python-downloads", "--system", request)
        return capture(command, cwd=Path(sys.executable).parent, env=env).strip()
    except CartwheelError:
        root = Path(env.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
        kept = sorted(root.glob(f"{request}.*/bin/python{request}")) if re.fullmatch(r"3\.\d+t?", request) else []
        return str(kept[-1]) if kept else ""


_UV = of_ours("uv")


class Installer(Struct, frozen=True, kw_only=True):
    """What makes environments and fills them."""

    name: str
    create: Callable[[str, Path], tuple[str, ...]]
    """From the base interpreter and the folder."""
    install: Callable[[Path], tuple[str, ...]]
    """From the environment's interpreter; what to install follows."""


UV = Installer(
    name="uv",
    create=lambda base, folder: (*_UV, "venv", "--no-project", "--no-config", "--python", base, str(folder)),
    install=lambda python: (*_UV, "pip", "install", "--python", str(python)),
)
PIP = Installer(
    name="pip",
    create=lambda base, folder: (base, "-m", "venv", str(folder)),
    install=lambda python: (str(python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"),
)


def installer(log: Words, env: Mapping[str, str]) -> Installer:
    """uv where it starts, else venv and pip, which take 7 s for its half second; the log says so."""
    try:
        capture((*_UV, "--version"), cwd=Path(sys.executable).parent, env=env)
    except CartwheelError as error:
        log.say(f"uv cannot be used, so venv and pip are: {error}")
        return PIP
    return UV


class Fresh(Struct, frozen=True, kw_only=True):
    """A fresh environment."""

    folder: Path
    interpreter: Path
    env: Mapping[str, str]
    """What its programs are given: its own on PATH, nothing that would lead them to other packages."""

    def program(self, name: str) -> str:
        """The path of a program, its own first."""
        own = name in ("python", "python3")
        return str(self.interpreter) if own else shutil.which(name, path=self.env["PATH"]) or name


def fresh(folder: Path, *, base: str, tool: Installer, log: Words, env: Mapping[str, str]) -> Fresh:
    """Make an empty environment in `folder` from the interpreter `base`."""
    shutil.rmtree(folder, ignore_errors=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    log.run(tool.create(base, folder), cwd=folder.parent, env=env)
    inner = {k: v for k, v in env.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS")} | {
        "PATH": os.pathsep.join((str(scripts), env.get("PATH", os.defpath))),
        "VIRTUAL_ENV": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
    }
    return Fresh(folder=folder, interpreter=scripts / ("python.exe" if os.name == "nt" else "python"), env=inner)


Install = Callable[["Fresh", "Installer", tuple[str, ...]], None]
"""Puts what is to be tested into an environment, with what the test command needs besides."""


def tests_pass(
    wheel: Path,
    *,
    python: str,
    module: str,
    requirements: tuple[str, ...],
    extras: tuple[str, ...],
    command: tuple[str, ...],
    tests_from: Path,
    scratch: Path,
    log: Words,
    env: Mapping[str, str],
) -> TestRun:
    """Install the wheel where nothing else is, and run its tests against the installed copy.

    `python` is what the wheel is for (`abi3`, `3.13`, `py3`), `module` what must import from the fresh environment
    (`""` for a wheel without one), `tests_from` the package's folder, for `{package}` in the command.  Only
    requirements and extras come from an index; the wheel is installed by its path.  Raises `StepFailed`.
    """
    name = WheelName.parse(wheel.name)
    named = f"{wheel.resolve()}[{','.join(extras)}]" if extras else str(wheel.resolve())

    def install(made: Fresh, tool: Installer, needs: tuple[str, ...]) -> None:
        log.run((*tool.install(made.interpreter), named, *requirements, *needs), cwd=scratch, env=made.env)

    return installed_tests_pass(
        install, what=wheel.name, wheel=wheel, python=python, minimum=minimum_of(name), module=module,
        command=command, tests_from=tests_from, scratch=scratch, log=log, env=env,
    )  # fmt: skip


def installed_tests_pass(
    install: Install,
    *,
    what: str,
    wheel: Path | None = None,
    python: str,
    minimum: str,
    module: str,
    command: tuple[str, ...],
    tests_from: Path,
    scratch: Path,
    log: Words,
    env: Mapping[str, str],
) -> TestRun:
    """The same for whatever `install` puts into the fresh environment; with `wheel`, that is compared with it."""
    start = time.monotonic()
    base = interpreter(python, minimum, env=env)
    if not base:
        raise StepFailed(f"{what}: no interpreter for {python} found by uv or on PATH; install one")
    runner = _Runner.of(command)
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "run").mkdir(parents=True)
    tool = installer(log, env)
    made = fresh(scratch / "env", base=base, tool=tool, log=log, env=env)
    install(made, tool, runner.needs)
    found = _imported(made, module, scratch, log)
    if wheel is not None:
        _installed_as_built(wheel, Path(found["platlib"]))
    where = _inside(made, module, found["file"])
    ran = TestRun(not_run="no test command is configured; it was installed and imported")
    if command:
        arguments = tuple(part.replace("{package}", str(tests_from.resolve())) for part in command)
        ran = runner.run(made, arguments, module, scratch, log)
    shutil.rmtree(made.folder, ignore_errors=True)
    return replace(ran, seconds=time.monotonic() - start, python=found["python"], where=where)


def minimum_of(name: WheelName) -> str:
    """The oldest CPython that a wheel's tags promise, `3.11` for `cp311`; the running one where they name none."""
    minors = [int(match[1]) for tag in name.pythons if (match := re.fullmatch(r"cp3(\d+)", tag))]
    return f"3.{min(minors, default=sys.version_info.minor)}"


_PROBE = """
import importlib, json, platform, sys, sysconfig
module = importlib.import_module(sys.argv[1]) if sys.argv[1] else None
file = getattr(module, "__file__", None) or ""
print()
print(json.dumps({"file": file, "python": platform.python_version(), "platlib": sysconfig.get_path("platlib")}))
"""


def _imported(made: Fresh, module: str, scratch: Path, log: Words) -> dict[str, str]:
    """Import it with nothing but the environment in reach (`-I`)."""
    said = log.read((str(made.interpreter), "-I", "-c", _PROBE, module), cwd=scratch / "run", env=made.env)
    found: dict[str, str] = json.loads(said.strip().splitlines()[-1])
    return found


def _inside(made: Fresh, module: str, file: str) -> str:
    """The module's file, relative to the environment; raises `StepFailed` when it lies elsewhere."""
    if not module:
        return ""
    path = Path(file).resolve()
    if not file or not path.is_relative_to(made.folder.resolve()):
        raise StepFailed(f"{module} was imported from {file or 'nowhere'}, not from the environment it is installed in")
    return path.relative_to(made.folder.resolve()).as_posix()


def _installed_as_built(wheel: Path, packages: Path) -> None:
    """An installer's cache may hold other bytes under the same name (uv with `--find-links` does, measured)."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            top = entry.filename.split("/")[0]
            if entry.is_dir() or top.endswith(".data") or entry.filename.endswith(".dist-info/RECORD"):
                continue
            copy = packages / entry.filename
            if not copy.is_file() or copy.read_bytes() != archive.read(entry):
                raise StepFailed(f"{wheel.name}: the installed {entry.filename} is not the one in the wheel")


class _Runner(Struct, frozen=True, kw_only=True):
    """A way to run tests."""

    needs: tuple[str, ...]
    run: Callable[[Fresh, tuple[str, ...], str, Path, Words], TestRun]

    @classmethod
    def of(cls, command: tuple[str, ...]) -> _Runner:
        return (
            cls(needs=("pytest",), run=_pytest) if _pytest_arguments(command) is not _OTHER else cls(needs=(), run=_any)
        )


_OTHER = ("",)


def _pytest_arguments(command: tuple[str, ...]) -> tuple[str, ...]:
    """What follows pytest in the command, `_OTHER` where it is another command."""
    if command and PurePath(command[0]).name.removesuffix(".exe") in ("pytest", "py.test"):
        return command[1:]
    if command[1:3] == ("-m", "pytest") and PurePath(command[0]).stem in ("python", "python3"):
        return command[3:]
    return _OTHER


def _pytest(made: Fresh, command: tuple[str, ...], module: str, scratch: Path, log: Words) -> TestRun:
    """The project's own pytest settings hold, but for what would put its source tree in reach."""
    witness = scratch / "witness"
    witness.mkdir()
    shutil.copy(_WITNESS, witness / "cartwheel_witness.py")
    report = scratch / "tests.xml"
    argv = (
        str(made.interpreter), "-m", "pytest", "--rootdir", str(scratch / "run"), "--import-mode=importlib",
        "-p", "no:cacheprovider", "-p", "cartwheel_witness", "-o", "pythonpath=", f"--junitxml={report}",
        *_pytest_arguments(command),
    )  # fmt: skip
    env = {**made.env, "PYTHONPATH": str(witness), "CARTWHEEL_MODULE": module, "CARTWHEEL_WITNESS": str(witness)}
    log.run(argv, cwd=scratch / "run", env=env)
    for statement in sorted(witness.glob("*.txt")):
        _inside(made, module, statement.read_text("utf-8"))
    return TestRun(count=_passed(report, argv))


def _passed(report: Path, argv: tuple[str, ...]) -> int:
    """How many tests passed by pytest's own report; raises `StepFailed` when none did."""
    from xml.etree import ElementTree

    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    collected, skipped = (sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "skipped"))
    if collected == 0:
        raise StepFailed(
            f"no test was collected by `pytest {' '.join(argv[argv.index('-o') + 3 :])}`; name their folder"
        )
    if collected == skipped:
        raise StepFailed(f"all {skipped} tests were skipped: nothing was tested")
    return collected - skipped


def _any(made: Fresh, command: tuple[str, ...], _: str, scratch: Path, log: Words) -> TestRun:
    log.run((made.program(command[0]), *command[1:]), cwd=scratch / "run", env=made.env)
    return TestRun(note=f"{PurePath(command[0]).stem} is judged by its exit code alone")
