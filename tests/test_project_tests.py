"""Tests as projects run them: their folder, requirements files, groups of the workspace, locked versions, hints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cartwheel.adoption import cibuildwheel_tests
from cartwheel.model.config.settings import Test
from cartwheel.model.errors import ConfigError
from cartwheel.model.wheels.test_plan import refuse_untestable, requirements_file
from cartwheel.testing.test_hints import places_of_tests
from support.models import manifests
from support.projects import DODO, Project, committed
from support.repositories import repository


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("-r requirements/test.txt", "requirements/test.txt"),
        ("--requirement=dev.txt", "dev.txt"),
        ("-r", ""),
        ("requests", ""),
        ("-rdev.txt", ""),
        ("-c constraints.txt", "constraints.txt"),
        ("--constraint  a/b c.txt", "a/b c.txt"),
    ],
)
def test_a_requirements_file_is_known_by_its_option(line: str, file: str) -> None:
    assert requirements_file(line) == file


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (Test(requires=("-x dev.txt",)), "expected one like 'numpy>=2', '-r FILE' or '-c FILE'"),
        (Test(cwd="../other"), "test.cwd: '../other' lies outside the package"),
        (Test(cwd="/tmp"), "lies outside the package"),
        (Test(groups=("tets",)), r"there is no \[dependency-groups\] tets; did you mean 'test'"),
    ],
)
def test_what_cannot_be_meant_of_tests_is_refused(test: Test, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        refuse_untestable("abi3", "3.11", test, grouped({"test": ["pytest"]}), "here")


def grouped(above: Mapping[str, Any]) -> Any:
    """Manifests of a package below a workspace that has these dependency groups."""
    from msgspec.structs import replace

    return replace(manifests(), groups_above=above)


def test_a_group_of_the_workspace_counts_for_its_packages() -> None:
    refuse_untestable("abi3", "3.11", Test(groups=("Test",)), grouped({"test": ["pytest"]}), "here")


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        ({"tests-py/test_a.py": ""}, 'write test = { command = ["pytest", "{package}/tests-py"] }'),
        ({"test/test_a.py": ""}, "there are tests in test:"),
        ({"pp/test_a.py": "", "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["pp"]\n'}, "in pp:"),
        ({"pp/test_a.py": "", "pyproject.toml": '[tool.pytest]\ntestpaths = ["pp"]\n'}, "in pp:"),
        ({"justfile": "test:\n    cargo test\n"}, "justfile mentions tests: name their command"),
        ({"Makefile": "test:\n\tpytest\n"}, "Makefile mentions tests"),
        ({"Makefile": "all:\n\ttrue\n"}, ""),
        ({"GNUmakefile": "test:\n\tpytest\n"}, "GNUmakefile mentions tests"),
        ({"Taskfile.yaml": "tasks: { test: pytest }\n"}, "Taskfile.yaml mentions tests"),
        ({"scripts/test.sh": "pytest tests-of-it\n"}, "scripts/test.sh mentions tests"),
        ({"pp/test_a.py": "", "pytest.ini": "[pytest]\ntestpaths = qq pp\n"}, "in pp:"),
        ({"pp/test_a.py": "", "tox.ini": "[pytest]\ntestpaths =\n    pp\n"}, "in pp:"),
        ({"pp/test_a.py": "", "setup.cfg": "[tool:pytest]\ntestpaths = pp\n"}, "in pp:"),
        ({"setup.cfg": "testpaths = pp\n"}, ""),
        ({"pyproject.toml": "[tool.pytest]\ntestpaths = 5\n"}, ""),
        ({"dodo.py": "", ".venv/test_a.py": "", "pyproject.toml": '[tool.pytest]\ntestpaths = ["."]\n'}, ""),
        ({"dodo.py": "", "tests/a.py": "", "pytest.ini": "[pytest]\ntestpaths = .\n"}, "in tests:"),
        ({"stone/test_a.py": "", "pytest.ini": "[pytest]\ntestpaths = .\n"}, '"{package}/."'),
        ({"pyproject.toml": '[tool.hatch.envs.dev.scripts]\ntest = "pytest pp"\n'},
         "[tool.hatch.envs.dev.scripts] test is 'pytest pp': name its command"),
        ({"pyproject.toml": '[tool.pdm.scripts]\ntest = { cmd = ["pytest", "pp"] }\n'}, "test is 'pytest pp'"),
        ({"pyproject.toml": '[tool.poe.tasks.test]\nshell = "pytest pp"\n'}, "[tool.poe.tasks] test is 'pytest pp'"),
        ({"pyproject.toml": '[tool.taskipy.tasks]\ntests = "pytest"\n'}, "[tool.taskipy.tasks] tests is 'pytest'"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_package_without_a_test_command_is_told_where_its_tests_seem_to_be(
    tmp_path: Path, files: Mapping[str, str], hint: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    places = "; ".join(places_of_tests(tmp_path))
    assert hint in places
    assert bool(hint) == bool(places)


def test_constraints_of_cibuildwheel_stay_constraints() -> None:
    rows = cibuildwheel_tests._requirements("pytest -c {project}/c.txt -r a.txt --constraint {package}/b.txt", "py")
    assert rows == ["pytest", "-c ../c.txt", "-r a.txt", "-c b.txt"]


ROOT = """[project]
name = "ground"
version = "0"

[tool.uv.workspace]
members = ["py"]

[tool.cartwheel]
packages = ["py"]

[dependency-groups]
test = ["pytest<9"]
"""

PACKAGE = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "gravel"
version = "1.0"
readme = "README.md"
requires-python = ">=3.11"

[tool.cartwheel]
publish = []
test = { command = ["pytest", "tests"], cwd = ".", requires = ["-r dev.txt"], groups = ["test"], locked = true }
"""

TEST = """from pathlib import Path

import gravel
import iniconfig
import pytest


def test_all():
    assert Path("tests/templates/page.txt").read_text() == "a page"
    assert "site-packages" in gravel.__file__
    assert not Path("gravel").exists()
    assert pytest.__version__.startswith("8.")
    Path("tests/left.txt").write_text("")
"""


@pytest.mark.lab
def test_tests_run_in_their_folder_with_locked_versions_of_groups_and_files(tmp_path: Path) -> None:
    repository(tmp_path / "project")
    project = Project(tmp_path / "project")
    for name, text in {
        "dodo.py": DODO, "pyproject.toml": ROOT, "py/pyproject.toml": PACKAGE, "py/README.md": "# gravel\n",
        "py/gravel/__init__.py": "", "py/tests/test_all.py": TEST, "py/tests/templates/page.txt": "a page",
        "py/dev.txt": "-r more.txt  # the rest\n", "py/more.txt": "iniconfig\n",
    }.items():  # fmt: skip
        project.write(name, text)
    subprocess.run((sys.executable, "-m", "uv", "lock", "--quiet"), cwd=project.root, check=True)
    project.edit("pyproject.toml", '["pytest<9"]', '["pytest"]')
    committed(project)
    project.doit("check:any")
    assert not (project.root / "py/tests/left.txt").exists()
    project.write("py/tests/templates/page.txt", "a page")
    project.write("py/more.txt", "iniconfig\n# more\n")
    assert "more.txt changed" in project.doit("plan", "check:any")
    project.write("py/tests/templates/page.txt", "another")
    assert "templates/page.txt changed" in project.doit("plan", "check:any")
