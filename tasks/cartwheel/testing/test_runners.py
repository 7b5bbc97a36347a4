"""Test commands: pytest, whose report and imports are examined, and other commands, judged by their exit code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path, PurePath

from msgspec import Struct

from cartwheel.model.check_report import TestRun, tests
from cartwheel.model.errors import StepFailed
from cartwheel.model.step import CommandLog
from cartwheel.testing.fresh_environment import FreshEnvironment, path_in_environment

_WITNESS = Path(__file__).with_name("import_probe.py")


class Runner(Struct, frozen=True, kw_only=True):
    """How a test command runs, and the requirements it adds."""

    needs: tuple[str, ...]
    run: Callable[[FreshEnvironment, tuple[str, ...], str, Path, Path, CommandLog], TestRun]
    """Takes the environment, the command, the module, the scratch folder, the working folder and the log."""

    @classmethod
    def of(cls, command: tuple[str, ...]) -> Runner:
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
    environment: FreshEnvironment, command: tuple[str, ...], module: str, scratch: Path, folder: Path, log: CommandLog
) -> TestRun:
    """Run pytest.  The project's pytest settings apply, except those that make its source tree importable."""
    witness = scratch / "witness"
    witness.mkdir()
    shutil.copy(_WITNESS, witness / "cartwheel_witness.py")
    report = scratch / "tests.xml"
    arguments = (
        "-m", "pytest", "--rootdir", str(folder), "--import-mode=importlib",
        "-p", "no:cacheprovider", "-p", "cartwheel_witness", f"--junitxml={report}",
        *_pytest_arguments(command),
    )  # fmt: skip
    env = {**environment.env, "PYTHONPATH": str(witness), "CARTWHEEL_MODULE": module, "CARTWHEEL_WITNESS": str(witness)}
    log.measure(lambda: _tests_done(witness))
    log.run(environment.python(*arguments, cwd=folder, env=env), cwd=folder, env=env)
    log.measure(str)
    for statement in sorted(witness.glob("*.txt")):
        path_in_environment(environment, module, statement.read_text("utf-8"))
    return TestRun(count=_passed_tests(report, _pytest_arguments(command)))


def _tests_done(folder: Path) -> str:
    """How many tests have run, as `import_probe.py` writes it; empty before the first.  Raises `OSError`."""
    done, total = (folder / "progress").read_text("utf-8").split()
    collected = folder / "collected"
    if total == "0" and collected.is_file():  # the controller of pytest-xdist collects nothing
        total = collected.read_text("utf-8").split()[1]
    return f"{done}/{total} tests" if total != "0" else ""


def _passed_tests(report: Path, arguments: tuple[str, ...]) -> int:
    """The number of passed tests in pytest's report; raises `StepFailed` if none passed."""
    from xml.etree import ElementTree

    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    collected, skipped = (sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "skipped"))
    if collected == 0:
        raise StepFailed(f"no test was collected by `pytest {' '.join(arguments)}`; name their folder")
    if collected == skipped:
        raise StepFailed(f"nothing was tested: {tests(collected)} collected, all skipped")
    return collected - skipped


def _any(
    environment: FreshEnvironment, command: tuple[str, ...], _: str, scratch: Path, folder: Path, log: CommandLog
) -> TestRun:
    log.run(environment.command(command, cwd=folder), cwd=folder, env=environment.env)
    return TestRun(note=f"{PurePath(command[0]).stem} is judged by its exit code alone")
