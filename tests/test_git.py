"""The repository as it is asked, with real repositories and remotes."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cartwheel.model.errors import CartwheelError, StepFailed
from cartwheel.repository import git_process
from cartwheel.repository.clones import clean_checkout, scratch_clone
from cartwheel.repository.git import Repository
from cartwheel.repository.git_messages import remote_secrets, without_credentials
from support.processes import at_work
from support.repositories import clone, commit, git, hook, refuse_pushes, repository, with_remote


def test_a_folder_outside_of_git_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CartwheelError, match="not a git repository"):
        Repository(tmp_path)


def test_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CartwheelError, match="not a git repository"):
        Repository(tmp_path / "none")


def test_a_repository_without_a_commit_is_refused_in_words(tmp_path: Path) -> None:
    with Repository(repository(tmp_path / "r")) as repo, pytest.raises(CartwheelError, match="without a commit"):
        repo.head()


def test_without_git_on_path_it_says_to_install_git(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from cartwheel.repository.git import Repository\n"
        "from cartwheel.model.errors import CartwheelError\n"
        "try: Repository(Path('.'))\nexcept CartwheelError as error: print(error)"
    )
    env = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1] / "tasks")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=tmp_path)
    assert "install git and put it on PATH" in done.stdout, done.stderr


def test_a_repository_of_another_format_answers_like_any(tmp_path: Path) -> None:
    here = tmp_path / "r"
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", str(here))
    git(here, "config", "user.name", "somebody")
    git(here, "config", "user.email", "somebody@example.com")
    head = commit(here, a__txt="1")
    git(here, "update-index", "--index-version=4")
    with Repository(here) as repo:
        repo.create_tag("v1", "one", commit=head)
        assert (len(repo.head()), repo.branch, repo.tags()) == (64, "main", {"v1": head})
        assert repo.tracked_files((here / "a.txt", here / "b.txt")) == (here / "a.txt",)
        assert (repo.is_annotated("v1"), repo.has(head), repo.has("1" * 64)) == (True, True, False)
        assert repo.subjects("", here) == ("change",)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_is_refused_in_git_s_words(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    os.chown(here, 12345, 12345)
    os.chown(here / ".git", 12345, 12345)
    with Repository(here) as repo, pytest.raises(StepFailed, match="dubious ownership"):
        repo.head()


def test_branch_and_head_are_what_is_checked_out(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    with Repository(here) as repo:
        assert (repo.branch, repo.head()) == ("main", git(here, "rev-parse", "HEAD"))
        git(here, "checkout", "--quiet", "--detach")
        assert repo.branch == ""


def test_changed_staged_deleted_and_untracked_files_are_dirty_and_ignored_ones_are_not(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1", b__txt="1", c__txt="1")
    commit(here, **{"__gitignore": "*.log\n"})
    with Repository(here) as repo:
        assert repo.dirty() == ()
        (here / "a.txt").write_text("2")
        (here / "b.txt").unlink()
        (here / "c.txt").rename(here / "d é.txt")
        git(here, "add", "d é.txt")
        (here / "new").mkdir()
        (here / "new" / "file.txt").write_text("1")
        (here / "x.log").write_text("1")
        assert sorted(repo.dirty()) == ["a.txt", "b.txt", "c.txt", "d é.txt", "new/file.txt"]


def test_a_user_s_setting_to_hide_untracked_files_changes_nothing(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    git(here, "config", "status.showUntrackedFiles", "no")
    (here / "new.txt").write_text("1")
    with Repository(here) as repo:
        assert repo.dirty() == ("new.txt",)


def test_a_hook_s_environment_does_not_lead_to_another_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = repository(tmp_path / "r", a__txt="1"), repository(tmp_path / "o", b__txt="2")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    with Repository(here) as repo:
        assert repo.head() != git(other, "rev-parse", "HEAD")
        assert repo.dirty() == ()


def test_tags_lead_to_commits_annotated_or_not_here_and_on_the_remote(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    head = git(here, "rev-parse", "HEAD")
    with Repository(here) as repo:
        repo.create_tag("v1", "First\n\n# Added\n- all", commit=head)
        git(here, "tag", "light")
        assert repo.tags() == {"v1": head, "light": head}
        repo.push("origin", ("refs/heads/main", "refs/tags/v1", "refs/tags/light"))
        refs = repo.remote_refs("origin")
        assert refs == {"refs/heads/main": head, "refs/tags/v1": head, "refs/tags/light": head}
    assert git(here, "cat-file", "-t", "v1") == "tag"
    assert "# Added" in git(here, "tag", "--list", "--format=%(contents)", "v1")


def test_a_tag_is_never_moved(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    first = git(here, "rev-parse", "HEAD")
    with Repository(here) as repo:
        repo.create_tag("v1", "one", commit=first)
        second = commit(here, a__txt="2")
        with pytest.raises(StepFailed, match="already exists"):
            repo.create_tag("v1", "two", commit=second)
        assert repo.tags() == {"v1": first}


def test_an_atomic_push_brings_all_or_nothing(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    here = with_remote(tmp_path / "r", remote)
    other = clone(remote, tmp_path / "other")
    commit(other, b__txt="theirs")
    git(other, "push", "--quiet")
    head = commit(here, a__txt="2")
    with Repository(here) as repo:
        repo.create_tag("v1", "one", commit=head)
        with pytest.raises(StepFailed, match="commits that are not here") as failed:
            repo.push("origin", ("refs/heads/main", "refs/tags/v1"))
        assert "nothing was pushed" in str(failed.value)
        assert "refs/tags/v1" not in repo.remote_refs("origin")


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_hook_s_own_words_are_shown(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    refuse_pushes(tmp_path / "remote.git", "releases are frozen until Monday")
    head = commit(here, a__txt="2")
    with Repository(here) as repo:
        repo.create_tag("v1", "one", commit=head)
        with pytest.raises(StepFailed, match="releases are frozen until Monday"):
            repo.push("origin", ("refs/heads/main", "refs/tags/v1"))


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_token_that_a_remote_echoes_is_redacted(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    token = "ghs_4kT9vQ2mZx7Lw1Rb8"
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    git(here, "config", "http.https://forge.example/.extraHeader", f"AUTHORIZATION: basic {basic}")
    refuse_pushes(tmp_path / "remote.git", f"token {token} of header {basic} is stale")
    with Repository(here) as repo, pytest.raises(StepFailed, match="is stale") as failed:
        repo.push("origin", (f"{commit(here, a__txt='2')}:refs/heads/main",))
    assert token not in str(failed.value)
    assert basic[10:] not in str(failed.value)
    urls = ("https://me:pass%2Fword@x/y.git", "https://ghp_0123456789abcdefghij@x/y", "ssh://git@x/y", "git@x:y")
    assert remote_secrets(urls, ("Authorization: Bearer abc.def",)) == (
        "pass/word", "ghp_0123456789abcdefghij", "abc.def",
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="a hook is a shell script")
def test_a_push_and_its_hook_end_at_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    hook(tmp_path / "remote.git", "pre-receive", "exec sleep 60\n")
    head = commit(here, a__txt="2")
    monkeypatch.setattr(git_process, "PUSH_SECONDS", 0.5)
    began = time.monotonic()
    with Repository(here) as repo, pytest.raises(StepFailed, match=r"origin.*git push: no answer within") as failed:
        repo.push("origin", (f"{head}:refs/heads/main",))
    assert time.monotonic() - began < 40
    assert "start again" in str(failed.value)
    assert at_work(tmp_path) == []


def test_a_remote_that_never_answers_ends_each_question_at_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    repository(tmp_path / "part", b__txt="1")
    git(here, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "part"), "part")
    git(here, "commit", "--quiet", "--message", "part")
    clone(here, tmp_path / "bare-of-parts")
    monkeypatch.setattr(git_process, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(git_process.run_git, "__kwdefaults__", {"seconds": 0.5})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/x.git"
        git(here, "remote", "set-url", "origin", address)
        with Repository(here) as repo, pytest.raises(StepFailed, match="git ls-remote: no answer within"):
            repo.remote_refs("origin")
        git(tmp_path / "bare-of-parts", "config", "submodule.part.url", address)
        with pytest.raises(StepFailed, match="git submodule: no answer within"):
            clean_checkout(tmp_path / "bare-of-parts", tmp_path / "place")


def test_a_remote_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    here = repository(tmp_path / "r", a__txt="1")
    git(here, "remote", "add", "origin", "http://someone:secret@127.0.0.1:9/x.git")
    with Repository(here) as repo, pytest.raises(StepFailed) as failed:
        repo.remote_refs("origin")
    text = str(failed.value)
    assert "cannot be used" in text
    assert "secret" not in text
    assert "someone" not in text
    assert len(text.splitlines()) == 2


def test_credentials_are_taken_out_of_any_text() -> None:
    assert without_credentials("fatal: 'https://me:pw@example.org/x' no") == "fatal: 'https://***@example.org/x' no"


def test_a_worktree_and_a_shallow_clone_answer_like_any_repository(tmp_path: Path) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    commit(here, a__txt="2")
    git(here, "push", "--quiet")
    git(here, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    with Repository(tmp_path / "side") as repo:
        assert (repo.branch, repo.dirty(), repo.shallow) == ("side", (), False)
    git(tmp_path, "clone", "--quiet", "--depth=1", (tmp_path / "remote.git").as_uri(), "shallow")
    with Repository(tmp_path / "shallow") as repo:
        assert (repo.head(), repo.shallow) == (git(here, "rev-parse", "HEAD"), True)


def test_a_scratch_clone_holds_the_submodules(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", data__txt="inner")
    here = repository(tmp_path / "r", a__txt="1")
    git(here, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    commit(here, a__txt="2")
    scratch_clone(here, remote=tmp_path / "s" / "remote.git", clone=tmp_path / "s" / "clone", branch="main")
    assert (tmp_path / "s" / "clone" / "sub" / "data.txt").read_text() == "inner"


@pytest.mark.parametrize("state", ["branch", "detached", "shallow"])
def test_a_scratch_clone_holds_the_commit_and_leaves_the_source_as_it_was(tmp_path: Path, state: str) -> None:
    here = with_remote(tmp_path / "r", tmp_path / "remote.git")
    git(here, "tag", "v0")
    commit(here, a__txt="2")
    git(here, "push", "--quiet", "--tags", "origin", "main")
    if state == "detached":
        git(here, "checkout", "--quiet", "--detach")
    if state == "shallow":
        git(tmp_path, "clone", "--quiet", "--depth=1", (tmp_path / "remote.git").as_uri(), "shallow")
        here = tmp_path / "shallow"
    before = git(here, "for-each-ref"), git(here, "config", "--list", "--local")
    scratch_clone(here, remote=tmp_path / "s" / "remote.git", clone=tmp_path / "s" / "clone", branch="main")
    with Repository(tmp_path / "s" / "clone") as repo:
        assert (repo.head(), repo.branch) == (git(here, "rev-parse", "HEAD"), "main")
        assert state == "shallow" or "v0" in repo.tags()
        assert repo.remote_refs("origin")["refs/heads/main"] == repo.head()
    assert (git(here, "for-each-ref"), git(here, "config", "--list", "--local")) == before
