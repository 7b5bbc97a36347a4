"""Where dodo.py lies and from where doit is started; two publishers for one tag; a new crate."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.projects import Project, committed, environment, pure
from support.repositories import git, repository

OTHER = """on:
  push:
    tags: ["v*"]
jobs:
  release:
    runs-on: ubuntu-latest
    permissions:
      id-token: write
    steps:
      - run: echo first
      - run: twine upload --repository-url {url} dist/*
  other:
    runs-on: ubuntu-latest
    steps:
      - run: echo
"""


def doit(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "doit", *arguments],
        cwd=folder, env=environment({}), capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = committed(pure(tmp_path / "project"))
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(project.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def pushed(project: Project) -> None:
    git(project.root, "add", "--all")
    git(project.root, "commit", "--quiet", "--message", "change")
    git(project.root, "push", "--quiet")


@pytest.mark.parametrize("command", ["plan", "list", "doctor"])
def test_a_command_in_a_sub_folder_finds_the_project_above(project: Project, command: str) -> None:
    code, output = doit(project.root / "gravel", command)
    assert code == 0, output
    memory = r"[\d.]+ GB of memory free"  # it changes between the two
    assert re.sub(memory, "", output) == re.sub(memory, "", doit(project.root, command)[1])


def test_doit_itself_in_a_sub_folder_runs_the_project_above(project: Project) -> None:
    code, output = doit(project.root / "gravel", "version-sync")
    assert code == 0, output
    assert "version-sync" in output


UNREADABLE = {
    "an unfinished list": (b'[project]\nname = "x"\nx = [\n', "not valid TOML: Invalid value (at end of document)"),
    "a byte order mark": (
        b'\xef\xbb\xbf[project]\nname = "x"\n',
        "begins with a byte order mark, which doit does not read; save it as UTF-8 without one",
    ),
    "latin-1": (b'[project]\nname = "\xe9"\n', "not valid TOML: line 2 is not UTF-8; save the file as UTF-8"),
    "UTF-16": ("[project]\n".encode("utf-16"), "not valid TOML: line 1 is not UTF-8; save the file as UTF-8"),
    "a table that stands twice": (
        b"[tool.x]\n[tool.x]\n", "not valid TOML: Cannot declare [tool.x] twice (at line 2, column 8)",
    ),
    "a key that stands twice": (
        b"[project]\nname = 1\nname = 2\n", "not valid TOML: Cannot overwrite a value (at line 3, column 9)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", UNREADABLE)
@pytest.mark.parametrize("command", [(), ("adopt",), ("build",)])
def test_a_pyproject_that_doit_cannot_read_is_told_in_one_line(
    tmp_path: Path, fault: str, command: tuple[str, ...]
) -> None:
    text, expected = UNREADABLE[fault]
    (tmp_path / "pyproject.toml").write_bytes(text)
    assert doit(tmp_path, *command) == (3, f"ERROR: pyproject.toml: {expected}\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has another reason for a folder")
def test_a_folder_in_place_of_pyproject_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    assert doit(tmp_path, "plan") == (3, "ERROR: pyproject.toml: cannot be read: Is a directory\n")


@pytest.mark.parametrize("command", [(), ("plan",), ("list",), ("build",)])
def test_without_a_dodo_the_way_on_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert doit(tmp_path, *command) == (
        3, "ERROR: there is no dodo.py here or above; doit adopt writes one for this project\n",
    )  # fmt: skip


def test_a_dodo_above_that_is_not_of_cartwheel_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text("def task_x():\n    return {'actions': []}\n")
    (tmp_path / "below").mkdir()
    assert "Could not find dodo file" in doit(tmp_path / "below", "list")[1]


def test_a_project_of_doit_with_a_loader_of_its_own_needs_no_dodo(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from doit.cmd_base import NamespaceTaskLoader\n"
        "def task_x():\n    return {'actions': [], 'doc': 'from a loader'}\n"
        "class Mine(NamespaceTaskLoader):\n"
        "    def setup(self, opt_values):\n        self.namespace = {'task_x': task_x}\n"
    )
    (tmp_path / "doit.cfg").write_text("[GLOBAL]\nloader = mine\n[LOADER]\nmine = mine:Mine\n")
    assert doit(tmp_path, "list") == (0, "x   from a loader\n")


def test_a_second_publisher_on_the_tag_is_refused_by_ready_and_named_by_ci_until_it_is_meant(project: Project) -> None:
    project.write(".github/workflows/old.yml", OTHER.format(url="https://packages.example/"))
    address = 'url = "http://127.0.0.1:9/"'
    project.edit("pyproject.toml", address, f'{address}\nsimple = "http://127.0.0.1:9/"')
    pushed(project)
    project.doit("ready", env={"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token"})  # it publishes somewhere else
    project.write(".github/workflows/old.yml", OTHER.format(url="http://127.0.0.1:9/"))
    pushed(project)
    output = project.refused("ready", but="ready")
    assert "v1.0 would be published twice:" in output
    assert ".github/workflows/old.yml: job 'release' publishes to http://127.0.0.1:9/ on the same trigger" in output
    assert "take it out: lines 5-11, or the whole file" in output
    assert "lines 5-11" in project.doit("ci", "github")
    text = (project.root / "pyproject.toml").read_text()
    project.write("pyproject.toml", text + "\n[tool.cartwheel.ci]\nown = true\n")
    assert "published twice" not in project.doit("ci", "github")


@pytest.mark.lab
def test_a_new_crate_is_rehearsed_after_three_commands_that_ask_nothing(tmp_path: Path) -> None:
    """Three commands after `maturin new`, none of them red: adopt, commit, rehearse."""
    scripts = Path(sys.executable).parent
    subprocess.run([scripts / "maturin", "new", "--bindings", "pyo3", "quartzite"], cwd=tmp_path, check=True)
    root = tmp_path / "quartzite"
    (root / "tests").mkdir()
    (root / "tests" / "test_sum.py").write_text(
        "import quartzite\n\n\ndef test_sum():\n    assert quartzite.sum_as_string(2, 3) == '5'\n"
    )
    code, output = doit(root, "adopt", "--offline", "--write")
    assert code == 0, output
    repository(tmp_path / "settings")  # a name and an address for commits
    git(root, "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "A"), ("user.email", "a@example.org"), ("commit.gpgSign", "false")):
        git(root, "config", key, value)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Release with cartwheel")
    code, output = doit(root, "rehearse")
    assert code == 0, output
