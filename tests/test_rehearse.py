"""The rehearsal: a whole release for practice that leaves the user's repository alone, also when it is interrupted."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cartwheel.commands.rehearse import settings_for_this_run
from support.crates import workspace
from support.processes import SLOW, at_work, wait_for
from support.projects import TRIPLE, Project, committed, pure, with_crate
from support.repositories import ENVIRONMENT, git

ROOT = Path(__file__).resolve().parents[1]

needs_posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")


def away(tmp_path: Path) -> Mapping[str, str]:
    """The user's cache folder replaced, but for uv's, which every installation shares."""
    asked = subprocess.run([sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True)
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "UV_CACHE_DIR": asked.stdout.strip()}


def clone_in(tmp_path: Path) -> Path:
    """The scratch clone of the only rehearsal."""
    (project,) = (tmp_path / "cache" / "cartwheel" / "rehearsals").glob("*/project")
    return project


def untouched(root: Path) -> tuple[object, ...]:
    """All that a rehearsal must leave as it is: files with their times, references, configuration, the index."""
    files = {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(root.rglob("*"))
        if path.is_file() and "objects" not in path.parts and "local" not in path.parts
    }
    return (
        tuple(files.items()),
        git(root, "for-each-ref"),
        git(root, "symbolic-ref", "HEAD"),
        git(root, "--no-optional-locks", "status", "--porcelain"),
    )


def test_a_rehearsal_publishes_here_and_leaves_the_repository_as_it_was(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    project.write("NEW.txt", "not committed\n")
    before = untouched(project.root)
    output = project.doit("rehearse", env=away(tmp_path))
    assert untouched(project.root) == before
    assert "note: 1 changed or new files are not committed, so they are not part of it" in output
    assert "gravel-1.0-py3-none-any.whl" in output.splitlines()[-3]
    assert "nothing left this machine" in output.splitlines()[-1]
    outward = [line for line in output.splitlines() if re.search(r"\bshelf\b(?!:gravel  )|tagged|pushed", line)]
    assert len(outward) >= 6
    assert [line for line in outward if "rehearsal" not in line] == [], "each line about the outside says what it is"
    sent = clone_in(tmp_path).with_name("index")
    assert sorted(p.name for p in sent.rglob("*.*")) == ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]
    assert git(clone_in(tmp_path).with_name("remote.git"), "tag") == "v1.0", (
        "one package, so its name is not in the tag"
    )


def test_settings_of_the_run_are_passed_on_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    for setting, output in (
        ("toolchain=zig", "toolchain: 'zig' compiles crates, and this package has none"),
        ("pyton=3.12", "variable 'pyton=3.12' is not known; did you mean 'python'?"),
    ):
        assert output in project.doit("rehearse", setting, env=away(tmp_path), code=3)
    overrides = {"python": "3.12", "targets": "any", "version": "1.0", "profile": "dev"}
    context = cast(Any, SimpleNamespace(project=SimpleNamespace(overrides=overrides)))
    assert settings_for_this_run(context) == ("python=3.12", "profile=dev")


@needs_cargo
def test_crates_and_release_pages_are_rehearsed_on_this_machine(tmp_path: Path) -> None:
    project = workspace(tmp_path / "project")
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["shelf", "github"]')
    project.write("CHANGELOG.md", "# Changelog\n\n## [1.0] - 2026-11-21\n\n- First.\n")
    committed(project)
    before = untouched(project.root)
    output = project.doit("rehearse", env={**away(tmp_path), "GITHUB_TOKEN": "a-token-that-nobody-may-see"})
    assert untouched(project.root) == before
    assert "release page gravel-v1.0: published, 4 files" in output
    assert "release page pebble-1.0.0: published, 4 files" in output
    assert "crates: pebble 1.0.0, sand 1.0.0" in output
    assert "nothing left this machine" in output.splitlines()[-1]


@needs_cargo
@pytest.mark.lab
@pytest.mark.parametrize("registry", ["", "house"], ids=["crates-io", "house"])
def test_crates_that_need_others_crates_are_rehearsed_with_those_that_the_project_has_locked(
    tmp_path: Path, registry: str
) -> None:
    project = workspace(tmp_path / "project", registry=registry)
    if registry:
        project.write(".cargo/config.toml", f'[registries.{registry}]\nindex = "sparse+http://127.0.0.1:9/index/"\n')
        project.edit("pebble/pyproject.toml", '"crates-io"', f'"{registry}"')
        kind = f'[tool.cartwheel.index.{registry}]\nkind = "crates"\n'
        project.edit("pyproject.toml", "[tool.cartwheel.index.shelf]", f"{kind}\n[tool.cartwheel.index.shelf]")
    needs = '\n[dependencies]\nitoa = "1"\nserde = { version = "1", default-features = false, features = ["alloc"] }\n'
    project.write("sand/Cargo.toml", (project.root / "sand" / "Cargo.toml").read_text() + needs)
    subprocess.run(["cargo", "generate-lockfile", "--quiet"], cwd=project.root, check=True)
    committed(project)
    before = set(cargo_home().glob("registry/*/*"))
    output = project.doit("rehearse", env=away(tmp_path))
    assert "crates: pebble 1.0.0, sand 1.0.0" in output
    assert set(cargo_home().glob("registry/*/*")) == before, "no registry of a rehearsal stays in the user's folder"


def cargo_home() -> Path:
    """Where the user's cargo keeps what it downloads."""
    return Path(os.environ.get("CARGO_HOME") or "~/.cargo").expanduser()


@needs_posix
@needs_cargo
@pytest.mark.lab
@pytest.mark.parametrize("stop", ["SIGINT", "SIGKILL"])
def test_an_interrupted_rehearsal_leaves_all_as_it_was_and_the_next_one_works(tmp_path: Path, stop: str) -> None:
    number = signal.Signals[stop]
    project = with_crate(tmp_path / "project")
    project.write("pebble/build.rs", SLOW)
    committed(project)
    git(project.root, "tag", "mine")
    before = untouched(project.root)
    process = project.start("rehearse", env=away(tmp_path))
    wait_for(lambda: any("build-script-build" in line for line in at_work(tmp_path)))
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == (130 if stop == "SIGINT" else -number)
    assert "Traceback" not in out + err
    wait_for(lambda: not at_work(tmp_path), seconds=5)
    assert untouched(project.root) == before
    (project.root / "pebble" / "build.rs").unlink()
    git(project.root, "commit", "--quiet", "--all", "--message", "quick")
    output = project.doit("rehearse", env=away(tmp_path))
    assert "pebble-1.0.0-" in output
    assert "nothing left this machine" in output.splitlines()[-1]


@needs_posix
@pytest.mark.lab
def test_a_package_without_a_test_command_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    project = pure(tmp_path / "project")
    project.edit("pyproject.toml", 'test = { skip = "nothing to test" }\n', "")
    output = committed(project).doit("rehearse", env=away(tmp_path), code=1)
    assert "gravel: no test command is known for gravel-1.0-py3-none-any.whl, so it would not be published" in output
    assert "ok  build" not in output


def test_a_second_rehearsal_beside_the_first_is_refused(tmp_path: Path) -> None:
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    project = with_crate(tmp_path / "project")
    project.write("pebble/build.rs", SLOW)
    committed(project)
    process = project.start("rehearse", env=away(tmp_path))
    try:
        wait_for(lambda: any("build-script-build" in line for line in at_work(tmp_path)))
        assert "another rehearsal of this project is running" in project.refused("rehearse", env=away(tmp_path))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    wait_for(lambda: not at_work(tmp_path), seconds=5)


@needs_cargo
@pytest.mark.lab
def test_this_repository_is_rehearsed_whole_and_the_second_time_compiles_no_dependency(tmp_path: Path) -> None:
    source = tmp_path / "source"
    if (ROOT / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], env=ENVIRONMENT, check=True)
        git(source, "switch", "--quiet", "--force-create", "main")
    else:  # an unpacked source distribution
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".venv", "__pycache__", ".cartwheel", "PKG-INFO"))
        git(source, "init", "--quiet", "--initial-branch", "main")
        committed(Project(source))
    project = Project(source)
    before = untouched(source)
    output = project.doit("rehearse", env=away(tmp_path))
    assert untouched(source) == before
    assert "tests passed" in output
    log = f"build-{TRIPLE}-tidemark-abi3.log"
    assert "Compiling pyo3 " in (clone_in(tmp_path) / ".cartwheel" / "logs" / log).read_text(encoding="utf-8")
    for file in ("cartwheel-0.1.0-py3-none-any.whl", "tidemark-0.1.0-cp311-abi3-", "tidemark-0.1.0.tar.gz"):
        assert file in output
    output = project.doit("rehearse", env=away(tmp_path))
    assert "tests passed" in output
    assert "Compiling pyo3" not in (clone_in(tmp_path) / ".cartwheel" / "logs" / log).read_text(encoding="utf-8")
