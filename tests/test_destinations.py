"""A release to several kinds of destinations through the real doit: their order, what a kill leaves, and `status`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cartwheel.model.config.release_settings import IndexSettings
from cartwheel.model.destination import CRATES, GITHUB, PYPI, kind_of
from cartwheel.stand_ins.github import GitHubRequest
from cartwheel.stand_ins.pypi import LoopbackIndex
from support.crate_shelf import Scripted as CrateRequests
from support.crate_shelf import Shelf as Crates
from support.crates import workspace
from support.projects import Project, committed, pure
from support.release_shelf import TOKEN, Scripted, Shelf, status
from support.repositories import git

ENVIRON = {"GITHUB_TOKEN": TOKEN, "CARTWHEEL_INDEX_SHELF_TOKEN": "another-token"}
PAGE = """
[tool.cartwheel.index.github]
url = "{url}"
repository = "o/demo"
"""
FILES = ["SHA256SUMS", "gravel-1.0-all.tar", "gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]


@pytest.fixture(scope="module")
def page_served() -> Iterator[Shelf]:
    """GitHub, at one address for all tests: it stands in the configuration, which is in the sdist."""
    shelf = Shelf()
    with shelf.open(Scripted):
        yield shelf


@pytest.fixture
def page(page_served: Shelf, tmp_path: Path) -> Shelf:
    """An empty release page, with the tags of the bare remote."""
    base = page_served.base
    page_served.__init__()  # type: ignore[misc]
    page_served.base = base
    page_served.tags = lambda: tags(tmp_path / "remote.git")
    return page_served


@pytest.fixture(scope="module")
def shelf_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackIndex]:
    with LoopbackIndex(tmp_path_factory.mktemp("index") / "shelf", name="shelf") as index:
        yield index


@pytest.fixture
def shelf(shelf_served: LoopbackIndex) -> Path:
    """The folder of an index with nothing in it."""
    for path in shelf_served.folder.iterdir():
        path.unlink()
    return shelf_served.folder


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, page_served: Shelf, shelf_served: LoopbackIndex) -> Project:
    """A committed project, built and checked, that publishes to an index and to a release page."""
    project = pure(tmp_path_factory.mktemp("checked") / "project")
    project.edit("pyproject.toml", 'publish = ["shelf"]', 'publish = ["shelf", "github"]')
    address = f'url = "{shelf_served.url}"\nsimple = "{shelf_served.simple}"'
    project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', address)
    project.write("pyproject.toml", (project.root / "pyproject.toml").read_text() + PAGE.format(url=page_served.base))
    project.write("CHANGELOG.md", "# Changelog\n\n## [1.0] - 2026-11-21\n\n- First.\n\n## [0.9]\n\n- Before.\n")
    committed(project).doit("check")
    return project


@pytest.fixture
def project(checked: Project, page: Shelf, shelf: Path, tmp_path: Path) -> Project:
    """A copy of the project with a new remote."""
    return with_remote(checked.copy(tmp_path / "project"), tmp_path / "remote.git")


def tags(remote: Path) -> dict[str, str]:
    form = "%(refname:strip=2) %(*objectname)"
    return dict(line.split() for line in git(remote, "for-each-ref", f"--format={form}", "refs/tags").splitlines())


def with_remote(project: Project, remote: Path) -> Project:
    git(project.root, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(project.root, "remote", "add", "origin", str(remote))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def standing(project: Project, *, code: int = 0) -> dict[str, str]:
    """The state of each index, as `status` says it."""
    (row,) = json.loads(project.doit("status", "--json", env=ENVIRON, code=code))["packages"]
    return {index["name"]: index["state"] for index in row["indexes"]}


def test_a_release_goes_everywhere_and_status_says_so(project: Project, page: Shelf) -> None:
    output = project.doit("release", env=ENVIRON)
    assert "4 files on the release v1.0, each with the same bytes" in output
    assert sorted(page.files("v1.0")) == FILES
    (row,) = page.releases.values()
    assert (row["body"], row["draft"], row["prerelease"]) == ("- First.", False, False)
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*")}
    output += project.doit("status", env=ENVIRON)
    assert "tag v1.0                here, on the remote" in output
    assert {path: path.stat().st_mtime_ns for path in project.root.rglob("*")} == before, "status changes nothing"
    posts = page.calls("POST") + page.calls("PATCH")
    output += project.doit("release", env=ENVIRON)
    assert page.calls("POST") + page.calls("PATCH") == posts
    assert standing(project) == {"shelf": "complete", "github": "complete"}
    git(project.root, "tag", "--delete", "v1.0")
    output += project.doit("verify:shelf", env=ENVIRON)
    assert git(project.root, "tag") == "", "verify, named alone, only looks"
    state = (path for path in (project.root / ".cartwheel").rglob("*") if path.is_file())
    assert not [path for path in state if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in output


def test_what_refuses_a_destination_does_so_before_the_tag(project: Project, page: Shelf) -> None:
    row = page.add(tag_name="v1.0", draft=True)
    page.attach(row["id"], "gravel-1.0.tar.gz", b"other")
    output = project.doit("tag", env=ENVIRON, code=1)
    assert "nothing was sent to github" in output
    assert git(project.root, "tag") == ""
    (package,) = json.loads(project.doit("status", "--json", env=ENVIRON, code=1))["packages"]
    assert package["tag"] == {"name": "v1.0", "here": "", "there": "", "detail": ""}
    github = package["indexes"][1]
    assert github["state"] == "differs"
    assert {"name": "gravel-1.0.tar.gz", "state": "other bytes"} in github["items"]


def test_destinations_come_in_the_configured_order_where_all_are_asked_for(project: Project) -> None:
    def after(*asked: str, task: str = "publish:github:gravel") -> list[str]:
        rows = {row["name"]: row["after"] for row in project.plan(*asked)["tasks"]}
        return [name for name in rows[task] if name.startswith("publish:")]

    assert after("publish") == ["publish:shelf:gravel"]
    assert after("publish:github") == [], "one destination does not bring another along"
    verify = "verify:github:gravel"
    assert after("verify", task=verify) == [], "what only looks publishes nothing"
    for asked in (("release",), ("verify", "publish:github")):
        assert after(*asked, task=verify) == ["publish:github:gravel"]


def test_a_destination_that_fails_stops_the_later_ones(project: Project, page: Shelf, shelf: Path) -> None:
    project.doit("tag", env=ENVIRON)
    (shelf / "gravel-1.0.tar.gz").write_bytes(b"other")
    output = project.doit("-n", "2", "publish", env=ENVIRON, code=1)
    assert "nothing was sent to shelf" in output
    assert not page.calls("POST")
    assert "published" in project.doit("publish:github", env=ENVIRON), "named alone, it goes alone"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [2, *(pytest.param(number, marks=pytest.mark.lab) for number in (0, 1, 3, 4))])
def test_a_killed_run_is_completed_by_the_next(project: Project, page: Shelf, number: int) -> None:
    project.doit("tag", env=ENVIRON)
    reached, let_go = threading.Event(), threading.Event()

    def stall(call: Scripted) -> None:
        reached.set()
        let_go.wait(60)
        call.close_connection = True

    page.script["upload" if number < 4 else "publish"] = [GitHubRequest.respond] * (number % 4) + [stall]  # type: ignore[list-item]
    process = project.start("publish:github", env=ENVIRON)
    try:
        assert reached.wait(60)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    finally:
        let_go.set()
    assert [row["draft"] for row in page.releases.values()] == [True]
    path = project.root / ".cartwheel" / "ledgers" / "github" / "gravel-1.0.json"
    states = [row["state"] for row in json.loads(path.read_bytes())["files"].values()]
    assert states == ["sent"] * number + (["sending"] if number < 4 else [])
    assert standing(project)["github"] == ("nothing" if number == 0 else "partial")
    page.script.clear()
    project.doit("publish:github", env=ENVIRON)
    assert sorted(page.files("v1.0")) == FILES
    assert [row["draft"] for row in page.releases.values()] == [False]


@pytest.mark.lab
def test_two_runs_at_once_make_one_release(project: Project, page: Shelf) -> None:
    project.doit("tag", env=ENVIRON)
    runs = [project.start("publish:github", env=ENVIRON) for _ in range(2)]
    ends = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ends
    assert sorted(page.files("v1.0")) == FILES
    assert len(page.releases) == 1


def test_a_destination_that_cannot_be_asked_is_said_and_the_rest_is_shown(project: Project, page: Shelf) -> None:
    page.script["releases"] = [status(404, "Not Found")] * 9
    output = project.doit("status", env=ENVIRON, code=1)
    assert "shelf                   nothing" in output
    assert "github                  unknown" in output
    assert "o/demo is not found" in output
    assert "there is no package 'gravle'; did you mean 'gravel'" in project.doit("status", "gravle", code=3)


def test_a_pattern_never_publishes_there(project: Project, page: Shelf) -> None:
    assert "runs only when it is named" in project.doit("run", "publish:git*", env=ENVIRON, code=3)
    assert page.seen == []


@pytest.mark.lab
@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")
def test_crates_go_to_a_registry_of_ones_own(tmp_path: Path) -> None:
    shelf = Crates()
    with shelf.open(CrateRequests):
        project = workspace(tmp_path / "project", registry="house")
        project.edit("pebble/pyproject.toml", '["github", "crates-io"]', '["house"]')
        project.edit("pyproject.toml", 'publish = ["shelf"]', "publish = []")
        project.write(".cargo/config.toml", f'[registries.house]\nindex = "{shelf.index}"\n')
        house = '[tool.cartwheel.index.house]\nkind = "crates"\n'
        project.edit("pyproject.toml", "[tool.cartwheel.index.shelf]", f"{house}\n[tool.cartwheel.index.shelf]")
        with_remote(committed(project), tmp_path / "remote.git")
        environ = {"CARTWHEEL_INDEX_HOUSE_TOKEN": TOKEN, **home(tmp_path)}
        assert "house                   nothing     0 of 2" in project.doit("status", "pebble", env=environ)
        output = project.doit("release:pebble", env=environ)
        assert "house serves sand 1.0.0, pebble 1.0.0" in output
        assert shelf.holds() == ("pebble 1.0.0", "sand 1.0.0")
        assert "house                   complete    2 of 2" in project.doit("status", "pebble", env=environ)
        assert TOKEN not in output
        logs = (project.root / ".cartwheel" / "logs").iterdir()
        assert not [log for log in logs if TOKEN in log.read_text(encoding="utf-8")]


def home(tmp_path: Path) -> dict[str, str]:
    """A new cargo home, so that no file of this registry stays in the user's."""
    rustup = os.environ.get("RUSTUP_HOME") or str(Path("~/.rustup").expanduser())
    return {"CARGO_HOME": str(tmp_path / "cargo"), "RUSTUP_HOME": rustup}


def test_names_and_kinds() -> None:
    table = {"house": IndexSettings(kind="crates"), "mirror": IndexSettings(), "hub": IndexSettings(kind="github")}
    names = ("pypi", "mirror", "github", "hub", "crates-io", "house")
    assert [kind_of(name, table) for name in names] == [PYPI, PYPI, GITHUB, GITHUB, CRATES, CRATES]


@pytest.mark.parametrize(
    ("table", "output"),
    [
        ({"repository": "o/r"}, "index.shelf: 'repository' is for kind 'github', and this is of kind 'pypi'"),
        ({"crates": ["a"]}, "index.shelf: 'crates' is for kind 'crates'"),
        ({"kind": "crates", "simple": "https://x/simple/"}, "index.shelf: 'simple' is for kind 'pypi'"),
        ({"kind": "github", "rehearsal": True}, "index.shelf: 'rehearsal' is for kind 'pypi'"),
        ({"kind": "github", "rehearsal": False}, "index.shelf: 'rehearsal' is for kind 'pypi'"),
        ({"kind": "github", "auth": "trusted"}, "index.shelf: 'auth' is for kind 'pypi' and 'crates'"),
        ({"kind": "github", "repository": "r"}, "repository 'r'; expected owner/name"),
        ({"kind": "crates", "crates": []}, "crates: found an empty list"),
        ({"kind": "git"}, "unknown value 'git'"),
    ],
)
def test_keys_that_mean_nothing_there_are_refused(table: dict[str, Any], output: str) -> None:
    from cartwheel.model.config.config_checks import refuse_invalid_values
    from cartwheel.model.config.settings import Settings
    from cartwheel.model.config.table import decode
    from cartwheel.model.errors import ConfigError

    with pytest.raises(ConfigError, match=output):
        refuse_invalid_values(decode(Settings, {"index": {"shelf": table}}, where="x"), "x")
