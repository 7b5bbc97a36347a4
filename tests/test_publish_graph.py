"""Publishing as a task: a waived rule, a job's identity, a kill; against an index that can be told what to do."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.indexes import Faulty, after_storing, faulty, kill
from support.projects import Project, committed, pure
from support.repositories import git

LABEL = "a label that is longer than an index takes"
URLS = f'\n[project.urls]\n"{LABEL}" = "https://a.example"\n\n[tool.cartwheel]\n'


@pytest.fixture
def state() -> Iterator[Faulty]:
    with faulty() as index:
        yield index


@pytest.fixture
def project(tmp_path: Path, state: Faulty) -> Project:
    """A committed project with a remote, which publishes to the index."""
    project = pure(tmp_path / "project")
    address = f'url = "{state.base}/upload/"\nsimple = "{state.base}/simple/"'
    project.edit("pyproject.toml", 'url = "http://127.0.0.1:9/"', address)
    committed(project)
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(project.root, "remote", "add", "origin", str(remote))
    git(project.root, "push", "--quiet", "--set-upstream", "origin", "main")
    return project


def commit(project: Project, message: str) -> None:
    git(project.root, "commit", "--quiet", "--all", "--message", message)
    git(project.root, "push", "--quiet")


def test_a_job_releases_by_its_identity_what_its_index_takes_against_pypi_s_rule(
    project: Project, state: Faulty
) -> None:
    state.identities.claims["environment"] = "release"
    project.edit("pyproject.toml", "\n[tool.cartwheel]\n", URLS)
    commit(project, "a long label")
    assert f"URL label '{LABEL}' has" in project.doit("check:set", code=1)
    how = 'auth = "trusted"\nenvironment = "release"\n'
    rules = f'rules = {{ "urls {LABEL}" = "our index is no PyPI", licence = "in haste" }}\n'
    project.edit("pyproject.toml", f'simple = "{state.base}/simple/"', f'simple = "{state.base}/simple/"\n{how}{rules}')
    commit(project, "our index takes it")
    stray = project.root / "dist" / "gravel-0.9.tar.gz"
    stray.write_text("left over")
    state.files["gravel-1.0.tar.gz"] = b"other bytes"
    nobody = {"CI": "", "GITHUB_ACTIONS": "", "GITLAB_CI": ""}
    output = project.doit("release", env=nobody, code=1)
    assert "trusted publishing works only in a job of GitHub or GitLab; this process is not in one" in output
    assert "ok " not in output, "it is known before a build"
    output = project.doit("release", env=state.identities.github(state.base), code=1)
    assert "dist/gravel-0.9.tar.gz: it is not part of this release" in output
    assert "gravel-1.0.tar.gz: shelf has it with other bytes" in output
    assert (git(project.root, "tag"), state.posts) == ("", []), "all is told before anything is public"
    stray.unlink()
    state.files.clear()
    output = project.doit("release", env=state.identities.github(state.base))
    assert "(urls), because: our index is no PyPI" in output
    assert "rules: 'licence' no longer waives anything" in output
    assert sorted(state.files) == ["gravel-1.0-py3-none-any.whl", "gravel-1.0.tar.gz"]
    (token,) = state.identities.minted
    assert {base64.b64decode(text.removeprefix("Basic ")).decode() for text in state.seen} == {f"__token__:{token}"}
    kept_files = [path.read_bytes() for path in (project.root / ".cartwheel").rglob("*") if path.is_file()]
    secrets = (token, *state.identities.used, "the-job-s-own-s3cr3t")
    assert not [secret for secret in secrets if secret in output or any(secret.encode() in data for data in kept_files)]


@pytest.mark.lab
@pytest.mark.parametrize("upload", [1, 2])
def test_a_release_that_is_killed_at_an_upload_is_completed_by_the_next(
    upload: int, project: Project, state: Faulty
) -> None:
    token = {"CARTWHEEL_INDEX_SHELF_TOKEN": "t0ken"}
    project.doit("check")
    pid = [0]
    state.script = [*[lambda post: state.take(post)] * (upload - 1), after_storing(kill(lambda: pid[0]))]
    argv = (sys.executable, "-m", "doit", "publish:shelf")
    with subprocess.Popen(argv, cwd=project.root, env={**os.environ, **token}, stdout=subprocess.DEVNULL) as process:
        pid[0] = process.pid
    assert process.returncode not in (0, 1)
    ledger = project.root / ".cartwheel" / "ledgers" / "shelf" / "gravel-1.0.json"
    states = [row["state"] for row in json.loads(ledger.read_bytes())["files"].values()]
    assert states == ["sent"] * (upload - 1) + ["sending"]
    assert "release:gravel" in project.doit("release", env=token)
    assert len(state.posts) == len(state.files) == len(state.stored) == 2
