"""The GitHub pipeline, really run: by act, each job in a new clone, artifacts handed on through folders."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from cartwheel.stand_ins.pypi import LoopbackIndex
from support.act_forge import ACT, Forge, builds, succeeded
from support.boulder import FILES, MAC, TAG, TARGETS, TOKEN, WINDOWS, boulder, on, shared
from support.projects import Project, committed, pure
from support.repositories import git

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not ACT, reason="needs act"),
    pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo"),
    pytest.mark.skipif(not shutil.which("x86_64-w64-mingw32-gcc"), reason="needs x86_64-w64-mingw32-gcc"),
]


def test_a_push_builds_what_it_changed_and_a_tag_releases_everything(tmp_path: Path) -> None:
    with LoopbackIndex(tmp_path / "shelf", name="shelf") as shelf:
        project = boulder(tmp_path / "project", shelf, "github")
        forge = Forge(project, tmp_path / "forge")

        first = forge.run("push", "refs/heads/main")
        assert first.code == 0, first.output
        assert first.results == succeeded("Plan", *builds(*TARGETS), "Source distributions", "All files")
        assert forge.saved_caches() == 1

        again = forge.run("pull_request", "refs/pull/1/merge")
        assert again.results == succeeded("Plan", "All files"), again.output

        project.edit("src/windows.rs", "from Windows", "from the other system")
        commit(project, "what Windows says")
        second = forge.run("push", "refs/heads/main")
        assert second.code == 0, second.output
        assert second.results == succeeded("Plan", *builds(WINDOWS), "Source distributions", "All files")
        assert forge.saved_caches() == 2

        by_hand = forge.run("workflow_dispatch", "refs/heads/main", to="shelf")
        assert by_hand.results == {"Plan": "failure"}
        assert (
            f"shelf takes tagged versions only, and this run started on a branch; start it on {TAG}" in by_hand.output
        )

        git(project.root, "tag", "--annotate", "--message", "first", TAG)
        git(project.root, "push", "--quiet", "origin", TAG)
        job_names = ("Plan", *builds(*TARGETS), "Source distributions")
        lost = forge.run("push", f"refs/tags/{TAG}", lost=f"built-{MAC}")
        assert lost.results == {**succeeded(*job_names), "Publish to shelf": "failure"}, lost.output
        assert f"build:{MAC}:pebble:py3 is stale" in lost.output
        assert "CARTWHEEL_FROZEN says that nothing may be built here" in lost.output
        assert on(shelf) == []

        released = forge.run("push", f"refs/tags/{TAG}")
        assert released.code == 0, released.output
        assert released.results == succeeded(*job_names, "Publish to shelf", "Verify shelf")
        assert on(shelf) == sorted(FILES)
        assert "4 wheels examined again" in released.output
        assert "installed from shelf" in released.output
        assert forge.saved_caches() == 2, "a release neither takes anything from the cache nor leaves anything there"
        assert TOKEN not in released.output


def commit(project: Project, message: str) -> None:
    """Commit everything and push it."""
    git(project.root, "commit", "--quiet", "--all", "--message", message)
    git(project.root, "push", "--quiet", "origin", "main")


SAND = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "sand"
version = "2.0"
description = "another pure package"
readme = "README.md"
requires-python = ">=3.11"
"""


def test_a_tag_releases_its_package_to_one_index_after_the_other_and_a_person_to_one_alone(tmp_path: Path) -> None:
    with LoopbackIndex(tmp_path / "shelf", name="shelf") as shelf, LoopbackIndex(tmp_path / "attic") as attic:
        project = two_packages(tmp_path / "project", shelf, attic)
        forge = Forge(project, tmp_path / "forge")
        job_names = ("Plan", *builds("any"), "Source distributions")
        shelved = ("Publish to shelf", "Verify shelf")
        stored = ("Publish to attic", "Verify attic")

        by_hand = forge.run("workflow_dispatch", "refs/tags/sand-v2.0", to="attic")
        assert by_hand.results == succeeded(*job_names, *stored), by_hand.output
        assert (on(shelf), on(attic)) == ([], ["sand-2.0-py3-none-any.whl", "sand-2.0.tar.gz"])

        tagged = forge.run("push", "refs/tags/gravel-v1.0")
        assert tagged.results == succeeded(*job_names, *shelved, *stored), tagged.output
        assert on(shelf) == ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]
        assert len(on(attic)) == 4
        done = [title for title in tagged.results if title in (*shelved, *stored)]
        assert done == [*shelved, *stored], "each waits for the one before it"
        assert "sand" not in "".join(re.findall(r"ok  \S+", tagged.output)), "the other package is not even built"


def two_packages(folder: Path, shelf: LoopbackIndex, attic: LoopbackIndex) -> Project:
    """Two pure packages with tags of their own, for two indexes."""
    project = pure(folder, more=("sand",))
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["shelf", "attic"]')
    where = f'url = "{shelf.url}"\nsimple = "{shelf.simple}"'
    also = f'[tool.cartwheel.index.attic]\nurl = "{attic.url}"\nsimple = "{attic.simple}"'
    install = '[tool.cartwheel.ci]\ninstall = ["--no-index", "--no-deps", "cartwheel"]'
    project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', f"{where}\n\n{also}\n\n{install}")
    project.write("sand/pyproject.toml", SAND)
    project.write("sand/README.md", "# sand\n")
    project.write("sand/sand/__init__.py", '"""Sand."""\n')
    project.doit("ci", "github")
    committed(project)
    shared(project)
    for tag in ("gravel-v1.0", "sand-v2.0"):
        git(folder, "tag", "--annotate", "--message", tag, tag)
    git(folder, "push", "--quiet", "--tags", "origin")
    return project
