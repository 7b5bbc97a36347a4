"""Tests in a fresh environment: what runs here, where the module came from, how many tests there were."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cartwheel.commands.doctor import TargetReadiness, as_text
from cartwheel.machine import interpreters
from cartwheel.machine.host import Host
from cartwheel.machine.interpreters import (
    Interpreter,
    NoInterpreter,
    any_interpreter,
    cannot_run,
    native_interpreter,
    reasons,
)
from cartwheel.model.check_report import TestRun
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.target import TARGETS
from cartwheel.model.wheels.wheel_name import WheelName
from cartwheel.process.environment import tool_environment
from cartwheel.process.step_log import StepLog
from cartwheel.testing import installers, test_environment, test_runners
from support import wheels

GNU = Host(system="linux", machine="x86_64", libc="gnu", glibc=(2, 36))


@pytest.mark.parametrize(
    ("triple", "floor", "reason"),
    [
        ("x86_64-unknown-linux-gnu", "manylinux2014", ""),
        ("any", "", ""),
        ("x86_64-unknown-linux-gnu", "manylinux_2_39", "this machine has glibc 2.36; the wheel is for 2.39 and newer"),
        ("aarch64-apple-darwin", "11.0", "this machine is x86_64 Linux with glibc; the wheel is for arm64 macOS"),
        ("universal2-apple-darwin", "11.0", "this machine is x86_64 Linux with glibc; the wheel is for macOS"),
        (
            "x86_64-unknown-linux-musl",
            "musllinux_1_2",
            "this machine is x86_64 Linux with glibc; the wheel is for x86_64 Linux with musl",
        ),
        ("i686-pc-windows-msvc", "", "this machine is x86_64 Linux with glibc; the wheel is for x86 Windows"),
    ],
)
def test_whether_a_wheel_runs_here_is_said_in_words(triple: str, floor: str, reason: str) -> None:
    assert cannot_run(TARGETS[triple], GNU, floor) == reason


ENV = tool_environment(os.environ)


def test_an_interpreter_that_is_not_installed_is_a_reason() -> None:
    assert native_interpreter(TARGETS["any"], "", "3.99", ENV) == NoInterpreter(
        why="Python 3.99 is not installed here", install="3.99"
    )
    assert native_interpreter(TARGETS["any"], "", "pypy3.99", ENV) == NoInterpreter(
        why="PyPy 3.99 is not installed here", install="pypy3.99"
    )
    assert any_interpreter("abi3", "3.98", ENV) == NoInterpreter(
        why="Python 3.98 or newer is not installed here", install="3.98"
    )
    assert isinstance(native_interpreter(TARGETS["any"], "", "py3", ENV), Interpreter)


def test_missing_interpreters_are_one_line_with_the_command_that_installs_them() -> None:
    missing = [
        NoInterpreter(why="Python 3.12 is not installed here", install="3.12"),
        NoInterpreter(why="this machine is x86_64 Linux; the wheel is for arm64 macOS", all=True),
        NoInterpreter(why="PyPy 3.11 is not installed here", install="pypy3.11"),
        NoInterpreter(why="Python 3.12 is not installed here", install="3.12"),
    ]
    assert reasons(missing) == (
        "this machine is x86_64 Linux; the wheel is for arm64 macOS",
        "Python 3.12, PyPy 3.11 are not installed here; install them: uv python install 3.12 pypy3.11",
    )
    assert reasons(missing[:1]) == ("Python 3.12 is not installed here; install it: uv python install 3.12",)
    assert reasons([]) == ()


@pytest.mark.parametrize(
    ("name", "minimum"), [("a-1-cp311-abi3-win32.whl", "3.11"), ("a-1-cp39.cp310-abi3-win32.whl", "3.9")]
)
def test_the_oldest_python_of_a_wheel_is_in_its_tags(name: str, minimum: str) -> None:
    assert test_environment.minimum_of(WheelName.parse(name)) == minimum


def python3() -> Interpreter:
    """The one that every machine with these tests has."""
    interpreter = any_interpreter("py3", "3.11", ENV)
    assert isinstance(interpreter, Interpreter)
    return interpreter


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[..., TestRun]:
    """Run a test file against the wheel of `tide`, beside a source tree that says something else."""

    def attempted(
        tests: str,
        *,
        command: tuple[str, ...] = ("pytest", "{package}/tests"),
        conftest: str = "",
        pythonpath: str = '["."]',
    ) -> TestRun:
        package = tmp_path / "package"
        (package / "tests").mkdir(parents=True)
        (package / "tide").mkdir()
        (package / "tide" / "__init__.py").write_text("origin = 'source'\n")
        (package / "pyproject.toml").write_text(
            f'[tool.pytest.ini_options]\npythonpath = {pythonpath}\nmarkers = ["slow: x"]\n'
        )
        (package / "tests" / "test_tide.py").write_text(tests)
        if conftest:
            (package / "tests" / "conftest.py").write_text(conftest)
        path = wheels.wheel(tmp_path, "tide-0.1.0-py3-none-any.whl", {"tide/__init__.py": "origin = 'wheel'\n"})
        return test_environment.run_wheel_tests(
            path, base=python3(), module="tide", requirements=(), extras=(), command=command, tests_from=package,
            may_compile=False, scratch=tmp_path / "scratch", log=StepLog(tmp_path / "check.log", shown_as="check.log"),
            env=tool_environment(os.environ) | {"PYTHONPATH": str(package)},
        )  # fmt: skip

    return attempted


INSTALLED = "import pytest, tide\n@pytest.mark.slow\ndef test_origin():\n    assert tide.origin == 'wheel'\n"


def test_the_installed_copy_is_tested_though_the_source_lies_beside_the_tests(attempt: Callable[..., TestRun]) -> None:
    run = attempt(INSTALLED + "def test_two():\n    pass\ndef test_three():\n    pytest.skip('no')\n")
    assert run.count == 2
    assert run.where.endswith("site-packages/tide/__init__.py")
    assert run.seconds > 0
    assert run.python.startswith("3.")
    assert run.not_run == ""


def test_tests_that_reach_for_the_source_tree_are_caught(attempt: Callable[..., TestRun]) -> None:
    reach = "import sys, pathlib\nsys.path.insert(0, str(pathlib.Path(__file__).parents[1]))\n"
    with pytest.raises(StepFailed, match=r"tide was imported from .*package.tide.__init__\.py, not from the env"):
        attempt("import tide\ndef test_origin():\n    assert tide.origin == 'source'\n", conftest=reach)


def test_helpers_that_pytests_settings_make_importable_stay_importable(
    attempt: Callable[..., TestRun], tmp_path: Path
) -> None:
    (tmp_path / "package" / "helpers").mkdir(parents=True)
    (tmp_path / "package" / "helpers" / "lighthouse.py").write_text("height = 30\n")
    run = attempt(INSTALLED, conftest="from lighthouse import height\n", pythonpath='["helpers", "."]')
    assert run.count == 1
    assert run.where.endswith("site-packages/tide/__init__.py")


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ("", "no test was collected by `pytest .*tests`"),
        ("import pytest\n@pytest.mark.skip\ndef test_a(): pass\n", "nothing was tested: 1 test collected, all skipped"),
        ("def test_a():\n    assert 'this' == 'that'\n", "check.log(?s:.*)assert 'this' == 'that'"),
    ],
)
def test_no_test_none_that_ran_and_one_that_failed_are_failures(
    attempt: Callable[..., TestRun], tests: str, words: str
) -> None:
    with pytest.raises(StepFailed, match=words):
        attempt(tests)


def test_another_command_than_pytest_is_judged_by_its_exit_code_and_says_so(attempt: Callable[..., TestRun]) -> None:
    run = attempt("", command=("python", "-c", "import tide; assert tide.origin == 'wheel'"))
    assert (run.count, run.note) == (0, "python is judged by its exit code alone")


def test_without_a_command_it_is_installed_and_imported(attempt: Callable[..., TestRun]) -> None:
    assert attempt("", command=()).not_run == "no test command is configured; it was installed and imported"


def test_a_namespace_package_without_a_file_of_its_own_is_found_in_the_environment(tmp_path: Path) -> None:
    files = {"basalt/tide/__init__.py": "origin = 'wheel'\n"}
    path = wheels.wheel(tmp_path, "tide-0.1.0-py3-none-any.whl", files)
    tests = tmp_path / "package" / "tests" / "test_tide.py"
    tests.parent.mkdir(parents=True)
    tests.write_text("import basalt.tide\ndef test_origin():\n    assert basalt.tide.origin == 'wheel'\n")
    run = test_environment.run_wheel_tests(
        path, base=python3(), module="basalt", requirements=(), extras=(), command=("pytest", "{package}/tests"),
        tests_from=tmp_path / "package", may_compile=False, scratch=tmp_path / "scratch",
        log=StepLog(tmp_path / "check.log", shown_as="check.log"), env=tool_environment(os.environ),
    )  # fmt: skip
    assert run.count == 1
    assert run.where.endswith("site-packages/basalt")


def test_a_module_that_cannot_be_imported_is_a_failure(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "tide-0.1.0-py3-none-any.whl", {"wave/__init__.py": ""})
    with pytest.raises(StepFailed, match="No module named 'tide'"):
        test_environment.run_wheel_tests(
            path, base=python3(), module="tide", requirements=(), extras=(), command=(), tests_from=tmp_path,
            may_compile=False, scratch=tmp_path / "scratch", log=StepLog(tmp_path / "a.log", shown_as="a.log"), env=ENV,
        )  # fmt: skip


def test_other_bytes_under_the_wheels_name_are_noticed(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "tide-0.1.0-py3-none-any.whl", {"tide.py": "x = 2\n"})
    shutil.unpack_archive(path, tmp_path / "installed", "zip")
    test_environment._compare_installed(path, tmp_path / "installed")
    (tmp_path / "installed" / "tide.py").write_text("x = 1\n")
    with pytest.raises(StepFailed, match=r"the installed tide\.py is not the one in the wheel"):
        test_environment._compare_installed(path, tmp_path / "installed")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (("pytest", "-x"), ("-x",)),
        (("py.test",), ()),
        (("python", "-m", "pytest", "a"), ("a",)),
        (("python", "run.py"), test_runners._OTHER),
        (("tox",), test_runners._OTHER),
        ((), test_runners._OTHER),
    ],
)
def test_pytest_is_known_in_its_several_forms(command: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    assert test_runners._pytest_arguments(command) is arguments or test_runners._pytest_arguments(command) == arguments


def test_where_uv_does_not_start_pip_is_used_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "UV", (str(tmp_path / "uv"),))
    log = StepLog(tmp_path / "a.log", shown_as="a.log")
    assert installers.installer(log, tool_environment(os.environ)) is installers.PIP
    assert "uv cannot be used" in (tmp_path / "a.log").read_text()


def test_the_doctor_says_once_what_several_targets_share() -> None:
    def row(target: str, *fix: str, tests: str = "left to macos-15") -> TargetReadiness:
        return TargetReadiness(target=target, toolchain="zig", ready=True, own=False, missing=(), fix=fix, tests=tests)

    rows = (row("one", "fetch"), row("two", "fetch", tests="here: 3.13"), row("three", "fetch", "SDK"))
    assert as_text(rows) == (
        "one                             zig       ready\n"
        "two                             zig       ready\n"
        "    tests here: 3.13\n"
        "three                           zig       ready\n"
        "    SDK\n"
        "all targets\n"
        "    fetch\n"
        "one, three\n"
        "    tests left to macos-15\n"
    )
    assert (
        as_text(rows[:1]) == "one                             zig       ready\n    fetch\n    tests left to macos-15\n"
    )
