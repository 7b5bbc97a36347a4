"""Records and files mean the same in every clone: copied, merged, with other times, without a compiler."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import kills
from support.example import without_rust
from support.kill_scenes import CRATES, MUSL, finished_steps
from support.kills import CHAINS, MOMENT, NAMES
from support.projects import TRIPLE, committed, pure
from support.repositories import git

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the plain steps are written for POSIX")

TELLS = """
import atexit
atexit.register(lambda: print(f"{wheels.context.snapshot.files.reads} files read", file=sys.stderr))
"""
MAC = "aarch64-apple-darwin"


class Clone:
    """A clone of the project, and doit in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def doit(self, *arguments: str, path: str = "", alone: bool = False) -> str:
        """doit's output; `alone`: only its standard output."""
        env = {**os.environ, "SOURCE_DATE_EPOCH": MOMENT, "PYTHONDONTWRITEBYTECODE": "1", "PACE": "portable"}
        env |= {"STARTED": str(self.root / "started"), **({"PATH": path} if path else {})}
        line = (sys.executable, "-m", "doit", *arguments)
        done = subprocess.run(line, cwd=self.root, env=env, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + ("" if alone else done.stderr)

    def stale(self, *tasks: str) -> set[str]:
        """The tasks that a plan says would run."""
        document = json.loads(self.doit("plan", "--json", *tasks, alone=True))
        return {task["name"] for task in document["tasks"] if task["state"] == "run"}

    def reads(self, *arguments: str) -> int:
        """How many files a look at what is up to date reads."""
        output = self.doit(*arguments)
        assert not finished_steps(output), output
        matches = re.search(r"^(\d+) files read$", output, re.MULTILINE)
        assert matches, output
        return int(matches[1])

    def takes(self, *others: Clone) -> None:
        """Merge what the others made by copying folders, as a runner hands its files on; cargo's stay, and `local`."""
        away = shutil.ignore_patterns("cargo", "local")
        for other in others:
            for name in ("dist", ".cartwheel"):
                shutil.copytree(other.root / name, self.root / name, ignore=away, dirs_exist_ok=True)

    def new_times(self) -> None:
        """Give every file another modification time."""
        for path in self.root.rglob("*"):
            if path.is_file() and ".git" not in path.parts:
                os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.fixture
def clones(tmp_path: Path) -> list[Clone]:
    """Five folders with the same plain project in it."""
    wheels = []
    for name in ("first", "second", "third", "fourth", "a longer name/fifth"):
        kills.plain_project(tmp_path / name)
        with (tmp_path / name / "dodo.py").open("a") as file:
            file.write(TELLS)
        wheels.append(Clone(tmp_path / name))
    return wheels


def test_what_is_copied_is_up_to_date_and_read_once(clones: list[Clone]) -> None:
    first, other = clones[0], clones[4]
    assert finished_steps(first.doit()) == kills.ALL
    other.takes(first)
    assert other.reads() > 0
    assert other.reads() == 0
    other.new_times()
    assert other.reads() > 0, "new times must be looked at"
    assert other.reads() == 0, "and that once"


def test_three_clones_build_a_third_each_and_a_fourth_has_it_all(clones: list[Clone]) -> None:
    *thirds, fourth, _ = clones
    for clone, name in zip(thirds, NAMES, strict=True):
        assert finished_steps(clone.doit(f"repair:{name}")) == CHAINS[name] - {"check:set"}
    fourth.takes(*thirds)
    assert finished_steps(fourth.doit("repair")) == set()
    assert finished_steps(fourth.doit()) == {"check:set"}
    (fourth.root / "dist" / "two-1").write_text("damaged")
    assert fourth.stale() == {"repair:two", "check:set"}
    raw = fourth.root / ".cartwheel" / "raw" / "three-1"
    raw.write_bytes(raw.read_bytes()[:-1])
    assert fourth.stale() == CHAINS["three"] | {"repair:two"}
    assert finished_steps(fourth.doit()) == {"repair:two", "build:three"}, "what came out as it was spares what follows"


@pytest.mark.lab
def test_three_clones_compile_for_a_target_each_and_a_fourth_has_them_all_without_rust(tmp_path: Path) -> None:
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    if not importlib.util.find_spec("ziglang"):
        pytest.skip("needs ziglang")
    targets = (TRIPLE, MUSL, MAC)
    project = pure(tmp_path / "origin", more=("pebble",))
    for path, text in CRATES.items():
        project.write(path, text.replace(f'"{MUSL}"]', f'"{MUSL}", "{MAC}"]'))
    with (project.root / "dodo.py").open("a") as file:
        file.write(f"import sys\n{TELLS}")
    committed(project)
    *thirds, fourth = (Clone(tmp_path / "in" / name) for name in ("one", "two", "three", "four"))
    for clone in (*thirds, fourth):
        git(tmp_path, "clone", "--quiet", str(project.root), str(clone.root))
    for clone, target in zip(thirds, targets, strict=True):
        ran = finished_steps(clone.doit(f"check:{target}"))
        assert ran == {f"{stage}:{target}:pebble:py3" for stage in ("build", "repair", "check")}
    fourth.takes(*thirds)
    asked = tuple(f"check:{target}" for target in targets)
    assert not finished_steps(fourth.doit(*asked, path=without_rust()))
    fourth.new_times()
    assert fourth.reads(*asked) > 0
    assert fourth.reads(*asked) == 0
    wheel = next((fourth.root / "dist" / "private").glob("*macosx*"))
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-1])
    damaged = {f"{stage}:{MAC}:pebble:py3" for stage in ("repair", "check")}
    assert fourth.stale(*asked) == damaged
    assert finished_steps(fourth.doit(*asked, path=without_rust())) == {f"repair:{MAC}:pebble:py3"}
    assert wheel.read_bytes() == whole
