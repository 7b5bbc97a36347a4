"""For the tests: real git repositories with bare remotes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *arguments: str) -> str:
    """Run git and return what it says; skips the test where git is missing."""
    if not shutil.which("git"):
        pytest.skip("needs git")
    done = subprocess.run(["git", *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repository(folder: Path, **files: str) -> Path:
    """A new repository on `main` whose commits need no configuration of the user's."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "A"), ("user.email", "a@example.org"), ("commit.gpgSign", "false")):
        git(folder, "config", key, value)
    git(folder, "config", "tag.gpgSign", "false")
    if files:
        commit(folder, **files)
    return folder


def commit(folder: Path, **files: str) -> str:
    """Write files (`name__txt` is `name.txt`), commit them and return the commit."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")
    return git(folder, "rev-parse", "HEAD")


def with_remote(folder: Path, remote: Path, **files: str) -> Path:
    """A repository whose `main` is on its bare remote `origin`."""
    repository(folder, **(files or {"a__txt": "1"}))
    remote.mkdir(parents=True)
    git(remote, "init", "--quiet", "--bare", "--initial-branch=main")
    git(folder, "remote", "add", "origin", str(remote))
    git(folder, "push", "--quiet", "--set-upstream", "origin", "main")
    return folder


def clone(remote: Path, folder: Path) -> Path:
    """Another working copy of a bare remote."""
    git(remote, "clone", "--quiet", str(remote), str(folder))
    git(folder, "config", "user.name", "B")
    git(folder, "config", "user.email", "b@example.org")
    return folder


def refuse_pushes(remote: Path, words: str) -> None:
    """Give a bare remote a hook that refuses."""
    hook(remote, "pre-receive", f"echo '{words}' >&2\nexit 1\n")


def hook(repository: Path, name: str, script: str) -> Path:
    """Give a repository a hook: a shell script."""
    path = Path(git(repository, "rev-parse", "--absolute-git-dir")) / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    return path


def signing(folder: Path, key: Path) -> None:
    """Have commits and tags of a repository signed with a new key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)), ("tag.gpgSign", "true")):
        git(folder, "config", name, value)
    git(folder, "config", "commit.gpgSign", "true")
