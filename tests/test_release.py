"""A whole release of a pure package, for real: a bare remote, an index on the loopback interface, and what refuses."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartwheel.stand_ins.pypi import LoopbackIndex
from support.habits import HABITS
from support.projects import FLOOR, Project, committed, pure
from support.repositories import git
from support.yard import PYPROJECT, Yard

SKIP = 'test = { skip = "nothing to test" }'
TEST = 'test = { command = ["pytest", "{package}/tests"] }'


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[LoopbackIndex]:
    """An index that accepts files and lists none."""
    with LoopbackIndex(tmp_path / "shelf", name="shelf") as index:
        yield index


@pytest.fixture
def project(tmp_path: Path, shelf: LoopbackIndex) -> Project:
    """A committed project whose branch is on its remote, and which publishes to the shelf."""
    project = pure(tmp_path / "project")
    project.edit("pyproject.toml", SKIP, TEST)
    project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', f'url = "{shelf.url}"\nsimple = "{shelf.simple}"')
    project.write("tests/test_gravel.py", "import gravel\n\ndef test_it():\n    assert gravel.__doc__\n")
    committed(project)
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(project.root, "remote", "add", "origin", str(remote))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


TOKEN = {"CARTWHEEL_INDEX_SHELF_TOKEN": "a-token-that-nobody-may-see"}


def on(shelf: LoopbackIndex) -> list[str]:
    """The files that the index holds."""
    return sorted(path.name for path in shelf.folder.rglob("*") if path.is_file())


def test_a_release_is_tagged_published_verified_and_can_be_run_again(project: Project, shelf: LoopbackIndex) -> None:
    output = project.doit("release", env=TOKEN)
    head = git(project.root, "rev-parse", "HEAD")
    assert git(project.root, "ls-remote", "origin", "refs/tags/v1.0^{}").startswith(head)
    assert on(shelf) == ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]
    assert "installed from shelf" in output
    assert "1 test passed" in output
    again = project.doit("release", env=TOKEN)
    assert "on shelf already, with the same bytes" in again
    assert on(shelf) == ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]
    secret = TOKEN["CARTWHEEL_INDEX_SHELF_TOKEN"]
    assert secret not in output + again
    state = (path for path in (project.root / ".cartwheel").rglob("*") if path.is_file())
    assert not [path for path in state if secret.encode() in path.read_bytes()]


def test_nothing_is_sent_when_the_index_has_other_bytes(project: Project, shelf: LoopbackIndex) -> None:
    shelf.folder.joinpath("gravel-1.0.tar.gz").write_bytes(b"other bytes")
    output = project.doit("release", env=TOKEN, code=1)
    assert "has it with other bytes" in output
    assert on(shelf) == ["gravel-1.0.tar.gz"]


def test_a_file_that_is_not_planned_stops_the_release(project: Project, shelf: LoopbackIndex) -> None:
    project.doit("check")
    project.write("dist/gravel-1.0-py2-none-any.whl", "stray")
    assert "dist/gravel-1.0-py2-none-any.whl: it is not part of this release" in project.doit(
        "publish:shelf", env=TOKEN, code=1
    )
    assert on(shelf) == []


def test_a_file_changed_after_its_check_is_made_and_checked_again(project: Project, shelf: LoopbackIndex) -> None:
    project.doit("check")
    (project.root / "dist" / "gravel-1.0-py3-none-any.whl").write_bytes(b"mine")
    assert "ok  repair:any:gravel:py3" in project.doit("release", env=TOKEN)
    assert len(on(shelf)) == 2


@pytest.mark.parametrize("pattern", ["*", "publish*", "rel*"])
def test_a_pattern_never_publishes(project: Project, shelf: LoopbackIndex, pattern: str) -> None:
    output = project.doit("run", pattern, env=TOKEN, code=3)
    assert "which runs only when it is named; nothing was run" in output
    assert on(shelf) == []
    assert git(project.root, "tag") == ""


def test_a_release_takes_no_setting_for_one_run(project: Project, shelf: LoopbackIndex) -> None:
    assert "'targets' is set for this run only" in project.doit("release", "targets=any", env=TOKEN, code=1)
    assert "debug wheels are never published" in project.doit("release", "profile=dev", env=TOKEN, code=3)
    assert on(shelf) == []


def test_an_uncommitted_file_stops_the_tag_before_anything_is_sent(project: Project, shelf: LoopbackIndex) -> None:
    project.write("new.txt", "new")
    output = project.doit("release", env=TOKEN, code=1)
    assert "new.txt" in output
    assert on(shelf) == []
    assert git(project.root, "tag") == ""


def test_tests_that_did_not_run_stop_the_release_unless_there_is_a_reason(project: Project) -> None:
    project.edit("pyproject.toml", TEST, "")
    git(project.root, "rm", "-rq", "tests")
    git(project.root, "commit", "-qam", "no tests")
    git(project.root, "push", "-q")
    output = project.doit("release", env=TOKEN, code=1)
    assert "FAIL  ready:gravel" in output
    assert "so it would not be published; set test.command, or test.skip or 'untested' with the reason" in output
    assert not (project.root / "dist").exists()  # known before anything is built
    project.doit("check")
    assert "shelf has no file of gravel" in project.doit("verify", env=TOKEN, code=1)
    output = project.doit("verify", env={**TOKEN, "CARTWHEEL_FROZEN": "1"}, code=1)
    assert "its tests were not run (no test command is configured" in output
    assert "; set test.command, or test.skip or 'untested' with the reason" in output
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["shelf"]\nuntested = "there are none"')
    git(project.root, "commit", "-qam", "say so")
    git(project.root, "push", "-q")
    project.doit("release", env=TOKEN)


def test_a_frozen_run_builds_nothing_and_names_what_is_stale(project: Project) -> None:
    assert "release" in project.doit("list")
    project.doit("check")
    project.write("gravel/__init__.py", '"""Changed."""\n')
    output = project.doit("build", env={"CARTWHEEL_FROZEN": "1"}, code=1)
    assert "build:any:gravel:py3 is stale (gravel/__init__.py changed)" in output


def test_what_an_earlier_version_left_in_dist_is_gone_when_its_step_runs_again(project: Project) -> None:
    project.doit("check")
    project.edit("pyproject.toml", 'version = "1.0"', 'version = "1.1"')
    project.doit("check")
    names = sorted(path.name for path in (project.root / "dist").iterdir())
    assert names == ["gravel-1.1-py3-none-any.whl", "gravel-1.1.tar.gz"]


def test_an_index_that_nobody_knows_stops_the_release_before_the_tag(project: Project) -> None:
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["nosuch"]')
    git(project.root, "commit", "-qam", "a slip")
    git(project.root, "push", "-q")
    assert "unknown index 'nosuch'; expected one of" in project.doit("release", code=3)
    assert git(project.root, "tag") == ""
    assert git(project.root, "ls-remote", "--tags", "origin") == ""


def test_a_file_that_only_a_build_hook_reads_counts(project: Project) -> None:
    project.write("data/value.txt", "one")
    project.doit("build")
    project.write("data/value.txt", "two")
    assert "data/value.txt changed" in project.doit("plan", "build")


def test_version_sync_settles_after_it_has_written(project: Project) -> None:
    project.edit("pyproject.toml", 'version = "1.0"', 'version = "1.1"')
    project.write("gravel/__init__.py", '"""Gravel."""\n\n__version__ = "1.0"\n')
    project.doit("version-sync")
    assert '__version__ = "1.1"' in (project.root / "gravel" / "__init__.py").read_text()
    project.doit("build")
    assert project.states("version-sync") == {"version-sync": "up-to-date"}


@pytest.mark.lab
@pytest.mark.skipif(not FLOOR or not shutil.which("cargo"), reason="needs cargo, and the program is run on Linux")
def test_a_wheel_that_reads_git_describe_is_published_as_the_tag_makes_it(tmp_path: Path, shelf: LoopbackIndex) -> None:
    index = f'[tool.cartwheel.index.shelf]\nurl = "{shelf.url}"\nsimple = "{shelf.simple}"\n'
    text = PYPROJECT.replace("publish = []", 'publish = ["shelf"]') + index
    yard = Yard.laid_out(tmp_path / "project", {**HABITS["git describe"].files, "pyproject.toml": text})
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(yard.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(yard.root, "push", "--quiet", "--set-upstream", "origin", "main")
    output = yard.doit("release", env=TOKEN, code=1)
    assert "read 'git describe', and the tag changes what it says; run: doit publish" in output
    assert on(shelf) == []
    yard.doit("publish", env=TOKEN)
    (wheel,) = (name for name in on(shelf) if name.endswith(".whl"))
    with zipfile.ZipFile(shelf.folder / wheel) as archive:
        program = archive.read(next(name for name in archive.namelist() if name.endswith("scripts/app")))
    assert b"v1.0.0" in program
    assert b"v1.0.0-" not in program
    assert "on shelf already, with the same bytes" in yard.doit("release", env=TOKEN)
