"""The commands: `plan --json`, `doctor`, `list`, `run clean` and `clean`, through the real doit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.projects import HOST, TRIPLE, Project, committed, finished_project, pure
from support.repositories import commit, git


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Project:
    """A pure package and a crate, with all records and finished files of a first run."""
    if not shutil.which("cargo"):
        pytest.skip("needs cargo")
    return finished_project(tmp_path_factory.getbasetemp()).copy(tmp_path / "project")


def task(plan: dict[str, Any], name: str) -> dict[str, Any]:
    """The task of that name."""
    task: dict[str, Any] = next(row for row in plan["tasks"] if row["name"] == name)
    return task


# plan ----------------------------------------------------------------------------------------------------------------


def test_plan_says_every_package_and_file_in_its_schema(project: Project) -> None:
    plan = project.plan()
    assert list(plan) == ["schema", "packages", "artifacts", "tasks"]
    assert plan["schema"] == 1
    assert plan["packages"] == [
        {"name": "gravel", "version": "1.0", "folder": "."},
        {"name": "pebble", "version": "1.0.0", "folder": "pebble"},
    ]
    wheel, sdist = (row for row in plan["artifacts"] if row["package"] == "pebble")
    assert wheel == {
        "file": wheel["file"], "kind": "wheel", "package": "pebble", "target": TRIPLE, "python": "py3",
        "task": f"repair:{TRIPLE}:pebble:py3",
    }  # fmt: skip
    assert sdist == {
        "file": "pebble-1.0.0.tar.gz", "kind": "sdist", "package": "pebble", "target": "any", "python": "",
        "task": "sdist:pebble",
    }  # fmt: skip
    assert (project.root / "dist" / "private" / wheel["file"]).is_file()


def test_plan_says_of_every_task_what_would_become_of_it_and_what_comes_before(project: Project) -> None:
    plan = project.plan()
    for row in plan["tasks"]:
        assert list(row) == ["name", "state", "why", "after"]
        assert row["state"] in ("run", "up-to-date", "blocked")
        assert bool(row["why"]) == (row["state"] != "up-to-date")
    names = [row["name"] for row in plan["tasks"]]
    assert all(set(row["after"]) <= set(names[: names.index(row["name"])]) for row in plan["tasks"])
    assert task(plan, f"build:{TRIPLE}:pebble:py3")["state"] == "up-to-date"
    assert task(plan, "check:set:pebble")["why"] == ["never done here"]
    assert "build:any:gravel:py3" in task(plan, "repair:any:gravel:py3")["after"]


def test_plan_is_transitive(project: Project) -> None:
    project.edit("pebble/src/main.rs", "println!", "print!")
    plan = project.plan("repair")
    assert task(plan, f"build:{TRIPLE}:pebble:py3")["why"] == ["pebble/src/main.rs changed"]
    assert task(plan, f"repair:{TRIPLE}:pebble:py3") == {
        "name": f"repair:{TRIPLE}:pebble:py3", "state": "run", "after": [f"build:{TRIPLE}:pebble:py3"],
        "why": [f"build:{TRIPLE}:pebble:py3 runs, and what it makes may change"],
    }  # fmt: skip
    assert task(plan, "build:any:gravel:py3")["why"] == ["pebble/src/main.rs changed"], "its whole folder counts"
    project.edit("pebble/src/main.rs", "print!", "println!")
    project.write(".cartwheel/notes.txt", "nobody's source")
    assert set(project.states("repair").values()) == {"up-to-date"}


def test_what_cannot_be_built_here_is_blocked_with_all_that_needs_it(project: Project) -> None:
    other = "aarch64-linux-android"
    text = (project.root / "pebble/pyproject.toml").read_text()
    floor = [line for line in text.splitlines() if line.startswith("floor")]
    project.write("pebble/pyproject.toml", text.replace(TRIPLE, other).replace("".join(floor), ""))
    plan = project.plan("check")
    assert task(plan, f"build:{other}:pebble:py3")["state"] == "blocked"
    assert "there is no toolchain for it here" in task(plan, f"build:{other}:pebble:py3")["why"][0]
    checked = task(plan, "check:set:pebble")
    assert (checked["state"], checked["why"]) == (
        "blocked", [f"needs repair:{other}:pebble:py3, which cannot be done here"],
    )  # fmt: skip
    assert task(plan, "check:set:gravel")["state"] == "run", "its source distribution packs the whole folder"


def test_plan_and_doctor_and_list_change_no_file(project: Project) -> None:
    def seen() -> dict[str, int]:
        files = (p for p in project.root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return {str(p): p.stat().st_mtime_ns for p in files}

    before = seen()
    for command in (("plan",), ("plan", "--json"), ("list", "--all")):
        project.doit(*command)
    assert seen() == before
    project.doit("doctor")
    assert {path for path in seen() if path not in before} <= {
        str(project.root / ".cartwheel" / "local" / name) for name in ("answers.json", "digests.json")
    }
    assert git(project.root, "status", "--porcelain") == ""


# doctor --------------------------------------------------------------------------------------------------------------


def test_doctor_has_a_row_for_each_target(project: Project) -> None:
    output = project.doit("doctor")
    *rows, limits = [line.split() for line in output.splitlines() if not line.startswith(" ")]
    assert rows == [["any", "-", "ready"], [TRIPLE, "native", "ready"], ["all", "targets"]]
    assert limits[:4] == ["at", "once:", "up", "to"]
    document = json.loads(project.doit("doctor", "--json"))
    assert document["schema"] == 1
    assert document["targets"][1] == {
        "target": TRIPLE, "toolchain": "native", "ready": True, "own": True, "missing": [], "fix": [],
        "tests": "none: nothing to test",
    }  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="PATH of POSIX")
def test_doctor_ends_with_1_where_this_machines_own_kind_is_not_ready(project: Project, tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path)}
    output = project.doit("doctor", env=env, code=1)
    assert f"{TRIPLE:32}native    needs rustc, cargo, cc" in output
    assert output.count("install Rust with rustup") == 1
    row = json.loads(project.doit("doctor", "--json", env=env, code=1))["targets"][1]
    assert (row["ready"], row["missing"]) == (False, ["rustc", "cargo", "cc"])


@pytest.mark.skipif(HOST.system != "linux", reason="mingw is for other systems")
def test_doctor_ends_with_0_where_only_another_kind_is_not_ready(project: Project, tmp_path: Path) -> None:
    text = (project.root / "pebble/pyproject.toml").read_text()
    lines = [line for line in text.replace(TRIPLE, "x86_64-pc-windows-gnu").splitlines() if "floor" not in line]
    project.write("pebble/pyproject.toml", "\n".join(lines))
    for program in ("rustc", "cargo"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    output = project.doit("doctor", env={"PATH": str(tmp_path / "bin")})
    assert "x86_64-pc-windows-gnu           mingw     needs x86_64-w64-mingw32-gcc" in output
    assert "apt-get install mingw-w64" in output


# list ----------------------------------------------------------------------------------------------------------------


def test_list_shows_each_stage_with_one_good_line(project: Project) -> None:
    lines = project.doit("list").splitlines()
    names = [line.split()[0] for line in lines]
    stages = "build check checklist clean publish ready release repair sdist tag verify version-sync"
    assert names == stages.split()
    assert all(len(line.split()) > 4 and len(line) <= 120 for line in lines)


def test_list_all_shows_each_step_with_a_line(project: Project) -> None:
    lines = dict(line.split(maxsplit=1) for line in project.doit("list", "--all").splitlines())
    assert lines["build:any:gravel:py3"] == "gravel for any Python 3 on any system"
    assert lines[f"build:{TRIPLE}:pebble:py3"] == f"pebble for any Python 3 on {TRIPLE}"
    assert lines["publish:shelf:gravel"] == "gravel 1.0 to shelf"
    assert "publish:shelf:pebble" not in lines, "it is never published"
    assert all(lines.values())


# clean ---------------------------------------------------------------------------------------------------------------


def test_clean_of_a_task_removes_what_it_made_and_no_more(project: Project) -> None:
    before = project.digests()
    output = project.doit("clean", "-n", f"repair:{TRIPLE}")
    assert "would remove dist/private/pebble-1.0.0-" in output
    assert project.digests() == before
    project.doit("clean", f"repair:{TRIPLE}")
    gone = {path.split("/")[0] + "/" + path.split("/")[1] for path in before.keys() - project.digests().keys()}
    assert gone == {"dist/private", ".cartwheel/records"}
    assert project.states("repair")[f"repair:{TRIPLE}:pebble:py3"] == "run"
    assert project.states("repair")["repair:any:gravel:py3"] == "up-to-date"


def test_clean_of_a_stage_reaches_all_its_steps(project: Project) -> None:
    project.doit("clean", "build")
    left = project.digests()
    assert not [path for path in left if "/wheels/" in path or "records/build" in path]
    assert [path for path in left if path.startswith("dist/")]


def test_run_clean_removes_all_that_the_tasks_made_and_no_source(project: Project) -> None:
    suffix = {"windows": ".pyd"}.get(HOST.system, ".abi3.so")
    project.write(f"gravel/_rock{suffix}", "stale")
    project.write("dist/mine.txt", "not made by a task")
    output = project.doit("run", "clean")
    assert "removed dist/gravel-1.0-py3-none-any.whl" in output
    assert project.digests() == {"dist/mine.txt": project.digests()["dist/mine.txt"]}
    assert git(project.root, "status", "--porcelain", "--untracked-files=no") == ""
    assert {p.name for p in (project.root / ".cartwheel").iterdir()} <= {"local", ".gitignore"}
    assert set(project.states("repair").values()) == {"run"}


def test_a_pattern_with_clean_named_beside_it_cleans(tmp_path: Path) -> None:
    project = committed(pure(tmp_path / "project"))
    project.doit("build")
    project.doit("run", "clean", "clean*")
    assert project.digests() == {}


def test_a_commit_that_changes_nothing_in_a_file_changes_none_of_its_bytes(tmp_path: Path) -> None:
    """A released file equals a build from its tag, also if it was built some commits earlier."""
    project = committed(pure(tmp_path / "project"))
    project.doit("repair", "sdist")
    contents = {p.name: p.read_bytes() for p in (project.root / "dist").rglob("*.*") if p.is_file()}
    late = {"GIT_COMMITTER_DATE": "2031-01-01T00:00:00Z"}
    subprocess.run(
        ["git", "commit", "--quiet", "--allow-empty", "-m", "later"],
        cwd=project.root,
        env={**os.environ, **late},
        check=True,
    )
    for folder in (".cartwheel", "dist"):
        shutil.rmtree(project.root / folder)
    project.doit("repair", "sdist")
    assert contents == {p.name: p.read_bytes() for p in (project.root / "dist").rglob("*.*") if p.is_file()}
    assert len(contents) == 2


def test_status_says_what_of_the_tag_it_does_not_know_or_finds_elsewhere_and_ends_with_1(tmp_path: Path) -> None:
    one = committed(pure(tmp_path / "project"))
    one.edit("pyproject.toml", 'publish = ["shelf"]', "publish = []")
    head = commit(one.root)
    assert "nowhere  (the repository has no remote)" in one.doit("status")
    git(one.root, "remote", "add", "origin", str(tmp_path / "gone.git"))
    assert "unknown on the remote  (remote 'origin'" in one.doit("status", code=1)
    assert json.loads(one.doit("status", "gravel", "--json", code=1))["packages"][0]["tag"]["there"] == "unknown"
    git(tmp_path, "init", "--quiet", "--bare", "gone.git")
    git(one.root, "tag", "v1.0")
    git(one.root, "push", "--quiet", "origin", "v1.0")
    commit(one.root, note="x")
    elsewhere = f"on another commit, {head[:12]}"
    assert f"here {elsewhere}, on the remote {elsewhere}" in one.doit("status", code=1)


def test_plan_takes_its_option_behind_the_words(tmp_path: Path) -> None:
    assert json.loads(pure(tmp_path / "project").doit("plan", "version-sync", "--json"))["schema"] == 1
