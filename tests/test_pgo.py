"""Profile-guided optimization: one training for a target, done again when its sources change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.projects import TRIPLE, Project, committed, with_crate

MAIN = """fn main() {
    let rounds: u64 = std::env::args().nth(1).map_or(1, |text| text.parse().unwrap());
    println!("{}", (0..rounds).map(|n| n.wrapping_mul(31) % 7).sum::<u64>());
}
"""
BUILD = f"build:{TRIPLE}:pebble:py3"
needs_cargo = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A program that is trained by running it."""
    made = with_crate(tmp_path / "project")
    made.write("pebble/src/main.rs", MAIN)
    made.write("pebble/bench/rounds.txt", "100000\n")
    made.write("pebble/bench/train.sh", 'pebble "$(cat "$1/bench/rounds.txt")"\n')
    pgo = 'pgo = { run = ["sh", "{package}/bench/train.sh", "{package}"], inputs = ["bench/"] }'
    made.edit("pebble/pyproject.toml", "publish = []", f"publish = []\n{pgo}")
    return committed(made)


def profiles(project: Project) -> list[str]:
    return sorted(path.name for path in (project.root / ".cartwheel" / "pgo").rglob("*.profdata"))


@pytest.mark.lab
@needs_cargo
def test_a_wheel_is_trained_once_and_again_when_its_sources_or_the_training_change(project: Project) -> None:
    first = project.doit(BUILD)
    assert "training pebble" in first
    (profile,) = profiles(project)
    assert "training" not in project.doit(BUILD)

    shutil.rmtree(project.root / ".cartwheel" / "wheels")
    assert "training" not in project.doit(BUILD), "the profile serves the next build of the same sources"
    assert profiles(project) == [profile]

    project.edit("pebble/bench/rounds.txt", "100000", "200000")
    assert "training pebble" in project.doit(BUILD)
    (second,) = profiles(project)
    project.edit("pebble/src/main.rs", "% 7", "% 9")
    assert "training pebble" in project.doit(BUILD)
    (third,) = profiles(project)
    assert len({profile, second, third}) == 3


@pytest.mark.lab
@needs_cargo
def test_a_training_that_runs_nothing_of_the_wheel_or_fails_is_refused(project: Project) -> None:
    project.write("pebble/bench/train.sh", "exit 0\n")
    assert "recorded nothing; it has to run code of pebble" in project.doit(BUILD, code=1)
    project.write("pebble/bench/train.sh", "exit 3\n")
    assert "FAIL" in project.doit(BUILD, code=1)


@needs_cargo
def test_a_target_that_cannot_be_trained_here_is_refused_with_the_way_out(project: Project) -> None:
    other = "s390x-unknown-linux-gnu"
    project.edit("pebble/pyproject.toml", f'"{TRIPLE}"', f'"{TRIPLE}", "{other}"')
    assert "no wheel is trained for a target that does not run here" in project.doit("doctor", code=0)
    off = f'[[tool.cartwheel.overrides]]\nselect = "{other}"\npgo = {{ run = [] }}\n'
    text = (project.root / "pebble/pyproject.toml").read_text()
    project.write("pebble/pyproject.toml", f"{text}\n{off}")
    assert "no wheel is trained" not in project.doit("doctor", code=0)
