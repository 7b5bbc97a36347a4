"""Ctrl-C at each stage of a release, by name: doit ends within two seconds, leaves no process, and loses nothing."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from support.indexes import Faulty, Post, faulty
from support.processes import at_work, wait_for
from support.projects import Project, committed, finished_project, pure
from support.repositories import git

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]

SLEEPS = "import pathlib, time; pathlib.Path({mark!r}).touch(); time.sleep(60)"
HOOK = """import pathlib, time

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Slow(BuildHookInterface):
    def initialize(self, version, build_data):
        if {what!r} == self.target_name:
            pathlib.Path({mark!r}).touch()
            time.sleep(60)
"""
ENVIRONMENT = {
    "CARTWHEEL_INDEX_SHELF_TOKEN": "a-token",
    "CARTWHEEL_INDEX_GITHUB_TOKEN": "a-token",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
}


class Scene:
    """A project on its remote, an index that can be made slow, and the moment when the stage is at work."""

    def __init__(self, folder: Path, index: Faulty) -> None:
        self.folder, self.index = folder, index
        self.mark = folder / "reached"
        self.project = pure(folder / "project")
        table = f'url = "{index.base}/upload/"\nsimple = "{index.base}/simple/"'
        self.project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', table)
        self.reached: Callable[[], object] = self.mark.exists

    def pushed(self) -> None:
        """Commits everything and pushes it to the remote."""
        committed(self.project)
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.folder / "remote.git"))
        git(self.project.root, "remote", "add", "origin", str(self.folder / "remote.git"))
        git(self.project.root, "push", "--quiet", "--set-upstream", "origin", "main")

    def released(self, *tasks: str) -> None:
        """Runs tasks that come before the stage."""
        self.project.doit(*tasks, env=ENVIRONMENT)

    def touch(self, post: Post) -> None:
        """An answer that never comes."""
        self.mark.touch()
        time.sleep(60)


def ready(it: Scene) -> tuple[str, ...]:
    """The remote does not answer."""
    it.pushed()
    script = it.folder / "upload-pack"
    script.write_text(f"#!/bin/sh\ntouch {it.mark}\nexec sleep 60\n")
    script.chmod(0o755)
    git(it.project.root, "config", "remote.origin.uploadpack", str(script))
    return ("ready:gravel",)


def ready_index(it: Scene) -> tuple[str, ...]:
    """The index does not answer about the last release."""
    it.pushed()
    it.index.looks = [it.touch] * 9
    return ("ready:gravel",)


def _backend(it: Scene, what: str) -> None:
    it.project.write("hatch_build.py", HOOK.format(what=what, mark=str(it.mark)))
    text = (it.project.root / "pyproject.toml").read_text()
    it.project.write("pyproject.toml", f'{text}\n[tool.hatch.build.hooks.custom]\npath = "hatch_build.py"\n')
    it.pushed()


def build(it: Scene) -> tuple[str, ...]:
    """The build backend of the wheel hangs."""
    _backend(it, "wheel")
    return ("build:any",)


def sdist(it: Scene) -> tuple[str, ...]:
    """The build backend of the source distribution hangs."""
    _backend(it, "sdist")
    return ("sdist",)


def check(it: Scene) -> tuple[str, ...]:
    """The tests hang."""
    program = SLEEPS.format(mark=str(it.mark)).replace("\\", "/")
    it.project.edit("pyproject.toml", '{ skip = "nothing to test" }', '{ command = ["python", "{package}/slow.py"] }')
    it.project.write("slow.py", program + "\n")
    it.pushed()
    return ("check:any",)


def tag(it: Scene) -> tuple[str, ...]:
    """The remote's hook hangs while the tag is pushed."""
    it.pushed()
    it.released("check")
    hook = it.folder / "remote.git" / "hooks" / "pre-receive"
    hook.write_text(f"#!/bin/sh\ntouch {it.mark}\nexec sleep 60\n")
    hook.chmod(0o755)
    return ("tag",)


def upload(it: Scene) -> tuple[str, ...]:
    """The index does not answer an upload."""
    it.pushed()
    it.released("tag")
    it.index.always = it.touch
    return ("publish",)


def retry(it: Scene) -> tuple[str, ...]:
    """The index answers an upload with 503, and a minute to wait."""
    it.pushed()
    it.released("tag")

    def busy(post: Post) -> None:
        it.mark.touch()
        post.answer(503, headers={"Retry-After": "60"})

    it.index.always = busy
    return ("publish",)


def wait_for_index(it: Scene) -> tuple[str, ...]:
    """The index has taken the files and does not list them."""
    it.pushed()
    it.released("publish")
    it.index.unlisted = 10**6
    it.index.looks = [lambda post: (it.mark.touch(), post.show())[0]] * 9
    return ("verify",)


def verify(it: Scene) -> tuple[str, ...]:
    """The installer's download does not come."""
    it.pushed()
    it.released("publish")
    real = it.index.page

    def page() -> tuple[str, bytes]:
        kind, body = real()
        return kind, body.replace(b"/files/", b"/simple/slow/")

    it.index.page = page  # type: ignore[method-assign]

    def look(post: Post) -> None:
        it.touch(post) if "/slow/" in post.path else post.show()

    it.index.looks = [look] * 99
    return ("verify",)


def release_page(it: Scene) -> tuple[str, ...]:
    """The forge's API does not answer."""
    it.project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["github"]')
    text = (it.project.root / "pyproject.toml").read_text()
    it.project.write(
        "pyproject.toml",
        f'{text}\n[tool.cartwheel.index.github]\nurl = "{it.index.base}/simple/api"\nrepository = "me/gravel"\n',
    )
    it.pushed()
    it.released("check")
    git(it.project.root, "tag", "--annotate", "--message", "gravel 1.0", "v1.0")
    git(it.project.root, "push", "--quiet", "origin", "v1.0")
    it.index.looks = [it.touch] * 99
    return ("publish",)


STAGES = (
    ready, ready_index, build, check, sdist, tag, upload, retry, wait_for_index, verify, release_page,
)  # fmt: skip


@contextmanager
def scene_of(tmp_path: Path) -> Iterator[Scene]:
    with faulty() as index:
        yield Scene(tmp_path, index)


def interrupted(project: Project, arguments: tuple[str, ...], reached: Callable[[], object]) -> str:
    """Starts doit, sends SIGINT when `reached`, and checks how it ends; returns what it printed."""
    process = project.start(*arguments, env=ENVIRONMENT)
    with ExitStack() as stack:
        stack.callback(process.kill)
        wait_for(lambda: reached() or process.poll() is not None, seconds=240)
        assert process.poll() is None, process.communicate()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        process.wait(timeout=30)
        took = time.monotonic() - sent
        out, err = process.communicate()
        stack.pop_all()
    output = out + err
    assert took < 2.0, f"{took:.2f} s\n{output}"
    assert process.returncode == 128 + signal.SIGINT, output
    assert "Traceback" not in output, output
    wait_for(lambda: not [line for line in at_work(project.root) if "sleep 60" not in line], seconds=3)
    return output


def ledger_states(project: Project) -> set[str]:
    """The states of all files in all ledgers."""
    books = (json.loads(path.read_bytes()) for path in (project.root / ".cartwheel").rglob("ledgers/**/*.json"))
    return {str(row["state"]) for book in books for row in book["files"].values()}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_ctrl_c_at_a_stage_ends_doit_within_two_seconds(
    stage: Callable[[Scene], tuple[str, ...]], tmp_path: Path
) -> None:
    with scene_of(tmp_path) as scene:
        arguments = stage(scene)
        before = dict(scene.index.files)
        interrupted(scene.project, arguments, scene.reached)
        assert scene.index.files == before
        if stage in (upload, retry):
            assert ledger_states(scene.project) <= {"sending", "unknown"}


@pytest.mark.skipif(sys.platform != "linux", reason="the program that repairs is Linux's")
def test_ctrl_c_in_a_repair_ends_doit_within_two_seconds(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = finished_project(tmp_path_factory.getbasetemp()).copy(tmp_path / "project")
    for path in (project.root / ".cartwheel" / "records" / "repair").rglob("*.json"):
        path.unlink()
    stopped: list[int] = []

    def stop_the_repair() -> bool:
        """Suspends the program that repairs, so that it cannot end."""
        for child in psutil.Process().children(recursive=True):
            try:
                words = " ".join(child.cmdline())
                if "auditwheel" in words and "shim.py" not in words:
                    child.suspend()
                    stopped.append(child.pid)
            except psutil.Error:
                continue
        return bool(stopped)

    interrupted(project, ("repair",), stop_the_repair)
    assert not [pid for pid in stopped if psutil.pid_exists(pid) and psutil.Process(pid).status() == "stopped"]
    assert project.states("repair")
