"""A program in Rust for four systems, and the repository that a forge's pipeline starts from."""

from __future__ import annotations

import sys
from pathlib import Path

from cartwheel.stand_ins.pypi import LoopbackIndex
from support.projects import CARGO, DODO, LOCK, PEBBLE, Project
from support.repositories import git, repository

LINUX, MUSL = "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"
MAC, WINDOWS = "aarch64-apple-darwin", "x86_64-pc-windows-gnu"
TARGETS = (LINUX, MUSL, MAC, WINDOWS)
TAG = "v1.0.0"
TOKEN = "a-token-that-nobody-may-see"
FILES = (
    "pebble-1.0.0-py3-none-macosx_11_0_arm64.whl",
    "pebble-1.0.0-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    "pebble-1.0.0-py3-none-musllinux_1_2_x86_64.whl",
    "pebble-1.0.0-py3-none-win_amd64.whl",
    "pebble-1.0.0.tar.gz",
)

_PYPROJECT = (
    PEBBLE
    + """[tool.cartwheel]
targets = ["{targets}"]
publish = ["shelf"]
test = {{ command = ["pebble"] }}

[[tool.cartwheel.overrides]]
select = "*-musl *-darwin *-windows-*"
untested = "the machine that runs these tests is none of theirs"

[tool.cartwheel.ci]
install = ["--no-index", "--no-deps", "cartwheel"]

[tool.cartwheel.index.shelf]
url = "{url}"
simple = "{simple}"
"""
)

_MAIN = """#[cfg(windows)]
mod windows;

fn main() {
    println!("pebble");
    #[cfg(windows)]
    windows::hello();
}
"""

_WINDOWS = """pub fn hello() {
    println!("from Windows");
}
"""


def boulder(folder: Path, shelf: LoopbackIndex, forge: str) -> Project:
    """The project with its pipeline, on the `main` of its bare remote, `remote.git` beside it."""
    repository(folder)
    project = Project(folder)
    project.write("dodo.py", DODO)
    project.write("pyproject.toml", _PYPROJECT.format(targets='", "'.join(TARGETS), url=shelf.url, simple=shelf.simple))
    project.write("Cargo.toml", CARGO)
    project.write("Cargo.lock", LOCK)
    project.write("README.md", "# pebble\n")
    project.write("src/main.rs", _MAIN)
    project.write("src/windows.rs", _WINDOWS)
    project.write(".gitignore", ".cartwheel/\ndist/\n__pycache__/\n*.pyc\n.doit*\n")
    assert "release.from" not in project.doit("ci", forge)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    return shared(project)


def shared(project: Project) -> Project:
    """With its branch on a bare remote, `remote.git` beside it."""
    folder = project.root
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(folder.parent / "remote.git"))
    git(folder, "remote", "add", "origin", str(folder.parent / "remote.git"))
    git(folder, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def dry_python(folder: Path) -> Path:
    """A folder with a `python` that resolves and hashes what is locked, but installs nothing: the rest is there."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *--require-hashes*) exec "{sys.executable}" "$@" --dry-run ;; esac\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    script.chmod(0o755)
    return folder


def on(shelf: LoopbackIndex) -> list[str]:
    """The files that the index holds."""
    return sorted(path.name for path in shelf.folder.rglob("*") if path.is_file())
