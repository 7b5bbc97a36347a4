"""Packages whose Cargo workspace is not the one that lies nearest: above the project's folder, or not theirs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cartwheel.cargo.workspace import lock_rows
from cartwheel.destinations.protocol import Release
from cartwheel.destinations.released_crates import cargo_for, released_crates
from cartwheel.pipeline import read_project
from cartwheel.process.step_log import StepLog
from support.projects import DODO, FLOOR, TRIPLE, Project
from support.repositories import git, repository

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")

PYPROJECT = f"""[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "pyx"
dynamic = ["version"]
requires-python = ">=3.11"

[tool.maturin]
bindings = "bin"

[tool.cartwheel]
targets = ["{TRIPLE}"]
publish = []
floor = "{FLOOR}"
test = {{ skip = "nothing to test" }}
"""
CRATE = '[package]\nname = "{}"\n{}\nedition = "2021"\n'
INHERITED = "version.workspace = true"
ABOVE = """[workspace]
resolver = "2"
members = ["core", "bindings/python"]

[workspace.package]
version = "0.1.0"
"""
MAIN = 'fn main() { println!("{}", core_x::SAID); }\n'


def above(top: Path, *, need: str, version: str = INHERITED) -> Project:
    """The package in `bindings/python`, with dodo.py, of a workspace at the top of the repository."""
    project = Project(top / "bindings" / "python")
    (Project(top) if (top / ".git").is_dir() else Project(repository(top))).write("Cargo.toml", ABOVE)
    whole = Project(top)
    whole.write("core/Cargo.toml", CRATE.format("core-x", version))
    whole.write("core/src/lib.rs", 'pub const SAID: &str = "pebble";\n')
    project.write("Cargo.toml", CRATE.format("pyx", version) + f"[dependencies]\ncore-x = {need}\n")
    project.write("src/main.rs", MAIN)
    project.write("pyproject.toml", PYPROJECT)
    project.write("dodo.py", DODO)
    whole.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\n")
    return project


def metadata(folder: Path, *arguments: str) -> dict[str, str]:
    """The version of each of the workspace's crates by cargo, which refuses a lockfile that does not fit."""
    environ = {**os.environ, "CARGO_NET_OFFLINE": "true"}
    command = ("cargo", "metadata", "--format-version=1", *arguments)
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {package["name"]: package["version"] for package in json.loads(done.stdout)["packages"]}


def committed(top: Path) -> None:
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "first")


@pytest.mark.parametrize(
    ("need", "words", "version"),
    [
        ('{ path = "../../core", version = "0.1.0" }', "minor", "0.2.0"),
        ('{ path = "../../core" }', "patch", "0.1.1"),
        ('{ path = "../../core", version = "=0.1.0" }', "patch", "0.1.1"),
    ],
)
def test_a_bump_moves_the_whole_workspace_above_the_project(
    tmp_path: Path, need: str, words: str, version: str
) -> None:
    top = tmp_path / "top"
    project = above(top, need=need)
    metadata(top)
    committed(top)
    project.doit("bump", words, "--offline")
    assert metadata(top, "--locked") == {"core-x": version, "pyx": version}
    assert git(top, "status", "--porcelain") == ""
    assert "ok  version-sync" in project.doit("version-sync")
    (top / "Cargo.toml").write_text(ABOVE)
    assert "../../Cargo.lock: " in project.refused("build", but="version-sync")


def test_a_pinned_crate_above_the_project_moves_with_a_literal_version(tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = above(top, need='{ path = "../../core", version = "=0.1.0" }', version='version = "0.1.0"')
    metadata(top)
    committed(top)
    project.doit("bump", "minor", "--offline")
    assert metadata(top, "--locked") == {"core-x": "0.2.0", "pyx": "0.2.0"}


def test_a_workspace_above_that_git_does_not_track_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = above(top, need='{ path = "../../core" }')
    committed(top)
    git(top, "rm", "--quiet", "--cached", "Cargo.toml")
    git(top, "commit", "--quiet", "--message", "untracked")
    output = project.refused("bump", "minor", "--offline")
    assert "../../Cargo.toml: holds the version too" in output
    assert "packages" in output
    assert metadata(top) == {"core-x": "0.1.0", "pyx": "0.1.0"}


def test_a_workspace_above_the_repository_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = above(top, need='{ path = "../../core" }')
    shutil.rmtree(top / ".git")
    inner = tmp_path / "inner"
    repository(inner)
    (inner / ".git").rename(project.root / ".git")
    committed(project.root)
    assert f"{top.as_posix()}/Cargo.toml" in project.refused("bump", "minor", "--offline")
    assert metadata(top) == {"core-x": "0.1.0", "pyx": "0.1.0"}


def test_the_lock_of_a_uv_workspace_above_the_project_moves_too(tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = above(top, need='{ path = "../../core" }')
    (top / "uv.lock").write_text(
        'version = 1\n\n[[package]]\nname = "pyx"\nversion = "0.1.0"\nsource = { editable = "bindings/python" }\n'
    )
    metadata(top)
    committed(top)
    project.doit("bump", "minor", "--offline")
    assert 'version = "0.2.0"' in (top / "uv.lock").read_text()
    assert git(top, "status", "--porcelain") == ""


def excluded(top: Path) -> Project:
    """A package that the workspace at the root excludes, so that it is a separate workspace."""
    project = Project(repository(top))
    project.write("Cargo.toml", '[workspace]\nmembers = ["core"]\nexclude = ["py"]\n')
    about = 'version = "{}"\ndescription = "d"\nlicense = "MIT"'
    project.write("core/Cargo.toml", CRATE.format("core-lib", about.format("0.4.0")))
    project.write("core/src/lib.rs", "")
    profile = '[profile.wheel]\ninherits = "release"\n'
    project.write("py/Cargo.toml", CRATE.format("pyx", about.format("1.0.0")) + profile)
    project.write("py/src/main.rs", 'fn main() { println!("pebble"); }\n')
    project.write("py/pyproject.toml", PYPROJECT.replace("publish = []", 'publish = ["crates-io"]\nprofile = "wheel"'))
    project.write("pyproject.toml", '[tool.cartwheel]\npackages = ["py"]\n')
    project.write("dodo.py", DODO)
    project.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\n")
    return project


def test_an_excluded_package_has_its_own_crates_lock_and_profiles(tmp_path: Path) -> None:
    project = excluded(tmp_path / "top")
    metadata(project.root / "py")
    committed(project.root)
    plan = json.dumps(project.plan("publish"))
    assert "pyx" in plan
    assert "core-lib" not in plan
    project.doit("bump", "patch", "--offline")
    assert metadata(project.root / "py", "--locked") == {"pyx": "1.0.1"}


def test_the_crates_of_an_excluded_package_are_those_of_its_own_workspace(tmp_path: Path) -> None:
    project = excluded(tmp_path / "top")
    read = read_project(project.root, {})
    release = Release(
        project=read, package=read.packages[0], index="crates-io", root=project.root, environ=os.environ, say=print
    )
    cargo = cargo_for(release, StepLog(tmp_path / "cargo.log", shown_as="cargo.log"))
    assert [crate.name for crate in released_crates(release, cargo)] == ["pyx"]


def test_a_bump_of_manifests_with_a_byte_order_mark_keeps_it(tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = above(top, need='{ path = "../../core", version = "0.1.0" }')
    for manifest in (top / "Cargo.toml", project.root / "Cargo.toml"):
        manifest.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes())
    metadata(top)
    committed(top)
    project.doit("bump", "minor", "--offline")
    assert metadata(top, "--locked") == {"core-x": "0.2.0", "pyx": "0.2.0"}
    assert (top / "Cargo.toml").read_bytes().startswith(b"\xef\xbb\xbf[workspace]")


@pytest.mark.lab
@pytest.mark.parametrize("tracked", [True, False], ids=["in a repository", "without git"])
@pytest.mark.parametrize("member", [True, False], ids=["a member", "a crate alone"])
def test_a_package_without_a_lock_is_built_with_what_lies_above_it(tmp_path: Path, tracked: bool, member: bool) -> None:
    top = tmp_path / "top"
    project = above(top, need='{ path = "../../core" }', version=INHERITED if member else 'version = "0.1.0"')
    if not member:
        (top / "Cargo.toml").unlink()
    if not tracked:
        shutil.rmtree(top / ".git")
    build = f"build:{TRIPLE}:pyx:py3"
    assert "is built from a copy" in project.doit(build, "sdist")
    assert f"ok  {build}" not in project.doit(build)
    assert not (top / "Cargo.lock").exists()
    Project(top).edit("core/src/lib.rs", "pebble", "stone")
    assert "core/src/lib.rs changed" in json.dumps(project.plan(build))
    assert f"ok  {build}" in project.doit(build)


@pytest.mark.lab
def test_an_excluded_package_without_a_lock_is_built(tmp_path: Path) -> None:
    project = excluded(tmp_path / "top")
    build = f"build:{TRIPLE}:pyx:py3"
    assert f"ok  {build}" in project.doit(build)
    assert f"ok  {build}" not in project.doit(build)
    (lock,) = (project.root / ".cartwheel").rglob("py/Cargo.lock")
    assert [row["name"] for row in lock_rows(lock)] == ["pyx"]
