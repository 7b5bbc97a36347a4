"""A release is the commit: what git hides in the working tree is in no published file."""

from __future__ import annotations

import io
import os
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cartwheel import tag
from cartwheel.filesystem.snapshot import DiskSnapshot
from cartwheel.machine.host import machine_id
from cartwheel.model.errors import StepFailed
from cartwheel.model.record import Dependencies, Record, to_json
from cartwheel.model.step import Work
from cartwheel.pipeline import read_project
from cartwheel.process.environment import TREE
from cartwheel.process.step_log import StepLog
from cartwheel.release_checkout import ReleaseCheckout, copy_results, differences, refuse_moved_tags
from cartwheel.repository.clones import _submodule_address, clean_checkout, scratch_clone
from cartwheel.repository.git import Repository
from cartwheel.repository.hidden_changes import PLAIN
from support.indexes import Faulty, faulty
from support.projects import Project, committed, pure
from support.repositories import commit, git, repository


@pytest.fixture
def state() -> Iterator[Faulty]:
    with faulty() as index:
        yield index


@pytest.fixture
def project(tmp_path: Path, state: Faulty) -> Project:
    """A committed project with a remote at a relative address, which publishes to the index."""
    project = pure(tmp_path / "project")
    address = f'url = "{state.base}/upload/"\nsimple = "{state.base}/simple/"'
    project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', address)
    committed(project)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "remote.git"))
    git(project.root, "remote", "add", "origin", "../remote.git")
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def hide(root: Path) -> None:
    """Edits that `git status` does not show."""
    git(root, "update-index", "--skip-worktree", "gravel/__init__.py")
    git(root, "update-index", "--assume-unchanged", "README.md")
    (root / "gravel" / "__init__.py").write_text('"""Gravel, and a SECRET."""\n')
    (root / "README.md").write_text("# SECRET\n")
    (root / "gravel" / "hidden.py").write_text("SECRET = 1\n")
    with (root / ".git" / "info" / "exclude").open("a") as file:
        file.write("hidden.py\n")


SAID = (
    "README.md (assume-unchanged)",
    "gravel/__init__.py (skip-worktree)",
    "gravel/hidden.py (excluded by git's settings on this machine)",
)


def test_what_git_hides_is_said_and_is_in_no_published_file(project: Project, state: Faulty, tmp_path: Path) -> None:
    project.doit("check")
    hide(project.root)
    assert differences(project.root) == SAID
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "CARTWHEEL_INDEX_SHELF_TOKEN": "t"}
    output = project.doit("ready", env=env)
    for line in SAID:
        assert f"not in the commit, and so not in the release: {line}" in output
    output = project.doit("publish", env=env)
    assert f"not the commit: {SAID[0]} and 2 more; what follows is done in a clean checkout" in output
    assert git(project.root, "rev-parse", "v1.0^{commit}") == git(project.root, "rev-parse", "HEAD")
    assert "v1.0" in git(tmp_path / "remote.git", "tag")
    assert sorted(state.files) == ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]
    with zipfile.ZipFile(io.BytesIO(state.files["gravel-1.0-py3-none-any.whl"])) as wheel:
        assert "gravel/hidden.py" not in wheel.namelist()
        assert all(b"SECRET" not in wheel.read(name) for name in wheel.namelist())
    dist = (project.root / "dist" / "gravel-1.0-py3-none-any.whl").read_bytes()
    assert dist == state.files["gravel-1.0-py3-none-any.whl"], "the published files are here too"
    assert "SECRET" in (project.root / "README.md").read_text(), "the working tree stays"
    posts = len(state.posts)
    project.doit("publish", env=env)
    assert len(state.posts) == posts


def test_a_file_that_git_ignores_and_a_build_reads_is_in_no_published_file(
    project: Project, state: Faulty, tmp_path: Path
) -> None:
    project.edit(".gitignore", "dist/\n", "dist/\nlocal.py\n")
    git(project.root, "commit", "--quiet", "--all", "--message", "ignore")
    git(project.root, "push", "--quiet")
    project.edit(
        "pyproject.toml", "[tool.cartwheel]\n", '[tool.hatch.build]\nartifacts = ["local.py"]\n\n[tool.cartwheel]\n'
    )
    git(project.root, "commit", "--quiet", "--all", "--message", "pack it")
    git(project.root, "push", "--quiet")
    project.write("gravel/local.py", "SECRET = 1\n")
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "CARTWHEEL_INDEX_SHELF_TOKEN": "t"}
    output = project.doit("publish", env=env, code=1)
    assert "a release is the commit, and these are not in it:" in output
    assert "gravel/local.py (read by build:any:gravel:py3, and ignored by git)" in output
    assert (state.files, git(project.root, "tag")) == ({}, "")
    output = project.doit("publish", env=env)
    assert "what follows is done in a clean checkout" in output
    with zipfile.ZipFile(io.BytesIO(state.files["gravel-1.0-py3-none-any.whl"])) as wheel:
        assert "gravel/local.py" not in wheel.namelist()


def test_a_tree_that_is_the_commit_is_released_in_place(project: Project) -> None:
    assert differences(project.root) == ()
    (project.root / "dist").mkdir()
    (project.root / ".cartwheel").mkdir()
    git(project.root, "update-index", "--skip-worktree", "README.md")
    assert differences(project.root) == (), "a flag alone changes nothing"


def test_files_of_an_earlier_version_go_when_the_checkouts_record_replaces_theirs(tmp_path: Path) -> None:
    """They would stand in `dist` without a record, and every later release would refuse them."""
    here, checkout = tmp_path / "here", tmp_path / "checkout"
    for root, version in ((here, "1.0"), (checkout, "2.0")):
        makes = {f"dist/{kind}-{version}.whl": f"{kind} {version}" for kind in ("plain", "edited")}
        record = Record(
            task="build:any", settings={}, needs={}, seen=Dependencies(), tools={}, machine="here", seconds=1.0,
            makes={path: sha256(text.encode()).hexdigest() for path, text in makes.items()},
        )  # fmt: skip
        texts = {**makes, ".cartwheel/records/build/any.json": to_json(record, "none").decode()}
        for path, text in texts.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    (here / "dist/edited-1.0.whl").write_text("somebody's own")
    later = (here / ".cartwheel/records/build/any.json").stat().st_mtime_ns + 1_000_000
    os.utime(checkout / ".cartwheel/records/build/any.json", ns=(later, later))
    copy_results(checkout, here)
    names = sorted(path.name for path in (here / "dist").iterdir())
    assert names == ["edited-1.0.whl", "edited-2.0.whl", "plain-2.0.whl"]


UNSEEN = "a.txt (hidden by git's settings on this machine)"


def _mode(here: Path) -> None:
    git(here, "config", "core.fileMode", "false")
    (here / "a.txt").chmod(0o755)


def _flagged_mode(here: Path) -> None:
    git(here, "update-index", "--skip-worktree", "a.txt")
    (here / "a.txt").chmod(0o755)


def _old_time(here: Path) -> None:
    for setting in (("core.trustctime", "false"), ("core.checkStat", "minimal")):
        git(here, "config", *setting)
    os.utime(here / "a.txt", (1_000_000_000, 1_000_000_000))
    git(here, "status")
    time.sleep(1.1)  # git compares the time of the last change by whole seconds
    (here / "a.txt").write_text("2\n")
    os.utime(here / "a.txt", (1_000_000_000, 1_000_000_000))


def _line_ends(here: Path) -> None:
    git(here, "config", "core.autocrlf", "true")
    (here / "a.txt").unlink()
    git(here, "checkout", "--quiet", "a.txt")


def _replaced(here: Path) -> None:
    before = git(here, "rev-parse", "HEAD~1")
    git(here, "replace", git(here, "rev-parse", "HEAD"), before)
    git(here, "reset", "--quiet", "--hard")


def _sparse(here: Path) -> None:
    git(here, "sparse-checkout", "set", "small")


@pytest.mark.skipif(os.name == "nt", reason="modes and line ends are those of POSIX")
@pytest.mark.parametrize(
    ("hide_it", "line"),
    [
        (_mode, UNSEEN), (_flagged_mode, "a.txt (skip-worktree)"), (_old_time, UNSEEN), (_line_ends, UNSEEN),
        (_replaced, UNSEEN), (_sparse, "big/x.txt (skip-worktree)"),
    ],
)  # fmt: skip
def test_what_settings_of_git_hide_is_not_in_a_clean_checkout(
    tmp_path: Path, hide_it: Callable[[Path], None], line: str
) -> None:
    here = repository(tmp_path / "r")
    for name in ("big/x.txt", "small/y.txt"):
        (here / name).parent.mkdir()
        (here / name).write_text(f"{name}\n")
    commit(here, a__txt="0\n")
    commit(here, a__txt="1\n")
    assert differences(here) == ()
    hide_it(here)
    assert git(here, "status", "--porcelain") == ""
    assert differences(here) == (line,)
    clean_checkout(here, tmp_path / "place")
    texts = {name: (tmp_path / "place" / name).read_bytes() for name in ("a.txt", "big/x.txt", "small/y.txt")}
    assert texts == {"a.txt": b"1\n", "big/x.txt": b"big/x.txt\n", "small/y.txt": b"small/y.txt\n"}
    assert not os.access(tmp_path / "place/a.txt", os.X_OK)


def test_a_clone_without_an_index_hides_nothing(tmp_path: Path) -> None:
    here = repository(tmp_path / "r")
    commit(here, a__txt="1")
    (here / ".git/index").unlink()
    assert differences(here) == ()


def test_a_folder_that_ignores_itself_is_hidden_by_nobody(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    for name, text in {
        ".venv": "*",
        ".pytest_cache": "# Created by pytest automatically.\n*\n",
        "mine": "*.txt\n",
    }.items():
        (here / name).mkdir()
        (here / name / ".gitignore").write_text(text)
        (here / name / "x.py").touch()
    with (here / ".git/info/exclude").open("a") as file:
        file.write("mine\n")
    assert git(here, "status", "--porcelain") == ""
    assert differences(here) == ("mine/ (excluded by git's settings on this machine)",)


def test_on_windows_a_mode_is_no_difference() -> None:
    assert ("core.fileMode=true" in PLAIN) is (os.name != "nt")


@pytest.mark.parametrize("task", ["sdist:gravel", "build:any:gravel:py3"])
def test_a_file_that_holds_git_describe_is_not_published_from_before_the_tag(project: Project, task: str) -> None:
    record = Record(
        task=task, settings={}, needs={}, seen=Dependencies(local={"git describe": "v0.9-1-g0"}), tools={},
        machine=machine_id(), seconds=1.0, makes={},
    )  # fmt: skip
    name = f".cartwheel/records/{task.split(':')[0]}/x.json"
    project.write(name, to_json(record, "none").decode())
    said: list[str] = []
    work = Work(
        root=project.root, scratch=project.root, log=StepLog(project.root / "log", shown_as="the log"), named=(),
        before=None, snapshot=DiskSnapshot(project.root, {}, lambda tool: ""), announce=said.append,
    )  # fmt: skip
    (package,) = read_project(project.root, {}).packages
    refuse_moved_tags(package, work, rehearsed=True)
    assert said == [
        f"{task} reads 'git describe', which the tag changes: a release stops after the tag, and doit publish builds "
        "the files again"
    ]
    with pytest.raises(StepFailed, match=f"{task} read 'git describe', and the tag changes what it says"):
        refuse_moved_tags(package, work, rehearsed=False)


def test_what_git_hides_in_a_submodule_is_said(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", a__txt="1")
    here = repository(tmp_path / "r", b__txt="1")
    git(here, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    git(here, "commit", "--quiet", "--message", "sub")
    assert differences(here) == ()
    git(here / "sub", "update-index", "--assume-unchanged", "a.txt")
    (here / "sub/a.txt").write_text("SECRET")
    assert git(here, "status", "--porcelain") == ""
    assert differences(here) == ("sub/a.txt (assume-unchanged)",)


def test_line_ends_that_an_attribute_of_the_commit_asks_for_are_no_difference(tmp_path: Path) -> None:
    here = repository(tmp_path / "r")
    git(here, "config", "core.autocrlf", "input")
    (here / ".gitattributes").write_text("a.txt text eol=crlf\n")
    (here / "a.txt").write_bytes(b"1\r\n")
    commit(here)
    assert differences(here) == ()


@pytest.mark.parametrize("words", [("plan", "release"), ("build",), ("list",), ("release:*",), ("help", "publish")])
def test_a_run_that_releases_nothing_looks_for_nothing(project: Project, words: tuple[str, ...]) -> None:
    hide(project.root)
    read = read_project(project.root, {})
    step = next(step for step in tag.steps(read) if step.name.startswith("tag:"))
    assert ReleaseCheckout.of_run(project.root, read, {}, words).instead_of(step) is step
    assert ReleaseCheckout.of_run(project.root, read, {}, ("tag",)).instead_of(step) is not step


@pytest.mark.parametrize(
    "settings",
    [
        {"remote.origin.url": "../remote.git"},
        {"remote.origin.url": "../nothing.git", "remote.origin.pushurl": "../remote.git"},
        {"remote.origin.url": "work:remote.git", "url.../.insteadOf": "work:"},
    ],
    ids=("url", "pushurl", "insteadOf"),
)
def test_an_address_relative_to_the_working_tree_counts_in_the_clean_checkout_too(
    project: Project, tmp_path: Path, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in settings.items():
        git(project.root, "config", key, value)
    checkout = tmp_path / "cache" / "deep" / "er"
    clean_checkout(project.root, checkout)
    monkeypatch.setenv(TREE, str(project.root))
    with Repository(checkout) as repo:
        if "remote.origin.pushurl" not in settings:
            assert repo.remote_refs("origin") == {"refs/heads/main": repo.head()}
        repo.push("origin", (f"{repo.head()}:refs/heads/release",))
    assert "release" in git(tmp_path / "remote.git", "branch", "--list", "release")


@pytest.mark.parametrize("present", [True, False], ids=("checked out", "not checked out"))
def test_submodules_with_relative_addresses_are_in_a_clean_checkout(tmp_path: Path, present: bool) -> None:
    repository(tmp_path / "host" / "deep", b__txt="deep")
    inner = repository(tmp_path / "host" / "inner", a__txt="inner")
    allowed = ("-c", "protocol.file.allow=always", "submodule", "--quiet")
    git(inner, "remote", "add", "origin", str(inner))
    git(inner, *allowed, "add", "../deep", "deep")
    git(inner, "commit", "--quiet", "--message", "deep")
    here = repository(tmp_path / "work" / "r", a__txt="1")
    git(here, "remote", "add", "origin", "../../host/r")
    git(here, *allowed, "add", "../inner", "inner")
    commit(here, a__txt="2")
    git(here, *allowed, *(("update", "--init", "--recursive") if present else ("deinit", "--force", "inner")))
    for place in (tmp_path / "a" / "b" / "place", tmp_path / "scratch"):
        if place.name == "place":
            clean_checkout(here, place)
        else:
            scratch_clone(here, remote=tmp_path / "bare.git", clone=place, branch="main")
        assert (place / "inner" / "a.txt").read_text() == "inner"
        assert (place / "inner" / "deep" / "b.txt").read_text() == "deep"
    assert git(here, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("remote", "url", "address"),
    [
        ("https://h.example/a/b.git", "../c.git", "https://h.example/a/c.git"),
        ("git@h.example:a/b.git", "../c.git", "git@h.example:a/c.git"),
        ("git@h.example:b.git", "../c.git", "git@h.example:c.git"),
        ("git@h.example:b.git", "./c.git", "git@h.example:b.git/c.git"),
        ("ssh://h.example/a/b", "../../c", "ssh://h.example/c"),
        ("https://h.example/a/b.git/", "../c.git", "https://h.example/a/c.git"),
        ("/srv/a/b.git", "../c.git", "/srv/a/c.git"),
        ("https://h.example/a/b.git", "https://other.example/c.git", "https://other.example/c.git"),
    ],
)
def test_a_submodule_s_address_is_the_one_that_git_computes(
    tmp_path: Path, remote: str, url: str, address: str
) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    git(here, "remote", "add", "origin", remote)
    (here / ".gitmodules").write_text(f'[submodule "c"]\n\tpath = c\n\turl = {url}\n')
    git(here, "update-index", "--add", "--cacheinfo", f"160000,{git(here, 'rev-parse', 'HEAD')},c")
    with Repository(here) as repo:
        assert _submodule_address(repo, "c", url) == address
    git(here, "submodule", "--quiet", "init")
    assert git(here, "config", "submodule.c.url") == address


def test_a_clean_checkout_follows_the_commit_and_holds_its_submodules(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", data__txt="inner")
    here = repository(tmp_path / "r", a__txt="1")
    allowed = ("-c", "protocol.file.allow=always")
    subprocess.run(["git", *allowed, "submodule", "--quiet", "add", str(inner), "sub"], cwd=here, check=True)
    commit(here, a__txt="2")
    place = tmp_path / "cache" / "tree"
    clean_checkout(here, place)
    assert ((place / "a.txt").read_text(), (place / "sub" / "data.txt").read_text()) == ("2", "inner")
    (place / "a.txt").write_text("edited")
    (place / "stray.txt").write_text("left over")
    commit(here, a__txt="3")
    clean_checkout(here, place)
    assert (place / "a.txt").read_text() == "3"
    assert not (place / "stray.txt").exists()
    assert git(place, "rev-parse", "HEAD") == git(here, "rev-parse", "HEAD")
    assert git(here, "status", "--porcelain") == ""
