"""A kind of destination is its own module and a row of the table: published, resumed after a kill, verified."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from support.projects import Project, committed, pure
from support.repositories import git

ROW = """
import sys
from pathlib import Path
from cartwheel.model.destination import KINDS, Kind

sys.path.insert(0, str(Path(__file__).parent))
KINDS["drawer"] = Kind(module="drawer")
"""
TABLE = """
[tool.cartwheel.index.drawer]
kind = "drawer"
url = "{folder}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A committed project with a remote, which publishes to a drawer."""
    project = pure(tmp_path / "project")
    text = (project.root / "dodo.py").read_text()
    head, marker, rest = text.partition("from cartwheel import Pipeline\n")
    project.write("dodo.py", head + marker + ROW + rest)
    shutil.copy(Path(__file__).parent / "support" / "drawer.py", project.root / "drawer.py")
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["drawer"]')
    folder = tmp_path / "drawer"
    folder.mkdir()
    project.write("pyproject.toml", (project.root / "pyproject.toml").read_text() + TABLE.format(folder=folder))
    project.write("CHANGELOG.md", "# Changelog\n\n## [1.0] - 2026-11-21\n\n- First.\n")
    committed(project)
    remote = tmp_path / "remote.git"
    git(project.root, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(project.root, "remote", "add", "origin", str(remote))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_kind_of_the_tests_alone_is_published_resumed_verified_and_shown(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "drawer"
    killed = project.start("publish:drawer", env={"CARTWHEEL_TEST_KILL_AT": "1"})
    killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL
    ledger = project.root / ".cartwheel" / "ledgers" / "drawer" / "gravel-1.0.json"
    states = {file: row["state"] for file, row in json.loads(ledger.read_bytes())["files"].items()}
    assert sorted(states.values()) == ["sending", "sent"]
    assert len(list(folder.iterdir())) == 1
    (folder / "full").touch()
    assert "the drawer is full; empty it and start again" in project.doit("publish:drawer", code=1)
    (folder / "full").unlink()
    output = project.doit("publish:drawer")
    assert output.count("on drawer already, with the same bytes") == 1
    assert output.count("sent to drawer") == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (project.root / "dist").iterdir()
    }
    assert "2 files in the drawer" in project.doit("verify:drawer")
    (row,) = json.loads(project.doit("status", "--json"))["packages"]
    assert [(index["kind"], index["state"]) for index in row["indexes"]] == [("drawer", "complete")]


def test_an_unknown_kind_is_refused_with_those_that_there_are(project: Project) -> None:
    project.edit("pyproject.toml", 'kind = "drawer"', 'kind = "drawr"')
    assert "unknown value 'drawr'; did you mean 'drawer'?" in project.doit("list", code=3)
