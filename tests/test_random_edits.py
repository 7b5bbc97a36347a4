"""Random projects, and after each random edit the wheel is byte for byte what a build from nothing makes.

The seed is printed with the test run; `CARTWHEEL_TEST_SEED=…` repeats it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from support.projects import FLOOR
from support.random_yards import RandomYard
from support.seed import SEED

PROJECTS, EDITS = 100, 20

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux" or not FLOOR, reason="the scripts are written for Linux with glibc"),
    pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo"),
]


@pytest.mark.full(sample=0.02)
@pytest.mark.parametrize("number", range(PROJECTS))
def test_no_random_edit_is_missed(tmp_path: Path, number: int) -> None:
    drawn = RandomYard(tmp_path / "project", f"{SEED} {number}")
    yard = drawn.yard
    assert yard.build()
    assert not yard.build(), "what was just built is up to date"
    done: list[str] = []
    needless, before = 0, yard.wheel()
    for _ in range(EDITS):
        done.append(drawn.edit())
        built = yard.build()
        wheel, clean = yard.wheel(), yard.clean_wheel()
        assert wheel == clean, f"CARTWHEEL_TEST_SEED={SEED}, project {number}: missed after {done}"
        needless += built and wheel == before
        before = wheel
    log = os.environ.get("CARTWHEEL_TEST_EDITS")
    if log:
        with open(log, "a") as file:
            file.write(f"{SEED} {number}: {len(done)} edits, {needless} needless builds\n")


def test_a_seed_draws_the_same_project_again(tmp_path: Path) -> None:
    one, other = (RandomYard(tmp_path / name, "7 1") for name in ("one", "other"))
    assert one.files == other.files
    assert [one.edit() for _ in range(5)] == [other.edit() for _ in range(5)]
