"""Windows wheels tested under Wine: which interpreter is used, how commands are translated, what failures say."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import pytest

from cartwheel.machine import wine
from cartwheel.machine.interpreters import Interpreter, NoInterpreter
from cartwheel.model.check_report import WINE, CheckReport, TestRun, untested_for_release
from cartwheel.model.errors import StepFailed
from cartwheel.model.wheels.target import TARGETS
from cartwheel.process.step_log import StepLog
from cartwheel.testing.windows_layout import arrange

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Wine runs on other systems")

GNU = TARGETS["x86_64-pc-windows-gnu"]


def program(path: Path, machine: int = 0x8664, minor: int = 13) -> Path:
    """A file with the header of a Windows program, in a folder with the other parts of an installation."""
    (path.parent / "Lib").mkdir(parents=True, exist_ok=True)
    (path.parent / "Lib" / "os.py").touch()
    (path.parent / f"python3{minor}.dll").touch()
    path.write_bytes(b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + struct.pack("<H", machine))
    return path


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    starter = tmp_path / "bin" / "wine"
    starter.parent.mkdir()
    starter.write_text("#!/bin/sh\n")
    starter.chmod(0o755)
    return {"PATH": str(starter.parent), "HOME": str(tmp_path)}


def test_the_interpreter_of_a_variable_is_used(tmp_path: Path, env: dict[str, str]) -> None:
    python = program(tmp_path / "python" / "python.exe")
    interpreter = wine.wine_interpreter(GNU, "3.13", {**env, "CARTWHEEL_WINE_PYTHON_3_13": str(python)})
    assert isinstance(interpreter, Interpreter)
    assert (interpreter.path, interpreter.by, interpreter.version) == (str(python), WINE, "3.13")


def test_an_interpreter_where_its_installer_puts_it_is_found(tmp_path: Path, env: dict[str, str]) -> None:
    place = "drive_c/users/me/AppData/Local/Programs/Python/Python314/python.exe"
    python = program(tmp_path / ".wine" / place, minor=14)
    interpreter = wine.wine_interpreter(GNU, "3.14", env)
    assert isinstance(interpreter, Interpreter)
    assert interpreter.path == str(python)
    moved = program(tmp_path / "prefix" / place, minor=14)
    other = wine.wine_interpreter(GNU, "3.14", {**env, "WINEPREFIX": str(tmp_path / "prefix")})
    assert isinstance(other, Interpreter)
    assert other.path == str(moved)


def test_an_interpreter_of_another_architecture_is_refused(tmp_path: Path, env: dict[str, str]) -> None:
    python = program(tmp_path / "python.exe", machine=0x14C)
    variables = {**env, "CARTWHEEL_WINE_PYTHON_3_13": str(python)}
    interpreter = wine.wine_interpreter(GNU, "3.13", variables)
    assert isinstance(interpreter, NoInterpreter)
    assert interpreter.why == f"Python 3.13 for Windows was not found: {python} is not an interpreter for win_amd64"
    assert isinstance(wine.wine_interpreter(TARGETS["i686-pc-windows-gnu"], "3.13", variables), Interpreter)


def test_a_version_that_is_not_named_is_told_with_its_variable(tmp_path: Path, env: dict[str, str]) -> None:
    python = program(tmp_path / "python.exe")
    interpreter = wine.wine_interpreter(GNU, "3.12", {**env, "CARTWHEEL_WINE_PYTHON_3_13": str(python)})
    assert isinstance(interpreter, NoInterpreter)
    assert interpreter.why == "Python 3.12 for Windows was not found: CARTWHEEL_WINE_PYTHON_3_12 is not set"


@pytest.mark.parametrize(
    ("value", "lacks", "why"),
    [
        ("missing.exe", "", "{0}/missing.exe is missing; name a python.exe by its path on this machine"),
        ("C:/Python313/python.exe", "", "{0}/C:/Python313/python.exe is missing; name a python.exe by its path"),
        (".", "", "{0} is missing; name a python.exe by its path on this machine"),
        ("../bin/wine", "", "{0.parent}/bin/wine is not an interpreter for win_amd64"),
        ("python.exe", "Lib/os.py", "{0}/python.exe is no full installation of Python 3.13: Lib/os.py is not beside"),
        ("python.exe", "python313.dll", "{0}/python.exe is no full installation of Python 3.13: python313.dll is not"),
    ],
)
def test_a_variable_that_names_no_full_installation_is_refused(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch, value: str, lacks: str, why: str
) -> None:
    folder = tmp_path / "python"
    program(folder / "python.exe")
    (folder / lacks).unlink() if lacks else None
    monkeypatch.chdir(folder)
    interpreter = wine.wine_interpreter(GNU, "3.13", {**env, "CARTWHEEL_WINE_PYTHON_3_13": value})
    assert isinstance(interpreter, NoInterpreter)
    assert interpreter.why.startswith(f"Python 3.13 for Windows was not found: {why.format(folder)}")


def test_a_relative_path_or_a_link_in_a_variable_is_resolved(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    python = program(tmp_path / "python" / "python.exe")
    (tmp_path / "python3.exe").symlink_to(python)
    monkeypatch.chdir(tmp_path)
    interpreter = wine.wine_interpreter(GNU, "3.13", {**env, "CARTWHEEL_WINE_PYTHON_3_13": "python3.exe"})
    assert isinstance(interpreter, Interpreter)
    assert interpreter.path == str(python)


def test_an_empty_variable_names_no_interpreter(env: dict[str, str]) -> None:
    assert wine.wine_interpreter(GNU, "3.13", {**env, "CARTWHEEL_WINE_PYTHON_3_13": ""}) is None


def test_a_wheel_for_any_python_is_tested_with_the_newest_that_is_named(tmp_path: Path, env: dict[str, str]) -> None:
    variables = {
        f"CARTWHEEL_WINE_PYTHON_3_{minor}": str(program(tmp_path / f"{minor}" / "python.exe", minor=minor))
        for minor in (9, 13, 11)
    }
    interpreter = wine.wine_interpreter(GNU, "py3", {**env, **variables})
    assert isinstance(interpreter, Interpreter)
    assert (interpreter.path, interpreter.version) == (variables["CARTWHEEL_WINE_PYTHON_3_13"], "3.13")
    installed = program(tmp_path / ".wine/drive_c/Program Files/Python312/python.exe", minor=12)
    interpreter = wine.wine_interpreter(GNU, "py3", env)
    assert isinstance(interpreter, Interpreter)
    assert (interpreter.path, interpreter.version) == (str(installed), "3.12")


@pytest.mark.parametrize(("python", "name"), [("3.14t", "Python 3.14t"), ("pypy3.11", "PyPy 3.11")])
def test_an_interpreter_for_which_uv_cannot_install_is_refused(
    tmp_path: Path, env: dict[str, str], python: str, name: str
) -> None:
    variables = {**env, wine.variable(python): str(program(tmp_path / "python.exe"))}
    interpreter = wine.wine_interpreter(GNU, python, variables)
    assert isinstance(interpreter, NoInterpreter)
    assert interpreter.why.startswith(f"{name} for Windows is not tested under Wine: uv of another system installs for")


def test_without_wine_the_reason_says_how_to_get_it(tmp_path: Path) -> None:
    python = program(tmp_path / "python.exe")
    interpreter = wine.wine_interpreter(GNU, "3.13", {"PATH": "", "CARTWHEEL_WINE_PYTHON_3_13": str(python)})
    assert isinstance(interpreter, NoInterpreter)
    assert "Wine is missing; install Wine 10 or newer" in interpreter.why


def test_without_an_interpreter_or_for_another_system_the_place_does_not_apply(
    tmp_path: Path, env: dict[str, str]
) -> None:
    assert wine.wine_interpreter(GNU, "3.13", env) is None
    python = program(tmp_path / "python.exe")
    variables = {**env, "CARTWHEEL_WINE_PYTHON_3_13": str(python)}
    assert wine.wine_interpreter(TARGETS["x86_64-apple-darwin"], "3.13", variables) is None


def test_paths_in_arguments_and_variables_are_translated(tmp_path: Path, env: dict[str, str]) -> None:
    python = program(tmp_path / "python.exe")
    interpreter = wine.wine_interpreter(GNU, "3.13", {**env, "CARTWHEEL_WINE_PYTHON_3_13": str(python)})
    assert isinstance(interpreter, Interpreter)
    argv = ("/tmp/env/Scripts/python.exe", "-m", "pytest", "--junitxml=/tmp/a b.xml", "/tmp/tests", "-k", "/x", "a=/b")
    command = interpreter.through(argv, {"PYTHONPATH": "/tmp/witness", "OTHER": "/tmp"}, tmp_path)
    assert command[:2] == ("env", r"PYTHONPATH=Z:\tmp\witness")
    assert command[-8:] == (
        r"Z:\tmp\env\Scripts\python.exe", "-m", "pytest", r"--junitxml=Z:\tmp\a b.xml", r"Z:\tmp\tests", "-k", "/x",
        "a=/b",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reported", "path"), [(r"Z:\tmp\a", "/tmp/a"), (r"\\?\z:\tmp\a", "/tmp/a"), (r"C:\Python\a", r"C:\Python\a")]
)
def test_a_path_that_a_program_under_wine_reports_is_one_of_this_machine(reported: str, path: str) -> None:
    assert wine.local_path(reported) == path


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            'err:module:import_dll Library grain.dll (which is needed by L"Z:\\\\a\\\\_x.pyd") not found\nImportError',
            "grain.dll is missing, and _x.pyd needs it; let the repair graft it",
        ),
        (
            "cartwheel: the program ended with exit code 0xC0000005 (access violation)",
            "the program ended with exit code 0xC0000005 (access violation)",
        ),
        ("1 failed", ""),
    ],
)
def test_a_missing_dll_and_a_crash_are_told_as_such(output: str, words: str) -> None:
    assert wine.failure_in_words(output) == words


def test_a_failure_names_the_program_and_not_what_sets_its_variables(tmp_path: Path) -> None:
    log = StepLog(tmp_path / "log.txt", shown_as="log.txt")
    with pytest.raises(StepFailed, match=r"\Afalse failed with exit code 1; "):
        log.run(("env", r"WINEPATH=Z:\a", "false"), cwd=tmp_path, env=os.environ)


def test_tests_under_wine_count_in_a_release_only_if_the_configuration_says_so() -> None:
    run = TestRun(count=3, python="3.13.5", by=WINE)
    report = CheckReport(file="a.whl", sha256="", runs=(run,))
    assert report.untested == ""
    assert untested_for_release(report, wine_counts=True) == ""
    assert untested_for_release(report, wine_counts=False) == (
        "they ran under Wine only; test.wine = true makes that count"
    )
    native = CheckReport(file="a.whl", sha256="", runs=(run, TestRun(count=3, python="3.12.1")))
    assert untested_for_release(native, wine_counts=False) == ""


def test_programs_and_data_files_get_the_places_of_windows(tmp_path: Path) -> None:
    packages, scripts = tmp_path / "env/Lib/site-packages", tmp_path / "env/Scripts"
    for name, text in {
        "tide-1.dist-info/entry_points.txt": "[console_scripts]\ntide = tide.cli:App.main [x]\n[other]\na = b:c\n",
        "bin/tide": "#!/bin/sh\n", "bin/uv.exe": "MZ", "share/tide/note.txt": "note",
    }.items():  # fmt: skip
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text(text)
    scripts.mkdir()
    python = tmp_path / "python"
    bundled = python / "Lib/ensurepip/_bundled/pip-25.whl"
    bundled.parent.mkdir(parents=True)
    for path, names in (
        (bundled, [f"pip/_vendor/distlib/{kind}64.exe" for kind in "tw"]),
        (tmp_path / "tide-1-py3-none-any.whl", ["tide-1.data/data/share/tide/note.txt", "tide/__init__.py"]),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, f"<{name}>")
    arrange(tmp_path / "env", tmp_path / "tide-1-py3-none-any.whl", python / "python.exe", "win_amd64")
    assert (tmp_path / "env/share/tide/note.txt").read_text() == "note"
    assert sorted(path.name for path in scripts.iterdir()) == ["tide.exe", "uv.exe"]
    launcher, line, rest = (scripts / "tide.exe").read_bytes().partition(b"#!")
    assert (launcher, line) == (b"<pip/_vendor/distlib/t64.exe>", b"#!")
    assert rest.startswith(f'"{wine.windows_path(str(scripts / "python.exe"))}"\r\n'.encode())
    with zipfile.ZipFile(scripts / "tide.exe") as archive:
        assert archive.read("__main__.py").decode() == ("import sys\nfrom tide.cli import App\nsys.exit(App.main())\n")


@pytest.mark.parametrize("place", ["python/Lib/site-packages", "library/site-packages", ""])
def test_the_launchers_of_any_pip_are_used_and_a_wheel_with_a_program_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(os, "__file__", str(tmp_path / "library" / "os.py"))
    packages, scripts = tmp_path / "env/Lib/site-packages", tmp_path / "env/Scripts"
    scripts.mkdir(parents=True)
    entries = "[console_scripts]\ntide = tide:main\n"
    (packages / "tide-1.dist-info").mkdir(parents=True)
    (packages / "tide-1.dist-info/entry_points.txt").write_text(entries)
    for name in ("t64.exe", "w64.exe") if place else ():
        (tmp_path / place / "pip/_vendor/distlib").mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "pip/_vendor/distlib" / name).write_text(name)
    wheel, python = tmp_path / "tide-1-py3-none-any.whl", tmp_path / "python/python.exe"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tide-1.dist-info/entry_points.txt", entries)
    if place:
        arrange(tmp_path / "env", wheel, python, "win_amd64")
        assert (scripts / "tide.exe").read_bytes().startswith(b"t64.exe#!")
        return
    with pytest.raises(StepFailed, match=f"has programs, and their launchers are in pip, which {python} lacks"):
        arrange(tmp_path / "env", wheel, python, "win_amd64")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tide/__init__.py", "")
    arrange(tmp_path / "env", wheel, python, "win_amd64")
    assert list(scripts.iterdir()) == []
