"""A user's commands on Windows: a pure package from its first listing to a rehearsed release, and Ctrl-C."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.bridge import bridge
from support.projects import DODO
from support.repositories import git, repository
from support.windows_project import Installed
from support.wine import windows_path

PURE = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "ripple"
version = "1.0.0"
description = "waves"
requires-python = ">=3.13,<3.14"
readme = "README.md"
[tool.cartwheel]
targets = ["any"]
publish = []
test = { command = ["pytest", "{package}/tests"], requires = ["pytest"] }
"""
FILES = {
    "pyproject.toml": PURE, "dodo.py": DODO, "README.md": "# ripple\n", "src/ripple/__init__.py": "VALUE = 1\n",
    "tests/test_ripple.py": "import ripple\ndef test_value(): assert ripple.VALUE == 1\n",
    ".gitignore": "/.cartwheel/\n/dist/\n__pycache__/\n",
}  # fmt: skip

SLOW = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "slow"
version = "1.0"
requires-python = ">=3.13"
[tool.cartwheel]
targets = ["any"]
publish = []
test = { skip = "nothing to test" }
"""
BACKEND = """\
import pathlib, subprocess, sys, time
LATE = "import pathlib, time; time.sleep(6); pathlib.Path('late').write_text('x')"
def build_wheel(folder, config_settings=None, metadata_directory=None):
    subprocess.Popen([sys.executable, "-c", LATE], cwd=MARKS)
    pathlib.Path(MARKS, "wheel").write_text("x")
    time.sleep(100)
def build_sdist(folder, config_settings=None):
    pathlib.Path(MARKS, "sdist").write_text("x")
    time.sleep(100)
"""


def written(root: Path, files: Mapping[str, str]) -> Path:
    """A repository with these files in one commit."""
    repository(root)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    return root


@pytest.fixture
def linux() -> Iterator[Mapping[str, str]]:
    """The variables by which git of Linux is found."""
    with bridge() as variables:
        yield variables


@pytest.mark.full(sample=0.1)
@pytest.mark.parametrize("utf8", ["1", "0"])
def test_a_pure_package_in_a_folder_with_blanks_and_accents_goes_from_list_to_rehearse(
    installed: Installed, linux: Mapping[str, str], tmp_path: Path, utf8: str
) -> None:
    root = written(tmp_path / "größe und wert", FILES)
    env = {**linux, "PYTHONUTF8": utf8}

    def doit(*words: str, code: int = 0) -> str:
        return installed.doit(*words, cwd=root, env=env, code=code)

    assert "build" in doit("list")
    assert "ripple-1.0.0-py3-none-any.whl" in doit("plan")
    assert "ready" in doit("doctor")
    doit("build:any")
    wheel = root / ".cartwheel/wheels/any/ripple/py3/ripple-1.0.0-py3-none-any.whl"
    first = wheel.read_bytes()
    (root / "src/ripple/__init__.py").write_text("VALUE = 2\n", "utf-8")
    doit("build:any")
    assert wheel.read_bytes() != first
    (root / "src/ripple/__init__.py").write_text("VALUE = 1\n", "utf-8")
    doit("check")
    report = json.loads((root / ".cartwheel/checks/any/ripple/py3.json").read_bytes())
    assert (report["problems"], [(run["by"], run["ran"]) for run in report["tests"]]) == ([], [("here", 1)])
    assert wheel.read_bytes() == first
    assert "7 are up to date" in doit("plan")
    assert "2 up to date" in doit("sdist", "version-sync")
    doit("bump", "minor")
    assert git(root, "log", "-1", "--format=%s") == "Version 1.1.0"
    assert "rehearsed in" in doit("rehearse")
    doit("run", "clean")
    assert not (root / "dist").exists()


ON_A_SHARE = """\
import os, subprocess, sys
os.chdir(r"\\\\files\\work\\ripple")
assert os.getcwd() == r"\\\\files\\work\\ripple"
sys.exit(subprocess.call([sys.executable, "-m", "doit", *sys.argv[1:]]))
"""


@pytest.mark.full(sample=0.05)
def test_a_project_on_a_network_share_is_built_and_a_change_of_case_in_a_name_is_seen(
    installed: Installed, linux: Mapping[str, str], tmp_path: Path
) -> None:
    root = written(tmp_path / "ripple", {**FILES, "src/ripple/Words.txt": "one\n"})
    server = installed.machine.prefix / "dosdevices" / "unc" / "files"  # Wine's place for \\files
    server.mkdir(parents=True, exist_ok=True)
    (server / "work").unlink(missing_ok=True)
    (server / "work").symlink_to(tmp_path)
    (tmp_path / "on_a_share.py").write_text(ON_A_SHARE, "utf-8")

    def doit(*words: str) -> str:
        done = installed.run(windows_path(tmp_path / "on_a_share.py"), *words, cwd=tmp_path, env={**linux})
        assert done.returncode == 0, done.stdout
        return done.stdout

    assert "ready" in doit("doctor")
    doit("build:any")
    (wheel,) = (root / ".cartwheel/wheels").rglob("*.whl")
    (root / "src/ripple/Words.txt").rename(root / "src/ripple/words.txt")
    assert "src/ripple/words.txt is new" in doit("plan")
    doit("check")
    with zipfile.ZipFile(wheel) as archive:
        assert {"ripple/words.txt"} == {name for name in archive.namelist() if name.lower() == "ripple/words.txt"}
    assert "7 are up to date" in doit("plan")


BROKEN = """\
import sys, time
def build_wheel(folder, config_settings=None, metadata_directory=None):
    for number in range(6):
        print("Compiling \\u00e9", number, flush=True)
        time.sleep(0.5)
    sys.exit(3)
build_sdist = build_wheel
"""


@pytest.mark.full(sample=0.1)
def test_a_console_without_vt_sequences_shows_the_steps_at_work_and_a_failure_at_once(
    installed: Installed, linux: Mapping[str, str], tmp_path: Path
) -> None:
    root = written(tmp_path / "slow", {"pyproject.toml": SLOW, "dodo.py": DODO, "backend.py": BROKEN})
    features = "from rich._windows import get_windows_console_features as f; print(f().vt)"
    assert installed.pictures("-c", features, cwd=root, env=linux)[1][-1] == "False"
    code, pictures, visible = installed.pictures("-m", "doit", "build:any", cwd=root, env=linux)
    assert (code, visible) == (1, True)
    at_work = [p for p in pictures if re.search(r"(?m)^  [|/\\-] build:any:slow:py3  \d+ s  Compiling é \d$", p)]
    assert at_work, pictures[-1]
    assert "FAIL  build:any:slow:py3\n" in pictures[-1]
    assert pictures[-1].endswith("      again: doit build:any:slow:py3\n1 done, 1 failed")


@pytest.mark.full(sample=0.3)
@pytest.mark.parametrize("words", [("build:any",), ("build:any", "sdist")], ids=["one step", "two steps at once"])
def test_ctrl_c_ends_the_run_and_all_that_it_started(
    installed: Installed, linux: Mapping[str, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    backend = f"MARKS = {'Z:' + str(tmp_path)!r}\n{BACKEND}"
    root = written(tmp_path / "slow", {"pyproject.toml": SLOW, "dodo.py": DODO, "backend.py": backend})
    marks = [tmp_path / ("wheel" if word == "build:any" else "sdist") for word in words]
    code, output, took = installed.interrupted(
        "-m", "doit", *words, cwd=root, env=linux, when=lambda: all(mark.exists() for mark in marks)
    )
    assert "stopping (SIGINT)" in output
    assert code, output
    assert took < 15, output  # what goes on sleeps for 100 s
    again = installed.run("-c", "import time; time.sleep(7)", cwd=root)
    assert again.returncode == 0
    assert not (tmp_path / "late").exists()
    assert not list(root.rglob("*.whl"))
