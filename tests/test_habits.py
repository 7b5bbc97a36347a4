"""After an edit of what a build script, a linker or a command reads, the wheel is what a build from nothing makes."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest

from support.habits import HABITS
from support.projects import FLOOR
from support.yard import Yard, judge_edits

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        sys.platform != "linux" or os.uname().machine != "x86_64" or not FLOOR,
        reason="the scripts are written for x86_64 Linux with glibc",
    ),
    pytest.mark.skipif(not shutil.which("cargo") or not shutil.which("cc"), reason="needs cargo and cc"),
]


@pytest.mark.parametrize("name", HABITS)
def test_no_edit_is_missed(tmp_path: Path, name: str) -> None:
    habit = HABITS[name]
    yard = Yard.laid_out(tmp_path / "project", habit.files, members=habit.members)
    habit.first(yard)
    assert yard.build()
    assert not yard.build(), "what was just built is up to date"
    judge_edits(yard, {what: partial(edit, yard) for what, edit in habit.edits.items()})


def test_the_table_has_the_rows_that_were_asked_for() -> None:
    assert sum(len(habit.edits) for habit in HABITS.values()) >= 40
