"""A small project whose one wheel is built step by step, and from nothing for comparison."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from support.projects import DODO, FLOOR, TRIPLE, Project
from support.repositories import git, repository

BUILD = f"build:{TRIPLE}:app:py3"

PYPROJECT = f"""[build-system]
requires = ["maturin>=1.9.4,<2"]
build-backend = "maturin"

[project]
name = "app"
dynamic = ["version"]
description = "a program"
requires-python = ">=3.11"

[tool.maturin]
bindings = "bin"
manifest-path = "app/Cargo.toml"

[tool.cartwheel]
targets = ["{TRIPLE}"]
publish = []
floor = "{FLOOR}"
test = {{ skip = "nothing to test" }}
"""
CRATE = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2021"\n'
PROFILE = '[profile.release]\nopt-level = 0\npanic = "abort"\nstrip = true\nincremental = false\n'


class Failed(Exception):
    """The build ended with an error; its words."""


class Yard(Project):
    """The project, with the environment of its next build."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.task = BUILD
        self.env = {"SOURCE_DATE_EPOCH": "1767225600", "CARGO_NET_OFFLINE": "true"}

    @classmethod
    def laid_out(cls, root: Path, files: Mapping[str, str], *, members: tuple[str, ...] = ("app",)) -> Yard:
        """A repository with the crate `app`, other members, and these files; nothing is built."""
        yard = cls(repository(root))
        listed = ", ".join(f'"{member}"' for member in members)
        usual = {
            "pyproject.toml": PYPROJECT,
            "dodo.py": DODO,
            ".gitignore": ".cartwheel/\ndist/\n__pycache__/\n",
            "Cargo.toml": f'[workspace]\nresolver = "2"\nmembers = [{listed}]\n{PROFILE}',
            **{f"{member}/Cargo.toml": CRATE.format(member) for member in members},
        }
        for name, text in (usual | dict(files)).items():
            yard.write(name, text)
        command = ("cargo", "generate-lockfile", "--offline")
        subprocess.run(command, cwd=root, check=True, capture_output=True)
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "first")
        return yard

    def path(self, name: str) -> Path:
        """A file of the project."""
        return self.root / name

    def build(self) -> bool:
        """Build what is stale; whether that was anything.  Raises `Failed`."""
        process = self.start(self.task, env=self.env, python=sys.executable)
        out, err = process.communicate(timeout=900)
        if process.returncode:
            raise Failed(out + err)
        return f"ok  {self.task}" in out

    def wheel(self) -> bytes:
        """The wheel as it was built last."""
        (path,) = self.path(".cartwheel/wheels").rglob("*.whl")
        return path.read_bytes()

    def clean_wheel(self) -> bytes:
        """The wheel that a build from nothing makes in this folder; what was made before stays.  Raises `Failed`."""
        state, aside = self.path(".cartwheel"), self.root.with_name("aside")
        state.rename(aside)
        try:
            self.build()
            return self.wheel()
        finally:
            shutil.rmtree(state, ignore_errors=True)
            aside.rename(state)


def judge_edits(yard: Yard, edits: Mapping[str, Callable[[], object]]) -> None:
    """Make one edit after the other in a project that is up to date; after each, the wheel must be what a build from
    nothing makes. `edits`: by what each changes."""
    before = yard.wheel()
    for what, edit in edits.items():
        edit()
        assert yard.build(), f"{what}: missed"
        clean = yard.clean_wheel()
        assert clean != before, f"{what}: the edit changes nothing, so that it shows nothing"
        assert yard.wheel() == clean, f"{what}: another wheel than a build from nothing makes"
        assert not yard.build(), f"{what}: up to date afterwards"
        before = clean
