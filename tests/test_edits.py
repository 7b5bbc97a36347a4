"""Edits of a project with several packages, targets and interpreters, each really built: exactly what depends on the
edit runs, the plan said so and why, and what comes out is what a build from nothing would give."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.edits import LAB, QUICK, REBUILT, UNREAD, Edit, raw
from support.projects import FLOOR
from support.quarry import EVERY, HOST, Quarry, tasks, version_of

WHEELS = ("build", "repair")
FOLLOWS = " runs, and what it makes may change"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64" or not FLOOR,
    reason="the machine is taken to be x86_64 Linux with glibc",
)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Quarry:
    """The quarry with everything built."""
    for program in ("cargo", "rustup", "x86_64-w64-mingw32-gcc"):
        if not shutil.which(program):
            pytest.skip(f"needs {program}")
    if not importlib.util.find_spec("ziglang"):
        pytest.skip("needs ziglang")
    quarry = Quarry.create(tmp_path_factory.mktemp("quarry") / "project")
    assert quarry.run(*WHEELS) == tasks("build", EVERY) | tasks("repair", EVERY) | {"version-sync"}
    return quarry


@pytest.fixture
def quarry(whole: Quarry) -> Iterator[Quarry]:
    """The shared project; its files are put back after each test."""
    with whole.restored():
        yield whole


class Trial:
    """An edit of the table in the quarry, with whatever had to be built before; undone at the end at the latest."""

    def __init__(self, edit: Edit, quarry: Quarry, scratch: Path) -> None:
        self.edit = edit
        self.quarry = quarry
        self.scratch = scratch
        self.undone = True

    def __enter__(self) -> Trial:
        self.sources = self.quarry.sources()
        if self.edit.first:
            self.edit.first(self.quarry)
            self.quarry.run(*WHEELS)
        self.env = self.edit.env(self.scratch)
        self.undone = False
        self.edit.make(self.quarry)
        return self

    def __exit__(self, *error: object) -> None:
        if not self.undone:
            self.put_back()

    def reasons(self) -> Mapping[str, tuple[str, ...]]:
        """The tasks of the plan, with the reasons."""
        return self.quarry.reasons(*self.edit.words, *WHEELS, env=self.env)

    def run(self, *asked: str) -> frozenset[str]:
        """The tasks that run."""
        return self.quarry.run(*self.edit.words, *asked, env=self.env)

    def put_back(self) -> None:
        """The sources as they were."""
        self.edit.undo(self.quarry)
        self.undone = True
        self.quarry.put_back(self.sources)


def own_reasons(planned: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All that was said, but that one task follows from another."""
    return {why for reasons in planned.values() for why in reasons if not why.endswith(FOLLOWS)}


def words_of(edit: Edit) -> set[str]:
    """The reasons that are expected, with the versions of the tools that are here."""
    return {
        why.format(**{name: version_of(name) for name in ("maturin", "zig", "rustc") if f"{{{name}}}" in why})
        for why in edit.why
    }


def marked(what: str) -> object:
    """A row, by when it is tried out."""
    marks = () if what in QUICK else pytest.mark.lab if what in LAB else pytest.mark.full(sample=0.06)
    return pytest.param(what, marks=marks)


@pytest.mark.parametrize("what", [marked(what) for what in REBUILT])
def test_after_an_edit_runs_what_depends_on_it_and_nothing_else(quarry: Quarry, what: str, tmp_path: Path) -> None:
    look_after(REBUILT[what], quarry, tmp_path)


@pytest.mark.full(sample=0.02)
@pytest.mark.parametrize("what", REBUILT)
def test_what_comes_out_is_what_a_build_from_nothing_gives(quarry: Quarry, what: str, tmp_path: Path) -> None:
    look_after(REBUILT[what], quarry, tmp_path, from_scratch=True)


def look_after(edit: Edit, quarry: Quarry, scratch: Path, *, from_scratch: bool = False) -> None:
    """Try it out, there and back."""
    before = quarry.wheels()
    assert bool(edit.same) == bool(edit.needless), "a build that changes nothing needs an excuse"
    with Trial(edit, quarry, scratch) as trial:
        planned = trial.reasons()
        assert frozenset(planned) == edit.planned
        assert own_reasons(planned) == words_of(edit)
        assert trial.run(*WHEELS) == edit.runs
        assert trial.reasons() == {}, "what was planned and did not run had no need to"
        built = quarry.wheels()
        if from_scratch:
            with quarry.from_scratch():
                trial.run("build")
                assert quarry.wheels().items() <= built.items(), "a build was missed"
        trial.put_back()
        assert quarry.run("build") <= edit.planned | {"version-sync"}
        assert before.items() <= quarry.wheels().items(), "the old bytes come back"


@pytest.mark.lab
@pytest.mark.parametrize("what", UNREAD)
def test_after_an_edit_of_what_no_wheel_depends_on_nothing_runs(whole: Quarry, what: str, tmp_path: Path) -> None:
    with Trial(UNREAD[what], whole, tmp_path) as trial:
        assert trial.reasons() == {}


def test_after_all_of_them_together_nothing_runs(whole: Quarry, tmp_path: Path) -> None:
    env: dict[str, str] = {}
    with ExitStack() as trials:
        for edit in UNREAD.values():
            env |= trials.enter_context(Trial(edit, whole, tmp_path)).env
        assert whole.reasons(*WHEELS, env=env) == {}
        assert whole.run(*WHEELS, env=env) == frozenset()


@pytest.mark.lab
def test_and_a_build_from_nothing_gives_the_same_wheels(whole: Quarry, tmp_path: Path) -> None:
    built = whole.wheels()
    with ExitStack() as trials:
        for edit in UNREAD.values():
            trials.enter_context(Trial(edit, whole, tmp_path))
        with whole.from_scratch():
            whole.run("build")
            assert whole.wheels().items() <= built.items()


def test_every_chosen_row_is_in_the_table() -> None:
    assert {*QUICK, *LAB} <= REBUILT.keys()


# ---- while a build runs ----------------------------------------------------------------------------------------------

RAW_PEBBLE = raw(f"{HOST}:pebble:py3", f"pebble-1.0.0-py3-none-{FLOOR}_x86_64.whl")
PEBBLE_BUILD = f"build:{HOST}:pebble:py3"
MAIN = "pebble/src/main.rs"


def edit_and_leave(quarry: Quarry) -> None:
    """Another edit."""
    quarry.edit(MAIN, "uneven", "jagged")


def edit_and_put_back(quarry: Quarry) -> None:
    """There and back, with the old times."""
    before = quarry.sources()
    edit_and_leave(quarry)
    quarry.put_back(before)


@pytest.mark.lab
@pytest.mark.parametrize("meanwhile", [edit_and_leave, edit_and_put_back])
def test_a_file_edited_while_its_build_runs_is_built_again(quarry: Quarry, meanwhile: Callable[[Quarry], None]) -> None:
    quarry.edit(MAIN, "rough", "uneven")
    log = quarry.path(f".cartwheel/logs/{PEBBLE_BUILD.replace(':', '-')}.log")
    log.unlink()
    process = quarry.start(PEBBLE_BUILD)
    while not log.exists() or "Compiling pebble" not in log.read_text():
        assert process.poll() is None, "it ended without compiling"
        time.sleep(0.005)
    meanwhile(quarry)
    assert process.poll() is None, "the edit came too late"
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    planned = quarry.reasons(PEBBLE_BUILD)
    assert planned == {PEBBLE_BUILD: (f"{MAIN} was edited while it was read",)}
    assert quarry.run(PEBBLE_BUILD) == {PEBBLE_BUILD}
    assert quarry.reasons(PEBBLE_BUILD) == {}
    content = quarry.path(RAW_PEBBLE).read_bytes()
    with quarry.from_scratch():
        quarry.run(PEBBLE_BUILD)
        assert quarry.path(RAW_PEBBLE).read_bytes() == content
