"""After publishing: every file is listed with its bytes, and the version installs from there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from cartwheel.destinations.pypi_index import Index
from cartwheel.destinations.pypi_install import (
    install_commands,
    install_when_visible,
    installer_environment,
    requirement,
)
from cartwheel.destinations.twine_upload import Sender
from cartwheel.model.errors import StepFailed
from cartwheel.stand_ins.pypi import LoopbackIndex
from support.deliveries import index_of, item_of, wait_until_listed
from support.indexes import METADATA, Post, faulty, sdist, sha256, wheel

FILES = {"demo-1.0-py3-none-any.whl": b"wheel", "demo-1.0.tar.gz": b"sdist"}
EXPECTED = {name: sha256(data) for name, data in FILES.items()}


class Waiting:
    """A clock that only moves by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self, index: Index, deadline: float = 600) -> tuple[str, ...]:
        return wait_until_listed(
            index,
            "demo",
            "1.0",
            EXPECTED,
            deadline=deadline,
            say=self.lines.append,
            sleep=self.sleep,
            clock=lambda: self.now,
        )


def test_a_release_that_is_listed_whole_is_well_at_once() -> None:
    wait = Waiting()
    with faulty(files=dict(FILES)) as state:
        assert wait(state.index) == ()
    assert wait.now == 0


def test_an_index_that_lags_is_waited_for_and_told_of_once() -> None:
    wait = Waiting()
    with faulty(files=dict(FILES), unlisted=5) as state:
        assert wait(state.index) == ()
    assert [line.partition(" until ")[0] for line in wait.lines] == ["faulty shows 0 of 2 files; waiting"]
    assert wait.now > 5


def test_a_file_that_never_shows_is_named_at_the_deadline() -> None:
    wait = Waiting()
    with faulty(files={"demo-1.0.tar.gz": b"sdist"}) as state:
        assert wait(state.index) == ("demo-1.0-py3-none-any.whl: not on faulty after 600 s; start again later",)
    assert wait.now == pytest.approx(600)


def test_an_index_out_of_reach_is_waited_for_as_well() -> None:
    with faulty() as state:
        lines = Waiting()(replace(state.index, simple="http://127.0.0.1:9/simple/"), 5)
    assert len(lines) == 2
    assert "cannot be read" in lines[0]


def test_other_bytes_are_wrong_at_once_and_both_digests_shown() -> None:
    wait = Waiting()
    with faulty(files=dict(FILES), listed_wrong={"demo-1.0.tar.gz"}) as state:
        (line,) = wait(state.index)
    assert line.startswith(
        f"demo-1.0.tar.gz: faulty has it with other bytes: ours sha256 {sha256(b'sdist')}, theirs {sha256(b'other')}"
    )
    assert wait.now == 0


def test_a_file_too_many_is_wrong() -> None:
    with faulty(files={**FILES, "demo-1.0-cp39-cp39-win32.whl": b"?"}) as state:
        assert Waiting()(state.index) == (
            "demo-1.0-cp39-cp39-win32.whl: faulty has it and the plan has not; plan it, or release the next version",
        )


@pytest.mark.parametrize("as_json", [True, False])
def test_without_digests_the_bytes_themselves_are_compared(as_json: bool) -> None:
    with faulty(files=dict(FILES), digests=False, json=as_json) as state:
        assert Waiting()(state.index) == ()
        state.files["demo-1.0.tar.gz"] = b"other"
        (line,) = Waiting()(state.index)
        assert f"theirs {sha256(b'other')}" in line


def test_the_dependencies_come_from_the_main_index_and_the_release_from_its_own_alone() -> None:
    index = Index(name="x", url="http://127.0.0.1:1/", simple="http://127.0.0.1:1/simple/")
    alone, rest = install_commands(
        ("uv",), Path("py"), index, "demo", "1.0", requirements=Path("r.txt"), extras=("test",)
    )
    assert alone == (
        "uv", "pip", "install", "--python", "py", "--no-config", "--no-cache", "--no-deps", "--require-hashes",
        "--default-index", "verified=http://127.0.0.1:1/simple/", "--only-binary", "demo", "--requirements", "r.txt",
    )  # fmt: skip
    start = ("uv", "pip", "install", "--python", "py", "--no-config")
    assert rest == (*start, "--index", "verified=http://127.0.0.1:1/simple/", "demo[test]==1.0")
    for other in (replace(index, rehearsal=True), replace(index, public=True)):
        _, rest = install_commands(("uv",), Path("py"), other, "demo", "1.0", requirements=Path("r.txt"))
        assert rest == (*start, "demo==1.0"), "a namesake on an index for practice is never installed"
    assert installer_environment({"UV_INDEX_URL": "x", "UV_EXTRA_INDEX_URL": "y", "UV_CACHE_DIR": "z"}) == {
        "UV_CACHE_DIR": "z",
        "PIP_CONFIG_FILE": os.devnull,
    }


def test_a_requirement_admits_only_the_release_s_own_bytes() -> None:
    assert requirement("demo", "1.0", {"a": "22", "b": "11"}) == "demo==1.0 --hash=sha256:11 --hash=sha256:22\n"


def uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def run(argv: tuple[str, ...], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {**installer_environment(os.environ), **environ}
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("page", ["without this version", "of nothing at all"])
def test_an_installer_that_does_not_see_it_yet_is_asked_again(page: str, tmp_path: Path) -> None:
    path = wheel(tmp_path / "dist")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(requirement("demo", "1.0", {path.name: sha256(path.read_bytes())}))
    assert run((uv(), "venv", "--quiet", "--python", sys.executable, "env"), tmp_path).returncode == 0
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    lines: list[str] = []
    waited: list[float] = []

    def stale(post: Post) -> None:
        if page == "of nothing at all":
            post.answer(404)
            return
        with faulty(files={"demo-0.9-py3-none-any.whl": b"old"}) as before:
            kind, body = before.page()
        post.answer(200, body=body, headers={"Content-Type": kind})

    with faulty(files={path.name: path.read_bytes()}, looks=[stale, stale]) as state:
        alone, _ = install_commands((uv(),), python, state.index, "demo", "1.0", requirements=requirements)

        def install() -> None:
            done = run(alone, tmp_path)
            if done.returncode:
                raise StepFailed(done.stderr)

        install_when_visible(install, state.index, say=lines.append, wait=waited.append)
    assert len(waited) == 2
    (line,) = lines
    assert line.startswith("the installer does not see it on faulty yet; waiting until ")


def test_an_installation_that_fails_for_another_reason_is_not_tried_again() -> None:
    tried = []

    def install() -> None:
        tried.append(1)
        raise StepFailed("hash mismatch")

    with pytest.raises(StepFailed, match="hash mismatch"):
        install_when_visible(install, Index(name="x", url="", simple=""), say=print)
    assert tried == [1]


def test_uv_installs_exactly_this_release_and_refuses_other_bytes(tmp_path: Path) -> None:
    path, source = wheel(tmp_path / "dist"), sdist(tmp_path / "dist", metadata=METADATA)
    expected = {file.name: sha256(file.read_bytes()) for file in (path, source)}
    assert run((uv(), "venv", "--quiet", "--python", sys.executable, "env"), tmp_path).returncode == 0
    python = tmp_path / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = tmp_path / "requirements.txt"
    with LoopbackIndex(tmp_path / "index") as loopback:
        with Sender(index_of(loopback), environ={}) as sender:
            assert sender.upload(item_of(path)).taken
            assert sender.upload(item_of(source)).taken
        alone, rest = install_commands((uv(),), python, index_of(loopback), "demo", "1.0", requirements=requirements)
        requirements.write_text(requirement("demo", "1.0", {"x": "0" * 64}))
        refused = run(alone, tmp_path)
        assert refused.returncode != 0
        assert "hash" in refused.stderr.lower()
        requirements.write_text(requirement("demo", "1.0", expected))
        done = run(alone, tmp_path)
        assert done.returncode == 0, done.stderr
        done = run((*rest, "--offline"), tmp_path)
        assert done.returncode == 0, done.stderr
    done = run((str(python), "-c", "import demo; print(demo.__file__)"), tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "env"), done.stderr
