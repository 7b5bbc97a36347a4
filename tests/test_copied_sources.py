"""Sources that cannot be built where they lie: without a lockfile, with what belongs to git, with what is no file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cartwheel.filesystem.digests import Digests
from cartwheel.filesystem.read_set import files_below, refuse_special_files
from cartwheel.inputs.wheel_tree import packed_files, walked_files
from cartwheel.model.errors import StepFailed
from support.projects import CARGO, TRIPLE, Project, committed, with_crate
from support.repositories import git, repository

BUILD = f"build:{TRIPLE}:pebble:py3"

needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
needs_fifos = pytest.mark.skipif(os.name == "nt", reason="needs FIFOs")


@needs_fifos
def test_what_is_no_file_has_no_digest_and_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    digests = Digests(tmp_path / "memory", tmp_path)
    assert digests("pipe") == ""
    assert files_below(tmp_path, ".") == ("pipe",)


@needs_fifos
@pytest.mark.parametrize("kind", ["a FIFO", "a socket"])
def test_what_is_no_file_is_refused_in_words(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pebble").mkdir()
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    if kind == "a FIFO":
        os.mkfifo("pebble/pipe")
    else:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind("pebble/pipe")
    walked = walked_files(tmp_path, tmp_path, pyproject={}, cargo={"package": {"name": "pebble"}})
    with pytest.raises(StepFailed, match=f"pebble/pipe is {kind}"):
        refuse_special_files(walked, tmp_path)


@needs_fifos
@needs_cargo
@pytest.mark.lab
def test_a_fifo_in_a_crate_hinders_nothing_and_one_in_a_package_is_refused(tmp_path: Path) -> None:
    project = with_package(tmp_path / "project")
    os.mkfifo(project.root / "pebble/src/pipe")
    assert f"ok  {BUILD}" in project.doit(BUILD)
    assert "pebble/src/pipe is a FIFO" in project.refused("sdist:pebble")
    os.mkfifo(project.root / "pebble/pebble/pipe")
    (project.root / "pebble/pebble/__init__.py").write_text("MORE = 1\n")
    assert "pebble/pebble/pipe is a FIFO" in project.refused(BUILD, but=BUILD)


def with_package(root: Path) -> Project:
    """The program with a Python package beside it."""
    project = with_crate(root)
    project.edit("pebble/pyproject.toml", 'bindings = "bin"', 'bindings = "bin"\nmodule-name = "pebble"')
    project.write("pebble/pebble/__init__.py", "")
    return committed(project)


def test_the_git_file_of_a_submodule_is_no_input(tmp_path: Path) -> None:
    for name in ("pebble/__init__.py", "pebble/theirs/.git", "pebble/theirs/data.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    cargo = {"package": {"name": "pebble"}}
    files = ("pebble/__init__.py", "pebble/theirs/data.txt")
    assert packed_files(tmp_path, tmp_path, pyproject={}, cargo=cargo) == files
    assert files_below(tmp_path, ".") == files


@needs_cargo
@pytest.mark.lab
def test_the_git_file_of_a_submodule_is_in_no_wheel_and_no_source_distribution(tmp_path: Path) -> None:
    theirs = repository(tmp_path / "theirs", data__txt="theirs\n")
    project = with_package(tmp_path / "project")
    git(project.root, "-c", "protocol.file.allow=always", "submodule", "add", str(theirs), "pebble/pebble/theirs")
    git(project.root, "commit", "--quiet", "--message", "theirs")
    assert (project.root / "pebble/pebble/theirs/.git").is_file()
    project.doit(BUILD, "sdist:pebble")
    assert f"ok  {BUILD}" not in project.doit(BUILD)
    (wheel,) = (project.root / ".cartwheel/wheels").rglob("*.whl")
    (sdist,) = (project.root / "dist").rglob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened, tarfile.open(sdist) as packed:
        names = [*opened.namelist(), *packed.getnames()]
    assert sum(name.endswith("pebble/theirs/data.txt") for name in names) == 2
    assert not [name for name in names if name.endswith("/.git")]


@needs_cargo
@pytest.mark.lab
@pytest.mark.parametrize("ignored", [False, True], ids=["", "and Cargo.lock is ignored"])
def test_without_a_lock_the_source_distribution_holds_what_maturin_packs(tmp_path: Path, ignored: bool) -> None:
    project = with_package(tmp_path / "project")
    git(project.root, "rm", "--quiet", "pebble/Cargo.lock")
    for name in ("src/.tpl/a.txt", "src/.hidden", ".config/b.toml", "src/plain.txt", "kept.local"):
        project.write(f"pebble/{name}", "text\n")
    with (project.root / ".gitignore").open("a") as file:
        file.write("*.local\nscratch.md\n" + ("Cargo.lock\n" if ignored else ""))
    git(project.root, "add", "--all")
    git(project.root, "add", "--force", "pebble/kept.local")
    git(project.root, "commit", "--quiet", "--message", "hidden files")
    project.write("pebble/scratch.md", "ignored\n")
    project.doit(BUILD, "sdist:pebble")
    assert " ok " not in project.doit(BUILD, "sdist:pebble")
    (sdist,) = (project.root / "dist").rglob("*.tar.gz")
    plain = tmp_path / "plain"
    git(project.root, "clone", "--quiet", str(project.root), str(plain))
    command = (sys.executable, "-m", "maturin", "sdist", "--out", str(tmp_path / "out"))
    subprocess.run(command, cwd=plain / "pebble", check=True, capture_output=True)
    (expected,) = (tmp_path / "out").iterdir()
    with tarfile.open(sdist) as ours, tarfile.open(expected) as theirs:
        assert sorted(ours.getnames()) == sorted(theirs.getnames())
    assert git(project.root, "status", "--porcelain") == ""


@needs_cargo
@pytest.mark.lab
def test_without_a_lock_a_file_beside_the_crates_may_be_included(tmp_path: Path) -> None:
    project = with_package(tmp_path / "project")
    (project.root / "pebble/Cargo.lock").unlink()
    project.write("shared/said.txt", "a stone")
    project.edit("pebble/src/main.rs", '"pebble"', 'include_str!("../../shared/said.txt")')
    assert f"ok  {BUILD}" in project.doit(BUILD)
    project.write("shared/said.txt", "a rock")
    assert f"ok  {BUILD}" in project.doit(BUILD)


def test_the_plan_names_a_procedural_macro_that_opens_files(tmp_path: Path) -> None:
    project = with_crate(tmp_path / "project")
    project.write("pebble/mac/Cargo.toml", CARGO.replace("pebble", "mac") + "[lib]\nproc-macro = true\n")
    project.write("pebble/mac/src/lib.rs", "// quiet\n")
    with (project.root / "pebble/Cargo.toml").open("a") as file:
        file.write('[dependencies]\nmac = { path = "mac" }\n')
    assert "procedural macro" not in project.doit("plan")
    project.write("pebble/mac/src/lib.rs", 'fn f() { std::fs::read_to_string("x.txt").unwrap(); }\n')
    assert "the procedural macro mac opens files" in project.doit("plan")
    project.write("pebble/x.txt", "")
    project.edit("pebble/pyproject.toml", "publish = []", 'publish = []\ninputs = ["x.txt"]')
    assert "procedural macro" not in project.doit("plan")
