"""A second run of `doit adopt`: changed workflows, deleted packages; and what a first run says about committing."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cartwheel.ci.pipeline_files import FORGES, free_file
from cartwheel.commands.adopt import adopt, write
from cartwheel.commands.adopt_report import as_text, next_commands
from cartwheel.pipeline import read_project
from support.adoptions import PACKAGE, PYO3, adopted
from support.repositories import git

WHEELS = ".github/workflows/wheels.yml"
FLOW = """\
on: { push: { tags: ['v*'] } }
jobs:
  build:
    runs-on: ${{ matrix.os }}
    strategy: { matrix: { os: [ubuntu-latest, macos-14] } }
    steps:
      - uses: PyO3/maturin-action@v1
"""


def committed(root: Path) -> None:
    git(root, "add", "--force", "--all")
    git(root, "commit", "--quiet", "--message", "more")


def table(root: Path) -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["cartwheel"]
    return settings


def test_wheels_that_a_workflow_builds_since_the_adoption_are_proposed_once(tmp_path: Path) -> None:
    root = tmp_path / "x"
    adopted(root, workflow=FLOW)
    committed(root)
    assert adopt(root, offline=True).edits == ()
    (root / WHEELS).write_text(FLOW.replace("macos-14]", "macos-14, windows-latest]"))
    again = adopt(root, offline=True)
    assert [(row.state, row.what, row.why) for row in again.packages[0].rows] == [
        ("gained", "x86_64-pc-windows-msvc:abi3", f"{WHEELS} builds it since the adoption")
    ]
    write(again)
    assert "x86_64-pc-windows-msvc" in table(root)["targets"]
    committed(root)
    after = adopt(root, offline=True)
    assert (after.edits, after.packages[0].rows, after.notes) == ((), (), ())
    assert "nothing has changed since this project was adopted; not compared: the index\n" in as_text(
        after, written=False
    )


def test_what_else_a_workflow_changed_since_the_adoption_is_told(tmp_path: Path) -> None:
    root = tmp_path / "x"
    adopted(root, workflow=FLOW)
    committed(root)
    changed = FLOW.replace("steps:", "env: { RUSTFLAGS: '-C lto=fat' }\n    steps:").replace(", macos-14]", "]")
    (root / WHEELS).write_text(changed)
    again = adopt(root, offline=True)
    assert again.edits == ()
    assert again.notes == (
        f'agate: {WHEELS} changed since the adoption: flags = ["-C lto=fat"]; write it into [tool.cartwheel] if '
        "releases need it",
        f"agate: {WHEELS} no longer builds aarch64-apple-darwin:abi3, which is planned; if nobody needs it, take "
        "it out of [tool.cartwheel]",
    )  # fmt: skip


@pytest.mark.parametrize("remove", [True, False])
def test_a_workflow_that_was_removed_or_has_other_steps_proposes_nothing(tmp_path: Path, remove: bool) -> None:
    root = tmp_path / "x"
    adopted(root, workflow=FLOW)
    committed(root)
    if remove:
        (root / WHEELS).unlink()
    else:
        (root / WHEELS).write_text(FLOW + "      - run: echo done\n")
    again = adopt(root, offline=True)
    assert (again.edits, again.notes) == ((), ())


def test_a_package_whose_folder_was_deleted_is_taken_out(tmp_path: Path) -> None:
    root = tmp_path / "x"
    files = {
        f"{folder}/{name}": text.replace("agate", folder)
        for folder in ("one", "two")
        for name, text in (("Cargo.toml", PYO3), ("pyproject.toml", PACKAGE), ("src/lib.rs", ""))
    }
    adopted(root, **files)
    committed(root)
    shutil.rmtree(root / "two")
    again = adopt(root, offline=True)
    assert [edit.path for edit in again.edits] == ["pyproject.toml"]
    assert again.notes == ("two has no pyproject.toml any more, and is taken out of 'packages'",)
    write(again)
    assert table(root)["packages"] == [".", "one"]
    assert [package.name for package in read_project(root, {}).packages] == ["agate", "one"]
    shutil.rmtree(root / "one")
    write(adopt(root, offline=True))
    (package,) = read_project(root, {}).packages
    assert package.tag_name == "agate-v1.0.0", "an only package keeps the form of its tags"
    assert adopt(root, offline=True).edits == ()


def test_files_that_git_ignores_are_added_by_force(tmp_path: Path) -> None:
    adoption, _ = adopted(tmp_path / "x", **{".gitignore": "dodo.py\n.cartwheel/\ndist/\n"})
    assert adoption.ignored == ("dodo.py",)
    assert (
        next_commands(adoption, written=True)[0] == 'git add --force dodo.py && git commit -m "Release with cartwheel"'
    )
    assert any(note.startswith("git ignores dodo.py; ") for note in adoption.notes)
    assert not adopted(tmp_path / "y")[0].ignored


def test_targets_without_a_machine_for_their_tests_are_told_by_adopt(tmp_path: Path) -> None:
    text = FLOW.replace("maturin-action@v1\n", "maturin-action@v1\n        with: { target: s390x }\n").replace(
        "[ubuntu-latest, macos-14]", "[ubuntu-latest]"
    )
    adoption, _ = adopted(tmp_path / "x", workflow=text, **{"tests/test_x.py": ""})
    assert [note for note in adoption.notes if note.startswith("no machine of the pipeline runs the tests of s390x-")]


def test_a_pipeline_file_of_the_user_is_left_and_another_name_is_chosen(tmp_path: Path) -> None:
    release = FORGES["github"].path
    _, github = adopted(tmp_path / "x", workflow=FLOW, **{release: FLOW})
    assert github["ci"] == {"github": {"file": ".github/workflows/publish-wheels.yml"}}
    _, gitlab = adopted(tmp_path / "y", **{".gitlab-ci.yml": "x: { script: [maturin build] }\n"})
    assert gitlab["ci"] == {"gitlab": {"file": ".gitlab/wheels.yml"}}
    _, none = adopted(tmp_path / "z", workflow=FLOW)
    assert "ci" not in none
    assert free_file(FORGES["github"], {}) == ".github/workflows/wheels.yml"
